/* The loops whose instructions are counted, for whatever malloc the process
 * has. Each runs once to warm up, then `n` times, then `2 * n` times, with a
 * call of `mark` after each: callgrind starts a new count there. Prints the
 * object that malloc lies in.
 *
 *     loops NAME N SIZE
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH 10000
#define ALIGN 64

/* nothing.c */
void *allocate_nothing(size_t size);
void *allocate_zeroed_nothing(size_t count, size_t size);
void *allocate_aligned_nothing(size_t align, size_t size);
void *reallocate_nothing(void *block, size_t size);
void free_nothing(void *block);
size_t size_of_nothing(void *block);

__attribute__((noinline)) void mark(void)
{
    __asm__ volatile("" ::: "memory");
}

static inline void *keep(void *block)
{
    __asm__ volatile("" : "+r"(block) : : "memory");
    return block;
}

static void *blocks[BATCH];

/* The same loops over malloc's functions and over those that do nothing. */
#define LOOPS(prefix, allocate, zeroed, aligned_at, reallocate, release, size_of) \
    static void prefix##pairs(size_t n, size_t size)                             \
    {                                                                            \
        for (size_t i = 0; i < n; i++)                                           \
            release(keep(allocate(size)));                                       \
    }                                                                            \
    static void prefix##batches(size_t n, size_t size)                           \
    {                                                                            \
        for (size_t round = 0; round < n; round++) {                             \
            for (size_t i = 0; i < BATCH; i++)                                   \
                blocks[i] = keep(allocate(size));                                \
            for (size_t i = 0; i < BATCH; i++)                                   \
                release(keep(blocks[i]));                                        \
        }                                                                        \
    }                                                                            \
    static void prefix##callocs(size_t n, size_t size)                           \
    {                                                                            \
        for (size_t i = 0; i < n; i++)                                           \
            release(keep(zeroed(1, size)));                                      \
    }                                                                            \
    static void prefix##aligned(size_t n, size_t size)                           \
    {                                                                            \
        for (size_t i = 0; i < n; i++)                                           \
            release(keep(aligned_at(ALIGN, size)));                              \
    }                                                                            \
    static void prefix##reallocs(size_t n, size_t size)                          \
    {                                                                            \
        void *block = allocate(size);                                            \
        for (size_t i = 0; i < n; i++) {                                         \
            block = keep(reallocate(block, size - 15));                          \
            block = keep(reallocate(block, size));                               \
        }                                                                        \
        release(block);                                                          \
    }                                                                            \
    static void prefix##sizes(size_t n, size_t size)                             \
    {                                                                            \
        void *block = allocate(size);                                            \
        for (size_t i = 0; i < n; i++)                                           \
            keep((void *)size_of(keep(block)));                                  \
        release(block);                                                          \
    }

LOOPS(, malloc, calloc, aligned_alloc, realloc, free, malloc_usable_size)
LOOPS(no_, allocate_nothing, allocate_zeroed_nothing, allocate_aligned_nothing,
      reallocate_nothing, free_nothing, size_of_nothing)

static const struct {
    const char *name;
    void (*run)(size_t n, size_t size);
} loops[] = {
#define LOOP(name) {#name, name}, {"no_" #name, no_##name}
    LOOP(pairs), LOOP(batches), LOOP(callocs), LOOP(aligned), LOOP(reallocs), LOOP(sizes),
};

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    void (*volatile run)(size_t, size_t) = NULL;
    for (size_t i = 0; i < sizeof loops / sizeof *loops; i++)
        if (strcmp(argv[1], loops[i].name) == 0)
            run = loops[i].run;
    Dl_info object;
    if (!run || !dladdr((void *)malloc, &object))
        return 2;
    /* Past stdio, which would allocate a buffer. */
    if (write(STDOUT_FILENO, object.dli_fname, strlen(object.dli_fname)) <= 0)
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
