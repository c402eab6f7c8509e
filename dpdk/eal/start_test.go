package eal_test

import (
	"strings"
	"testing"

	"github.com/weirlb/weir/dpdk/eal"
	"github.com/weirlb/weir/dpdk/internal/dpdktest"
)

func start(t *testing.T, o eal.Options) *eal.EAL {
	t.Helper()
	o.Hugepages = dpdktest.Hugepages()
	e, err := eal.Start(o)
	if err != nil {
		t.Fatalf("%v\nDPDK's log:\n%s", err, strings.Join(eal.Log(), "\n"))
	}
	return e
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || err.Error() != want {
		t.Errorf("error %v,\nwant  %s", err, want)
	}
}

func TestStartAndClose(t *testing.T) {
	if !dpdktest.Alone(t) {
		return
	}
	e := start(t, eal.Options{MemoryMB: 32})
	if got := e.Memory().MB; got != 32 {
		t.Errorf("memory is %d MB, want 32", got)
	}
	if e.Clock().Mult == 0 {
		t.Error("there is no clock")
	}
	for range 2 {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestTheLeastMemoryIsEnoughToStart(t *testing.T) {
	if !dpdktest.Alone(t) {
		return
	}
	if err := start(t, eal.Options{MemoryMB: 16}).Close(); err != nil {
		t.Error(err)
	}
}

func TestStartOnlyOnce(t *testing.T) {
	if !dpdktest.Alone(t) {
		return
	}
	const want = "DPDK was already started: it can be started once in a process"
	e := start(t, eal.Options{MemoryMB: 32})
	_, err := eal.Start(eal.Options{Hugepages: eal.HugepagesOff, MemoryMB: 32})
	wantError(t, err, want)
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	_, err = eal.Start(eal.Options{Hugepages: eal.HugepagesOff, MemoryMB: 32})
	wantError(t, err, want)
}

func TestWhatIsFoundMissingBeforeTheStartMayBeMended(t *testing.T) {
	if !dpdktest.Alone(t) {
		return
	}
	_, err := eal.Start(eal.Options{MemoryMB: 1})
	wantError(t, err, "memory_mb: 1 is too little, DPDK needs at least 16")
	if _, err = eal.Start(eal.Options{Hugepages: eal.HugepagesOff, MemoryMB: 1 << 30}); err == nil || !strings.Contains(err.Error(), "MB are available") {
		t.Errorf("a petabyte: %v", err)
	}
	if err := start(t, eal.Options{MemoryMB: 32}).Close(); err != nil {
		t.Error(err)
	}
}

func TestAFailedStartNamesItsCause(t *testing.T) {
	if !dpdktest.Alone(t) {
		return
	}
	_, err := eal.Start(eal.Options{Hugepages: eal.HugepagesOff, MemoryMB: 32, PCI: []string{"not-an-address"}})
	if err == nil {
		t.Fatal("DPDK started")
	}
	got := err.Error()
	if !strings.HasPrefix(got, "starting DPDK with 32 MB: ") || !strings.Contains(got, "(DPDK says: ") || !strings.Contains(got, "not-an-address") {
		t.Errorf("error %q", got)
	}
	if len(eal.Log()) == 0 {
		t.Error("DPDK's log is empty")
	}
}

func TestVersionNamesDPDK(t *testing.T) {
	if v := eal.Version(); !strings.HasPrefix(v, "DPDK ") {
		t.Errorf("version %q", v)
	}
}
