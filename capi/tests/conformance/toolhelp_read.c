/* Toolhelp32ReadProcessMemory, on the own process. */
#include "check.h"
#include <tlhelp32.h>

int main(void)
{
    static const char text[] = "some bytes";
    char buffer[16] = {0};
    SIZE_T count = 77;
    EQUAL("by-number", Toolhelp32ReadProcessMemory(GetCurrentProcessId(), text, buffer, 11, &count),
          TRUE);
    EQUAL("count", count, 11);
    CHECK("bytes", memcmp(buffer, text, 11) == 0);
    memset(buffer, 0, sizeof buffer);
    EQUAL("by-0", Toolhelp32ReadProcessMemory(0, text, buffer, 4, NULL), TRUE);
    CHECK("bytes-by-0", memcmp(buffer, "some", 4) == 0 && buffer[4] == 0);
    count = 77;
    SetLastError(UNTOUCHED);
    EQUAL("unreadable",
          Toolhelp32ReadProcessMemory(0, (LPCVOID)(ULONG_PTR)0x1000, buffer, 4, &count), FALSE);
    DWORD error = GetLastError();
    CHECK("unreadable-error", error == ERROR_PARTIAL_COPY || error == ERROR_NOACCESS);
    EQUAL("unreadable-count", count, 0);
    CHECK("unreadable-kept", memcmp(buffer, "some", 4) == 0);
    EQUAL("unreadable-uncounted",
          Toolhelp32ReadProcessMemory(0, (LPCVOID)(ULONG_PTR)0x1000, buffer, 4, NULL), FALSE);

    /* Half of it. */
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    char *pages = (char *)VirtualAlloc(NULL, 2 * (SIZE_T)system.dwPageSize, MEM_RESERVE | MEM_COMMIT,
                                       PAGE_READWRITE);
    DWORD old;
    NEED("pages", pages && VirtualProtect(pages + system.dwPageSize, system.dwPageSize,
                                          PAGE_NOACCESS, &old));
    count = 77;
    SetLastError(UNTOUCHED);
    EQUAL("half", Toolhelp32ReadProcessMemory(0, pages + system.dwPageSize - 8, buffer, 16, &count),
          FALSE);
    EQUAL("half-error", GetLastError(), ERROR_PARTIAL_COPY);
    EQUAL("half-count", count, 0);
    CHECK("pages-freed", VirtualFree(pages, 0, MEM_RELEASE));
    return finish();
}
