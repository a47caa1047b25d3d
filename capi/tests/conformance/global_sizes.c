/* Sizes: exact; a fixed global block of 0 bytes has 1, a local one none, a moveable
 * one is empty. */
#include "moveable.h"

int main(void)
{
    HGLOBAL fixed = GlobalAlloc(GMEM_FIXED, 0);
    EQUAL("global-fixed-0", GlobalSize(fixed), 1);
    HLOCAL local = LocalAlloc(LMEM_FIXED, 0);
    EQUAL("local-fixed-0", LocalSize(local), 0);
    HGLOBAL empty = GlobalAlloc(GMEM_MOVEABLE, 0);
    NEED("moveable-0", empty);
    EQUAL("moveable-0-size", GlobalSize(empty), 0);
    EQUAL("moveable-0-flags", GlobalFlags(empty), GMEM_DISCARDED);
    SetLastError(UNTOUCHED);
    EQUAL("moveable-0-lock", GlobalLock(empty), 0);
    EQUAL("moveable-0-lock-error", GetLastError(), ERROR_DISCARDED);
    SetLastError(UNTOUCHED);
    EQUAL("local-lock-of-it", LocalLock(empty), 0);
    EQUAL("local-lock-of-it-error", GetLastError(), ERROR_DISCARDED);

    HGLOBAL some = GlobalAlloc(GMEM_MOVEABLE, 33);
    EQUAL("moveable-33", GlobalSize(some), 33);
    EQUAL("moveable-33-by-its-data", GlobalSize(data_of(some)), 33);
    HGLOBAL others = GlobalAlloc(GMEM_FIXED, 33);
    EQUAL("fixed-33", GlobalSize(others), 33);
    EQUAL("local-of-global", LocalSize(others), 33);

    SetLastError(UNTOUCHED);
    EQUAL("too-large", GlobalAlloc(GMEM_MOVEABLE, ~(SIZE_T)0), 0);
    EQUAL("too-large-error", GetLastError(), ERROR_NOT_ENOUGH_MEMORY);
    SetLastError(UNTOUCHED);
    EQUAL("too-large-fixed", LocalAlloc(LMEM_FIXED, ~(SIZE_T)0 - 7), 0);
    EQUAL("too-large-fixed-error", GetLastError(), ERROR_NOT_ENOUGH_MEMORY);

    make_hot(40);
    HGLOBAL dirty = GlobalAlloc(GMEM_MOVEABLE, 40);
    memset(data_of(dirty), 0xff, 40);
    GlobalFree(dirty);
    HGLOBAL zero = GlobalAlloc(GHND, 40), fixed_zero = GlobalAlloc(GPTR, 40);
    CHECK("zeroinit-moveable", is_zero(data_of(zero), 0, 40));
    CHECK("zeroinit-fixed", is_zero(fixed_zero, 0, 40));
    CHECK("freed", !GlobalFree(fixed) && !LocalFree(local) && !GlobalFree(empty) &&
                       !GlobalFree(some) && !GlobalFree(others) && !GlobalFree(zero) &&
                       !GlobalFree(fixed_zero));
    return finish();
}
