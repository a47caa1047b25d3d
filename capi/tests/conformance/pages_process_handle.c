/* Which processes the functions with a handle take. */
#include "pages.h"

int main(void)
{
    MEMORY_BASIC_INFORMATION info;
    DWORD old;
    FAILS("alloc", VirtualAllocEx(NULL, NULL, PAGE, MEM_RESERVE, PAGE_NOACCESS), 0,
          ERROR_INVALID_HANDLE);
    char *base = (char *)VirtualAllocEx(HERE, NULL, PAGE, MEM_RESERVE | MEM_COMMIT,
                                        PAGE_READWRITE);
    NEED("own", base);
    CHECK("own-committed", tells(base, PAGE, MEM_COMMIT, PAGE_READWRITE, base));
    FAILS("protect", VirtualProtectEx(NULL, base, PAGE, PAGE_READONLY, &old), FALSE,
          ERROR_INVALID_HANDLE);
    CHECK("own-protect", VirtualProtectEx(HERE, base, PAGE, PAGE_READONLY, &old));
    EQUAL("own-old", old, PAGE_READWRITE);
    FAILS("query", VirtualQueryEx(NULL, base, &info, sizeof info), 0, ERROR_INVALID_HANDLE);
    EQUAL("own-query", VirtualQueryEx(HERE, base, &info, sizeof info), sizeof info);
    EQUAL("own-told", info.Protect, PAGE_READONLY);
    FAILS("free", VirtualFreeEx(NULL, base, 0, MEM_RELEASE), FALSE, ERROR_INVALID_HANDLE);
    CHECK("own-free", VirtualFreeEx(HERE, base, 0, MEM_RELEASE));
    EQUAL("gone", query(base).State, MEM_FREE);
    return finish();
}
