/* Aligned blocks: where they lie, how large they are, and how they resize. */
#include "crt.h"

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

    block = (char *)_aligned_realloc(NULL, 100, 64);
    NEED("realloc-null", block);
    EQUAL("realloc-null-aligned", (size_t)block % 64, 0);
    for (char i = 0; i < 100; i++)
        block[(int)i] = i;
    BOOL same = TRUE;
    static const size_t sizes[] = {1000, 100000, 3000000, 40};
    for (size_t i = 0; i < 4; i++) {
        block = (char *)_aligned_realloc(block, sizes[i], 64);
        same = same && block && (size_t)block % 64 == 0;
        for (char k = 0; same && k < 40; k++)
            same = block[(int)k] == k;
    }
    CHECK("realloc-keeps", same);
    EQUAL("realloc-0-frees", _aligned_realloc(block, 0, 64), 0);

    volatile size_t huge = (size_t)-1;
    errno = 0;
    EQUAL("overflow", _aligned_malloc(huge - 10, 16), 0);
    EQUAL("overflow-errno", errno, ENOMEM);
    return finish();
}
