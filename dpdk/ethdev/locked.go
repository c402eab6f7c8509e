package ethdev

import (
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// rings is how many bytes net_af_packet's rings take, all of them in locked memory. It is 0 for other devices, and where the
// arguments are such that the driver will refuse them.
func (d device) rings() uint64 {
	if d.driver != "net_af_packet" {
		return 0
	}
	number := func(key string, usual int) uint64 {
		v := d.values(key)
		if len(v) == 0 {
			return uint64(usual)
		}
		n, err := strconv.ParseUint(v[len(v)-1], 10, 31)
		if err != nil {
			return 0
		}
		return n
	}
	block, frame := number("blocksz", os.Getpagesize()), number("framesz", 2048)
	if frame == 0 || block < frame {
		return 0
	}
	blocks := number("framecnt", 512) / (block / frame)
	return 2 * number("qpairs", 1) * blocks * block // one ring to receive, one to send
}

// checkLocked says so if the device's rings take more memory than this process may lock, after raising its limit as far as
// it can: the driver only says that a resource is unavailable.
func (d device) checkLocked() error {
	need := d.rings()
	if need == 0 {
		return nil
	}
	if have, err := effective(); err != nil || have.has(ipcLock) {
		return err
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		return fmt.Errorf("asking how much memory this process may lock: %w", err)
	}
	if limit.Cur < limit.Max {
		limit.Cur = limit.Max
		if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
			return fmt.Errorf("raising the limit of locked memory to the hard one: %w", err)
		}
	}
	return tooMuchLocked(need, locked(os.DirFS("/")), limit.Cur)
}

// tooMuchLocked compares bytes with the limit.
func tooMuchLocked(need, locked, limit uint64) error {
	if locked <= limit && need <= limit-locked {
		return nil
	}
	const kB = 1 << 10
	least := (locked + need + kB - 1) / kB
	return fmt.Errorf("its rings take %d KB of locked memory, and this process has locked %d of the %d KB that it may (RLIMIT_MEMLOCK): "+
		"raise that to %d KB or more, with ulimit -l %d or systemd's LimitMEMLOCK=%dK, or give Weir CAP_IPC_LOCK; or lower rx_descriptors and tx_descriptors",
		need/kB, locked/kB, limit/kB, least, least, least)
}

// locked is how many bytes this process has locked.
func locked(root fs.FS) uint64 {
	status, err := fs.ReadFile(root, "proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmLck:"); ok {
			n, _ := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 53) // 0 if the kernel writes it otherwise
			return n << 10
		}
	}
	return 0
}
