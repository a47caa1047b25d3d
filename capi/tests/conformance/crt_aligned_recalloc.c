/* The aligned kin of _recalloc: what is new is zero. */
#include "crt.h"

int main(void)
{
    NEED("runtime", runtime());
    char *block = (char *)_aligned_offset_recalloc(NULL, 10, 10, 32, 4);
    NEED("recalloc-null", block);
    BOOL zero = TRUE;
    for (size_t i = 0; i < 100; i++)
        zero = zero && block[i] == 0;
    CHECK("recalloc-zero", zero);
    memset(block, 5, 100);
    block = (char *)_aligned_offset_recalloc(block, 100, 10, 32, 4);
    NEED("recalloc-grown", block);
    BOOL grown = ((size_t)block + 4) % 32 == 0;
    for (size_t i = 0; i < 1000; i++)
        grown = grown && block[i] == (i < 100 ? 5 : 0);
    CHECK("recalloc-growth-zero", grown);
    _aligned_free(block);

    volatile size_t huge = (size_t)-1;
    errno = 0;
    EQUAL("recalloc-overflow", _aligned_recalloc(NULL, huge / 2, 3, 16), 0);
    EQUAL("recalloc-overflow-errno", errno, ENOMEM);
    return finish();
}
