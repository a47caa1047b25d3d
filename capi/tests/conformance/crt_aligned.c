/* Aligned blocks: where they lie, how large they are, and how they resize. */
#include "crt.h"

static void fill(char *block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        block[i] = (char)(i % 251);
}

/* Whether the first bytes are as they were filled. */
static BOOL holds(const char *block, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (block[i] != (char)(i % 251))
            return FALSE;
    return TRUE;
}

int main(void)
{
    NEED("runtime", runtime());
    static const size_t alignments[] = {0, 1, 2, 4, 8, 16, 64, 4096, 65536};
    BOOL aligned = TRUE, kept = TRUE;
    for (size_t i = 0; i < sizeof alignments / sizeof *alignments; i++) {
        for (size_t offset = 0; offset < 20; offset++) {
            char *block = (char *)_aligned_offset_malloc(50, alignments[i], offset);
            size_t at = (size_t)block + offset;
            aligned = aligned && block && (alignments[i] == 0 || at % alignments[i] == 0);
            /* The word below keeps where the heap's own block starts. */
            char *start = *(char **)(((size_t)block - 8) & ~(size_t)7);
            kept = kept && start <= block - 8 && (size_t)start % 16 == 0;
            _aligned_free(block);
        }
    }
    CHECK("aligned", aligned);
    CHECK("start-kept", kept);

    char *block = (char *)_aligned_offset_malloc(23, 16, 7);
    NEED("allocated", block);
    EQUAL("msize-16-7", _aligned_msize(block, 16, 7), 23);
    EQUAL("msize-15-7", _aligned_msize(block, 15, 7), 24);
    EQUAL("msize-11-7", _aligned_msize(block, 11, 7), 28);
    EQUAL("msize-1-7", _aligned_msize(block, 1, 7), 31);
    EQUAL("msize-8-0", _aligned_msize(block, 8, 0), 32);
    _aligned_free(block);
    block = (char *)_aligned_malloc(3, 16);
    EQUAL("msize-16-0", _aligned_msize(block, 16, 0), 3);
    EQUAL("msize-11-0", _aligned_msize(block, 11, 0), 8);
    _aligned_free(block);
    _aligned_free(NULL);

    /* It is a block of malloc's kind that starts there. */
    block = (char *)_aligned_malloc(100, 64);
    NEED("allocated-64", block);
    char *start = *(char **)(block - 8);
    CHECK("start-is-a-block", _msize(start) != (size_t)-1);
    CHECK("start-holds-it", _msize(start) >= (size_t)(block - start) + 100);
    _aligned_free(block);

    static const size_t sizes[] = {1000, 100000, 3000000, 200, 40};
    block = (char *)_aligned_realloc(NULL, 100, 64);
    NEED("realloc-null", block);
    EQUAL("realloc-null-aligned", (size_t)block % 64, 0);
    size_t held = 100;
    BOOL lies = TRUE, same = TRUE;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fill(block, held);
        block = (char *)_aligned_realloc(block, sizes[i], 64);
        lies = lies && block && (size_t)block % 64 == 0;
        if (!block)
            break;
        same = same && holds(block, held < sizes[i] ? held : sizes[i]);
        held = sizes[i];
    }
    CHECK("realloc-aligned", lies);
    CHECK("realloc-keeps", same);
    EQUAL("realloc-0-frees", _aligned_realloc(block, 0, 64), 0);

    block = (char *)_aligned_offset_realloc(NULL, 100, 16, 7);
    NEED("offset-realloc-null", block);
    EQUAL("offset-realloc-null-aligned", ((size_t)block + 7) % 16, 0);
    BOOL measures = TRUE;
    held = 100, lies = TRUE, same = TRUE;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        fill(block, held);
        block = (char *)_aligned_offset_realloc(block, sizes[i], 16, 7);
        lies = lies && block && ((size_t)block + 7) % 16 == 0;
        if (!block)
            break;
        same = same && holds(block, held < sizes[i] ? held : sizes[i]);
        measures = measures && _aligned_msize(block, 16, 7) == sizes[i];
        held = sizes[i];
    }
    CHECK("offset-realloc-aligned", lies);
    CHECK("offset-realloc-keeps", same);
    CHECK("offset-realloc-measures", measures);
    EQUAL("offset-realloc-0-frees", _aligned_offset_realloc(block, 0, 16, 7), 0);

    volatile size_t huge = (size_t)-1;
    errno = 0;
    EQUAL("overflow", _aligned_malloc(huge - 10, 16), 0);
    EQUAL("overflow-errno", errno, ENOMEM);
    return finish();
}
