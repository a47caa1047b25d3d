/* GlobalReAlloc of fixed blocks. */
#include "moveable.h"

int main(void)
{
    make_hot(12);
    HGLOBAL small = GlobalAlloc(GMEM_FIXED, 12);
    NEED("allocated", small);
    fill(small, 12);
    const SIZE_T sizes[] = {13, 12, 11, 0, 100};
    int refused = 0, with_error = 0;
    for (int i = 0; i < 5; i++) {
        SetLastError(UNTOUCHED);
        refused += GlobalReAlloc(small, sizes[i], GMEM_FIXED) == NULL;
        with_error += GetLastError() == ERROR_NOT_ENOUGH_MEMORY;
    }
    EQUAL("small-in-place-refused", refused, 5);
    EQUAL("small-in-place-error", with_error, 5);
    EQUAL("small-size-still", GlobalSize(small), 12);
    SetLastError(UNTOUCHED);
    EQUAL("discardable-refused", GlobalReAlloc(small, 12, GMEM_DISCARDABLE), 0);
    EQUAL("modify", GlobalReAlloc(small, 0x100000, GMEM_MODIFY), small);
    EQUAL("modify-keeps-size", GlobalSize(small), 12);

    HGLOBAL moved = GlobalReAlloc(small, 11, GMEM_MOVEABLE);
    CHECK("small-moves-to-shrink", moved && moved != small);
    EQUAL("still-fixed", (ULONG_PTR)moved & 15, 0);
    EQUAL("moved-size", GlobalSize(moved), 11);
    CHECK("moved-content", is_filled(moved, 11));
    moved = GlobalReAlloc(moved, 1000, GMEM_MOVEABLE | GMEM_ZEROINIT);
    NEED("grown", moved);
    EQUAL("grown-size", GlobalSize(moved), 1000);
    CHECK("grown-content", is_filled(moved, 11) && is_zero(moved, 11, 989));
    moved = GlobalReAlloc(moved, 0, GMEM_MOVEABLE);
    NEED("to-0", moved);
    EQUAL("to-0-size", GlobalSize(moved), 0);
    CHECK("moved-freed", !GlobalFree(moved));

    /* Discarding is no moving: the small block stays where it is. */
    small = GlobalAlloc(GMEM_FIXED, 12);
    EQUAL("small-discarded", GlobalDiscard(small), small);
    EQUAL("small-discarded-size", GlobalSize(small), 0);
    CHECK("small-freed", !GlobalFree(small));

    HGLOBAL big = GlobalAlloc(GMEM_FIXED, 0x20000);
    fill(big, 0x20000);
    EQUAL("big-grows", GlobalReAlloc(big, 0x20000 + 512, GMEM_FIXED), big);
    EQUAL("big-grown-size", GlobalSize(big), 0x20000 + 512);
    EQUAL("big-shrinks", GlobalReAlloc(big, 10, GMEM_FIXED), big);
    EQUAL("big-shrunk-size", GlobalSize(big), 10);
    CHECK("big-content", is_filled(big, 10));
    EQUAL("big-to-0", GlobalReAlloc(big, 0, GMEM_FIXED), big);
    EQUAL("big-to-0-size", GlobalSize(big), 0);
    CHECK("big-freed", !GlobalFree(big));
    return finish();
}
