/* What the test programs share. */
#ifndef CHECK_H
#define CHECK_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Ends the program with the line that was not as it must be. The text needs
 * no memory. */
#define CHECK(condition)                                                       \
    do {                                                                       \
        if (!(condition))                                                      \
            check_failed(__FILE__, __LINE__, #condition);                      \
    } while (0)

__attribute__((noreturn, unused)) static void check_failed(const char *file, int line,
                                                           const char *condition)
{
    char text[512];
    int length = snprintf(text, sizeof text, "%s:%d: not so: %s (errno %d)\n", file, line,
                          condition, errno);
    ssize_t ignored = write(2, text, (size_t)length);
    (void)ignored;
    _exit(99);
}

/* A pseudorandom number; the state is the caller's. */
__attribute__((unused)) static uint32_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 33);
}

/* A size as programs ask for them: mostly small, sometimes large. */
__attribute__((unused)) static size_t random_size(uint64_t *state)
{
    uint32_t choice = next_random(state) % 100;
    if (choice < 80)
        return 1 + next_random(state) % 512;
    if (choice < 95)
        return 1 + next_random(state) % 20000;
    if (choice < 99)
        return 1 + next_random(state) % 300000;
    return 1 + next_random(state) % 4000000;
}

struct checked_block {
    unsigned char *bytes;
    size_t size;
    unsigned char fill;
};

/* Allocates, resizes and frees `steps` times with up to 256 blocks alive, and
 * checks that every block keeps what was written to it. */
__attribute__((unused)) static void workload(uint64_t seed, int steps)
{
    static const struct checked_block none = {0, 0, 0};
    struct checked_block blocks[256];
    for (int i = 0; i < 256; i++)
        blocks[i] = none;
    uint64_t state = seed;
    for (int step = 0; step < steps; step++) {
        struct checked_block *block = &blocks[next_random(&state) % 256];
        if (block->bytes) {
            CHECK(block->bytes[0] == block->fill);
            CHECK(block->bytes[block->size / 2] == block->fill);
            CHECK(block->bytes[block->size - 1] == block->fill);
        }
        size_t size = random_size(&state);
        if (block->bytes && next_random(&state) % 4 == 0) {
            unsigned char *moved = (unsigned char *)realloc(block->bytes, size);
            CHECK(moved);
            size_t kept = size < block->size ? size : block->size;
            CHECK(moved[0] == block->fill);
            CHECK(moved[kept - 1] == block->fill || (kept < block->size && block->size > 20000));
            block->bytes = moved;
        } else {
            free(block->bytes);
            void *fresh = next_random(&state) % 8 ? malloc(size) : calloc(1, size);
            block->bytes = (unsigned char *)fresh;
            CHECK(block->bytes);
        }
        CHECK((uintptr_t)block->bytes % 16 == 0);
        block->size = size;
        block->fill = (unsigned char)next_random(&state);
        /* Large blocks are touched here and there only: it is their place
         * that matters. */
        if (size <= 20000) {
            memset(block->bytes, block->fill, size);
        } else {
            memset(block->bytes, block->fill, 4096);
            memset(block->bytes + size / 2, block->fill, 4096);
            memset(block->bytes + size - 4096, block->fill, 4096);
        }
    }
    for (int i = 0; i < 256; i++)
        free(blocks[i].bytes);
}

#endif
