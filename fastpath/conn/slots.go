package conn

import "unsafe"

// Of a connection's two slots, those that placeBoth and displaceBoth were able to see to.
const (
	forwardSlot = 1 << iota
	replySlot
	bothSlots = forwardSlot | replySlot
)

// placeBothInGo is what placeBoth does, and displaceBothInGo displaceBoth, for processors without their own and for the test
// that both agree. placeBoth puts a connection's slot s into its home's bucket, and that of its replies into back's, and
// tells which of them found room; displaceBoth takes them out again, and tells which of them stood there. With back 0
// there are no replies, which is as good as done. The index begins at buckets.
func placeBothInGo(buckets unsafe.Pointer, at, back Home, s Slot) (done uint8) {
	if placeInGo(buckets, at, s) {
		done = forwardSlot
	}
	if back == 0 || placeInGo(buckets, back, s|1) {
		done |= replySlot
	}
	return done
}

func displaceBothInGo(buckets unsafe.Pointer, at, back Home, s Slot) (done uint8) {
	if displaceInGo(buckets, at, s) {
		done = forwardSlot
	}
	if back == 0 || displaceInGo(buckets, back, s|1) {
		done |= replySlot
	}
	return done
}

// placeInGo puts a slot into a home's bucket. It reports false if that is full; displaceInGo takes the slot out again, or
// reports false if it does not stand there.
func placeInGo(buckets unsafe.Pointer, h Home, s Slot) bool {
	b := (*bucket)(unsafe.Add(buckets, uintptr(h.bucket())*bucketSize))
	i := b.room()
	if i < 0 {
		return false
	}
	b.set(i, h.tag(), s)
	return true
}

func displaceInGo(buckets unsafe.Pointer, h Home, s Slot) bool {
	b := (*bucket)(unsafe.Add(buckets, uintptr(h.bucket())*bucketSize))
	lo, hi := b.match(h.tag())
	for {
		i, ok := first(lo, hi)
		if !ok {
			return false
		}
		if b.slots[i] == s && b.tags[i] == h.tag() {
			b.set(i, 0, 0)
			return true
		}
		lo, hi = rest(lo, hi)
	}
}

// siftInGo is what sift does: Probe.Guess is 0 for a tuple that is in the table for certain not, whose home bucket has
// neither its tag nor an overflow.
func siftInGo(p *Probe, n int, stride uintptr, buckets unsafe.Pointer) {
	for i := range uintptr(n) {
		q := (*Probe)(unsafe.Add(unsafe.Pointer(p), i*stride))
		b := (*bucket)(unsafe.Add(buckets, uintptr(q.Home.bucket())*bucketSize))
		q.Guess = Slot(b.overflow)
		for j, tag := range b.tags {
			if tag == q.Home.tag() {
				q.Guess |= 1 << j
			}
		}
	}
}
