#include <linux/if_packet.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The program's own setsockopt, which DPDK's drivers find before the C library's. net_af_packet has the
 * kernel put IPv4 fragments together (PACKET_FANOUT_FLAG_DEFRAG), into frames that fit no buffer. */
__attribute__((visibility("default"))) int
setsockopt(int fd, int level, int option, const void *value, socklen_t size)
{
	int fanout;

	if (level == SOL_PACKET && option == PACKET_FANOUT && size >= sizeof(fanout)) {
		fanout = *(const int *)value & ~((int)PACKET_FANOUT_FLAG_DEFRAG << 16);
		value = &fanout;
		size = sizeof(fanout);
	}
	return syscall(SYS_setsockopt, fd, level, option, value, size);
}
