/* GlobalLock and GlobalUnlock: counted to 255 and no further. */
#include "moveable.h"

int main(void)
{
    HGLOBAL handle = GlobalAlloc(GMEM_MOVEABLE, 10);
    NEED("allocated", handle);
    SetLastError(UNTOUCHED);
    EQUAL("not-locked", GlobalUnlock(handle), FALSE);
    EQUAL("not-locked-error", GetLastError(), ERROR_NOT_LOCKED);
    int same = 0;
    for (int i = 0; i < 256; i++)
        same += GlobalLock(handle) == data_of(handle);
    EQUAL("256-locks", same, 256);
    EQUAL("word-at-the-limit", word_of(handle), 0xff0003);
    EQUAL("flags-at-the-limit", GlobalFlags(handle), 0xff);
    int still = 0;
    SetLastError(UNTOUCHED);
    for (int i = 0; i < 254; i++)
        still += GlobalUnlock(handle) == TRUE;
    EQUAL("254-unlocks", still, 254);
    EQUAL("still-locked-error", GetLastError(), UNTOUCHED);
    EQUAL("last-unlock", GlobalUnlock(handle), FALSE);
    EQUAL("last-unlock-error", GetLastError(), NO_ERROR);
    EQUAL("once-more", GlobalUnlock(handle), FALSE);
    EQUAL("once-more-error", GetLastError(), ERROR_NOT_LOCKED);
    EQUAL("flags-at-last", GlobalFlags(handle), 0);
    CHECK("freed", !GlobalFree(handle));

    HGLOBAL fixed = GlobalAlloc(GMEM_FIXED, 10);
    SetLastError(UNTOUCHED);
    EQUAL("fixed-lock", GlobalLock(fixed), fixed);
    EQUAL("fixed-unlock", GlobalUnlock(fixed), TRUE);
    EQUAL("fixed-unlock-again", GlobalUnlock(fixed), TRUE);
    EQUAL("fixed-error", GetLastError(), UNTOUCHED);
    EQUAL("fixed-flags", GlobalFlags(fixed), 0);
    CHECK("fixed-freed", !GlobalFree(fixed));

    handle = GlobalAlloc(GMEM_MOVEABLE, 10);
    GlobalFix(handle);
    EQUAL("fix-is-a-lock", GlobalFlags(handle), 1);
    EQUAL("wire-is-a-lock", GlobalWire(handle), data_of(handle));
    EQUAL("two-locks", GlobalFlags(handle), 2);
    EQUAL("unwire", GlobalUnWire(handle), TRUE);
    GlobalUnfix(handle);
    EQUAL("none-left", GlobalFlags(handle), 0);
    CHECK("handle-freed", !GlobalFree(handle));
    return finish();
}
