/* malloc's blocks of every small size, by several threads, more of them than are kept at
 * hand: each has the bytes that it was asked for, which nobody else writes to, and the heap
 * that serves them is well at the end. */
#define _GNU_SOURCE
#include "check.h"
#include <malloc.h>
#include <pthread.h>

/* The preloaded library's, of the heap that serves malloc. */
extern int ntheap__heapchk(void) __attribute__((weak));

enum { HEAPOK = -2 };
enum { THREADS = 4, BLOCKS = 8000, TURNS = 400000 };

static void *turn(void *argument)
{
    uint64_t state = (uint64_t)(uintptr_t)argument;
    unsigned char **blocks = calloc(BLOCKS, sizeof *blocks);
    size_t *sizes = calloc(BLOCKS, sizeof *sizes);
    CHECK(blocks && sizes);
    for (int i = 0; i < TURNS + BLOCKS; i++) {
        size_t at = i < TURNS ? next_random(&state) % BLOCKS : (size_t)(i - TURNS);
        if (blocks[at]) {
            CHECK(malloc_usable_size(blocks[at]) >= sizes[at]);
            for (size_t byte = 0; byte < sizes[at]; byte++)
                CHECK(blocks[at][byte] == (unsigned char)at);
            free(blocks[at]);
            blocks[at] = NULL;
        } else if (i < TURNS) {
            sizes[at] = 1 + next_random(&state) % 100;
            CHECK(blocks[at] = malloc(sizes[at]));
            memset(blocks[at], (int)at, sizes[at]);
        }
    }
    free(blocks);
    free(sizes);
    return NULL;
}

int main(void)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, turn, (void *)(i + 1)) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(ntheap__heapchk && ntheap__heapchk() == HEAPOK);
    puts("done");
    return 0;
}
