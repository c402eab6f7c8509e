#define _GNU_SOURCE
#include "rtelog.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_log.h>

/* Written by any thread that logs, read by weir_log_line; all under lock. */
static struct {
	pthread_mutex_t lock;
	uint64_t count;
	struct {
		int level;
		int thread;
		char text[WEIR_LOG_WIDTH];
	} line[WEIR_LOG_LINES];
} ring = { .lock = PTHREAD_MUTEX_INITIALIZER };

static FILE *log_stream, *err_stream, *saved_stderr;

static void
keep(int level, const char *text, size_t len)
{
	size_t slot;

	if (len == 0)
		return;
	len = RTE_MIN(len, (size_t)WEIR_LOG_WIDTH - 1);
	slot = ring.count++ % WEIR_LOG_LINES;
	ring.line[slot].level = level;
	ring.line[slot].thread = gettid();
	memcpy(ring.line[slot].text, text, len);
	ring.line[slot].text[len] = 0;
}

static void
keep_lines(int level, const char *buf, size_t size)
{
	const char *end = buf + size;

	pthread_mutex_lock(&ring.lock);
	while (buf < end) {
		const char *nl = memchr(buf, '\n', end - buf);
		const char *stop = nl != NULL ? nl : end;

		keep(level, buf, stop - buf);
		buf = stop + 1;
	}
	pthread_mutex_unlock(&ring.lock);
}

/* As the stream has no buffer, every message is one write, in the thread that logs it. */
static ssize_t
write_log(void *cookie, const char *buf, size_t size)
{
	RTE_SET_USED(cookie);
	keep_lines(rte_log_cur_msg_loglevel(), buf, size);
	return size;
}

static ssize_t
write_err(void *cookie, const char *buf, size_t size)
{
	RTE_SET_USED(cookie);
	keep_lines(RTE_LOG_ERR, buf, size);
	return size;
}

int
weir_log_open(void)
{
	cookie_io_functions_t to_log = { .write = write_log };
	cookie_io_functions_t to_err = { .write = write_err };

	if (log_stream != NULL)
		return 0;
	err_stream = fopencookie(NULL, "w", to_err);
	log_stream = fopencookie(NULL, "w", to_log);
	if (err_stream == NULL || log_stream == NULL)
		return -ENOMEM;
	setvbuf(log_stream, NULL, _IONBF, 0);
	return rte_openlog_stream(log_stream);
}

void
weir_log_begin(void)
{
	saved_stderr = stderr;
	stderr = err_stream;
}

void
weir_log_end(void)
{
	stderr = saved_stderr;
	fflush(err_stream);
}

uint64_t
weir_log_count(void)
{
	uint64_t n;

	pthread_mutex_lock(&ring.lock);
	n = ring.count;
	pthread_mutex_unlock(&ring.lock);
	return n;
}

int
weir_log_thread(void)
{
	return gettid();
}

int
weir_log_line(uint64_t i, char text[WEIR_LOG_WIDTH], int *thread)
{
	int level = 0;

	pthread_mutex_lock(&ring.lock);
	if (i < ring.count && ring.count - i <= WEIR_LOG_LINES) {
		level = ring.line[i % WEIR_LOG_LINES].level;
		*thread = ring.line[i % WEIR_LOG_LINES].thread;
		strcpy(text, ring.line[i % WEIR_LOG_LINES].text);
	}
	pthread_mutex_unlock(&ring.lock);
	return level;
}
