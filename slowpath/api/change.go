package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strconv"

	"github.com/weirlb/weir/slowpath/view"
)

// MaxWeight is the most that a backend can have.
const MaxWeight = 65535

// changeOptions are a request's.
func changeOptions(r *http.Request) (ChangeOptions, error) {
	m, err := matchOf(r)
	return ChangeOptions{Match: m, By: peer(r)}, err
}

// done is the answer of a change.
func done(lines []string, revision string, err error) (result, error) {
	if err != nil {
		return result{}, err
	}
	if lines == nil {
		lines = []string{}
	}
	return result{body: changes{lines}, revision: revision}, nil
}

func (h *handler) reload(r *http.Request) (result, error) {
	o, err := changeOptions(r)
	if err != nil {
		return result{}, err
	}
	ro := ReloadOptions{ChangeOptions: o}
	if err := only(r.URL.Query(), "dry_run", "keep_runtime"); err != nil {
		return result{}, err
	}
	if ro.DryRun, err = flag(r, "dry_run"); err != nil {
		return result{}, err
	}
	if ro.KeepRuntime, err = flag(r, "keep_runtime"); err != nil {
		return result{}, err
	}
	did, revision, err := h.ctl.Reload(ro)
	if did.Changes == nil {
		did.Changes = []string{}
	}
	if did.NeedsRestart == nil {
		did.NeedsRestart = []string{}
	}
	if did.Warnings == nil {
		did.Warnings = []string{}
	}
	return result{body: did, revision: revision}, err
}

// flag is a parameter that is true or false, false if it is not there.
func flag(r *http.Request, name string) (bool, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return false, nil
	}
	on, err := strconv.ParseBool(text)
	if err != nil {
		return false, failf(http.StatusBadRequest, codeBadRequest, "%s is true or false, not %q", name, text)
	}
	return on, nil
}

func (h *handler) save(r *http.Request) (result, error) {
	if err := only(r.URL.Query(), "force"); err != nil {
		return result{}, err
	}
	o, err := changeOptions(r)
	if err != nil {
		return result{}, err
	}
	force, err := flag(r, "force")
	if err != nil {
		return result{}, err
	}
	return done(h.ctl.Save(o, force))
}

// config answers with the configuration, unless the client has it already (RFC 9110 section 13.1.2).
func (h *handler) config(w http.ResponseWriter, r *http.Request) {
	effective, err := flag(r, "effective")
	if err == nil {
		err = only(r.URL.Query(), "effective")
	}
	if err != nil {
		refuse(w, err)
		return
	}
	c, err := h.src.Configuration(effective)
	if err != nil {
		refuse(w, err)
		return
	}
	if text := r.Header.Get("If-None-Match"); text != "" {
		tags, any, err := parseTags(text)
		if err != nil {
			refuse(w, failf(http.StatusBadRequest, codeBadRequest, "If-None-Match %q: %v", text, err))
			return
		}
		for _, t := range tags {
			any = any || t.opaque == c.Revision
		}
		if any {
			w.Header().Set("ETag", entityTag(c.Revision))
			w.WriteHeader(http.StatusNotModified)
			return
		}
	}
	answer(w, result{body: c, revision: c.Revision})
}

// named is the backend that a path names.
func (h *handler) named(r *http.Request) (service string, backend netip.AddrPort, err error) {
	service = r.PathValue("service")
	if backend, err = parseAddress(r.PathValue("address")); err != nil {
		return "", backend, err
	}
	_, err = h.backend(service, backend)
	return service, backend, err
}

func parseAddress(text string) (netip.AddrPort, error) {
	a, err := netip.ParseAddrPort(text)
	if err != nil {
		return a, failf(http.StatusBadRequest, codeBadRequest, "%q is not an address and port, such as 10.0.0.11:8080 or [2001:db8::1]:80", text)
	}
	return a, nil
}

