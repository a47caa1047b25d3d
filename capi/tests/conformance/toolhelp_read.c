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
    EQUAL("unreadable", Toolhelp32ReadProcessMemory(0, (LPCVOID)(ULONG_PTR)0x1000, buffer, 4, NULL),
          FALSE);
    return finish();
}
