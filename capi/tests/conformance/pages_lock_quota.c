/* VirtualLock locks no more than a process may have in memory for good, and nothing of
 * what is too much. */
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE
#endif
#include "pages.h"
#ifndef _WIN32
#include <sys/resource.h>
#endif

#define MANY 0x4000

/* Has the process be one that may lock a little: whoever administrates the system may lock
 * all there is. */
static BOOL limit(void)
{
#ifdef _WIN32
    return TRUE;
#else
    struct rlimit most = {16 * PAGE, 16 * PAGE};
    return setrlimit(RLIMIT_MEMLOCK, &most) == 0 && (geteuid() != 0 || setuid(65534) == 0);
#endif
}

int main(void)
{
    char *base = (char *)VirtualAlloc(NULL, (SIZE_T)MANY * PAGE, MEM_RESERVE | MEM_COMMIT,
                                      PAGE_READWRITE);
    NEED("committed", base);
    NEED("limited", limit());
    CHECK("some", VirtualLock(base, 2 * PAGE));
    FAILS("too-much", VirtualLock(base, (SIZE_T)MANY * PAGE), FALSE, ERROR_WORKING_SET_QUOTA);
    FAILS("not-locked", VirtualUnlock(base + 2 * PAGE, PAGE), FALSE, ERROR_NOT_LOCKED);
    CHECK("still-locked", VirtualUnlock(base, 2 * PAGE));
    CHECK("some-again", VirtualLock(base + PAGE, 3 * PAGE));
    CHECK("unlocked", VirtualUnlock(base + PAGE, 3 * PAGE));
    CHECK("told", tells(base, (SIZE_T)MANY * PAGE, MEM_COMMIT, PAGE_READWRITE, base));
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    return finish();
}
