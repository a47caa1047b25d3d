/* Random replacement: a table of blocks, a random one of which is freed and
 * allocated anew. Each thread has a table of its own. */
#include "bench.h"

struct table {
    uint32_t blocks;
    uint64_t turns;
    uint64_t seed;
};

static void *replace_body(void *argument)
{
    struct table *own = argument;
    struct random r = random_from(own->seed);
    struct block *blocks = harness_memory(own->blocks * sizeof *blocks);
    for (uint32_t i = 0; i < own->blocks; i++)
        blocks[i] = get_block(log_uniform(&r, 16, 8));
    for (uint64_t i = 0; i < own->turns; i++) {
        struct block *b = &blocks[below(&r, own->blocks)];
        drop_block(b);
        *b = get_block(log_uniform(&r, 16, 8));
    }
    for (uint32_t i = 0; i < own->blocks; i++)
        drop_block(&blocks[i]);
    return NULL;
}

static void replace(struct run *run, int threads, uint32_t blocks, double turns)
{
    struct table own[2];
    uint64_t n = scaled(run, turns);
    for (int i = 0; i < threads; i++)
        own[i] = (struct table){blocks, n, (uint64_t)i + 11};
    run->operations = (uint64_t)threads * (n + blocks);
    begin(run);
    here_or_in_threads(threads, replace_body, own, sizeof *own);
    end(run);
}

static void replace_10k(struct run *run) { replace(run, 1, 10000, 8e6); }
static void replace_100k(struct run *run) { replace(run, 1, 100000, 2e6); }
static void replace_2(struct run *run) { replace(run, 2, 10000, 5e6); }

const struct load replace_loads[] = {
    {"replace-10k", "one-thread", 1, replace_10k},
    {"replace-100k", "one-thread", 1, replace_100k},
    {"replace-2", "two-threads", 2, replace_2},
    {NULL, NULL, 0, NULL},
};
