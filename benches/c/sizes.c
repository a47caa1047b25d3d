/* One thread, one kind of call at a time: pairs and batches of one size,
 * orders of freeing, calloc, alignment, growth, large blocks. */
#include "bench.h"

#include <string.h>

/* --- A block and its free at once. */

static void pairs(struct run *run, size_t size, double turns)
{
    uint64_t n = scaled(run, turns);
    run->operations = n;
    run->requested_peak = size;
    begin(run);
    for (uint64_t i = 0; i < n; i++)
        drop(get(size), size);
    end(run);
}

static void pair_16(struct run *run) { pairs(run, 16, 30e6); }
static void pair_64(struct run *run) { pairs(run, 64, 30e6); }
static void pair_256(struct run *run) { pairs(run, 256, 30e6); }
static void pair_1k(struct run *run) { pairs(run, 1024, 30e6); }
static void pair_8k(struct run *run) { pairs(run, 8 << 10, 8e6); }
static void pair_64k(struct run *run) { pairs(run, 64 << 10, 8e6); }
static void pair_1m(struct run *run) { pairs(run, 1 << 20, 500e3); }

/* --- Ten thousand blocks of one size, then all freed, in order. */

enum { BATCH = 10000 };

static void batch(struct run *run, size_t size, double turns)
{
    void **blocks = harness_memory(BATCH * sizeof *blocks);
    uint64_t n = scaled(run, turns);
    run->operations = n * BATCH;
    run->requested_peak = BATCH * size;
    begin(run);
    for (uint64_t i = 0; i < n; i++) {
        for (int b = 0; b < BATCH; b++)
            blocks[b] = get(size);
        for (int b = 0; b < BATCH; b++)
            drop(blocks[b], size);
    }
    end(run);
}

static void batch_16(struct run *run) { batch(run, 16, 2000); }
static void batch_64(struct run *run) { batch(run, 64, 1600); }
static void batch_256(struct run *run) { batch(run, 256, 1000); }
static void batch_1k(struct run *run) { batch(run, 1024, 500); }

/* --- Blocks of every small size, freed in the order they came, backwards, and
 * shuffled: what a list, a stack and a table do. */

enum { ORDERED = 100, SMALLEST = 8, DOUBLINGS = 7 };

struct ordered {
    uint64_t turns;
    uint64_t seed;
};

static void *orders_body(void *argument)
{
    struct ordered *own = argument;
    struct random r = random_from(own->seed);
    void *blocks[ORDERED];
    uint16_t order[ORDERED];
    for (int i = 0; i < ORDERED; i++)
        order[i] = (uint16_t)i;
    for (int i = ORDERED - 1; i > 0; i--) {
        int j = (int)below(&r, (uint32_t)i + 1);
        uint16_t other = order[j];
        order[j] = order[i];
        order[i] = other;
    }
    for (uint64_t turn = 0; turn < own->turns; turn++) {
        for (size_t size = SMALLEST; size < SMALLEST << DOUBLINGS; size *= 2) {
            size_t odd = size + below(&r, (uint32_t)size);
            for (int i = 0; i < ORDERED; i++)
                blocks[i] = get(odd);
            for (int i = 0; i < ORDERED; i++)
                drop(blocks[i], odd);
            for (int i = 0; i < ORDERED; i++)
                blocks[i] = get(odd);
            for (int i = ORDERED; i-- > 0;)
                drop(blocks[i], odd);
            for (int i = 0; i < ORDERED; i++)
                blocks[i] = get(odd);
            for (int i = 0; i < ORDERED; i++)
                drop(blocks[order[i]], odd);
        }
    }
    return NULL;
}

static void orders(struct run *run, int threads)
{
    struct ordered own[2];
    uint64_t n = scaled(run, 14000);
    for (int i = 0; i < threads; i++)
        own[i] = (struct ordered){n, (uint64_t)i + 1};
    run->operations = (uint64_t)threads * n * DOUBLINGS * 3 * ORDERED;
    begin(run);
    here_or_in_threads(threads, orders_body, own, sizeof *own);
    end(run);
}

static void orders_1(struct run *run) { orders(run, 1); }
static void orders_2(struct run *run) { orders(run, 2); }

/* --- Blocks of 5 to 25 MiB in turn, each page of each touched, eight alive at
 * the most. */

enum { LARGE = 8, LARGE_STEP = 4096 };

static void large(struct run *run)
{
    struct block blocks[LARGE] = {{0, 0}};
    struct random r = random_from(5);
    uint64_t n = scaled(run, 600);
    run->operations = n;
    begin(run);
    for (uint64_t i = 0; i < n; i++) {
        struct block *b = &blocks[below(&r, LARGE)];
        if (b->at)
            drop_block(b);
        *b = get_block((5 << 20) + below(&r, 20 << 20));
        for (size_t at = LARGE_STEP; at < b->size - 1; at += LARGE_STEP)
            ((volatile char *)b->at)[at] = (char)i;
    }
    for (int i = 0; i < LARGE; i++)
        if (blocks[i].at)
            drop_block(&blocks[i]);
    end(run);
}

