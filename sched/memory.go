package sched

// Memory is what the schedulers of one service remember about destinations, shared by all workers and handed on
// when the servers change. Its size is fixed; a place is taken from the destination that has not been asked
// for the longest. It holds no pointers for the garbage collector, and untouched memory takes no room.
type Memory struct {
	scheduler string
	lblc      []lblcSlot
	lblcr     []lblcrSlot
}

// NewMemory makes an empty memory for the named scheduler, or nil if it remembers nothing.
func NewMemory(scheduler string) *Memory {
	remember := registry[scheduler].remember
	if remember == nil {
		return nil
	}
	m := remember()
	m.scheduler = scheduler
	return m
}

// Of reports whether a memory is of use to a scheduler: it is that one's, or there is none and need not be.
func (m *Memory) Of(scheduler string) bool {
	if m == nil {
		return registry[scheduler].remember == nil
	}
	return m.scheduler == scheduler
}

func remembers(f func() *Memory) Trait { return func(e *entry) { e.remember = f } }

// A table is made of sets of places for destinations: 32768 in all, twice as many as LVS keeps for long.
const (
	setSize = 8
	sets    = 4096
)

// Times in milliseconds, LVS's defaults.
const (
	// forgetAfter is for how long a destination that is not asked for is remembered (lblc_expiration).
	forgetAfter = 24 * 60 * 60 * 1000
	// shrinkAfter is for how long a set of servers must not have changed for one to be taken out (lblcr_expiration).
	shrinkAfter = 24 * 60 * 60 * 1000
	// touchEvery spares workers that use the same destination the fight for its cache line.
	touchEvery = 1000
	// clocksApart is how far two workers' clocks may be from each other.
	clocksApart = 60 * 1000
)

// age is the time from one reading of a clock to another, perhaps another worker's and a little behind; at
// most 49 days less clocksApart.
func age(now, then uint32) uint32 {
	if then-now <= clocksApart {
		return 0
	}
	return now - then
}

var destinationKey = newSipKey("weir:destination")

// destination identifies a destination address. 0 stands for none.
func destination(k *Key) uint64 {
	d := Key{Src: k.Dst, V6: k.V6}
	return max(1, destinationKey.sumSource(&d, false))
}

// setOf finds a destination's set.
func setOf[T any](slots []T, dest uint64) []T {
	first := int(dest % sets * setSize)
	return slots[first : first+setSize : first+setSize]
}
