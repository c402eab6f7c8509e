// Package rtelog keeps what DPDK logs, instead of letting it out on stderr, so that a failure can
// be reported as one sentence with its cause.
package rtelog

/*
#cgo pkg-config: libdpdk
#include "rtelog.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// Line is one line of DPDK's log.
type Line struct {
	Level  int // RTE_LOG_EMERG (1) to RTE_LOG_DEBUG (8)
	Thread int // the kernel's id of the thread that logged it
	Text   string
}

// Levels at which DPDK reports what went wrong.
const (
	levelError   = 4
	levelWarning = 5
)

// recording lets one operation at a time be watched: DPDK's stderr can't be redirected for two.
var recording sync.Mutex

// Open redirects DPDK's log for the rest of the process's life. It may be called again.
func Open() error {
	if rc := C.weir_log_open(); rc != 0 {
		return fmt.Errorf("redirecting DPDK's log: %w", syscall.Errno(-rc))
	}
	return nil
}

// Record runs f and returns what DPDK logged meanwhile in f's thread, oldest first: DPDK's own
// threads log too, about other things. Open must have succeeded. f must not call Record.
func Record(f func()) []Line {
	recording.Lock()
	defer recording.Unlock()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	from, thread := C.weir_log_count(), int(C.weir_log_thread())
	C.weir_log_begin()
	f()
	C.weir_log_end()
	return slices.DeleteFunc(lines(uint64(from)), func(l Line) bool { return l.Thread != thread })
}

// Lines returns the last lines that are kept, oldest first.
func Lines() []Line { return lines(0) }

func lines(from uint64) []Line {
	count := uint64(C.weir_log_count())
	if count > C.WEIR_LOG_LINES {
		from = max(from, count-C.WEIR_LOG_LINES)
	}
	var out []Line
	for i := from; i < count; i++ {
		var text [C.WEIR_LOG_WIDTH]C.char
		var thread C.int
		if level := C.weir_log_line(C.uint64_t(i), &text[0], &thread); level != 0 {
			out = append(out, Line{Level: int(level), Thread: int(thread), Text: C.GoString(&text[0])})
		}
	}
	return out
}

// hollow begins lines that only repeat that an operation failed.
var hollow = regexp.MustCompile(`^(EAL: Driver cannot attach the device|EAL: Failed to attach device on primary process|Port\d+ dev_configure = )`)

// Cause picks the line that says why an operation failed: the first error, as later ones only
// repeat it level by level, or else the first warning. It is empty if there is neither.
func Cause(lines []Line) string {
	for _, worst := range []int{levelError, levelWarning} {
		for _, l := range lines {
			if l.Level <= worst && !hollow.MatchString(l.Text) {
				return strings.TrimRight(strings.TrimSpace(l.Text), ".")
			}
		}
	}
	return ""
}

// Failed is the error of an operation that returned rc, a negative errno. Many drivers return -1
// for whatever went wrong: that is taken for no number at all, as it would read "operation not
// permitted".
func Failed(what string, rc int, lines []Line) error {
	if rc == -1 {
		return Explain(errors.New(what), lines)
	}
	return Explain(fmt.Errorf("%s: %w", what, syscall.Errno(-rc)), lines)
}

// Explain adds the cause found in lines to err.
func Explain(err error, lines []Line) error {
	if c := Cause(lines); c != "" {
		return fmt.Errorf("%w (DPDK says: %s)", err, c)
	}
	return err
}
