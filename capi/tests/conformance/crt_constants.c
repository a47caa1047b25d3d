/* The numbers of malloc.h, and the layout of a walk's entry. */
#include "check.h"
#include <malloc.h>

int main(void)
{
    EQUAL("maxreq", _HEAP_MAXREQ, 0xFFFFFFFFFFFFFFE0);
    EQUAL("empty", _HEAPEMPTY, -1);
    EQUAL("ok", _HEAPOK, -2);
    EQUAL("badbegin", _HEAPBADBEGIN, -3);
    EQUAL("badnode", _HEAPBADNODE, -4);
    EQUAL("end", _HEAPEND, -5);
    EQUAL("badptr", _HEAPBADPTR, -6);
    EQUAL("free", _FREEENTRY, 0);
    EQUAL("used", _USEDENTRY, 1);
    EQUAL("size", sizeof(_HEAPINFO), 24);
    EQUAL("size-at", offsetof(_HEAPINFO, _size), 8);
    EQUAL("useflag-at", offsetof(_HEAPINFO, _useflag), 16);
    return finish();
}
