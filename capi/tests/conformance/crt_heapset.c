/* _heapset checks the heap, and fills what is free. */
#include "crt.h"

int main(void)
{
    NEED("runtime", runtime());
    char *block = (char *)malloc(5000), *wall = (char *)malloc(100);
    NEED("allocated", block && wall);
    memset(block, 1, 5000);
    memset(wall, 2, 100);
    volatile size_t place = (size_t)block;
    free(block);
    EQUAL("set", _heapset('Z'), _HEAPOK);
    CHECK("busy-kept", wall[0] == 2 && wall[99] == 2);
    char *again = (char *)malloc(5000);
    NEED("again", again);
    /* The same place; the heap may use a little of a free block for itself. */
    EQUAL("place", again, place);
    BOOL filled = TRUE;
    for (size_t i = 64; i < 4900; i++)
        filled = filled && again[i] == 'Z';
    CHECK("filled", filled);
    free(again);
    free(wall);
    EQUAL("sound", _heapchk(), _HEAPOK);
    return finish();
}
