/* The functions for apps give no right to run code. */
#include "pages.h"

typedef PVOID(WINAPI *from_app_function)(PVOID, SIZE_T, ULONG, ULONG);

int main(void)
{
    FIND(from_app_function, VirtualAllocFromApp);
    FIND(alloc2_function, VirtualAlloc2FromApp);
    NEED_FUNCTION(VirtualAllocFromApp);
    NEED_FUNCTION(VirtualAlloc2FromApp);
    static const ULONG execute[] = {PAGE_EXECUTE, PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE,
                                    PAGE_EXECUTE_WRITECOPY};
    const ULONG both = MEM_RESERVE | MEM_COMMIT;
    for (SIZE_T i = 0; i < sizeof execute / sizeof *execute; i++) {
        char name[64];
        SetLastError(UNTOUCHED);
        PVOID at = VirtualAllocFromApp_(NULL, PAGE, both, execute[i]);
        DWORD error = GetLastError();
        snprintf(name, sizeof name, "alloc-%#x", (unsigned)execute[i]);
        CHECK(name, !at && error == ERROR_INVALID_PARAMETER);
        SetLastError(UNTOUCHED);
        at = VirtualAlloc2FromApp_(NULL, NULL, PAGE, both, execute[i], NULL, 0);
        error = GetLastError();
        snprintf(name, sizeof name, "alloc2-%#x", (unsigned)execute[i]);
        CHECK(name, !at && error == ERROR_INVALID_PARAMETER);
    }
    PVOID at = VirtualAllocFromApp_(NULL, PAGE, both, PAGE_READWRITE);
    CHECK("read-write", at && VirtualFree(at, 0, MEM_RELEASE));
    at = VirtualAlloc2FromApp_(NULL, NULL, PAGE, both, PAGE_READWRITE, NULL, 0);
    CHECK("read-write-2", at && VirtualFree(at, 0, MEM_RELEASE));
    return finish();
}
