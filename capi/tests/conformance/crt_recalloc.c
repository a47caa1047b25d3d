/* _recalloc: as realloc, with what is new zeroed. */
#include "crt.h"

/* Whether all of [from, to) is `value`. */
static BOOL all(const char *block, size_t from, size_t to, char value)
{
    for (size_t i = from; i < to; i++)
        if (block[i] != value)
            return FALSE;
    return TRUE;
}

int main(void)
{
    NEED("runtime", runtime());
    char *block = (char *)_recalloc(NULL, 10, 7);
    NEED("null", block);
    EQUAL("size", _msize(block), 70);
    CHECK("zero", all(block, 0, 70, 0));
    memset(block, 1, 70);
    block = (char *)_recalloc(block, 100, 30);
    NEED("grown", block);
    EQUAL("grown-size", _msize(block), 3000);
    CHECK("kept", all(block, 0, 70, 1));
    CHECK("growth-zero", all(block, 70, 3000, 0));
    memset(block, 2, 3000);
    block = (char *)_recalloc(block, 5, 7);
    NEED("shrunk", block);
    EQUAL("shrunk-size", _msize(block), 35);
    CHECK("shrunk-kept", all(block, 0, 35, 2));

    volatile size_t huge = (size_t)-1 / 2 + 2;
    errno = 0;
    EQUAL("overflow", _recalloc(block, huge, 2), 0);
    EQUAL("overflow-errno", errno, ENOMEM);
    CHECK("overflow-kept", all(block, 0, 35, 2));
    EQUAL("zero-frees", _recalloc(block, 0, 7), 0);
    return finish();
}
