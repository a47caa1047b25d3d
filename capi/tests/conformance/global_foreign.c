/* The global functions with addresses that can be read and are no blocks of the process
 * heap; and with a fixed block that was freed. */
#include "bad.h"

static void bad(const char *what, HGLOBAL address)
{
    char name[64];
    FOREIGN_CHECKS(GlobalFlags, GlobalSize, GlobalLock, GlobalHandle, GlobalReAlloc, GlobalFree);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("unlock"), GlobalUnlock(address), TRUE);
    EQUAL(NAMED("unlock-error"), GetLastError(), UNTOUCHED);
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

    HGLOBAL freed = GlobalAlloc(GMEM_FIXED, 100);
    CHECK("freed-once", freed && !GlobalFree(freed));
    bad("freed", freed);
    CHECK("sound", HeapValidate(GetProcessHeap(), 0, NULL));
    return finish();
}
