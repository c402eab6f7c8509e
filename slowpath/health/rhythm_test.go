package health

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/weirlb/weir/conf"
)

// scripted is a backend played in a synctest bubble, and what came of checking it.
type scripted struct {
	mu     sync.Mutex
	answer func(ctx context.Context) outcome
	begun  []time.Duration // when checks began, from start
	events []string
	start  time.Time
}

func answers(context.Context) outcome { return outcome{verdict: pass, status: 200} }
func refuses(context.Context) outcome {
	return outcome{verdict: fail, cause: "connection refused"}
}
func hangs(ctx context.Context) outcome {
	<-ctx.Done()
	return outcome{verdict: fail, cause: "timeout"}
}

func (s *scripted) becomes(answer func(context.Context) outcome) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = answer
}

func (s *scripted) ask(ctx context.Context, _ *probe) (outcome, func()) {
	s.mu.Lock()
	s.begun = append(s.begun, time.Since(s.start))
	answer := s.answer
	s.mu.Unlock()
	return answer(ctx), func() {}
}

func (s *scripted) onChange(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	word := map[bool]string{true: "up", false: "down"}[e.Up]
	s.events = append(s.events, fmt.Sprintf("%s at %v: %s", word, time.Since(s.start), e.Reason))
}

func (s *scripted) expectEvents(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.events, want) {
		t.Errorf("events:\n%q\nwant:\n%q", s.events, want)
	}
}

func (s *scripted) expectChecks(t *testing.T, want ...time.Duration) {
	t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.begun, want) {
		t.Errorf("checks began at %v, want %v", s.begun, want)
	}
}

func newScripted(answer func(context.Context) outcome) (*scripted, *Manager) {
	s := &scripted{answer: answer, start: time.Now()}
	m := New(s.onChange)
	m.ask = s.ask
	return s, m
}

var backend = netip.MustParseAddrPort("10.0.0.11:8080")

func check() conf.Health {
	return conf.Health{Type: "tcp", Interval: 2 * time.Second, Timeout: time.Second, Rise: 2, Fall: 3}
}

func web(c conf.Health) []Target { return []Target{{Service: "web", Backend: backend, Check: c}} }

func set(t *testing.T, m *Manager, targets []Target) {
	t.Helper()
	if err := m.Set(targets); err != nil {
		t.Fatal(err)
	}
}

func TestHealthyBackendIsUpFromTheStartAndMakesNoEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(answers)
		defer m.Close()
		set(t, m, web(check()))
		if st, ok := m.Status("web", backend); !ok || !st.Up {
			t.Errorf("before the first check: %+v, %v", st, ok)
		}
		time.Sleep(5 * time.Second)
		s.expectEvents(t)
		s.expectChecks(t, 0, 2*time.Second, 4*time.Second)
	})
}

func TestBackendThatNeverAnsweredFallsAfterItsFirstChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(refuses)
		defer m.Close()
		set(t, m, web(check()))
		time.Sleep(time.Minute)
		s.expectEvents(t, "down at 4s: connection refused")
	})
}

func TestDeathIsReportedWithinFallIntervalsAndATimeout(t *testing.T) {
	cases := []struct {
		name              string
		dead              func(context.Context) outcome
		interval, timeout time.Duration
		fall              int
		at                time.Duration
	}{
		{"refused", refuses, 2 * time.Second, time.Second, 3, 6 * time.Second},
		{"silent", hangs, 2 * time.Second, time.Second, 3, 7 * time.Second},
		{"first failure counts", hangs, 2 * time.Second, time.Second, 1, 3 * time.Second},
		{"timeout as long as the interval", hangs, time.Second, time.Second, 3, 4 * time.Second},
		{"timeout longer than the interval", hangs, time.Second, 5 * time.Second / 2, 3, 11 * time.Second / 2},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, m := newScripted(answers)
				defer m.Close()
				h := conf.Health{Type: "tcp", Interval: c.interval, Timeout: c.timeout, Rise: 1, Fall: c.fall}
				set(t, m, web(h))
				synctest.Wait() // the first check has just passed: the worst moment to die
				s.becomes(c.dead)
				time.Sleep(time.Minute)
				cause := c.dead(canceled()).cause
				s.expectEvents(t, fmt.Sprintf("down at %v: %s", c.at, cause))
				if bound := time.Duration(c.fall)*c.interval + c.timeout; c.at > bound {
					t.Errorf("this table expects %v, past the bound of %v", c.at, bound)
				}
			})
		})
	}
}

func canceled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func TestBackendComesBackAfterRiseSuccesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(refuses)
		defer m.Close()
		set(t, m, web(check()))
		time.Sleep(5 * time.Second)
		s.becomes(answers)
		time.Sleep(time.Minute)
		s.expectEvents(t, "down at 4s: connection refused", "up at 8s: 200 OK in 0.0 ms")
		st, _ := m.Status("web", backend)
		if since := st.Since.Sub(s.start); since != 8*time.Second {
			t.Errorf("up since %v", since)
		}
	})
}

func TestFailuresNotInARowChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(answers)
		defer m.Close()
		var n atomic.Int32
		s.becomes(func(ctx context.Context) outcome {
			if n.Add(1)%3 == 0 {
				return answers(ctx)
			}
			return refuses(ctx)
		})
		set(t, m, web(check()))
		time.Sleep(time.Minute)
		s.expectEvents(t)
	})
}

func TestFaultOfThisMachineSaysNothingAboutTheBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(func(context.Context) outcome { return outcome{cause: "no file descriptor"} })
		defer m.Close()
		set(t, m, web(check()))
		time.Sleep(time.Minute)
		s.expectEvents(t)
		if st, _ := m.Status("web", backend); !st.Up || st.Text != "not checked: no file descriptor" {
			t.Errorf("%+v", st)
		}
	})
}

func TestResultsCountInTheOrderTheChecksBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(answers)
		defer m.Close()
		var n atomic.Int32
		s.becomes(func(ctx context.Context) outcome {
			switch n.Add(1) % 4 {
			case 1, 3:
				return refuses(ctx)
			case 2:
				time.Sleep(2500 * time.Millisecond) // the refusal after it comes first
			}
			return answers(ctx)
		})
		h := conf.Health{Type: "tcp", Interval: time.Second, Timeout: 3 * time.Second, Rise: 1, Fall: 2}
		set(t, m, web(h))
		time.Sleep(10 * time.Second)
		s.expectEvents(t) // in the order of the checks, no two refusals stand in a row
	})
}

func TestFirstChecksAreSpreadTheSameWayEveryTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(answers)
		defer m.Close()
		var targets []Target
		for i := range 4 {
			b := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}), 80)
			targets = append(targets, Target{Service: "web", Backend: b, Check: check()})
		}
		set(t, m, targets)
		time.Sleep(time.Second)
		s.expectChecks(t, 0, startGap, 2*startGap, 3*startGap)
	})
}

func TestReloadKeepsStateAndRhythmOfUnchangedTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(refuses)
		defer m.Close()
		set(t, m, web(check()))
		time.Sleep(3 * time.Second) // two failures counted, at 0 s and 2 s
		set(t, m, web(check()))
		time.Sleep(2 * time.Second)
		s.expectChecks(t, 0, 2*time.Second, 4*time.Second)
		s.expectEvents(t, "down at 4s: connection refused")
	})
}

func TestChangedCheckBeginsAtOnceAndKeepsABackendDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(refuses)
		defer m.Close()
		set(t, m, web(check()))
		time.Sleep(5 * time.Second)
		slower := check()
		slower.Interval = 10 * time.Second
		set(t, m, web(slower))
		if st, _ := m.Status("web", backend); st.Up || st.Since.Sub(s.start) != 4*time.Second {
			t.Errorf("a reload changed the state: %+v", st)
		}
		time.Sleep(10 * time.Second)
		s.expectChecks(t, 0, 2*time.Second, 4*time.Second, 5*time.Second, 15*time.Second)
		s.expectEvents(t, "down at 4s: connection refused")
	})
}

func TestRemovedTargetIsForgottenEvenInTheMiddleOfACheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(hangs)
		defer m.Close()
		h := check()
		h.Fall = 1
		set(t, m, web(h))
		time.Sleep(time.Millisecond)
		set(t, m, nil)
		time.Sleep(time.Minute)
		s.expectEvents(t)
		s.expectChecks(t, 0)
		if st, ok := m.Status("web", backend); ok || len(m.Snapshot()) != 0 {
			t.Errorf("still there: %+v", st)
		}
	})
}

func TestBackendOfTwoServicesIsCheckedForEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(refuses)
		defer m.Close()
		fast := check()
		fast.Fall = 1
		set(t, m, []Target{
			{Service: "web", Backend: backend, Check: check()},
			{Service: "api", Backend: backend, Check: fast},
		})
		time.Sleep(time.Second)
		snapshot := m.Snapshot()
		if len(snapshot) != 2 || snapshot[0].Service != "api" || snapshot[0].Up || !snapshot[1].Up {
			t.Errorf("%+v", snapshot)
		}
		s.expectEvents(t, "down at 200µs: connection refused")
	})
}

func TestCloseCutsChecksShortAndIsFinal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(hangs)
		h := check()
		h.Fall = 1
		set(t, m, web(h))
		time.Sleep(time.Millisecond)
		m.Close()
		if waited := time.Since(s.start); waited != time.Millisecond {
			t.Errorf("Close waited for a timeout: %v", waited)
		}
		time.Sleep(time.Minute)
		s.expectEvents(t)
		s.expectChecks(t, 0)
		if err := m.Set(web(h)); err != ErrClosed {
			t.Errorf("Set after Close: %v", err)
		}
		m.Close()
	})
}

func TestMachineThatStoodStillSkipsTheMissedChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(answers)
		defer m.Close()
		set(t, m, web(check()))
		synctest.Wait()
		target := m.targets[key{"web", backend}]
		target.mu.Lock()
		target.timer.Stop()
		target.mu.Unlock()
		time.Sleep(11 * time.Second) // the timer should have fired at 2, 4, 6, 8 and 10 s
		target.check()
		time.Sleep(2 * time.Second)
		s.expectChecks(t, 0, 11*time.Second, 12*time.Second)
	})
}
