/* PAGE_NOCACHE belongs to the allocation: later protections neither lose nor gain
 * it. */
#include "pages.h"

int main(void)
{
    DWORD old = 0;
    char *base = (char *)VirtualAlloc(NULL, 2 * PAGE, MEM_RESERVE | MEM_COMMIT,
                                      PAGE_READWRITE | PAGE_NOCACHE);
    NEED("with", base);
    CHECK("told", tells(base, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE | PAGE_NOCACHE, base));
    CHECK("protect", VirtualProtect(base, PAGE, PAGE_READONLY, &old));
    EQUAL("old", old, PAGE_READWRITE | PAGE_NOCACHE);
    CHECK("kept", tells(base, PAGE, MEM_COMMIT, PAGE_READONLY | PAGE_NOCACHE, base));
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));

    base = (char *)VirtualAlloc(NULL, PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    NEED("without", base);
    CHECK("protect-with", VirtualProtect(base, PAGE, PAGE_READONLY | PAGE_NOCACHE, &old));
    CHECK("not-gained", tells(base, PAGE, MEM_COMMIT, PAGE_READONLY, base));
    CHECK("released-too", VirtualFree(base, 0, MEM_RELEASE));
    return finish();
}
