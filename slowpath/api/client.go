package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/weirlb/weir/slowpath/view"
)

// Lists are the names that Client.Show takes.
var Lists = []string{"services", "backends", "connections", "persistence", "workers", "ports", "neighbors", "drops"}

// Client talks to the daemon. Every call opens a connection of its own, and its errors are sentences for
// the user.
type Client struct {
	path string
	http http.Client
}

// Filter chooses among connections and persistent clients, or how drops are counted.
type Filter struct {
	Service string // connections, persistence: only of this service; empty: of all
	Limit   int    // connections, persistence: at most so many, 0: all
	By      string // drops: worker, port or service; empty: worker
}

// query is what chooses in the address of a list.
func (f *Filter) query() string {
	query := url.Values{"limit": {strconv.Itoa(f.Limit)}}
	if f.Service != "" {
		query.Set("service", f.Service)
	}
	return "?" + query.Encode()
}

// Dial returns a client for the daemon whose socket is at path. It does not connect yet.
func Dial(path string) *Client {
	c := &Client{path: path}
	c.http.Transport = &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", path)
		},
	}
	c.http.Timeout = answerTimeout
	return c
}

// Show returns one of Lists, ready for view.WriteTable and view.WriteJSON. What a filter has must be for the list; Limit 0
// means all.
func (c *Client) Show(ctx context.Context, list string, f Filter) (any, error) {
	if list != "connections" && list != "persistence" && (f.Service != "" || f.Limit != 0) {
		return nil, fmt.Errorf("a service or a limit can be given for connections and persistence, not for %s", list)
	}
	if list != "drops" && f.By != "" {
		return nil, fmt.Errorf("by what to count can be given for drops, not for %s", list)
	}
	switch list {
	case "services":
		return get[view.Service](ctx, c, list)
	case "backends":
		return get[view.Backend](ctx, c, list)
	case "connections":
		return get[view.Connection](ctx, c, list+f.query())
	case "persistence":
		return get[view.Template](ctx, c, list+f.query())
	case "workers":
		return get[view.Worker](ctx, c, list)
	case "ports":
		return get[view.Port](ctx, c, list)
	case "neighbors":
		return get[view.Neighbor](ctx, c, list)
	case "drops":
		return c.drops(ctx, f.By)
	}
	return nil, fmt.Errorf("there is no list %q: there are %s", list, strings.Join(Lists, ", "))
}

// drops lists the drops by worker, port or service, each of which is a list of its own kind.
func (c *Client) drops(ctx context.Context, by string) (any, error) {
	switch by {
	case "", "worker":
		return get[view.Drop](ctx, c, "drops")
	case "port":
		return get[view.PortDrop](ctx, c, "drops?by=port")
	case "service":
		return get[view.ServiceDrop](ctx, c, "drops?by=service")
	}
	return nil, fmt.Errorf("drops are counted by worker, port or service, not by %q", by)
}

// Daemon returns what the daemon says of itself.
func (c *Client) Daemon(ctx context.Context) (view.Daemon, error) {
	var d view.Daemon
	err := c.do(ctx, http.MethodGet, "daemon", "", &d)
	return d, err
}

// Explain returns what would become of a packet.
func (c *Client) Explain(ctx context.Context, packet string) (*view.Explanation, error) {
	var e view.Explanation
	err := c.do(ctx, http.MethodGet, "explain?"+url.Values{"packet": {packet}}.Encode(), "", &e)
	return &e, err
}

// Reload makes the daemon apply its configuration file again and returns what changed.
func (c *Client) Reload(ctx context.Context) ([]string, error) {
	var done changes
	err := c.do(ctx, http.MethodPost, "reload", "", &done)
	return done.Changes, err
}

// SetWeight changes a backend's weight until the next reload and returns what changed.
func (c *Client) SetWeight(ctx context.Context, service string, backend netip.AddrPort, weight int) ([]string, error) {
	var done changes
	body := fmt.Sprintf(`{"weight": %d}`, weight)
	err := c.do(ctx, http.MethodPut, backendPath(service, backend), body, &done)
	return done.Changes, err
}

// Drain makes a backend take no new connections and returns what changed.
func (c *Client) Drain(ctx context.Context, service string, backend netip.AddrPort) ([]string, error) {
	var done changes
	err := c.do(ctx, http.MethodPost, backendPath(service, backend)+"/drain", "", &done)
	return done.Changes, err
}

func backendPath(service string, backend netip.AddrPort) string {
	return "backends/" + url.PathEscape(service) + "/" + url.PathEscape(backend.String())
}

func get[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	rows := []T{}
	err := c.do(ctx, http.MethodGet, path, "", &rows)
	return rows, err
}

// do makes a request and decodes the answer.
func (c *Client) do(ctx context.Context, method, path, body string, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, "http://weir/v1/"+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("the answer from %s makes no sense, is it a weir daemon of this version? %w", c.path, err)
	}
	return nil
}

// refusal is what the daemon said against the request.
func refusal(resp *http.Response) error {
	var said struct {
		Error string `json:"error"`
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && json.Unmarshal(body, &said) == nil && said.Error != "" {
		return errors.New(said.Error)
	}
	return fmt.Errorf("the daemon answered %s without a reason", resp.Status)
}

// explain says what to do about a daemon that cannot be reached.
func (c *Client) explain(err error) error {
	switch {
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no weir daemon answers at %s: is `weir run` running, and is this its api.socket?", c.path)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s may not be opened by this user: try as root, or join the socket's group", c.path)
	case os.IsTimeout(err):
		return fmt.Errorf("the daemon at %s accepted the request, but gave no answer in time", c.path)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the method and the made-up URL
	}
	return fmt.Errorf("no answer from the daemon at %s: %w", c.path, err)
}
