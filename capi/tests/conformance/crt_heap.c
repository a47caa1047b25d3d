/* The runtime's heap: its handle, whether it is sound, and a walk of it. */
#include "crt.h"

int main(void)
{
    NEED("runtime", runtime());
    EQUAL("handle", _get_heap_handle(), GetProcessHeap());
    EQUAL("heapchk", _heapchk(), _HEAPOK);
    char *block = (char *)malloc(12345);
    NEED("allocated", block);
    _HEAPINFO entry;
    entry._pentry = NULL;
    int code, found = 0, entries = 0;
    while ((code = _heapwalk(&entry)) == _HEAPOK && entries < 100000) {
        entries++;
        if ((char *)entry._pentry == block) {
            found++;
            EQUAL("size", entry._size, 12345);
            EQUAL("used", entry._useflag, _USEDENTRY);
        }
    }
    EQUAL("end", code, _HEAPEND);
    EQUAL("found", found, 1);
    CHECK("others", entries > 1);

    int local;
    entry._pentry = &local;
    entry._useflag = _USEDENTRY;
    EQUAL("bad-pointer", _heapwalk(&entry), _HEAPBADPTR);

    free(block);
    EQUAL("heapmin", _heapmin(), 0);
    EQUAL("still-sound", _heapchk(), _HEAPOK);
    EQUAL("set-threshold", _set_sbh_threshold(1016), 0);
    EQUAL("get-threshold", _get_sbh_threshold(), 0);
    return finish();
}
