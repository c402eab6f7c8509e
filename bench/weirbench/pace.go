package main

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// paceMemory is more than a core's own caches hold. A random cycle leads through all of its lines, on which several walk at a time.
type paceMemory struct {
	words []uint32
	at    [8]uint32 // where they are
	sum   uint64    // keeps the compiler from leaving the arithmetic out
}

const (
	paceBytes = 64 << 20
	lineWords = 64 / 4
)

func newPaceMemory() *paceMemory {
	m := &paceMemory{words: make([]uint32, paceBytes/4)}
	order := rand.New(rand.NewPCG(1, 2)).Perm(len(m.words) / lineWords)
	for i, line := range order {
		m.words[line*lineWords] = uint32(order[(i+1)%len(order)] * lineWords)
	}
	for i := range m.at {
		m.at[i] = uint32(order[i*len(order)/len(m.at)] * lineWords)
	}
	return m
}

// look does the piece of work on a core. The thread that goes there comes back: it may be the one that has started the programs
// to measure, which are killed when it ends (Pdeathsig).
func (m *paceMemory) look(core int) (p pace, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, there unix.CPUSet
	there.Set(core)
	if err = unix.SchedGetaffinity(0, &before); err == nil {
		err = unix.SchedSetaffinity(0, &there)
	}
	if err != nil {
		return p, fmt.Errorf("looking how fast core %d is: %w", core, err)
	}
	p = m.work()
	if err = unix.SchedSetaffinity(0, &before); err != nil {
		err = fmt.Errorf("leaving core %d: %w", core, err)
	}
	return p, err
}

// work is half a millisecond of arithmetic, as much as a core can do of it at a time, and one and a half of waiting for memory.
func (m *paceMemory) work() (p pace) {
	const sums, steps = 400_000, 10_000
	began := time.Now()
	a, b, c, d := uint64(1), uint64(2), uint64(3), uint64(4)
	for i := range uint64(sums) {
		a = a*0xa0761d6478bd642f + i
		b += i ^ b>>3
		c ^= c<<7 + i
		d += d>>1 ^ i
	}
	p.arithmetic = time.Since(began)
	began = time.Now()
	at := m.at
	for range steps {
		for i := range at {
			at[i] = m.words[at[i]]
		}
	}
	p.memory = time.Since(began)
	m.at = at
	m.sum = a + b + c + d
	return p
}
