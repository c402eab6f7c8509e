#ifndef WEIR_RTELOG_H
#define WEIR_RTELOG_H

#include <stddef.h>
#include <stdint.h>

enum {
	WEIR_LOG_LINES = 256, /* lines kept; older ones are overwritten */
	WEIR_LOG_WIDTH = 256, /* bytes kept of a line, with its terminating zero */
};

/* Sends rte_log's output to the ring of lines. Returns 0 or a negative errno. */
int weir_log_open(void);

/* Between begin and end, what C code prints on its stderr goes to the ring too: a few messages of
 * rte_eal_init bypass rte_log. Go's own os.Stderr is a file descriptor and is not affected. */
void weir_log_begin(void);
void weir_log_end(void);

/* The number of lines logged so far. Line i can be read while count - i <= WEIR_LOG_LINES. */
uint64_t weir_log_count(void);

/* Copies line i into text and returns its level (RTE_LOG_*), or 0 if it is no longer there. *thread
 * becomes the id of the thread that logged it. */
int weir_log_line(uint64_t i, char text[WEIR_LOG_WIDTH], int *thread);

/* The id of the calling thread. */
int weir_log_thread(void);

#endif
