package api

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weirlb/weir/slowpath/view"
)

// Reload makes the daemon apply its configuration file again, or only tell what that would change.
func (c *Client) Reload(ctx context.Context, o ReloadOptions) (view.Reload, error) {
	var r view.Reload
	query := url.Values{"dry_run": {strconv.FormatBool(o.DryRun)}, "keep_runtime": {strconv.FormatBool(o.KeepRuntime)}}
	err := c.doIf(ctx, o.Match, http.MethodPost, "reload?"+query.Encode(), "", &r)
	return r, err
}

// SetWeight changes a backend's weight and returns what changed.
func (c *Client) SetWeight(ctx context.Context, m Match, service string, backend netip.AddrPort, weight int) ([]string, error) {
	return c.change(ctx, m, http.MethodPut, backendPath(service, backend), fmt.Sprintf(`{"weight": %d}`, weight))
}

// Drain makes a backend take no new connections, or, undone, as many as before; it returns what changed.
func (c *Client) Drain(ctx context.Context, m Match, service string, backend netip.AddrPort, undo bool) ([]string, error) {
	method := http.MethodPost
	if undo {
		method = http.MethodDelete
	}
	return c.change(ctx, m, method, backendPath(service, backend)+"/drain", "")
}

// AddBackend gives a service another backend and returns what changed.
func (c *Client) AddBackend(ctx context.Context, m Match, service string, backend netip.AddrPort, weight int) ([]string, error) {
	body := fmt.Sprintf(`{"address": %q, "weight": %d}`, backend, weight)
	return c.change(ctx, m, http.MethodPost, "backends/"+url.PathEscape(service), body)
}

// RemoveBackend takes a backend out of a service and returns what changed.
func (c *Client) RemoveBackend(ctx context.Context, m Match, service string, backend netip.AddrPort) ([]string, error) {
	return c.change(ctx, m, http.MethodDelete, backendPath(service, backend), "")
}

// Save makes the daemon write what was changed at run time to its file, and returns what it wrote.
func (c *Client) Save(ctx context.Context, m Match, force bool) ([]string, error) {
	return c.change(ctx, m, http.MethodPost, "config/save?force="+strconv.FormatBool(force), "")
}

func (c *Client) change(ctx context.Context, m Match, method, path, body string) ([]string, error) {
	var done changes
	err := c.doIf(ctx, m, method, path, body, &done)
	return done.Changes, err
}

// Configuration returns the configuration in force, if asked for with every key and default written out.
func (c *Client) Configuration(ctx context.Context, effective bool) (view.Configuration, error) {
	var cfg view.Configuration
	err := c.do(ctx, http.MethodGet, "config?effective="+strconv.FormatBool(effective), "", &cfg)
	return cfg, err
}

func backendPath(service string, backend netip.AddrPort) string {
	return "backends/" + url.PathEscape(service) + "/" + url.PathEscape(backend.String())
}

// WatchFilter chooses among events; what is empty is not asked for.
type WatchFilter struct {
	Types   []string
	Service string
}

// silence is how long a daemon may say nothing to a watcher: it would have said that it is alive.
const silence = 2*alivePeriod + answerTimeout/4

// Watch calls each with every event, until ctx ends or each returns an error. That the daemon is alive it keeps to
// itself.
func (c *Client) Watch(ctx context.Context, f WatchFilter, each func(view.Event) error) error {
	heard, cancel := context.WithCancel(ctx)
	defer cancel()
	query := url.Values{}
	if len(f.Types) > 0 {
		query.Set("type", strings.Join(f.Types, ","))
	}
	if f.Service != "" {
		query.Set("service", f.Service)
	}
	r, err := http.NewRequestWithContext(heard, http.MethodGet, c.base+"events?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	endless := http.Client{Transport: c.http.Transport}
	resp, err := endless.Do(r)
	if err != nil {
		return c.explain(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return refusal(resp)
	}
	lines := bufio.NewReader(resp.Body)
	silent := time.AfterFunc(silence, cancel)
	defer silent.Stop()
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			return errors.New("the daemon tells no more: it has stopped, or the connection broke")
		}
		silent.Reset(silence)
		var e view.Event
		if err := json.Unmarshal(line, &e); err != nil {
			return fmt.Errorf("the event from %s makes no sense, is it a weir daemon of this version? %w", c.at, err)
		}
		switch e.Type {
		case view.EventAlive:
			continue
		case view.EventBehind:
			return errors.New(e.Text)
		}
		if err := each(e); err != nil {
			return err
		}
	}
}
