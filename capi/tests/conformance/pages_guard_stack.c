/* A stack as an article explains it: reserved as a whole, its highest pages committed, and
 * below them a guard page, whose first touch commits the page below and makes that the
 * guard; the lowest page of all is never committed. */
#include "pages.h"

#define PAGES 32

static char *volatile base, *volatile guard;
static volatile LONG moves, ends, others;

static LONG CALLBACK on_exception(EXCEPTION_POINTERS *exception)
{
    EXCEPTION_RECORD *record = exception->ExceptionRecord;
    char *touched = (char *)record->ExceptionInformation[1];
    DWORD code = (DWORD)record->ExceptionCode;
    if (code == (DWORD)STATUS_GUARD_PAGE_VIOLATION && touched >= guard && touched < guard + PAGE) {
        guard -= PAGE;
        if (guard == base) {
            /* What was the guard can be used by whoever handles the overflow. */
            ends++;
            return EXCEPTION_CONTINUE_EXECUTION;
        }
        moves++;
        return VirtualAlloc(guard, PAGE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD)
                   ? EXCEPTION_CONTINUE_EXECUTION
                   : EXCEPTION_CONTINUE_SEARCH;
    }
    others++;
    return EXCEPTION_CONTINUE_SEARCH;
}

int main(void)
{
    NEED("handler", AddVectoredExceptionHandler(1, on_exception));
    base = (char *)VirtualAlloc(NULL, PAGES * PAGE, MEM_RESERVE, PAGE_READWRITE);
    NEED("reserved", base);
    char *top = base + PAGES * PAGE;
    NEED("committed", VirtualAlloc(top - 2 * PAGE, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE));
    guard = top - 3 * PAGE;
    NEED("guard", VirtualAlloc(guard, PAGE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD));
    CHECK("three-parts", tells(base, (PAGES - 3) * PAGE, MEM_RESERVE, 0, base) &&
                             tells(guard, PAGE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD, base) &&
                             tells(top - 2 * PAGE, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE, base));
    for (char *at = top - 16; at > top - 2 * PAGE; at -= 16)
        *(volatile char *)at = 1;
    EQUAL("not-moved", moves, 0);
    for (char *at = top - 2 * PAGE; at > top - 10 * PAGE; at -= 16)
        *(volatile char *)at = 1;
    EQUAL("moved", moves, 8);
    CHECK("grown", tells(top - 10 * PAGE, 10 * PAGE, MEM_COMMIT, PAGE_READWRITE, base));
    CHECK("guard-below",
          tells(top - 11 * PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD, base));
    CHECK("rest-reserved", tells(base, (PAGES - 11) * PAGE, MEM_RESERVE, 0, base));
    for (char *at = top - 10 * PAGE; at >= base + PAGE; at -= 16)
        *(volatile char *)at = 1;
    EQUAL("moved-down", moves, PAGES - 4);
    EQUAL("end", ends, 1);
    CHECK("lowest-reserved", tells(base, PAGE, MEM_RESERVE, 0, base));
    CHECK("all-committed",
          tells(base + PAGE, (PAGES - 1) * PAGE, MEM_COMMIT, PAGE_READWRITE, base));
    EQUAL("no-others", others, 0);
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    return finish();
}
