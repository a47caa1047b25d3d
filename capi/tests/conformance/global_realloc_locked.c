/* GlobalReAlloc of moveable blocks that are locked. */
#include "moveable.h"

int main(void)
{
    make_hot(12);
    HGLOBAL small = GlobalAlloc(GMEM_MOVEABLE, 12), big = GlobalAlloc(GMEM_MOVEABLE, 0x20000);
    NEED("allocated", small && big);
    void *data = GlobalLock(small), *big_data = GlobalLock(big);
    fill(data, 12);
    SetLastError(UNTOUCHED);
    EQUAL("small-does-not-grow", GlobalReAlloc(small, 100, GMEM_FIXED), 0);
    EQUAL("small-error", GetLastError(), ERROR_NOT_ENOUGH_MEMORY);
    EQUAL("small-size-still", GlobalSize(small), 12);
    EQUAL("small-shrinks", GlobalReAlloc(small, 10, GMEM_FIXED), small);
    EQUAL("small-in-place", data_of(small), data);
    EQUAL("big-grows", GlobalReAlloc(big, 0x20000 + 512, GMEM_FIXED), big);
    EQUAL("big-in-place", data_of(big), big_data);
    EQUAL("big-size", GlobalSize(big), 0x20000 + 512);
    EQUAL("big-shrinks", GlobalReAlloc(big, 10, GMEM_FIXED), big);
    EQUAL("big-still-in-place", data_of(big), big_data);
    EQUAL("big-size-now", GlobalSize(big), 10);
    EQUAL("small-grows-if-moveable", GlobalReAlloc(small, 100, GMEM_MOVEABLE), small);
    CHECK("small-moved", data_of(small) != data);
    CHECK("small-content", is_filled(data_of(small), 10));
    EQUAL("small-still-locked", word_of(small), 0x10003);
    /* To a size that no region has room for a block can but move. */
    fill(big_data, 10);
    EQUAL("big-grows-if-moveable", GlobalReAlloc(big, 0x200000, GMEM_MOVEABLE), big);
    CHECK("big-moved", data_of(big) != big_data);
    EQUAL("big-moved-size", GlobalSize(big), 0x200000);
    CHECK("big-moved-content", is_filled(data_of(big), 10));
    EQUAL("big-still-locked", word_of(big), 0x10003);
    EQUAL("to-0-refused", GlobalReAlloc(small, 0, GMEM_FIXED), 0);
    EQUAL("discard-refused", GlobalDiscard(small), 0);
    EQUAL("not-discarded", GlobalSize(small), 100);
    EQUAL("unlocked", GlobalUnlock(small), FALSE);
    CHECK("freed", !GlobalFree(small) && !GlobalFree(big));
    return finish();
}
