/* Several threads that share the allocator, and blocks that outlive the thread
 * that allocated them. */
#include "bench.h"

#include <stdatomic.h>
#include <string.h>

/* --- A server: each worker keeps a table of sessions and replaces random ones.
 * From time to time a worker ends, and a new thread goes on with the table that
 * another one had. */

enum { SESSIONS = 1200, REPLACEMENTS = 24000, WORKERS = 2 };

struct worker {
    struct block *sessions;
    uint64_t seed;
};

static void *work(void *argument)
{
    struct worker *own = argument;
    struct random r = random_from(own->seed);
    for (int i = 0; i < REPLACEMENTS; i++) {
        struct block *b = &own->sessions[below(&r, SESSIONS)];
        if (b->at)
            drop_block(b);
        *b = get_block(10 + below(&r, 490));
    }
    return NULL;
}

static void server(struct run *run, int workers)
{
    struct worker own[WORKERS];
    struct block *tables[WORKERS];
    uint64_t generations = scaled(run, workers == 1 ? 1200 : 600);
    for (int i = 0; i < workers; i++)
        tables[i] = harness_memory(SESSIONS * sizeof **tables);
    run->operations = generations * (uint64_t)workers * REPLACEMENTS;
    begin(run);
    for (uint64_t g = 0; g < generations; g++) {
        for (int i = 0; i < workers; i++)
            own[i] = (struct worker){tables[(g + (uint64_t)i) % (uint64_t)workers],
                                     g * WORKERS + (uint64_t)i + 31};
        in_threads(workers, work, own, sizeof *own);
    }
    for (int i = 0; i < workers; i++)
        for (int s = 0; s < SESSIONS; s++)
            if (tables[i][s].at)
                drop_block(&tables[i][s]);
    end(run);
}

static void server_1(struct run *run) { server(run, 1); }
static void server_2(struct run *run) { server(run, 2); }

/* --- Rounds of new threads that allocate records, keep half of them for a
 * while, and swap some with whatever other threads left in a common table. */

enum { COMMON = 1000, KEPT = 20000, RECORDS = 50000 };

/* The first word of a record is its size, the last byte a stamp. */
static _Atomic(size_t *) common[COMMON];

static size_t record_size(struct random *r)
{
    uint32_t pick = below(r, 10000);
    if (pick < 9900)
        return log_uniform(r, 16, 6);
    if (pick < 9995)
        return log_uniform(r, 1 << 10, 6);
    return log_uniform(r, 64 << 10, 4);
}

static size_t *record_new(struct random *r)
{
    size_t size = record_size(r);
    size_t *record = malloc(size);
    if (!record)
        fail("out of memory: %zu bytes", size);
    record[0] = size;
    ((unsigned char *)record)[size - 1] = (unsigned char)(size * 5 + 3);
    return opaque(record);
}

static void record_drop(size_t *record)
{
    size_t size = *(size_t *)opaque(record);
    if (((unsigned char *)record)[size - 1] != (unsigned char)(size * 5 + 3))
        fail("a record of %zu bytes has changed", size);
    free(record);
}

static void *stress(void *argument)
{
    struct random r = random_from(*(uint64_t *)argument);
    size_t **kept = harness_memory(KEPT * sizeof *kept);
    int held = 0;
    for (int i = 0; i < RECORDS; i++) {
        size_t *record = record_new(&r);
        uint32_t pick = below(&r, 16);
        if (pick < 7 && held < KEPT) {
            kept[held++] = record;
        } else if (pick < 9) {
            record = atomic_exchange(&common[below(&r, COMMON)], record);
            if (record)
                record_drop(record);
        } else {
            /* Frees one of those kept, not the newest: holes appear. */
            if (held > 0) {
                size_t **old = &kept[below(&r, (uint32_t)held)];
                size_t *other = *old;
                *old = record;
                record = other;
            }
            record_drop(record);
        }
    }
    while (held > 0)
        record_drop(kept[--held]);
    return NULL;
}

static void rounds(struct run *run, int threads)
{
    uint64_t seeds[2];
    uint64_t n = scaled(run, threads == 1 ? 100 : 35);
    run->operations = n * (uint64_t)threads * RECORDS;
    begin(run);
    for (uint64_t round = 0; round < n; round++) {
        for (int i = 0; i < threads; i++)
            seeds[i] = round * 2 + (uint64_t)i + 41;
        in_threads(threads, stress, seeds, sizeof *seeds);
        /* Now and then everything left in common goes at once. */
        if (round % 8 == 7 || round + 1 == n) {
            for (int i = 0; i < COMMON; i++) {
                size_t *record = atomic_exchange(&common[i], NULL);
                if (record)
                    record_drop(record);
            }
        }
    }
    end(run);
}

static void rounds_1(struct run *run) { rounds(run, 1); }
static void rounds_2(struct run *run) { rounds(run, 2); }

/* --- Mixed sizes up to 16 KiB, freed in strides; part of what a thread
 * allocates is put into its neighbour's box, who frees it. */

enum { MIXED = 4000 };

struct mail {
    struct mail *next;
    size_t size;
};

