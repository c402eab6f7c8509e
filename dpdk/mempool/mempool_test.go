package mempool

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/weirlb/weir/dpdk/eal"
	"github.com/weirlb/weir/dpdk/internal/dpdktest"
)

func TestMain(m *testing.M) { dpdktest.Main(m) }

func TestAPoolIsMadeAndGivenBack(t *testing.T) {
	// Given back it must be: a hundred of these are more than all of the memory.
	for range 100 {
		p, err := New(dpdktest.EAL(), "again", 8192, DefaultRoom, AnySocket)
		if err != nil {
			t.Fatal(err)
		}
		if p.Total() != 8192 || p.Free() != 8192 || p.InUse() != 0 {
			t.Fatalf("%d buffers, %d free, %d in use", p.Total(), p.Free(), p.InUse())
		}
		for range 2 { // a second call does nothing
			if err := p.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if p.Free() != 8192 || p.InUse() != 0 || p.Pointer() != nil {
			t.Fatal("a closed pool has buffers in use or a handle")
		}
	}
}

func TestAPoolOnANodeWithoutMemoryLiesElsewhere(t *testing.T) {
	p, err := New(dpdktest.EAL(), "elsewhere", 1024, DefaultRoom, 7)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestTwoPoolsOfOneName(t *testing.T) {
	p, err := New(dpdktest.EAL(), "twice", 1024, DefaultRoom, AnySocket)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if _, err := New(dpdktest.EAL(), "twice", 1024, DefaultRoom, AnySocket); err == nil || !strings.HasPrefix(err.Error(), "making a pool of 1024 packet buffers: ") {
		t.Errorf("error %v", err)
	}
}

func TestNotEnoughMemoryForAPool(t *testing.T) {
	dpdktest.WithoutHugepages(t)
	if !dpdktest.Alone(t) {
		return
	}
	_, err := New(dpdktest.EAL(), "large", 4<<20, DefaultRoom, AnySocket)
	want := regexp.MustCompile(`^not enough memory for 4194304 packet buffers: they take (\d+) MB and DPDK has memory_mb: 256: set it to (\d+), or use fewer queues or descriptors$`)
	if err == nil || !want.MatchString(err.Error()) {
		t.Fatalf("error %v", err)
	}
	m := want.FindStringSubmatch(err.Error())
	take, _ := strconv.Atoi(m[1])
	advice, _ := strconv.Atoi(m[2])
	if take < 4<<20*2176>>20 || advice <= take {
		t.Errorf("%d MB are needed and %d MB advised", take, advice)
	}
}

func TestTheAdviceIsAlwaysMoreMemory(t *testing.T) {
	err := memoryError(1024, DefaultRoom, eal.Memory{MB: 512})
	if !strings.Contains(err.Error(), "set it to 1024,") {
		t.Errorf("error %v", err)
	}
}

func TestLeakedCountsBuffers(t *testing.T) {
	for _, tc := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("else"), 0},
		{LeakError(3), 3},
		{fmt.Errorf("closing: %w", errors.Join(errors.New("else"), fmt.Errorf("pool: %w", LeakError(2)))), 2},
	} {
		if got := Leaked(tc.err); got != tc.want {
			t.Errorf("Leaked(%v) = %d, want %d", tc.err, got, tc.want)
		}
	}
}
