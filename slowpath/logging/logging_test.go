package logging

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// output is what was written, for several goroutines.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

func (o *output) Reset() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.b.Reset()
}

func makeLog(t *testing.T, format, level string) (*slog.Logger, func(), *output) {
	t.Helper()
	b := new(output)
	log, flush, err := New(b, format, level)
	if err != nil {
		t.Fatal(err)
	}
	return log, flush, b
}

func TestFormatsAndLevels(t *testing.T) {
	log, _, b := makeLog(t, "text", "warn")
	log.Info("little")
	log.Warn("much", "port", "wan")
	if got := b.String(); strings.Contains(got, "little") || !strings.Contains(got, `level=WARN msg=much port=wan`) {
		t.Errorf("%s", got)
	}
	log, _, b = makeLog(t, "json", "debug")
	log.With("port", "wan").WithGroup("g").Debug("little", "n", 1)
	var line struct {
		Level, Msg, Port string
		G                struct{ N int }
	}
	if err := json.Unmarshal([]byte(b.String()), &line); err != nil || line.Level != "DEBUG" || line.Msg != "little" || line.Port != "wan" || line.G.N != 1 {
		t.Errorf("%v: %s", err, b)
	}
	for _, c := range [][3]string{
		{"xml", "info", "--log is text or json, not xml"},
		{"text", "loud", "--log-level is debug, info, warn or error, not loud"},
	} {
		if _, _, err := New(b, c[0], c[1]); err == nil || err.Error() != c[2] {
			t.Errorf("%v: %v", c, err)
		}
	}
}

// lines counts those that contain something.
func lines(b *output, what string) int { return strings.Count(b.String(), what) }

func TestSimilarLinesAreSuppressedAndCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, _, b := makeLog(t, "text", "info")
		flood := func(n int) {
			for i := range n {
				log.With("try", 1).Info("backend down", "backend", fmt.Sprint(i))
			}
		}
		flood(1000)
		log.Info("another kind")
		log.Info("a third")
		synctest.Wait()
		if down := lines(b, `msg="backend down"`); down != burst || lines(b, "kind") != 1 || lines(b, "a third") != 1 {
			t.Errorf("%d lines:\n%s", down, b)
		}
		if !strings.Contains(b.String(), "backend=99\n") || strings.Contains(b.String(), "suppressed") {
			t.Errorf("not the first ones:\n%s", b)
		}
		time.Sleep(reportAfter + time.Second)
		synctest.Wait()
		if lines(b, `level=INFO msg="900 similar suppressed" last="backend down"`) != 1 {
			t.Errorf("their number is missing:\n%s", b)
		}
		b.Reset()
		flood(1000)
		time.Sleep(time.Hour)
		flood(1)
		synctest.Wait()
		if lines(b, `msg="backend down"`) != burst+1 || lines(b, "suppressed") != 1 || lines(b, `"900 similar suppressed"`) != 1 {
			t.Errorf("later:\n%s", b)
		}
	})
}

func TestALineNowAndThenIsNeverSuppressed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, _, b := makeLog(t, "text", "info")
		for range 5000 {
			log.Info("backend up")
			time.Sleep(time.Second / perSecond)
		}
		if n := lines(b, "backend up"); n != 5000 || lines(b, "suppressed") != 0 {
			t.Errorf("%d lines", n)
		}
	})
}

func TestWhatWasSuppressedIsToldAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, flush, b := makeLog(t, "text", "info")
		for range burst + 7 {
			log.Error("no disk")
		}
		flush()
		flush()
		time.Sleep(2 * reportAfter)
		synctest.Wait()
		if lines(b, `level=ERROR msg="7 similar suppressed" last="no disk"`) != 1 || lines(b, "suppressed") != 1 {
			t.Errorf("%s", b)
		}
	})
}
