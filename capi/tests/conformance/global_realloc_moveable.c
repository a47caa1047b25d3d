/* GlobalReAlloc of moveable blocks that are not locked. */
#include "moveable.h"

int main(void)
{
    make_hot(12);
    make_hot(20);
    HGLOBAL handle = GlobalAlloc(GMEM_MOVEABLE, 20);
    NEED("allocated", handle);
    void *data = data_of(handle);
    fill(data, 20);
    EQUAL("shrinks", GlobalReAlloc(handle, 12, GMEM_FIXED), handle);
    EQUAL("shrunk-in-place", data_of(handle), data);
    EQUAL("shrunk-size", GlobalSize(handle), 12);
    EQUAL("shrinks-far", GlobalReAlloc(handle, 1, GMEM_FIXED), handle);
    EQUAL("shrunk-far-in-place", data_of(handle), data);
    EQUAL("shrunk-far-size", GlobalSize(handle), 1);
    EQUAL("grows", GlobalReAlloc(handle, 60, GMEM_FIXED), handle);
    CHECK("grown-elsewhere", data_of(handle) != data);
    EQUAL("grown-size", GlobalSize(handle), 60);
    CHECK("grown-content", is_filled(data_of(handle), 1));
    EQUAL("grown-handle", GlobalHandle(data_of(handle)), handle);
    EQUAL("grown-word", word_of(handle), 3);
    memset(data_of(handle), 0xff, 60);
    EQUAL("grows-with-zeroes", GlobalReAlloc(handle, 5000, GMEM_MOVEABLE | GMEM_ZEROINIT), handle);
    CHECK("zeroes", is_zero(data_of(handle), 60, 4940));
    CHECK("not-zeroed", ((unsigned char *)data_of(handle))[59] == 0xff);
    SetLastError(UNTOUCHED);
    EQUAL("to-0-refused", GlobalReAlloc(handle, 0, GMEM_FIXED), 0);
    EQUAL("to-0-size-still", GlobalSize(handle), 5000);
    EQUAL("discardable-refused", GlobalReAlloc(handle, 10, GMEM_DISCARDABLE), 0);
    SetLastError(UNTOUCHED);
    EQUAL("too-large", GlobalReAlloc(handle, ~(SIZE_T)0, GMEM_MOVEABLE), 0);
    EQUAL("too-large-error", GetLastError(), ERROR_NOT_ENOUGH_MEMORY);
    EQUAL("size-still", GlobalSize(handle), 5000);
    CHECK("freed", !GlobalFree(handle));
    return finish();
}
