package health

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

const seen = "9 of 20 connections failed within 10s"

func TestASuspectedBackendIsCheckedAtOnceAndGoesDownWithThatCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(answers)
		defer m.Close()
		set(t, m, web(check()))
		time.Sleep(2500 * time.Millisecond)
		s.becomes(refuses)
		if !m.Suspect("web", backend, seen) {
			t.Error("it is not suspected")
		}
		synctest.Wait()
		s.expectEvents(t, "down at 2.5s: connection refused; suspected: "+seen)
		time.Sleep(2 * time.Second)
		s.expectChecks(t, 0, 2*time.Second, 2500*time.Millisecond, 4500*time.Millisecond)
		if st, _ := m.Status("web", backend); st.Up || st.Suspected != 1 || st.Text != "connection refused" {
			t.Errorf("%+v", st)
		}
		if m.Suspect("web", backend, seen) || m.Suspect("other", backend, seen) || m.Suspicions() != 1 {
			t.Error("one that is down, or is not checked, is suspected")
		}
	})
}

func TestASuspicionIsOverWithACheckThatPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(answers)
		defer m.Close()
		set(t, m, web(check()))
		time.Sleep(500 * time.Millisecond)
		m.Suspect("web", backend, seen)
		synctest.Wait()
		if st, _ := m.Status("web", backend); !st.Up || st.Text != "200 OK in 0.0 ms" {
			t.Errorf("%+v", st)
		}
		s.becomes(refuses)
		time.Sleep(4 * time.Second) // two failures are not three
		s.expectEvents(t)
		time.Sleep(2 * time.Second)
		s.expectEvents(t, "down at 6.5s: connection refused")
		s.expectChecks(t, 0, 500*time.Millisecond, 2500*time.Millisecond, 4500*time.Millisecond, 6500*time.Millisecond)
	})
}

// A check that had begun before tells of the time before.
func TestChecksUnderWayDoNotDecideAboutASuspicion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(ctx context.Context) outcome {
			time.Sleep(800 * time.Millisecond)
			return answers(ctx)
		}
		s, m := newScripted(slow)
		defer m.Close()
		set(t, m, web(check()))
		time.Sleep(400 * time.Millisecond)
		s.becomes(refuses)
		m.Suspect("web", backend, seen)
		if m.Suspect("web", backend, "again") {
			t.Error("it is suspected twice")
		}
		time.Sleep(300 * time.Millisecond)
		s.expectChecks(t, 0, 400*time.Millisecond)
		if st, _ := m.Status("web", backend); !st.Up || st.Text != "not checked yet; suspected: "+seen {
			t.Errorf("%+v", st)
		}
		s.expectEvents(t)
		time.Sleep(200 * time.Millisecond)
		s.expectEvents(t, "down at 800ms: connection refused; suspected: "+seen)
	})
}

func TestAChangedCheckForgetsTheSuspicion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, m := newScripted(hangs)
		defer m.Close()
		set(t, m, web(check()))
		m.Suspect("web", backend, seen)
		c := check()
		c.Fall = 2
		set(t, m, web(c))
		time.Sleep(1500 * time.Millisecond)
		s.expectEvents(t)
		time.Sleep(2 * time.Second)
		s.expectEvents(t, "down at 3s: timeout")
	})
}
