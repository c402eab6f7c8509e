package health

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirlb/weir/conf"
)

// flaps answers and refuses in turn, for some seconds each.
func flaps(well, sick time.Duration) func(context.Context) outcome {
	begun := time.Now()
	return func(ctx context.Context) outcome {
		if time.Since(begun)%(well+sick) < well {
			return answers(ctx)
		}
		return refuses(ctx)
	}
}

func TestBackendThatFallsTooOftenIsHeldDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(nil)
		defer m.Close()
		s.becomes(flaps(3500*time.Millisecond, 3*time.Second))
		h := conf.Health{
			Type: "tcp", Interval: time.Second, Timeout: time.Second / 2, Rise: 1, Fall: 1,
			Flapping: &conf.Flapping{Falls: 2, Within: 10 * time.Second, Hold: 20 * time.Second},
		}
		set(t, m, web(h))
		time.Sleep(21 * time.Second)
		if st, _ := m.Status("web", backend); st.Up || st.Held.Sub(s.start) != 30*time.Second {
			t.Errorf("%+v", st)
		}
		s.becomes(answers)
		time.Sleep(time.Minute)
		s.expectEvents(t,
			"down at 4s: connection refused", "up at 7s: 200 OK in 0.0 ms",
			"down at 10s: connection refused; flapping, 2 falls within 10s: held down for 20s",
			"up at 30s: 200 OK in 0.0 ms")
	})
}

func TestFallsThatAreFarApartAreNoFlapping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(nil)
		defer m.Close()
		s.becomes(flaps(59500*time.Millisecond, time.Second))
		h := conf.Health{
			Type: "tcp", Interval: time.Second, Timeout: time.Second / 2, Rise: 1, Fall: 1,
			Flapping: &conf.Flapping{Falls: 2, Within: 10 * time.Second, Hold: time.Hour},
		}
		set(t, m, web(h))
		time.Sleep(10 * time.Minute)
		if st, _ := m.Status("web", backend); !st.Up || st.Changes < 10 {
			t.Errorf("%+v", st)
		}
	})
}

func TestBackendThatStartsDownComesUpWithItsFirstCheck(t *testing.T) {
	for _, c := range []struct {
		name   string
		answer func(context.Context) outcome
		events []string
	}{
		{"well", answers, []string{"up at 0s: 200 OK in 0.0 ms"}},
		{"sick", refuses, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, m := newScripted(c.answer)
				defer m.Close()
				h := check()
				h.Start = conf.StartDown
				set(t, m, web(h))
				if st, _ := m.Status("web", backend); st.Up && c.events == nil {
					t.Errorf("%+v", st)
				}
				time.Sleep(5 * time.Second)
				s.expectEvents(t, c.events...)
				s.becomes(answers)
				time.Sleep(time.Minute)
				if st, _ := m.Status("web", backend); !st.Up {
					t.Errorf("%+v", st)
				}
			})
		})
	}
}

func TestJitterSpreadsChecksThatBeganTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(answers)
		defer m.Close()
		h := check()
		h.Jitter = 10
		set(t, m, web(h))
		time.Sleep(200 * time.Second)
		synctest.Wait()
		s.mu.Lock()
		defer s.mu.Unlock()
		var gaps []time.Duration
		for i := 1; i < len(s.begun); i++ {
			gaps = append(gaps, s.begun[i]-s.begun[i-1])
		}
		least, most := slices.Min(gaps), slices.Max(gaps)
		if least < 1800*time.Millisecond || most > 2200*time.Millisecond || most-least < 100*time.Millisecond {
			t.Errorf("gaps of %v to %v", least, most)
		}
		if n := len(s.begun); n < 93 || n > 108 {
			t.Errorf("%d checks in 200 s", n)
		}
	})
}

func TestStatusTellsOfTheLastFailureWhenAllIsWellAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(refuses)
		defer m.Close()
		set(t, m, web(check()))
		time.Sleep(time.Second)
		s.becomes(func(context.Context) outcome { return outcome{verdict: pass, status: 200, took: 7 * time.Millisecond} })
		time.Sleep(2 * time.Second)
		st, _ := m.Status("web", backend)
		if st.Text != "200 OK in 7.0 ms" || st.Took != 7*time.Millisecond || st.Failure != "connection refused" ||
			st.FailureAt.Sub(s.start) != 0 || st.Passed != 1 || st.Failed != 1 || st.Changes != 0 {
			t.Errorf("%+v", st)
		}
		longer := check()
		longer.Interval = time.Minute
		set(t, m, web(longer))
		if st, _ := m.Status("web", backend); st.Failed != 1 || st.Failure != "connection refused" {
			t.Errorf("a reload forgot it: %+v", st)
		}
	})
}
