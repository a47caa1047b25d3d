/* The loops whose instructions are counted, for whatever malloc the process
 * has. Each runs once to warm up, then `n` times, then `2 * n` times, with a
 * call of `mark` after each: callgrind starts a new count there.
 *
 *     loops NAME N SIZE
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 10000

/* nothing.c */
void *allocate_nothing(size_t size);
void free_nothing(void *block);

__attribute__((noinline)) void mark(void)
{
    __asm__ volatile("" ::: "memory");
}

static inline void *keep(void *block)
{
    __asm__ volatile("" : "+r"(block) : : "memory");
    return block;
}

static void pairs(size_t n, size_t size)
{
    for (size_t i = 0; i < n; i++)
        free(keep(malloc(size)));
}

static void no_pairs(size_t n, size_t size)
{
    for (size_t i = 0; i < n; i++)
        free_nothing(keep(allocate_nothing(size)));
}

static void *blocks[BATCH];

static void batches(size_t n, size_t size)
{
    for (size_t round = 0; round < n; round++) {
        for (size_t i = 0; i < BATCH; i++)
            blocks[i] = keep(malloc(size));
        for (size_t i = 0; i < BATCH; i++)
            free(keep(blocks[i]));
    }
}

static void no_batches(size_t n, size_t size)
{
    for (size_t round = 0; round < n; round++) {
        for (size_t i = 0; i < BATCH; i++)
            blocks[i] = keep(allocate_nothing(size));
        for (size_t i = 0; i < BATCH; i++)
            free_nothing(keep(blocks[i]));
    }
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    void (*volatile run)(size_t, size_t) = NULL;
    if (strcmp(argv[1], "pairs") == 0)
        run = pairs;
    else if (strcmp(argv[1], "no_pairs") == 0)
        run = no_pairs;
    else if (strcmp(argv[1], "batches") == 0)
        run = batches;
    else if (strcmp(argv[1], "no_batches") == 0)
        run = no_batches;
    if (!run)
        return 2;
    size_t n = strtoul(argv[2], NULL, 10);
    size_t size = strtoul(argv[3], NULL, 10);
    run(n, size);
    mark();
    run(n, size);
    mark();
    run(2 * n, size);
    mark();
    return 0;
}
