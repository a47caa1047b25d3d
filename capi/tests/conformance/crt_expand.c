/* _expand: in place or not at all. */
#include "crt.h"

int main(void)
{
    NEED("runtime", runtime());
    char *block = (char *)malloc(1000);
    NEED("allocated", block);
    memset(block, 7, 1000);
    EQUAL("shrinks", _expand(block, 100), block);
    CHECK("shrunk", _msize(block) == 100 || _msize(block) == 1000);
    CHECK("kept", block[0] == 7 && block[99] == 7);
    EQUAL("same", _expand(block, 100), block);

    /* A block behind it is in the way. */
    char *wall = (char *)malloc(1000);
    errno = 0;
    EQUAL("grows-not", _expand(block, 0x100000), 0);
    CHECK("still-there", block[99] == 7);
    free(wall);
    volatile size_t most = _HEAP_MAXREQ;
    errno = 0;
    EQUAL("most", _expand(block, most + 1), 0);
    EQUAL("most-errno", errno, ENOMEM);
    free(block);
    return finish();
}
