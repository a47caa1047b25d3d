/* The local functions with addresses that can be read and are no blocks of the process
 * heap; and with a fixed block that was freed. */
#include "bad.h"

static void bad(const char *what, HGLOBAL address)
{
    char name[64];
    FOREIGN_CHECKS(LocalFlags, LocalSize, LocalLock, LocalHandle, LocalReAlloc, LocalFree);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("unlock"), LocalUnlock(address), FALSE);
    EQUAL(NAMED("unlock-error"), GetLastError(), ERROR_NOT_LOCKED);
}

int main(void)
{
    char on_stack[64] __attribute__((aligned(16)));
    struct foreign foreign[FOREIGN];
    HGLOBAL blocks[2] = {NULL, NULL};
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("made", heap && make_foreign(foreign, on_stack, heap, blocks));
    fill(on_stack, sizeof on_stack);
    for (int i = 0; i < FOREIGN; i++)
        bad(foreign[i].what, foreign[i].address);
    CHECK("unharmed", are_unharmed(on_stack, heap, blocks));
    CHECK("destroyed", HeapDestroy(heap));

    HGLOBAL freed = LocalAlloc(GMEM_FIXED, 100);
    CHECK("freed-once", freed && !LocalFree(freed));
    bad("freed", freed);
    CHECK("sound", HeapValidate(GetProcessHeap(), 0, NULL));
    return finish();
}
