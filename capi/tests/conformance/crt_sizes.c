/* malloc and its kin: sizes of 0, exact sizes, overflow. */
#include "crt.h"

int main(void)
{
    NEED("runtime", runtime());
    char *block = (char *)malloc(0);
    CHECK("malloc-0", block);
    EQUAL("msize-0", _msize(block), 0);
    free(block);
    block = (char *)malloc(1);
    EQUAL("msize-1", _msize(block), 1);
    free(block);
    block = (char *)calloc(0, 5);
    CHECK("calloc-0", block);
    free(block);
    block = (char *)realloc(NULL, 0);
    CHECK("realloc-null-0", block);
    EQUAL("realloc-0", realloc(block, 0), 0);

    /* Also where a low-fragmentation heap serves the size. */
    static void *many[40];
    BOOL exact = TRUE;
    for (size_t i = 0; i < 40; i++) {
        many[i] = malloc(100 + i);
        exact = exact && many[i] && _msize(many[i]) == 100 + i;
    }
    CHECK("exact", exact);
    for (size_t i = 0; i < 40; i++)
        free(many[i]);
    block = (char *)malloc(3000000);
    EQUAL("large", _msize(block), 3000000);
    block = (char *)realloc(block, 2999999);
    EQUAL("resized", _msize(block), 2999999);
    free(block);

    volatile size_t huge = (size_t)-1 / 2 + 2, most = _HEAP_MAXREQ;
    errno = 0;
    EQUAL("calloc-overflow", calloc(huge, 2), 0);
    EQUAL("calloc-overflow-errno", errno, ENOMEM);
    errno = 0;
    EQUAL("malloc-most", malloc(most + 1), 0);
    EQUAL("malloc-most-errno", errno, ENOMEM);
    block = (char *)malloc(10);
    errno = 0;
    char *moved = (char *)realloc(block, most + 1);
    EQUAL("realloc-most", moved, 0);
    EQUAL("realloc-most-errno", errno, ENOMEM);
    if (!moved) {
        EQUAL("kept", _msize(block), 10);
        free(block);
    }
    free(NULL);
    return finish();
}