/* --- Arrays that grow by realloc, several at a time, as parsers and string
 * builders make them: most end small, a few at megabytes. */

enum { ARRAYS = 64 };

static void growth(struct run *run)
{
    struct block arrays[ARRAYS] = {{0, 0}};
    struct random r = random_from(6);
    uint64_t n = scaled(run, 1e6);
    run->operations = n;
    begin(run);
    for (uint64_t i = 0; i < n; i++) {
        uint32_t which = below(&r, ARRAYS);
        struct block *a = &arrays[which];
        /* The first two become large, the others end at some KiB. */
        size_t most = which < 2 ? 2 << 20 : 16 << 10;
        if (a->at && a->size >= most) {
            drop_block(a);
            a->size = 0;
            continue;
        }
        size_t size = a->at ? a->size + a->size / 2 + 8 : 16;
        if (a->at)
            check(a->at, a->size);
        unsigned char first = a->at ? *(unsigned char *)a->at : 0;
        unsigned char *grown = realloc(a->at, size);
        if (!grown)
            fail("out of memory: %zu bytes", size);
        if (a->at && (grown[0] != first || grown[a->size - 1] != first))
            fail("realloc lost what the block held");
        /* The new part is written, as the caller asked for it to hold more. */
        memset(grown + a->size, 1, size - a->size);
        *a = (struct block){stamp(grown, size), size};
    }
    for (int i = 0; i < ARRAYS; i++)
        if (arrays[i].at)
            drop_block(&arrays[i]);
    end(run);
}

/* --- calloc: records and tables that must be zero, in a window. */

enum { ZEROED = 1024 };

static void zeroed(struct run *run)
{
    static struct block blocks[ZEROED];
    struct random r = random_from(7);
    uint64_t n = scaled(run, 4.5e6);
    run->operations = n;
    begin(run);
    for (uint64_t i = 0; i < n; i++) {
        struct block *b = &blocks[below(&r, ZEROED)];
        if (b->at)
            drop_block(b);
        /* One in 256 is a table. */
        size_t size = i % 256 ? log_uniform(&r, 16, 7) : log_uniform(&r, 16 << 10, 5);
        unsigned char *p = opaque(calloc(1, size));
        if (!p)
            fail("out of memory: %zu bytes", size);
        if (p[0] | p[size / 2] | p[size - 1])
            fail("calloc gave %zu bytes that are not zero", size);
        p[size / 2] = 1;
        *b = (struct block){stamp(p, size), size};
    }
    for (int i = 0; i < ZEROED; i++)
        if (blocks[i].at)
            drop_block(&blocks[i]);
    end(run);
}

/* --- posix_memalign at 32 B to 4 KiB. */

enum { ALIGNED = 512 };

static void aligned(struct run *run)
{
    static struct block blocks[ALIGNED];
    struct random r = random_from(8);
    uint64_t n = scaled(run, 6e6);
    run->operations = n;
    begin(run);
    for (uint64_t i = 0; i < n; i++) {
        struct block *b = &blocks[below(&r, ALIGNED)];
        if (b->at)
            drop_block(b);
        /* Half the calls ask for a cache line, one in 32 for a page. */
        uint32_t pick = below(&r, 32);
        size_t alignment = pick == 0 ? 4096 : pick < 17 ? 64 : (size_t)32 << pick % 4;
        size_t size = log_uniform(&r, 16, 8);
        void *p = NULL;
        if (posix_memalign(&p, alignment, size))
            fail("posix_memalign(%zu, %zu) failed", alignment, size);
        if ((uintptr_t)p & (alignment - 1))
            fail("%p is not aligned to %zu", p, alignment);
        *b = (struct block){stamp(p, size), size};
    }
    for (int i = 0; i < ALIGNED; i++)
        if (blocks[i].at)
            drop_block(&blocks[i]);
    end(run);
}

const struct load size_loads[] = {
    {"pair-16", "pairs", 1, pair_16},
    {"pair-64", "pairs", 1, pair_64},
    {"pair-256", "pairs", 1, pair_256},
    {"pair-1024", "pairs", 1, pair_1k},
    {"pair-8k", "pairs", 1, pair_8k},
    {"pair-64k", "pairs", 1, pair_64k},
    {"pair-1m", "pairs", 1, pair_1m},
    {"batch-16", "batches", 1, batch_16},
    {"batch-64", "batches", 1, batch_64},
    {"batch-256", "batches", 1, batch_256},
    {"batch-1024", "batches", 1, batch_1k},
    {"orders-1", "one-thread", 1, orders_1},
    {"large", "one-thread", 1, large},
    {"realloc", "one-thread", 1, growth},
    {"calloc", "one-thread", 1, zeroed},
    {"aligned", "one-thread", 1, aligned},
    {"orders-2", "two-threads", 2, orders_2},
    {NULL, NULL, 0, NULL},
};
