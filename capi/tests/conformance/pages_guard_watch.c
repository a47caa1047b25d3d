/* A read through a guard page in watched memory is no write. */
#include "pages.h"

static volatile LONG guards;

static LONG CALLBACK on_exception(EXCEPTION_POINTERS *exception)
{
    if ((DWORD)exception->ExceptionRecord->ExceptionCode != (DWORD)STATUS_GUARD_PAGE_VIOLATION)
        return EXCEPTION_CONTINUE_SEARCH;
    guards++;
    return EXCEPTION_CONTINUE_EXECUTION;
}

int main(void)
{
    DWORD old;
    PVOID addresses[4];
    ULONG_PTR count = 4;
    ULONG granularity;
    NEED("handler", AddVectoredExceptionHandler(1, on_exception));
    char *base = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_RESERVE | MEM_COMMIT | MEM_WRITE_WATCH,
                                      PAGE_READWRITE);
    NEED("reserved", base);
    CHECK("guarded", VirtualProtect(base, 2 * PAGE, PAGE_READWRITE | PAGE_GUARD, &old));
    EQUAL("read", *(volatile char *)base, 0);
    EQUAL("raised", guards, 1);
    EQUAL("told", GetWriteWatch(0, base, 4 * PAGE, addresses, &count, &granularity), 0);
    EQUAL("none", count, 0);
    *(volatile char *)(base + PAGE) = 1;
    EQUAL("raised-again", guards, 2);
    count = 4;
    EQUAL("told-again", GetWriteWatch(0, base, 4 * PAGE, addresses, &count, &granularity), 0);
    EQUAL("one", count, 1);
    EQUAL("which", addresses[0], base + PAGE);
    return finish();
}