struct mixer {
    _Atomic(struct mail *) inbox;
    struct mixer *neighbour;
    uint64_t turns;
    uint64_t seed;
};

static void empty_box(struct mixer *own)
{
    struct mail *m = atomic_exchange(&own->inbox, NULL);
    while (m) {
        struct mail *after = m->next;
        if (((unsigned char *)m)[m->size - 1] != (unsigned char)m->size)
            fail("a letter of %zu bytes has changed", m->size);
        free(m);
        m = after;
    }
}

static void post(struct mixer *to, size_t size)
{
    struct mail *m = malloc(size);
    if (!m)
        fail("out of memory: %zu bytes", size);
    m->size = size;
    ((unsigned char *)m)[size - 1] = (unsigned char)size;
    m->next = atomic_load(&to->inbox);
    while (!atomic_compare_exchange_weak(&to->inbox, &m->next, m))
        ;
}

static void *mix(void *argument)
{
    struct mixer *own = argument;
    struct random r = random_from(own->seed);
    struct block *blocks = harness_memory(MIXED * sizeof *blocks);
    for (uint64_t turn = 0; turn < own->turns; turn++) {
        /* Every size as likely as any other: the mean is 8 KiB. */
        for (int i = 0; i < MIXED / 4; i++) {
            struct block *b = &blocks[below(&r, MIXED)];
            if (b->at)
                drop_block(b);
            *b = get_block(32 + below(&r, (16 << 10) - 32));
            if (i % 4 == 0)
                post(own->neighbour, 32 + below(&r, 4000));
        }
        for (uint64_t i = turn % 7; i < MIXED; i += 7)
            if (blocks[i].at)
                drop_block(&blocks[i]);
        empty_box(own);
    }
    for (int i = 0; i < MIXED; i++)
        if (blocks[i].at)
            drop_block(&blocks[i]);
    return NULL;
}

static void mixed(struct run *run, int threads)
{
    static struct mixer own[2];
    uint64_t n = scaled(run, threads == 1 ? 3000 : 900);
    for (int i = 0; i < threads; i++) {
        own[i].neighbour = &own[(i + 1) % threads];
        own[i].turns = n;
        own[i].seed = (uint64_t)i + 51;
    }
    run->operations = n * (uint64_t)threads * (MIXED / 4 + MIXED / 16);
    begin(run);
    here_or_in_threads(threads, mix, own, sizeof *own);
    for (int i = 0; i < threads; i++)
        empty_box(&own[i]);
    end(run);
}

static void mixed_1(struct run *run) { mixed(run, 1); }
static void mixed_2(struct run *run) { mixed(run, 2); }

/* --- Two threads write small blocks of their own over and over. The first ones
 * were allocated by one thread, side by side: an allocator that gives them out
 * again, each to the thread that freed it, makes the two share a cache line. */

struct scratch {
    void *first;
    uint64_t turns;
};

static void *scratch_body(void *argument)
{
    struct scratch *own = argument;
    drop(own->first, 8);
    for (uint64_t turn = 0; turn < own->turns; turn++) {
        volatile unsigned char *p = get(8);
        for (int i = 0; i < 6000; i++)
            p[1 + i % 6]++;
        drop((void *)p, 8);
    }
    return NULL;
}

static void scratch(struct run *run)
{
    struct scratch own[2];
    uint64_t n = scaled(run, 25000);
    run->operations = 2 * n;
    begin(run);
    for (int i = 0; i < 2; i++)
        own[i] = (struct scratch){get(8), n};
    in_threads(2, scratch_body, own, sizeof *own);
    end(run);
}

/* --- Many threads that live for a few hundred allocations. */

static void *visit(void *argument)
{
    struct random r = random_from((uint64_t)(uintptr_t)argument);
    struct block blocks[64];
    memset(blocks, 0, sizeof blocks);
    for (int i = 0; i < 400; i++) {
        struct block *b = &blocks[below(&r, 64)];
        if (b->at)
            drop_block(b);
        *b = get_block(log_uniform(&r, 16, 7));
    }
    for (int i = 0; i < 64; i++)
        if (blocks[i].at)
            drop_block(&blocks[i]);
    return NULL;
}

static void visitors(struct run *run)
{
    uint64_t n = scaled(run, 3500);
    run->operations = 2 * n * 400;
    begin(run);
    for (uint64_t i = 0; i < n; i++) {
        pthread_t one = start(visit, (void *)(uintptr_t)(2 * i + 1));
        pthread_t other = start(visit, (void *)(uintptr_t)(2 * i + 2));
        finish(one);
        finish(other);
    }
    end(run);
}

const struct load thread_loads[] = {
    {"server-1", "one-thread", 1, server_1},
    {"rounds-1", "one-thread", 1, rounds_1},
    {"mixed-1", "one-thread", 1, mixed_1},
    {"server-2", "two-threads", 2, server_2},
    {"rounds-2", "two-threads", 2, rounds_2},
    {"mixed-2", "two-threads", 2, mixed_2},
    {"scratch-2", "two-threads", 2, scratch},
    {"short-threads", "two-threads", 2, visitors},
    {NULL, NULL, 0, NULL},
};
