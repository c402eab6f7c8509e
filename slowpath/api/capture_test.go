package api

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/weirlb/weir/slowpath/view"
	"github.com/weirlb/weir/slowpath/view/viewtest"
)

// sample is a capture of a few bytes.
type sample struct{ fail error }

func (s *sample) ID() int { return 7 }

func (s *sample) Run(_ context.Context, out view.CaptureOutput) (view.CaptureSummary, error) {
	_, err := out.Write([]byte("packets"))
	if err == nil {
		err = out.Flush()
	}
	if s.fail != nil {
		err = s.fail
	}
	return view.CaptureSummary{Packets: 3, Ended: "on request"}, err
}

func TestCaptureIsAskedForAsTheClientSays(t *testing.T) {
	ctl := &recorder{}
	path, _ := serve(t, &viewtest.Source{}, ctl)
	var out bytes.Buffer
	s, err := Dial(path).Capture(t.Context(), view.CaptureRequest{
		Service: "web", Backend: "10.0.0.11:80", Client: "198.51.100.0/24", Reasons: []string{"no_backend", "dropped"}, Filter: "tcp && port 80",
		Rate: 5, Snap: 96, Count: 9, Seconds: 1.5, MaxSize: 1000,
	}, func() (io.Writer, error) { return &out, nil })
	if err != nil || out.String() != "packets" || s != (view.CaptureSummary{Packets: 3, Ended: "on request"}) {
		t.Errorf("%q, %+v, %v", out.String(), s, err)
	}
	ctl.expect(t, "capture {Service:web Backend:10.0.0.11:80 Client:198.51.100.0/24 Reasons:[no_backend dropped] Filter:tcp && port 80 Rate:5 Snap:96 Count:9 Seconds:1.5 MaxSize:1000}")
}

func TestCaptureWithoutBoundsGetsSome(t *testing.T) {
	r, err := captureRequest(nil)
	if err != nil || r.Rate != DefaultRate || r.MaxSize != DefaultMaxSize {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestCaptureThatBreaksOffIsNoWholeOne(t *testing.T) {
	ctl := &recorder{taken: sample{errors.New("no")}}
	path, _ := serve(t, &viewtest.Source{}, ctl)
	var out bytes.Buffer
	_, err := Dial(path).Capture(t.Context(), view.CaptureRequest{}, func() (io.Writer, error) { return &out, nil })
	if err == nil || !strings.Contains(err.Error(), "broke the capture off") || out.String() != "packets" {
		t.Errorf("%v, %q", err, out.String())
	}
}

func TestCaptureRequestsThatMakeNoSense(t *testing.T) {
	path, _ := serve(t, &viewtest.Source{}, &recorder{})
	for query, want := range map[string]string{
		"rate=much": `rate \"much\"`, "count=-1": "count", "duration=5": "30s", "colour=red": `no \"colour\"`,
	} {
		if status, body := request(t, path, "GET", "/v1/capture?"+query, ""); status != 400 || !strings.Contains(body, want) {
			t.Errorf("%s: %d %s", query, status, body)
		}
	}
	if status, _ := request(t, path, "POST", "/v1/capture", ""); status != 405 {
		t.Errorf("POST: %d", status)
	}
}

func TestCaptureIsEndedByItsNumber(t *testing.T) {
	ctl := &recorder{}
	path, _ := serve(t, &viewtest.Source{}, ctl)
	if status, body := request(t, path, "DELETE", "/v1/captures/7", ""); status != 200 || body != `{"changes":["- capture 7"]}` {
		t.Errorf("%d %s", status, body)
	}
	ctl.expect(t, "end capture 7")
	ctl.err = errors.New("there is no capture 7")
	if status, _ := request(t, path, "DELETE", "/v1/captures/7", ""); status != 404 {
		t.Errorf("%d", status)
	}
	if status, _ := request(t, path, "DELETE", "/v1/captures/x", ""); status != 400 {
		t.Errorf("%d", status)
	}
}
