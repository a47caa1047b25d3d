/* ReadProcessMemory and WriteProcessMemory on the own process. */
#include "pages.h"

int main(void)
{
    char buffer[2 * PAGE];
    DWORD old;
    SIZE_T count = 77;
    char *base = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    NEED("committed", base);
    memset(base, 5, 4 * PAGE);
    CHECK("size-0", ReadProcessMemory(HERE, base, buffer, 0, &count));
    EQUAL("size-0-count", count, 0);
    count = 77;
    CHECK("write-size-0", WriteProcessMemory(HERE, base, buffer, 0, &count));
    EQUAL("write-size-0-count", count, 0);
    CHECK("read", ReadProcessMemory(HERE, base + 7, buffer, sizeof buffer, &count));
    EQUAL("read-count", count, sizeof buffer);
    CHECK("read-all", buffer[0] == 5 && buffer[sizeof buffer - 1] == 5);
    CHECK("no-count", ReadProcessMemory(HERE, base, buffer, 1, NULL));
    FAILS("no-process", ReadProcessMemory(NULL, base, buffer, 1, NULL), FALSE,
          ERROR_INVALID_HANDLE);

    CHECK("second-page", VirtualProtect(base + PAGE, PAGE, PAGE_NOACCESS, &old));
    count = 77;
    FAILS("over-no-access", ReadProcessMemory(HERE, base, buffer, 2 * PAGE, &count), FALSE,
          ERROR_PARTIAL_COPY);
    EQUAL("over-no-access-count", count, 0);
    count = 77;
    SetLastError(UNTOUCHED);
    EQUAL("unreadable-source", WriteProcessMemory(HERE, base, base + PAGE, 1, &count), FALSE);
    CHECK("unreadable-source-error",
          GetLastError() == ERROR_PARTIAL_COPY || GetLastError() == ERROR_NOACCESS);
    EQUAL("unreadable-source-count", count, 0);

    CHECK("read-only", VirtualProtect(base + PAGE, PAGE, PAGE_READONLY, &old));
    count = 77;
    buffer[0] = 6;
    FAILS("write-read-only", WriteProcessMemory(HERE, base + PAGE, buffer, 1, &count), FALSE,
          ERROR_NOACCESS);
    EQUAL("write-read-only-count", count, 77);
    EQUAL("write-read-only-kept", base[PAGE], 5);
    CHECK("write", WriteProcessMemory(HERE, base, buffer, 1, &count));
    EQUAL("write-count", count, 1);
    EQUAL("written", base[0], 6);

    CHECK("code", VirtualProtect(base + PAGE, PAGE, PAGE_EXECUTE_READ, &old));
    CHECK("write-code", WriteProcessMemory(HERE, base + PAGE, buffer, 1, &count));
    EQUAL("write-code-count", count, 1);
    EQUAL("code-written", base[PAGE], 6);
    CHECK("code-kept", tells(base + PAGE, PAGE, MEM_COMMIT, PAGE_EXECUTE_READ, base));
    CHECK("flush", FlushInstructionCache(HERE, base + PAGE, PAGE));
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    return finish();
}
