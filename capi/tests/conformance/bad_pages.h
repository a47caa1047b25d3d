/* What programs share that hand the functions of pages what they refuse. */
#ifndef CONFORMANCE_BAD_PAGES_H
#define CONFORMANCE_BAD_PAGES_H

#include "pages.h"

/* Whether a call fails with the last error `want`, or any if that is 0; it says so under
 * the names of the call and of what it was handed. */
HELPER void refuses(const char *call, const char *what, BOOL failed, DWORD want)
{
    char name[96];
    DWORD error = GetLastError();
    snprintf(name, sizeof name, "%s-%s", call, what);
    CHECK(name, failed);
    if (want) {
        snprintf(name, sizeof name, "%s-%s-error", call, what);
        EQUAL(name, error, want);
    }
    SetLastError(UNTOUCHED);
}

#endif
