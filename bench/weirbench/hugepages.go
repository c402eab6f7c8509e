package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
)

const (
	pagesFile   = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"
	freeFile    = "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
	compactFile = "/proc/sys/vm/compact_memory"
	pageMB      = 2
	compactions = 3 // before fewer pages are all there can be
)

// pages are the huge pages that the benchmark has added to those there were.
type pages struct {
	mu    sync.Mutex
	added int
}

func readNumber(name string) (int, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// restore takes back what was added. Pages that others have taken meanwhile stay theirs until they give them back.
func (p *pages) restore() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.added == 0 {
		return nil
	}
	total, err := readNumber(pagesFile)
	if err != nil {
		return err
	}
	total = max(total-p.added, 0)
	p.added = 0
	if err := os.WriteFile(pagesFile, []byte(strconv.Itoa(total)), 0); err != nil {
		return fmt.Errorf("giving huge pages back: %w; run: echo %d > %s", err, total, pagesFile)
	}
	return nil
}

// reserve asks the kernel for so many huge pages in all, and returns how many there are then. What files have left in
// the page cache lies in the way of many; the kernel moves it together when it is told to.
func reserve(total int) (now int, err error) {
	for try := 0; ; try++ {
		if err := os.WriteFile(pagesFile, []byte(strconv.Itoa(total)), 0); err != nil {
			return 0, err
		}
		if now, err = readNumber(pagesFile); err != nil || now >= total || try == compactions {
			return now, err
		}
		if err := os.WriteFile(compactFile, []byte("1"), 0); err != nil {
			return now, nil // a kernel that cannot
		}
	}
}

// want sees to mb megabytes in free huge pages, and takes back what was added beyond them.
func (p *pages) want(mb int) error {
	gate.Lock()
	defer gate.Unlock()
	p.mu.Lock()
	defer p.mu.Unlock()
	total, err := readNumber(pagesFile)
	if err != nil {
		return fmt.Errorf("the benchmark needs huge pages of 2 MB, which this kernel does not have: %w", err)
	}
	free, err := readNumber(freeFile)
	if err != nil {
		return err
	}
	need := (mb + pageMB - 1) / pageMB
	change := max(need-free, -p.added)
	if change == 0 {
		return nil
	}
	now, err := reserve(total + change)
	if err != nil {
		return fmt.Errorf("%d MB in huge pages are needed, of which %d are free: %w; run as root, or let root run: echo %d > %s",
			mb, free*pageMB, err, total+change, pagesFile)
	}
	p.added += now - total
	if now < total+change {
		return fmt.Errorf("%d MB in huge pages are needed, but the kernel gives only %d MB: free some memory, or measure fewer flows with -flows", mb, (free+now-total)*pageMB)
	}
	return nil
}
