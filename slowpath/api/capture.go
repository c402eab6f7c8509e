package api

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weirlb/weir/slowpath/view"
)

// A capture is one long answer: GET /v1/capture with any of
//
//	service=NAME  backend=ADDRESS[:PORT]  client=ADDRESS[/BITS]  reason=NAME,…  filter=EXPRESSION
//	rate=N  snaplen=N  count=N  duration=30s  max_size=BYTES
//
// It is pcapng. The header field Weir-Capture has the capture's number, and the trailer Weir-Summary, once it has come to
// its end, a view.CaptureSummary.
const (
	numberHeader   = "Weir-Capture"
	summaryTrailer = "Weir-Summary"
)

// What bounds a capture unless the request says otherwise.
const (
	DefaultRate    = 10_000  // packets a second
	DefaultMaxSize = 1 << 30 // bytes
)

// stallTimeout is how long a client may take nothing of a capture before it is cut off.
const stallTimeout = 10 * time.Second

// Capture is a capture under way.
type Capture interface {
	ID() int
	// Run writes it, until it ends or ctx does.
	Run(ctx context.Context, out view.CaptureOutput) (view.CaptureSummary, error)
}

// stream is an answer that may go on for long.
type stream struct {
	http.ResponseWriter
	ctl *http.ResponseController
}

// Write implements view.CaptureOutput.
func (s *stream) Write(b []byte) (int, error) {
	if err := s.allow(); err != nil {
		return 0, err
	}
	return s.ResponseWriter.Write(b)
}

// Flush implements view.CaptureOutput.
func (s *stream) Flush() error {
	if err := s.allow(); err != nil {
		return err
	}
	return s.ctl.Flush()
}

// allow gives the client time to take what is written next.
func (s *stream) allow() error { return s.ctl.SetWriteDeadline(time.Now().Add(stallTimeout)) }

func (h *handler) capture(w http.ResponseWriter, r *http.Request) {
	request, err := captureRequest(r.URL.Query())
	if err != nil {
		refuse(w, err)
		return
	}
	c, err := h.ctl.Capture(request)
	if err != nil {
		refuse(w, failf(http.StatusUnprocessableEntity, codeRefused, "%v", err))
		return
	}
	out := &stream{w, http.NewResponseController(w)}
	_ = out.ctl.SetReadDeadline(time.Time{}) // the server's would end the request's context; Run fails by itself
	w.Header().Set("Content-Type", "application/x-pcapng")
	w.Header().Set(numberHeader, strconv.Itoa(c.ID()))
	w.Header().Set("Trailer", summaryTrailer)
	summary, err := c.Run(r.Context(), out)
	if err != nil {
		panic(http.ErrAbortHandler) // or the client would take the rest for all there is
	}
	_ = out.allow()
	text, _ := json.Marshal(summary) // strings and numbers always can
	w.Header().Set(summaryTrailer, string(text))
}

func (h *handler) endCapture(r *http.Request) (result, error) {
	n, err := strconv.Atoi(r.PathValue("number"))
	if err != nil {
		return result{}, failf(http.StatusBadRequest, codeBadRequest, "%q is not the number of a capture", r.PathValue("number"))
	}
	if err := h.ctl.EndCapture(n); err != nil {
		return result{}, NotFound("%v", err)
	}
	return done([]string{"- capture " + strconv.Itoa(n)}, "", nil)
}

// captureRequest reads a request's parameters.
func captureRequest(query url.Values) (r view.CaptureRequest, err error) {
	r.Rate, r.MaxSize = DefaultRate, DefaultMaxSize
	texts := map[string]*string{"service": &r.Service, "backend": &r.Backend, "client": &r.Client, "filter": &r.Filter}
	for name, values := range query {
		if p := texts[name]; p != nil {
			*p = values[len(values)-1]
			continue
		}
		if name == "reason" {
			for _, v := range values {
				r.Reasons = append(r.Reasons, strings.Split(v, ",")...)
			}
			r.Reasons = slices.DeleteFunc(r.Reasons, func(s string) bool { return s == "" })
			continue
		}
		if err := captureBound(&r, name, values[len(values)-1]); err != nil {
			return r, err
		}
	}
	return r, nil
}

func captureBound(r *view.CaptureRequest, name, text string) error {
	if name == "duration" {
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return failf(http.StatusBadRequest, codeBadRequest, "duration %q is no time such as 30s or 5m", text)
		}
		r.Seconds = d.Seconds()
		return nil
	}
	set := map[string]func(int64){
		"rate":     func(n int64) { r.Rate = int(min(n, 1<<30)) },
		"snaplen":  func(n int64) { r.Snap = int(min(n, 1<<16)) },
		"count":    func(n int64) { r.Count = uint64(n) },
		"max_size": func(n int64) { r.MaxSize = n },
	}[name]
	if set == nil {
		return failf(http.StatusBadRequest, codeBadRequest, "a capture has no %q", name)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return failf(http.StatusBadRequest, codeBadRequest, "%s %q is not a number from 0 (any) on", name, text)
	}
	set(n)
	return nil
}
