/* What libntheap.so tells a program of itself: each report of a mistake as a structure,
 * snapshots of its heaps, and statistics. For checks that find more, see NTHEAP_GFLAGS. */
#ifndef NTHEAP_DEBUG_H
#define NTHEAP_DEBUG_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How a block is. */
#define NTHEAP_BLOCK_NONE 0   /* the address belongs to no block */
#define NTHEAP_BLOCK_BUSY 1   /* handed out */
#define NTHEAP_BLOCK_FREE 2   /* free */
#define NTHEAP_BLOCK_CACHED 3 /* free, in a thread's cache */

/* A report. All of it is good until the callback returns. */
typedef struct ntheap_stop {
    size_t size;             /* bytes of this structure */
    unsigned int number;     /* Application Verifier's: 7 is a double free */
    unsigned int block_state;
    uintptr_t parameters[4]; /* what each is: see the stop in Windows' documentation */
    uintptr_t address;       /* what the operation was given, or 0 */
    uintptr_t block;         /* the block that it belongs to or lies beside, or 0 */
    size_t block_size;
    unsigned long long thread; /* that found it */
    unsigned long long allocating_thread; /* 0 where that was not recorded */
    unsigned long long freeing_thread;
    const uintptr_t *allocated; /* return addresses, the innermost call's first */
    size_t allocated_count;
    const uintptr_t *freed;
    size_t freed_count;
    char symbol[64];    /* as in DOUBLE_FREE */
    char operation[64]; /* the function that found it, as in free */
    char heap[128];     /* the heap's name */
    const void *report; /* for the functions below */
} ntheap_stop;

typedef void (*ntheap_stop_callback)(const ntheap_stop *stop);

/* Sets the process's callback, NULL for none, and returns the one before. It is called on
 * the thread that found the mistake, after the report was written and before what follows;
 * no lock of a heap's is held then, and nothing was allocated for it. It must return, and
 * must neither allocate nor free: a report that is raised meanwhile on the same thread ends
 * the process. Several threads may be in it at a time. Where page heap or sampling found the
 * mistake by a fault, it runs in that fault's signal handler, on about 60 KiB of stack, and
 * other threads' faults wait for it, for good if it is left by longjmp: only what is safe in a
 * signal handler may be called. */
ntheap_stop_callback ntheap_set_stop_callback(ntheap_stop_callback callback);

/* Writes a report as text, or as one line of JSON, cut to `size` bytes with a zero at its
 * end. Returns the bytes of the whole without the zero, as snprintf does. */
size_t ntheap_stop_text(const ntheap_stop *stop, char *buffer, size_t size);
size_t ntheap_stop_json(const ntheap_stop *stop, char *buffer, size_t size);

/* Writes a snapshot of all heaps to a file, which ntheap walk, diff, map and their kin
 * read. Runs the ntheap command (NTHEAP_COMMAND, or the first in PATH) and waits for it;
 * other threads go on. Returns 0; 1 where something is missing, which the command has said
 * on standard error; -1 where there is none, and errno: ENOENT without a command, EBUSY
 * while another thread makes one, EIO where the command failed and said why. */
int ntheap_snapshot(const char *path);

/* Writes the process's statistics in the text format that Prometheus scrapes, version 0.0.4,
 * cut to `size` bytes with a zero at its end. Returns the bytes of the whole without the zero,
 * as snprintf does. Nothing is allocated; other threads go on, so that the next text may be
 * longer. */
size_t ntheap_stats_prometheus(char *buffer, size_t size);

#ifdef __cplusplus
}
#endif

#endif