func (h *handler) backend(service string, address netip.AddrPort) (view.Backend, error) {
	if err := h.knowService(service); err != nil {
		return view.Backend{}, err
	}
	var known []string
	for _, b := range h.src.BackendsOf(service) {
		if a, err := netip.ParseAddrPort(b.Address); err == nil && a == address {
			return b, nil
		}
		known = append(known, b.Address)
	}
	return view.Backend{}, NotFound("service %s has no backend %v: %s", service, address, thereAre(known))
}

func (h *handler) serviceBackends(r *http.Request) (result, error) {
	service := r.PathValue("service")
	if err := h.knowService(service); err != nil {
		return result{}, err
	}
	return rows(h.src.BackendsOf(service)), nil
}

func (h *handler) showBackend(r *http.Request) (result, error) {
	address, err := parseAddress(r.PathValue("address"))
	if err != nil {
		return result{}, err
	}
	b, err := h.backend(r.PathValue("service"), address)
	return result{body: b}, err
}

func (h *handler) setWeight(r *http.Request) (result, error) {
	var body struct {
		Weight *int `json:"weight"`
	}
	if err := read(r, &body, `{"weight": N}`); err != nil {
		return result{}, err
	}
	if body.Weight == nil || *body.Weight < 0 || *body.Weight > MaxWeight {
		return result{}, failf(http.StatusBadRequest, codeBadRequest, "weight must be a number from 0 to %d", MaxWeight)
	}
	return h.change(r, func(o ChangeOptions, service string, backend netip.AddrPort) ([]string, string, error) {
		return h.ctl.SetWeight(o, service, backend, *body.Weight)
	})
}

// change makes a change of the backend that the path names.
func (h *handler) change(r *http.Request, make func(ChangeOptions, string, netip.AddrPort) ([]string, string, error)) (result, error) {
	o, err := changeOptions(r)
	if err != nil {
		return result{}, err
	}
	service, backend, err := h.named(r)
	if err != nil {
		return result{}, err
	}
	return done(make(o, service, backend))
}

func (h *handler) drain(r *http.Request) (result, error) {
	return h.change(r, func(o ChangeOptions, service string, backend netip.AddrPort) ([]string, string, error) {
		return h.ctl.Drain(o, service, backend, false)
	})
}

func (h *handler) undrain(r *http.Request) (result, error) {
	return h.change(r, func(o ChangeOptions, service string, backend netip.AddrPort) ([]string, string, error) {
		return h.ctl.Drain(o, service, backend, true)
	})
}

func (h *handler) removeBackend(r *http.Request) (result, error) {
	return h.change(r, h.ctl.RemoveBackend)
}

func (h *handler) addBackend(r *http.Request) (result, error) {
	var body struct {
		Address string `json:"address"`
		Weight  *int   `json:"weight"`
	}
	if err := read(r, &body, `{"address": "ADDRESS:PORT", "weight": N}`); err != nil {
		return result{}, err
	}
	weight := 1
	if body.Weight != nil {
		weight = *body.Weight
	}
	if weight < 0 || weight > MaxWeight {
		return result{}, failf(http.StatusBadRequest, codeBadRequest, "weight must be a number from 0 to %d", MaxWeight)
	}
	address, err := parseAddress(body.Address)
	if err != nil {
		return result{}, err
	}
	o, err := changeOptions(r)
	if err != nil {
		return result{}, err
	}
	service := r.PathValue("service")
	if err := h.knowService(service); err != nil {
		return result{}, err
	}
	res, err := done(h.ctl.AddBackend(o, service, address, weight))
	res.status = http.StatusCreated
	return res, err
}

// read takes a request's body, which has one JSON object of a known form.
func read(r *http.Request, into any, form string) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, more := d.Token(); more != io.EOF {
			err = errors.New("something follows the first value")
		}
	}
	if errors.As(err, new(*http.MaxBytesError)) {
		return err
	}
	if err != nil {
		return failf(http.StatusBadRequest, codeBadRequest, "the body must be %s: %v", form, err)
	}
	return nil
}
