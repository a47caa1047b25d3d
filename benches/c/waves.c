/* Waves of blocks, each of every size from a few bytes to a kilobyte, small ones far
 * more often. A wave breaks when it is full: a part of it stays, another part each time,
 * and the rest goes, what lies before that part from its front, what lies behind from its
 * end. Whole magazines fill and empty in every class in turn. */
#include "bench.h"

enum { WAVE = 9000, STAYS = 1800, STEPS = 40 };

struct shore {
    struct block *wave;
    uint64_t turns;
    uint64_t seed;
};

/* The size of the n-th block of a sweep: large steps of size come seldom. */
static size_t swept(struct random *r, int step)
{
    uint32_t part = below(r, 16);
    size_t top = 24 + (size_t)step * 25;
    return part < 10 ? 8 + top / 16 : part < 14 ? 8 + top / 4 : top;
}

static void *break_waves(void *argument)
{
    struct shore *own = argument;
    struct random r = random_from(own->seed);
    int from = 0, sweep = 0;
    for (uint64_t turn = 0; turn < own->turns; turn++) {
        for (int at = 0; at < WAVE; at++)
            if (!own->wave[at].at)
                own->wave[at] = get_block(swept(&r, sweep++ / 64 % STEPS));
        from = (from + STAYS) % WAVE;
        for (int at = 0; at < from; at++)
            drop_block(&own->wave[at]);
        for (int at = WAVE; at-- > from + STAYS;)
            drop_block(&own->wave[at]);
    }
    for (int at = 0; at < WAVE; at++)
        if (own->wave[at].at)
            drop_block(&own->wave[at]);
    return NULL;
}

static void waves(struct run *run, int threads)
{
    struct shore own[2];
    uint64_t n = scaled(run, threads == 1 ? 1400 : 700);
    for (int i = 0; i < threads; i++)
        own[i] = (struct shore){harness_memory(WAVE * sizeof *own[i].wave), n, (uint64_t)i + 61};
    run->operations = n * (uint64_t)threads * (WAVE - STAYS);
    begin(run);
    here_or_in_threads(threads, break_waves, own, sizeof *own);
    end(run);
}

static void waves_1(struct run *run) { waves(run, 1); }
static void waves_2(struct run *run) { waves(run, 2); }

const struct load wave_loads[] = {
    {"waves-1", "one-thread", 1, waves_1},
    {"waves-2", "two-threads", 2, waves_2},
    {NULL, NULL, 0, NULL},
};
