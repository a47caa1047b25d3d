/* LocalLock and LocalUnlock: as the global ones, but for fixed blocks. */
#include "moveable.h"

int main(void)
{
    HLOCAL handle = LocalAlloc(LMEM_MOVEABLE, 10);
    NEED("allocated", handle);
    SetLastError(UNTOUCHED);
    EQUAL("not-locked", LocalUnlock(handle), FALSE);
    EQUAL("not-locked-error", GetLastError(), ERROR_NOT_LOCKED);
    for (int i = 0; i < 256; i++)
        LocalLock(handle);
    EQUAL("flags-at-the-limit", LocalFlags(handle), 0xff);
    int still = 0;
    for (int i = 0; i < 254; i++)
        still += LocalUnlock(handle) == TRUE;
    EQUAL("254-unlocks", still, 254);
    SetLastError(UNTOUCHED);
    EQUAL("last-unlock", LocalUnlock(handle), FALSE);
    EQUAL("last-unlock-error", GetLastError(), NO_ERROR);
    CHECK("freed", !LocalFree(handle));

    HLOCAL fixed = LocalAlloc(LMEM_FIXED, 10);
    EQUAL("fixed-lock", LocalLock(fixed), fixed);
    SetLastError(UNTOUCHED);
    EQUAL("fixed-unlock", LocalUnlock(fixed), FALSE);
    EQUAL("fixed-unlock-error", GetLastError(), ERROR_NOT_LOCKED);
    CHECK("fixed-freed", !LocalFree(fixed));
    return finish();
}
