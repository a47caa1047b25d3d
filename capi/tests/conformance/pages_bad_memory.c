/* IsBadReadPtr and its kin, ReadProcessMemory and WriteProcessMemory over guard pages,
 * reserved pages and the end of the addresses, and with buffers that cannot be used. */
#include "bad_pages.h"

int main(void)
{
    char buffer[16] = "buffer";
    SIZE_T done = 77;
    char *base = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_RESERVE, PAGE_READWRITE);
    NEED("reserved", base);
    NEED("committed", VirtualAlloc(base, PAGE, MEM_COMMIT, PAGE_READWRITE));
    NEED("guard", VirtualAlloc(base + PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD));
    memset(base, 'x', PAGE);
    SetLastError(UNTOUCHED);
    const FARPROC code = (FARPROC)(ULONG_PTR)(base + 2 * PAGE);
    refuses("code", "reserved", IsBadCodePtr(code), 0);
    refuses("read", "up-to-the-end-of-all", IsBadReadPtr(base, (SIZE_T)0 - (ULONG_PTR)base), 0);
    refuses("text", "that-wraps", IsBadStringPtrA(base, (SIZE_T)-1), 0);
    refuses("wide-text", "that-wraps", IsBadStringPtrW((LPCWSTR)(void *)base, (SIZE_T)-1), 0);
    refuses("wide-text", "half-there",
            IsBadStringPtrW((LPCWSTR)(void *)(base + PAGE - 1), 1), 0);

    refuses("read-memory", "half-reserved",
            !ReadProcessMemory(HERE, base + PAGE - 8, buffer, 16, &done), ERROR_PARTIAL_COPY);
    EQUAL("half-reserved-count", done, 0);
    done = 77;
    refuses("read-memory", "reserved",
            !ReadProcessMemory(HERE, base + 2 * PAGE, buffer, 1, &done), ERROR_PARTIAL_COPY);
    EQUAL("reserved-count", done, 0);
    memcpy(buffer, "buffer", 7);
    done = 77;
    refuses("read-memory", "to-reserved",
            !ReadProcessMemory(HERE, buffer, base + 2 * PAGE, 7, &done), ERROR_NOACCESS);
    EQUAL("to-reserved-count", done, 0);
    refuses("read-memory", "to-null", !ReadProcessMemory(HERE, buffer, NULL, 7, NULL),
            ERROR_NOACCESS);
    refuses("write-memory", "to-reserved",
            !WriteProcessMemory(HERE, base + 2 * PAGE, buffer, 7, NULL), 0);
    refuses("write-memory", "half-guard",
            !WriteProcessMemory(HERE, base + PAGE - 4, buffer, 7, NULL), 0);
    refuses("write-memory", "nobodys", !WriteProcessMemory(NULL, base, buffer, 7, NULL),
            ERROR_INVALID_HANDLE);
    refuses("flush", "nobodys", !FlushInstructionCache(NULL, base, PAGE), ERROR_INVALID_HANDLE);
    CHECK("flush-nothing", FlushInstructionCache(HERE, NULL, 0));
    CHECK("untouched", base[PAGE - 4] == 'x' && tells(base, PAGE, MEM_COMMIT, PAGE_READWRITE, base));
    CHECK("still-guard", tells(base + PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD, base));

    CHECK("itself", ReadProcessMemory(HERE, base, base, PAGE, &done) && done == PAGE);
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    return finish();
}
