package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/weirlb/weir/slowpath/view"
)

// endTimeout is how long the daemon may take to end a capture in order.
const endTimeout = 5 * time.Second

// Capture writes a capture to what open returns, which is called once the daemon has agreed. When ctx ends, so does the
// capture, in order.
func (c *Client) Capture(ctx context.Context, r view.CaptureRequest, open func() (io.Writer, error)) (view.CaptureSummary, error) {
	var none view.CaptureSummary
	whole, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	asked, err := http.NewRequestWithContext(whole, http.MethodGet, c.base+"capture?"+captureQuery(&r).Encode(), nil)
	if err != nil {
		return none, err
	}
	endless := http.Client{Transport: c.http.Transport}
	resp, err := endless.Do(asked)
	if err != nil {
		return none, c.explain(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return none, refusal(resp)
	}
	w, err := open()
	if err != nil {
		return none, err
	}
	defer context.AfterFunc(ctx, func() {
		late := time.AfterFunc(endTimeout, cancel)
		defer late.Stop()
		_ = c.endCapture(whole, resp.Header.Get(numberHeader)) // fails if it has just ended by itself
		<-whole.Done()                                         // as soon as all is read
	})()
	to := &failing{w: w}
	_, err = io.Copy(to, resp.Body)
	if to.err != nil {
		return none, fmt.Errorf("writing the capture: %w", to.err)
	}
	var s view.CaptureSummary
	if err != nil || json.Unmarshal([]byte(resp.Trailer.Get(summaryTrailer)), &s) != nil {
		return none, errors.New("the daemon broke the capture off: it has stopped, or this program did not keep up; " +
			"what came before is written")
	}
	return s, nil
}

// failing remembers that writing failed, not reading.
type failing struct {
	w   io.Writer
	err error
}

func (f *failing) Write(b []byte) (int, error) {
	n, err := f.w.Write(b)
	f.err = err
	return n, err
}

func (c *Client) endCapture(ctx context.Context, number string) error {
	var done changes
	return c.do(ctx, http.MethodDelete, "captures/"+url.PathEscape(number), "", &done)
}

func captureQuery(r *view.CaptureRequest) url.Values {
	return url.Values{
		"service": {r.Service}, "backend": {r.Backend}, "client": {r.Client}, "reason": {strings.Join(r.Reasons, ",")},
		"filter": {r.Filter},
		"rate":   {strconv.Itoa(r.Rate)}, "snaplen": {strconv.Itoa(r.Snap)}, "count": {strconv.FormatUint(r.Count, 10)},
		"duration": {time.Duration(r.Seconds * float64(time.Second)).String()}, "max_size": {strconv.FormatInt(r.MaxSize, 10)},
	}
}
