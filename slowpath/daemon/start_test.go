package daemon

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/weirlb/weir/conf"
)

// failing is hardware that does not come up.
type failing struct {
	*wires
	err error
}

func (h failing) Open(ctx context.Context, cfg *conf.Config, workers int) ([]Device, error) {
	_, _ = h.wires.Open(ctx, cfg, workers) // never fails without interfaces
	if h.err == nil {
		return nil, ctx.Err()
	}
	return nil, h.err
}

func TestAStartThatIsNoLongerWantedEnds(t *testing.T) {
	broken := errors.New("the NIC is broken")
	for name, c := range map[string]struct {
		hw   func(*wires) Hardware
		want error
	}{
		"the hardware comes up":           {func(w *wires) Hardware { return w }, nil},
		"the hardware notices":            {func(w *wires) Hardware { return failing{w, nil} }, nil},
		"the hardware fails at that time": {func(w *wires) Hardware { return failing{w, broken} }, broken},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := load(t, filepath.Join(t.TempDir(), "weir.yaml"), somePorts+oneService)
			ctx, cancel := context.WithCancelCause(t.Context())
			hw, log := memory(), &lockedBuffer{}
			hw.opening = func() { cancel(errors.New("terminated")) }
			err := Run(ctx, Options{
				Config: cfg, Hardware: c.hw(hw), Version: "test", Log: slog.New(slog.NewTextHandler(log, nil)),
				Ready: func() { t.Error("it came up") },
			})
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if !hw.closed || hw.entered.Load() != 0 {
				t.Errorf("the hardware is closed: %t; %d workers have begun", hw.closed, hw.entered.Load())
			}
			if told := strings.Contains(log.String(), `msg="stopping before all is up" reason=terminated`); told != (c.want == nil) {
				t.Error(log)
			}
		})
	}
}
