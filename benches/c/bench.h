/* What the loads share: clocks, random numbers, stamps in blocks, threads.
 *
 * Everything the harness itself needs comes from mmap or is static, so that the
 * allocator under test serves nothing but the load. */
#ifndef NTHEAP_BENCH_H
#define NTHEAP_BENCH_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* One run of one load, as the load sees it. */
struct run {
    double scale;
    /* Set by the load. */
    uint64_t operations;
    uint64_t requested_peak; /* bytes asked for and held at once, 0 if unknown */
    /* Set by begin and end. */
    double wall, cpu;
};

struct load {
    const char *name;
    const char *group;
    int threads;
    void (*body)(struct run *run);
};

/* The tables of each source file, ended by a load without a name. */
extern const struct load size_loads[], shape_loads[], replace_loads[], thread_loads[],
    transfer_loads[], start_loads[], wave_loads[];

/* Around the timed part, once in a run. */
void begin(struct run *run);
void end(struct run *run);

/* Ends the process with status 1. */
_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Zeroed memory that is no allocator's; stays until the process ends. */
void *harness_memory(size_t bytes);

/* n turns at scale 1, and never none. */
static inline uint64_t scaled(const struct run *run, double n)
{
    double turns = n * run->scale;
    return turns < 1 ? 1 : (uint64_t)turns;
}

/* Random numbers: a multiply and a shift (Lehmer's, 128 bits). */
struct random {
    unsigned __int128 state;
};

static inline struct random random_from(uint64_t seed)
{
    struct random r = {((unsigned __int128)seed << 64 | 0x9e3779b97f4a7c15u) | 1};
    return r;
}

static inline uint64_t next(struct random *r)
{
    r->state *= 0xda942042e4dd58b5u;
    return (uint64_t)(r->state >> 64);
}

/* Below n, which is less than 2^32. */
static inline uint32_t below(struct random *r, uint32_t n)
{
    return (uint32_t)((next(r) >> 32) * n >> 32);
}

/* From low to high, each doubling as likely as any other; low is a power of
 * two, `doublings` of them lie between. */
static inline size_t log_uniform(struct random *r, size_t low, uint32_t doublings)
{
    size_t base = low << below(r, doublings);
    return base + below(r, (uint32_t)base);
}

/* The compiler may not know what a pointer's memory holds, nor that a block
 * was never used. */
static inline void *opaque(void *p)
{
    __asm__ volatile("" : "+r"(p) : : "memory");
    return p;
}

/* First and last byte of a block carry what it was stamped with; two blocks
 * that overlap do not both keep theirs. */
static inline unsigned char stamp_of(const void *p, size_t size)
{
    return (unsigned char)(((uintptr_t)p >> 4) * 31 + size * 7 + 1);
}

static inline void *stamp(void *p, size_t size)
{
    unsigned char *bytes = p;
    if (!p)
        fail("out of memory: %zu bytes", size);
    bytes[size - 1] = bytes[0] = stamp_of(p, size);
    return opaque(p);
}

static inline void check(const void *p, size_t size)
{
    const unsigned char *bytes = opaque((void *)p);
    unsigned char wanted = stamp_of(p, size);
    if (bytes[0] != wanted || bytes[size - 1] != wanted)
        fail("block %p of %zu bytes has changed: %#x ... %#x, not %#x", p, size, bytes[0],
             bytes[size - 1], wanted);
}

static inline void *get(size_t size)
{
    return stamp(malloc(size), size);
}

static inline void drop(void *p, size_t size)
{
    check(p, size);
    free(p);
}

/* A block with its size, as the tables of the loads hold it. */
struct block {
    void *at;
    size_t size;
};

static inline struct block get_block(size_t size)
{
    struct block b = {get(size), size};
    return b;
}

static inline void drop_block(struct block *b)
{
    drop(b->at, b->size);
    b->at = NULL;
}

/* A thread, or the end of the process. */
pthread_t start(void *(*body)(void *), void *argument);
void finish(pthread_t thread);

/* body(&arguments[i * size]) in n threads at once, to their ends. */
void in_threads(int n, void *(*body)(void *), void *arguments, size_t size);

/* The same, but one body without a thread of its own. */
void here_or_in_threads(int n, void *(*body)(void *), void *arguments, size_t size);

#endif
