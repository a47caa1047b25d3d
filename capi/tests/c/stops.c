/* A double free, as the callback is shown it. */
#include <ntheap_debug.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static ntheap_stop seen;
static int calls;
static char texts[2][16384];
static size_t lengths[2];
static char cut[10];
static size_t cut_length;
static uintptr_t frames[2];

static void see(const ntheap_stop *stop)
{
    calls++;
    seen = *stop;
    lengths[0] = ntheap_stop_text(stop, texts[0], sizeof texts[0]);
    lengths[1] = ntheap_stop_json(stop, texts[1], sizeof texts[1]);
    cut_length = ntheap_stop_text(stop, cut, sizeof cut);
    if (ntheap_stop_text(stop, NULL, 0) != cut_length)
        calls += 100;
    frames[0] = stop->allocated_count ? stop->allocated[0] : 0;
    frames[1] = stop->freed_count ? stop->freed[0] : 0;
}

static void second(const ntheap_stop *stop)
{
    calls += stop->number == 7 ? 10 : 1000;
}

/* Whether the function's code has the address. */
static int is_in(uintptr_t address, void (*function)(void))
{
    return address - (uintptr_t)function < 200;
}

static void *volatile block;

static __attribute__((noinline)) void allocate(void)
{
    block = malloc(40);
}

static __attribute__((noinline)) void release(void)
{
    free(block);
}

int main(int count, char **arguments)
{
    (void)count;
    (void)arguments;
    /* Nothing but the program's own block is allocated. */
    setbuf(stdout, NULL);
    if (ntheap_set_stop_callback(see) != NULL)
        return 2;
    allocate();
    release();
    release();
    fputs(texts[0], stdout);
    fputs(texts[1], stdout);
    printf("calls %d, size %d\n", calls, seen.size == sizeof seen);
    printf("stop %u %s, %s, heap \"%s\"\n", seen.number, seen.symbol, seen.operation, seen.heap);
    printf("block %d, address %d, %zu bytes, state %u\n", seen.block == (uintptr_t)block,
           seen.address == (uintptr_t)block, seen.block_size, seen.block_state);
    printf("parameters %d %d %d %d\n", seen.parameters[0] != 0,
           seen.parameters[1] == (uintptr_t)block, seen.parameters[2] == 40,
           seen.parameters[3] == 0);
    printf("threads %d %d\n", seen.thread == seen.allocating_thread,
           seen.thread == seen.freeing_thread);
    printf("stacks %d %d\n", is_in(frames[0], allocate), is_in(frames[1], release));
    printf("whole %d %d\n", lengths[0] == strlen(texts[0]), lengths[1] == strlen(texts[1]));
    printf("cut \"%s\" of %d\n", cut, cut_length == lengths[0]);
    if (ntheap_set_stop_callback(second) != see)
        return 3;
    release();
    printf("second %d\n", calls);
    if (ntheap_set_stop_callback(NULL) != second)
        return 4;
    release();
    printf("none %d\n", calls);
    return 0;
}
