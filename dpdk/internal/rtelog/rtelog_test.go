package rtelog

import (
	"errors"
	"syscall"
	"testing"
)

func TestCauseIsTheFirstError(t *testing.T) {
	for _, tc := range []struct {
		name  string
		lines []Line
		want  string
	}{
		{"nothing logged", nil, ""},
		{"only notes", []Line{{Level: 7, Text: "EAL: Detected CPU lcores: 2"}}, ""},
		{
			"an error after a warning",
			[]Line{{Level: 5, Text: "no IOMMU"}, {Level: 4, Text: "EAL: Not enough memory available!"}, {Level: 4, Text: "EAL: FATAL: Cannot init memory"}},
			"EAL: Not enough memory available!",
		},
		{"a warning alone", []Line{{Level: 6, Text: "note"}, {Level: 5, Text: "Unable to create TAP interface."}}, "Unable to create TAP interface"},
		{"only that it failed", []Line{{Level: 4, Text: "EAL: Driver cannot attach the device (net_null0)"}, {Level: 4, Text: "Port0 dev_configure = -1"}}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := Cause(tc.lines); got != tc.want {
				t.Errorf("Cause = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestExplainKeepsTheError(t *testing.T) {
	base := errors.New("cannot probe")
	err := Explain(base, []Line{{Level: 4, Text: "no such device"}})
	if !errors.Is(err, base) {
		t.Error("the wrapped error is lost")
	}
	if want := "cannot probe (DPDK says: no such device)"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if Explain(base, nil) != base {
		t.Error("without a cause the error must stay as it is")
	}
}

func TestFailedOperations(t *testing.T) {
	cause := []Line{{Level: 4, Text: "tun: no such file"}}
	for _, tc := range []struct {
		name  string
		rc    int
		lines []Line
		want  string
	}{
		{"a number", -int(syscall.ENOMEM), nil, "starting: cannot allocate memory"},
		{"a number and a cause", -int(syscall.ENOMEM), cause, "starting: cannot allocate memory (DPDK says: tun: no such file)"},
		{"a driver's -1 is no EPERM", -1, cause, "starting (DPDK says: tun: no such file)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := Failed("starting", tc.rc, tc.lines).Error(); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
