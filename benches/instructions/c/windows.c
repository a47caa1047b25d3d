/* As loops.c, over the Windows names: by those that libntheap.so exports behind
 * a prefix, and through libntheap_win32.so, which has the plain ones. On a heap
 * of its own, in which blocks of the size were allocated often enough for the
 * low-fragmentation heap to serve them. Prints nothing.
 *
 *     windows NAME N SIZE
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define HOT 64

void *HeapCreate(unsigned options, size_t initial, size_t maximum);
void *HeapAlloc(void *heap, unsigned flags, size_t size);
int HeapFree(void *heap, unsigned flags, void *block);
void *ntheap_HeapAlloc(void *heap, unsigned flags, size_t size);
int ntheap_HeapFree(void *heap, unsigned flags, void *block);
void *ntheap_GlobalAlloc(unsigned flags, size_t size);
void *ntheap_GlobalLock(void *handle);
int ntheap_GlobalUnlock(void *handle);
void *ntheap_GlobalFree(void *handle);

/* nothing.c */
void *allocate_in_nothing(void *heap, unsigned flags, size_t size);
void free_in_nothing(void *heap, unsigned flags, void *block);
void *global_in_nothing(unsigned flags, size_t size);
void *lock_in_nothing(void *handle);
void unlock_in_nothing(void *handle);
void release_in_nothing(void *handle);

__attribute__((noinline)) void mark(void)
{
    __asm__ volatile("" ::: "memory");
}

static inline void *keep(void *block)
{
    __asm__ volatile("" : "+r"(block) : : "memory");
    return block;
}

#define PAIRS(name, allocate, release)                                           \
    static void name(void *heap, size_t n, size_t size)                          \
    {                                                                            \
        for (size_t i = 0; i < n; i++)                                           \
            release(heap, 0, keep(allocate(heap, 0, size)));                     \
    }

PAIRS(pairs, ntheap_HeapAlloc, ntheap_HeapFree)
PAIRS(forwarded, HeapAlloc, HeapFree)
PAIRS(no_pairs, allocate_in_nothing, free_in_nothing)

#define MOVEABLE 2

#define FOURS(name, allocate, lock, unlock, release)                             \
    static void name(void *heap, size_t n, size_t size)                          \
    {                                                                            \
        (void)heap;                                                              \
        for (size_t i = 0; i < n; i++) {                                         \
            void *handle = keep(allocate(MOVEABLE, size));                       \
            keep(lock(handle));                                                  \
            unlock(handle);                                                      \
            release(handle);                                                     \
        }                                                                        \
    }

FOURS(moveable, ntheap_GlobalAlloc, ntheap_GlobalLock, ntheap_GlobalUnlock, ntheap_GlobalFree)
FOURS(no_moveable, global_in_nothing, lock_in_nothing, unlock_in_nothing, release_in_nothing)

int main(int argc, char **argv)
{
    static void *blocks[HOT];
    if (argc != 4)
        return 2;
    void (*volatile run)(void *, size_t, size_t) = NULL;
    if (strcmp(argv[1], "pairs") == 0)
        run = pairs;
    else if (strcmp(argv[1], "forwarded") == 0)
        run = forwarded;
    else if (strcmp(argv[1], "no_pairs") == 0)
        run = no_pairs;
    else if (strcmp(argv[1], "moveable") == 0)
        run = moveable;
    else if (strcmp(argv[1], "no_moveable") == 0)
        run = no_moveable;
    size_t n = strtoul(argv[2], NULL, 10);
    size_t size = strtoul(argv[3], NULL, 10);
    void *heap = HeapCreate(0, 0, 0);
    if (!run || !heap)
        return 2;
    for (size_t i = 0; i < HOT; i++)
        if (!(blocks[i] = HeapAlloc(heap, 0, size)))
            return 2;
    for (size_t i = 0; i < HOT; i++)
        if (!HeapFree(heap, 0, blocks[i]))
            return 2;
    for (size_t i = 0; i < HOT; i++)
        if (!(blocks[i] = ntheap_GlobalAlloc(MOVEABLE, size)))
            return 2;
    for (size_t i = 0; i < HOT; i++)
        if (ntheap_GlobalFree(blocks[i]))
            return 2;
    run(heap, n, size);
    mark();
    run(heap, n, size);
    mark();
    run(heap, 2 * n, size);
    mark();
    return 0;
}
