package api

import (
	"context"
	"crypto/tls"
	"crypto/x509"
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
	at   string // where, as the user knows it
	base string // of every path
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
	c := &Client{at: path, base: "http://weir/v1/"}
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

// Identity is what a client shows by TCP, and whom it trusts: paths of PEM files.
type Identity struct {
	Certificate, Key string
	CA               string // who signed the daemon's certificate; empty: whom this machine trusts
}

// DialTLS returns a client for the daemon at an address such as https://lb.example.com:9443. It does not connect yet.
func DialTLS(address string, id Identity) (*Client, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("%q is not where an API is: write https://HOST:PORT", address)
	}
	if id.Certificate == "" || id.Key == "" {
		return nil, errors.New("the API answers only clients with a certificate: give it and its key")
	}
	cert, err := tls.LoadX509KeyPair(id.Certificate, id.Key)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate %s and its key: %w", id.Certificate, err)
	}
	t := &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}}
	if id.CA != "" {
		pem, err := os.ReadFile(id.CA)
		if err != nil {
			return nil, fmt.Errorf("reading whom to trust: %w", err)
		}
		t.RootCAs = x509.NewCertPool()
		if !t.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s has no certificate in it, in PEM", id.CA)
		}
	}
	c := &Client{at: u.Host, base: "https://" + u.Host + "/v1/"}
	c.http.Transport = &http.Transport{DisableKeepAlives: true, TLSClientConfig: t, TLSHandshakeTimeout: readTimeout}
	c.http.Timeout = answerTimeout
	return c, nil
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

// Backend returns one backend.
func (c *Client) Backend(ctx context.Context, service string, backend netip.AddrPort) (view.Backend, error) {
	var b view.Backend
	err := c.do(ctx, http.MethodGet, backendPath(service, backend), "", &b)
	return b, err
}

// Backends returns those of one service.
func (c *Client) Backends(ctx context.Context, service string) ([]view.Backend, error) {
	return get[view.Backend](ctx, c, "backends/"+url.PathEscape(service))
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

func get[T any](ctx context.Context, c *Client, path string) ([]T, error) {
	rows := []T{}
	err := c.do(ctx, http.MethodGet, path, "", &rows)
	return rows, err
}

// do makes a request and decodes the answer.
func (c *Client) do(ctx context.Context, method, path, body string, into any) error {
	return c.doIf(ctx, Match{}, method, path, body, into)
}

// doIf is do for some revisions of the configuration.
func (c *Client) doIf(ctx context.Context, m Match, method, path, body string, into any) error {
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	for _, revision := range m.revisions {
		r.Header.Add("If-Match", entityTag(revision))
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return refusal(resp)
	}
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		return fmt.Errorf("the answer from %s makes no sense, is it a weir daemon of this version? %w", c.at, err)
	}
	return nil
}

// Refusal is what the daemon said against a request.
type Refusal struct {
	Code string // as docs/api/README.md lists them
	Text string // a sentence, or several, a line each
}

func (r Refusal) Error() string { return r.Text }

// Invalid reports whether the text is the errors of a configuration, as weir check prints them.
func (r Refusal) Invalid() bool { return r.Code == codeInvalid }

// refusal reads what the daemon said.
func refusal(resp *http.Response) error {
	var said message
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && json.Unmarshal(body, &said) == nil && said.Error != "" {
		return Refusal{said.Code, said.Error}
	}
	return fmt.Errorf("the daemon answered %s without a reason", resp.Status)
}

// explain says what to do about a daemon that cannot be reached.
func (c *Client) explain(err error) error {
	var unverified *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, os.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("no weir daemon answers at %s: is `weir run` running, and is this its api.socket or api.listen?", c.at)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("%s may not be opened by this user: try as root, or join the socket's group", c.at)
	case errors.As(err, &unverified):
		return fmt.Errorf("the daemon at %s shows a certificate that is not to be trusted: give --cacert what signed it: %w", c.at, unverified.Err)
	case errors.As(err, &op) && op.Op == "remote error": // an alert of TLS
		return fmt.Errorf("the daemon at %s does not take this certificate: it has to be signed by one in its api.client_ca: %w", c.at, op.Err)
	case os.IsTimeout(err):
		return fmt.Errorf("the daemon at %s accepted the request, but gave no answer in time", c.at)
	}
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		err = wrapped.Err // without the method and the URL
	}
	return fmt.Errorf("no answer from the daemon at %s: %w", c.at, err)
}
