/* VirtualLock and VirtualUnlock: no count, and no pages that cannot be accessed. */
#include "pages.h"

int main(void)
{
    char *base = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_RESERVE, PAGE_READWRITE);
    NEED("reserved", base);
    NEED("committed", VirtualAlloc(base, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE));
    CHECK("partly-committed", !VirtualLock(base, 3 * PAGE));
    FAILS("not-locked", VirtualUnlock(base, PAGE), FALSE, ERROR_NOT_LOCKED);
    DWORD old;
    CHECK("no-access", VirtualProtect(base + PAGE, PAGE, PAGE_NOACCESS, &old));
    FAILS("no-access-refused", VirtualLock(base, 2 * PAGE), FALSE, ERROR_NOACCESS);
    CHECK("access", VirtualProtect(base + PAGE, PAGE, PAGE_READWRITE, &old));
    CHECK("locked", VirtualLock(base, 2 * PAGE));
    CHECK("locked-again", VirtualLock(base, PAGE));
    base[0] = base[PAGE] = 1;
    CHECK("unlocked", VirtualUnlock(base, PAGE));
    FAILS("no-count", VirtualUnlock(base, PAGE), FALSE, ERROR_NOT_LOCKED);
    FAILS("partly-locked", VirtualUnlock(base, 2 * PAGE), FALSE, ERROR_NOT_LOCKED);
    CHECK("unlocked-too", VirtualUnlock(base + PAGE, PAGE));
    CHECK("locked-once-more", VirtualLock(base, 2 * PAGE));
    CHECK("decommit-locked", VirtualFree(base, PAGE, MEM_DECOMMIT));
    CHECK("released-locked", VirtualFree(base, 0, MEM_RELEASE));
    return finish();
}
