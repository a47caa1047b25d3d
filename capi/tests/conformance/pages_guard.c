/* A guard page raises its exception once, and is an ordinary page afterwards; the
 * protections are seen before, while and after. */
#include "pages.h"

static char *volatile base;
static volatile LONG guards, others;
static volatile ULONG_PTR seen_count, seen_write, seen_address, seen_protect;

static LONG CALLBACK on_exception(EXCEPTION_POINTERS *exception)
{
    EXCEPTION_RECORD *record = exception->ExceptionRecord;
    if ((DWORD)record->ExceptionCode != (DWORD)STATUS_GUARD_PAGE_VIOLATION) {
        others++;
        return EXCEPTION_CONTINUE_SEARCH;
    }
    guards++;
    seen_count = record->NumberParameters;
    seen_write = record->ExceptionInformation[0];
    seen_address = record->ExceptionInformation[1];
    seen_protect = query(base).Protect;
    return EXCEPTION_CONTINUE_EXECUTION;
}

int main(void)
{
    DWORD old;
    PVOID handler = AddVectoredExceptionHandler(1, on_exception);
    NEED("handler", handler);
    base = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_RESERVE | MEM_COMMIT,
                                PAGE_READWRITE | PAGE_GUARD);
    NEED("committed", base);
    CHECK("guarded", tells(base, 4 * PAGE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD, base));
    char value = *(volatile char *)(base + 5);
    EQUAL("read-goes-on", value, 0);
    EQUAL("once", guards, 1);
    EQUAL("parameters", seen_count, 2);
    EQUAL("was-read", seen_write, 0);
    EQUAL("address", seen_address, base + 5);
    EQUAL("cleared-when-seen", seen_protect, PAGE_READWRITE);
    CHECK("cleared", tells(base, PAGE, MEM_COMMIT, PAGE_READWRITE, base));
    CHECK("others-guarded",
          tells(base + PAGE, 3 * PAGE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD, base));
    *(volatile char *)(base + 5) = 1;
    EQUAL("not-again", guards, 1);
    *(volatile char *)(base + PAGE) = 2;
    EQUAL("write", guards, 2);
    EQUAL("was-write", seen_write, 1);
    EQUAL("write-goes-on", base[PAGE], 2);
    CHECK("set-again", VirtualProtect(base, 2 * PAGE, PAGE_READONLY | PAGE_GUARD, &old));
    EQUAL("old", old, PAGE_READWRITE);
    EQUAL("kept", *(volatile char *)(base + PAGE), 2);
    EQUAL("again", guards, 3);
    CHECK("read-only-now", tells(base + PAGE, PAGE, MEM_COMMIT, PAGE_READONLY, base));
    CHECK("protect-clears", VirtualProtect(base, 4 * PAGE, PAGE_READWRITE, &old));
    EQUAL("old-guard", old, PAGE_READONLY | PAGE_GUARD);
    base[3 * PAGE] = 1;
    EQUAL("none-more", guards, 3);
    EQUAL("no-others", others, 0);
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    CHECK("removed", RemoveVectoredExceptionHandler(handler));
    return finish();
}
