package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/weirlb/weir/slowpath/view"
)

// DefaultLimit is how many connections or persistent clients are listed unless the request says otherwise.
const DefaultLimit = 1000

// handler answers the API's requests from a source and a controller.
type handler struct {
	src view.Source
	ctl Controller
}

// failure is an error with the HTTP status it is told under.
type failure struct {
	status  int
	message string
}

func (f failure) Error() string { return f.message }

func failf(status int, format string, args ...any) error {
	return failure{status, fmt.Sprintf(format, args...)}
}

// changes is the answer of what changes something.
type changes struct {
	Changes []string `json:"changes"`
}

// endpoint answers one method of one path with something that becomes JSON.
type endpoint func(*http.Request) (any, error)

// methods are a path's endpoints.
type methods map[string]endpoint

func newHandler(src view.Source, ctl Controller) http.Handler {
	h := &handler{src, ctl}
	mux := http.NewServeMux()
	for path, m := range map[string]methods{
		"/v1/services":                           {http.MethodGet: list(src.Services)},
		"/v1/backends":                           {http.MethodGet: list(src.Backends)},
		"/v1/connections":                        {http.MethodGet: chosen(h, "connections", h.src.Connections)},
		"/v1/persistence":                        {http.MethodGet: chosen(h, "persistence", h.src.Persistence)},
		"/v1/workers":                            {http.MethodGet: list(src.Workers)},
		"/v1/ports":                              {http.MethodGet: list(src.Ports)},
		"/v1/neighbors":                          {http.MethodGet: list(src.Neighbors)},
		"/v1/drops":                              {http.MethodGet: h.drops},
		"/v1/daemon":                             {http.MethodGet: h.daemon},
		"/v1/explain":                            {http.MethodGet: h.explain},
		"/v1/reload":                             {http.MethodPost: h.reload},
		"/v1/backends/{service}/{address}":       {http.MethodPut: h.setWeight},
		"/v1/backends/{service}/{address}/drain": {http.MethodPost: h.drain},
		"/v1/captures/{number}":                  {http.MethodDelete: h.endCapture},
	} {
		mux.Handle(path, m)
	}
	mux.HandleFunc("/v1/capture", h.capture)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		answer(w, nil, failf(http.StatusNotFound, "the API has no %s", r.URL.Path))
	})
	return mux
}

// ServeHTTP implements http.Handler.
func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e, ok := m[r.Method]
	if !ok {
		for known := range m {
			w.Header().Add("Allow", known)
			answer(w, nil, failf(http.StatusMethodNotAllowed, "%s takes %s, not %s", r.URL.Path, known, r.Method))
		}
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	result, err := e(r)
	answer(w, result, err)
}

