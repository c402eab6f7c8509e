package capture

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/weirlb/weir/fastpath"
	"github.com/weirlb/weir/fastpath/filter"
	"github.com/weirlb/weir/fastpath/reason"
	"github.com/weirlb/weir/slowpath/view"
)

// minSize is the least size of a file: what is in it besides packets, and one large packet as it came and as it left.
const minSize = 8 << 10

// tapOptions reads what a request asks of the workers.
func tapOptions(r *view.CaptureRequest, workers int) (o fastpath.TapOptions, err error) {
	if r.MaxSize > 0 && r.MaxSize < minSize {
		return o, fmt.Errorf("a file of %d bytes has no room for a packet: --max-size is at least %d", r.MaxSize, minSize)
	}
	o = fastpath.TapOptions{Service: r.Service, Rate: r.Rate, Snap: r.Snap, Workers: workers}
	if r.Backend != "" {
		if o.Backend, err = ParseBackend(r.Backend); err != nil {
			return o, err
		}
	}
	if r.Client != "" {
		if o.Client, err = parseClient(r.Client); err != nil {
			return o, err
		}
	}
	for _, name := range r.Reasons {
		found, err := reasonsNamed(name)
		if err != nil {
			return o, err
		}
		o.Reasons = append(o.Reasons, found...)
	}
	if strings.TrimSpace(r.Filter) != "" {
		if o.Expr, err = filter.Parse(r.Filter); err != nil {
			return o, fmt.Errorf("the filter %q: %w", r.Filter, err)
		}
	}
	return o, nil
}

// ParseBackend reads a backend's address, or that with a port; 0 stands for any.
func ParseBackend(text string) (netip.AddrPort, error) {
	if b, err := netip.ParseAddrPort(text); err == nil {
		return b, nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("%q is no backend: write ADDRESS:PORT or ADDRESS", text)
	}
	return netip.AddrPortFrom(a, 0), nil
}

func parseClient(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is no client: write ADDRESS or ADDRESS/BITS", text)
	}
	return netip.PrefixFrom(a, a.BitLen()), nil
}

// reasonsNamed are the reasons of a name; "dropped", "punted" and "answered" stand for all of a kind.
func reasonsNamed(name string) (out []reason.Reason, err error) {
	for r := range reason.Count {
		if r.String() == name || name == "dropped" && r.Drop() || name == "punted" && r.Punt() || name == "answered" && r.Answered() {
			out = append(out, r)
		}
	}
	if out == nil {
		return nil, fmt.Errorf("there is no reason %q: weir show drops has their names, and dropped, punted and answered stand for "+
			"all of a kind", name)
	}
	return out, nil
}

// words is a request as the command that makes it.
func words(r *view.CaptureRequest) string {
	var out strings.Builder
	out.WriteString("weir capture")
	for _, f := range []struct{ flag, value string }{
		{"service", r.Service}, {"backend", r.Backend}, {"client", r.Client}, {"reason", strings.Join(r.Reasons, ",")},
		{"filter", r.Filter},
	} {
		if f.value != "" {
			fmt.Fprintf(&out, " --%s '%s'", f.flag, f.value)
		}
	}
	fmt.Fprintf(&out, " --rate %d --snaplen %d --count %d --duration %v --max-size %d",
		r.Rate, r.Snap, r.Count, time.Duration(r.Seconds*float64(time.Second)), r.MaxSize)
	return out.String()
}
