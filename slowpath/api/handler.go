package api

import (
	"encoding/json"
	"net/http"
	"slices"
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

// changes is the answer of what changes something.
type changes struct {
	Changes []string `json:"changes"`
}

// result is what an endpoint found, to become JSON.
type result struct {
	status   int // 0: OK
	body     any
	revision string // of the configuration, if the answer is about it
}

// endpoint answers one method of one path.
type endpoint func(*http.Request) (result, error)

// route is a method of a path, as docs/api/openapi.yaml names them.
type route struct {
	method, path string
	endpoint     endpoint
	stream       http.HandlerFunc // answers by itself
}

// routes are all that the API has.
func (h *handler) routes() []route {
	const one = "/v1/backends/{service}/{address}"
	return []route{
		{http.MethodGet, "/v1/services", list(h.src.Services), nil},
		{http.MethodGet, "/v1/backends", list(h.src.Backends), nil},
		{http.MethodGet, "/v1/connections", chosen(h, h.src.Connections), nil},
		{http.MethodGet, "/v1/persistence", chosen(h, h.src.Persistence), nil},
		{http.MethodGet, "/v1/workers", list(h.src.Workers), nil},
		{http.MethodGet, "/v1/ports", list(h.src.Ports), nil},
		{http.MethodGet, "/v1/neighbors", list(h.src.Neighbors), nil},
		{http.MethodGet, "/v1/drops", h.drops, nil},
		{http.MethodGet, "/v1/daemon", h.daemon, nil},
		{http.MethodGet, "/v1/explain", h.explain, nil},

		{http.MethodGet, "/v1/backends/{service}", h.serviceBackends, nil},
		{http.MethodPost, "/v1/backends/{service}", h.addBackend, nil},
		{http.MethodGet, one, h.showBackend, nil},
		{http.MethodPut, one, h.setWeight, nil},
		{http.MethodDelete, one, h.removeBackend, nil},
		{http.MethodPost, one + "/drain", h.drain, nil},
		{http.MethodDelete, one + "/drain", h.undrain, nil},

		{http.MethodGet, "/v1/config", nil, h.config},
		{http.MethodPost, "/v1/config/save", h.save, nil},
		{http.MethodPost, "/v1/reload", h.reload, nil},

		{http.MethodGet, "/v1/capture", nil, h.capture},
		{http.MethodDelete, "/v1/captures/{number}", h.endCapture, nil},
		{http.MethodGet, "/v1/events", nil, h.events},
		{http.MethodGet, "/v1/openapi.yaml", nil, h.description},
	}
}

// methods are what a path has, by method.
type methods map[string]http.HandlerFunc

func newHandler(src view.Source, ctl Controller) http.Handler {
	h := &handler{src, ctl}
	mux := http.NewServeMux()
	paths := map[string]methods{}
	for _, r := range h.routes() {
		if paths[r.path] == nil {
			paths[r.path] = methods{}
			mux.Handle(r.path, paths[r.path])
		}
		paths[r.path][r.method] = r.stream
		if r.stream == nil {
			paths[r.path][r.method] = r.endpoint.ServeHTTP
		}
	}
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, NotFound("the API has no %s: see /v1/openapi.yaml", r.URL.Path))
	})
	return mux
}

// ServeHTTP implements http.Handler.
func (m methods) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h, ok := m[r.Method]
	if !ok {
		var known []string
		for k := range m {
			known = append(known, k)
		}
		slices.Sort(known)
		w.Header().Set("Allow", strings.Join(known, ", "))
		refuse(w, failf(http.StatusMethodNotAllowed, codeMethod, "%s takes %s, not %s", r.URL.Path, strings.Join(known, " and "), r.Method))
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	h(w, r)
}

// ServeHTTP implements http.Handler.
func (e endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	res, err := e(r)
	if err != nil {
		refuse(w, err)
		return
	}
	answer(w, res)
}

func answer(w http.ResponseWriter, res result) {
	body, err := json.Marshal(res.body)
	if err != nil {
		refuse(w, failf(http.StatusInternalServerError, codeInternal, "making the answer: %v", err))
		return
	}
	if res.revision != "" {
		w.Header().Set("ETag", entityTag(res.revision))
	}
	if res.status == 0 {
		res.status = http.StatusOK
	}
	send(w, res.status, body)
}

// refuse tells why a request has failed.
func refuse(w http.ResponseWriter, err error) {
	f := failed(err)
	body, _ := json.Marshal(message{f.message, f.code}) // strings always can
	send(w, f.status, body)
}

func send(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the peer may be gone: nobody is left to tell
}

func list[T any](get func() []T) endpoint {
	return func(*http.Request) (result, error) { return rows(get()), nil }
}

// rows is a list as an answer; an empty one does not become null.
func rows[T any](s []T) result {
	if s == nil {
		s = []T{}
	}
	return result{body: s}
}

func (h *handler) daemon(*http.Request) (result, error) { return result{body: h.src.Daemon()}, nil }

// explain answers for one packet.
func (h *handler) explain(r *http.Request) (result, error) {
	e, err := h.src.Explain(r.URL.Query().Get("packet"))
	if err != nil {
		return result{}, failf(http.StatusBadRequest, codeBadRequest, "%v", err)
	}
	return result{body: e}, nil
}

// chosen is a list that can be long: of one service, and up to a limit.
func chosen[T any](h *handler, get func(service string, limit int) []T) endpoint {
	return func(r *http.Request) (result, error) {
		query := r.URL.Query()
		if err := only(query, "service", "limit"); err != nil {
			return result{}, err
		}
		limit := DefaultLimit
		if text := query.Get("limit"); text != "" {
			n, err := strconv.ParseUint(text, 10, 31)
			if err != nil {
				return result{}, failf(http.StatusBadRequest, codeBadRequest, "limit %q is not a number from 0 (all) on", text)
			}
			limit = int(n)
		}
		service := query.Get("service")
		if service != "" {
			if err := h.knowService(service); err != nil {
				return result{}, err
			}
		}
		return rows(get(service, limit)), nil
	}
}

// drops lists them by worker, port or service.
func (h *handler) drops(r *http.Request) (result, error) {
	if err := only(r.URL.Query(), "by"); err != nil {
		return result{}, err
	}
	switch by := r.URL.Query().Get("by"); by {
	case "", "worker":
		return rows(h.src.Drops()), nil
	case "port":
		return rows(h.src.PortDrops()), nil
	case "service":
		return rows(h.src.ServiceDrops()), nil
	default:
		return result{}, failf(http.StatusBadRequest, codeBadRequest, "drops are counted by worker, port or service, not by %q", by)
	}
}

// only refuses parameters that a path does not have.
func only(query map[string][]string, names ...string) error {
	for name := range query {
		if !slices.Contains(names, name) {
			return failf(http.StatusBadRequest, codeBadRequest, "there is no parameter %q here: known are %s", name, strings.Join(names, ", "))
		}
	}
	return nil
}

func (h *handler) knowService(name string) error {
	var known []string
	for _, s := range h.src.Services() {
		if s.Name == name {
			return nil
		}
		known = append(known, s.Name)
	}
	return NotFound("there is no service %q: %s", name, thereAre(known))
}

// thereAre lists some names.
func thereAre(names []string) string {
	const most = 20
	switch {
	case len(names) == 0:
		return "there are none"
	case len(names) > most:
		return "there are " + strings.Join(names[:most], ", ") + " and others"
	}
	return "there are " + strings.Join(names, ", ")
}