// answer writes the result, or the error if there is one.
func answer(w http.ResponseWriter, result any, err error) {
	status := http.StatusOK
	var body []byte
	if err == nil {
		body, err = json.Marshal(result)
	}
	if err != nil {
		status = http.StatusInternalServerError
		var f failure
		if errors.As(err, &f) {
			status = f.status
		}
		body, _ = json.Marshal(map[string]string{"error": err.Error()}) // strings always can
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the peer may be gone: nobody is left to tell
}

func list[T any](get func() []T) endpoint {
	return func(*http.Request) (any, error) { return array(get()), nil }
}

// array keeps an empty list from becoming null.
func array[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

func (h *handler) daemon(*http.Request) (any, error) { return h.src.Daemon(), nil }

// explain answers for one packet.
func (h *handler) explain(r *http.Request) (any, error) {
	e, err := h.src.Explain(r.URL.Query().Get("packet"))
	if err != nil {
		return nil, failf(http.StatusBadRequest, "%v", err)
	}
	return e, nil
}

// chosen is a list that can be long: of one service, and up to a limit.
func chosen[T any](h *handler, what string, get func(service string, limit int) []T) endpoint {
	return func(r *http.Request) (any, error) {
		query := r.URL.Query()
		for name := range query {
			if name != "service" && name != "limit" {
				return nil, failf(http.StatusBadRequest, "%s can be chosen by service and limit, not by %q", what, name)
			}
		}
		limit := DefaultLimit
		if text := query.Get("limit"); text != "" {
			n, err := strconv.ParseUint(text, 10, 31)
			if err != nil {
				return nil, failf(http.StatusBadRequest, "limit %q is not a number from 0 (all) on", text)
			}
			limit = int(n)
		}
		service := query.Get("service")
		if service != "" {
			if err := h.knowService(service); err != nil {
				return nil, err
			}
		}
		return array(get(service, limit)), nil
	}
}

// drops lists them by worker, port or service.
func (h *handler) drops(r *http.Request) (any, error) {
	for name := range r.URL.Query() {
		if name != "by" {
			return nil, failf(http.StatusBadRequest, "drops can be counted by=worker, port or service, but not chosen by %q", name)
		}
	}
	switch by := r.URL.Query().Get("by"); by {
	case "", "worker":
		return array(h.src.Drops()), nil
	case "port":
		return array(h.src.PortDrops()), nil
	case "service":
		return array(h.src.ServiceDrops()), nil
	default:
		return nil, failf(http.StatusBadRequest, "drops are counted by worker, port or service, not by %q", by)
	}
}

func (h *handler) knowService(name string) error {
	var known []string
	for _, s := range h.src.Services() {
		if s.Name == name {
			return nil
		}
		known = append(known, s.Name)
	}
	return failf(http.StatusNotFound, "there is no service %q: %s", name, thereAre(known))
}

func thereAre(names []string) string {
	if len(names) == 0 {
		return "there are none"
	}
	return "there are " + strings.Join(names, ", ")
}

func (h *handler) reload(*http.Request) (any, error) {
	done, err := h.ctl.Reload()
	if err != nil {
		return nil, failf(http.StatusUnprocessableEntity, "%v", err)
	}
	return changes{array(done)}, nil
}

func (h *handler) setWeight(r *http.Request) (any, error) {
	var body struct {
		Weight *int `json:"weight"`
	}
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(&body)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("something follows the first value")
		}
	}
	if err != nil {
		return nil, failf(http.StatusBadRequest, `the body must be {"weight": N}: %v`, err)
	}
	if body.Weight == nil || *body.Weight < 0 || *body.Weight > 65535 {
		return nil, failf(http.StatusBadRequest, "weight must be a number from 0 to 65535")
	}
	return h.weigh(r, *body.Weight)
}

func (h *handler) drain(r *http.Request) (any, error) { return h.weigh(r, 0) }

// weigh gives the backend that the path names a weight.
func (h *handler) weigh(r *http.Request, weight int) (any, error) {
	service := r.PathValue("service")
	address, err := netip.ParseAddrPort(r.PathValue("address"))
	if err != nil {
		return nil, failf(http.StatusBadRequest, "%q is not an address and port, such as 10.0.0.11:8080 or [2001:db8::1]:80",
			r.PathValue("address"))
	}
	old, err := h.backend(service, address)
	if err != nil {
		return nil, err
	}
	if err := h.ctl.SetWeight(service, address, weight); err != nil {
		return nil, failf(http.StatusUnprocessableEntity, "%v", err)
	}
	done := changes{[]string{}}
	if old.Weight != weight {
		done.Changes = []string{fmt.Sprintf("~ backend %s %v: weight %d, was %d", service, address, weight, old.Weight)}
	}
	return done, nil
}

func (h *handler) backend(service string, address netip.AddrPort) (view.Backend, error) {
	if err := h.knowService(service); err != nil {
		return view.Backend{}, err
	}
	var known []string
	for _, b := range h.src.Backends() {
		if b.Service != service {
			continue
		}
		if a, err := netip.ParseAddrPort(b.Address); err == nil && a == address {
			return b, nil
		}
		known = append(known, b.Address)
	}
	return view.Backend{}, failf(http.StatusNotFound, "service %s has no backend %v: %s", service, address, thereAre(known))
}
