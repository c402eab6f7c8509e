// What a User Mode Linux kernel needs of its host besides what it asks for; loaded before the C library (LD_PRELOAD).
//
// A clock that can be set forward and slowed down: clock_gettime adds the nanoseconds that stand at the start of the file
// $IPVSLAB_CLOCK, so that half an hour of the kernel's time passes in no time, and lets its own time pass slower by the factor that stands
// behind them, so that the kernel's does not depend on how fast this machine is. Its timers are relative to that clock, and catch up
// at its next tick.
//
// Registers of processors that have more than the kernel knows: Linux 6.1 sets the extended state of its processes with
// buffers as large as the processors of its time need, which the host refuses on one with AMX (EFAULT, and the kernel
// panics). What such a buffer lacks is taken from the process itself; it is not in use.

#define _GNU_SOURCE
#include <elf.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum {
	xstate_bv = 512, // where a saved state says what is in it, Intel SDM vol. 1, 13.4.2
	tiles = 17,      // the first component of AMX there
};

struct clock {
	int64_t offset; // nanoseconds
	int64_t slower; // 0 or 1: it is not
};

static const volatile struct clock *set;

// What a clock had come to, without the offset, when it began to be as slow as it is: of the host, and as the kernel sees it.
static struct {
	int64_t host, seen;
} since[2];

static int64_t factor = 1;

__attribute__((constructor)) static void find_clock(void)
{
	const char *path = getenv("IPVSLAB_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	void *page = mmap(NULL, sizeof *set, PROT_READ, MAP_SHARED, fd, 0);
	if (page != MAP_FAILED)
		set = page;
	close(fd);
}

static int64_t host_clock(clockid_t clock)
{
	struct timespec t;
	syscall(SYS_clock_gettime, clock, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int64_t seen(clockid_t clock, int64_t host)
{
	return since[clock].seen + (host - since[clock].host) / factor;
}

int clock_gettime(clockid_t clock, struct timespec *t)
{
	long failed = syscall(SYS_clock_gettime, clock, t);
	if (failed || !set || (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC))
		return failed;
	int64_t slower = set->slower > 1 ? set->slower : 1;
	if (slower != factor) {
		for (clockid_t c = CLOCK_REALTIME; c <= CLOCK_MONOTONIC; c++) {
			int64_t host = host_clock(c);
			since[c].seen = seen(c, host);
			since[c].host = host;
		}
		factor = slower;
	}
	int64_t nanos = seen(clock, t->tv_sec * INT64_C(1000000000) + t->tv_nsec) + set->offset;
	t->tv_sec = nanos / 1000000000;
	t->tv_nsec = nanos % 1000000000;
	return 0;
}

static long set_xstate(long pid, void *type, struct iovec *part)
{
	static _Alignas(64) char state[1 << 16]; // the kernel has one thread that does this
	struct iovec whole = { state, sizeof state };
	if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, type, &whole) || part->iov_len >= whole.iov_len)
		return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, type, part);
	memcpy(state, part->iov_base, part->iov_len);
	uint64_t present;
	memcpy(&present, state + xstate_bv, sizeof present);
	present &= (UINT64_C(1) << tiles) - 1;
	memcpy(state + xstate_bv, &present, sizeof present);
	return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, type, &whole);
}

long ptrace(enum __ptrace_request request, ...)
{
	va_list args;
	va_start(args, request);
	long pid = va_arg(args, int);
	void *addr = va_arg(args, void *);
	void *data = va_arg(args, void *);
	va_end(args);
	switch (request) {
	case PTRACE_SETREGSET:
		if ((uintptr_t)addr == NT_X86_XSTATE)
			return set_xstate(pid, addr, data);
		break;
	case PTRACE_PEEKTEXT:
	case PTRACE_PEEKDATA:
	case PTRACE_PEEKUSER: { // the system call stores the word, the library returns it
		long word;
		long failed = syscall(SYS_ptrace, request, pid, addr, &word);
		return failed ? failed : word;
	}
	default:
		break;
	}
	return syscall(SYS_ptrace, request, pid, addr, data);
}
