/* MEM_RESET_UNDO after MEM_RESET: what it says is so is so. */
#include "pages.h"

int main(void)
{
    const SIZE_T size = 64 * PAGE;
    char *base = (char *)VirtualAlloc(NULL, size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    NEED("committed", base);
    CHECK("without-reset", !VirtualAlloc(base, size, MEM_RESET_UNDO, PAGE_NOACCESS));
    memset(base, 9, size);
    EQUAL("reset", VirtualAlloc(base, size, MEM_RESET, PAGE_NOACCESS), base);
    void *undone = VirtualAlloc(base, size, MEM_RESET_UNDO, PAGE_NOACCESS);
    BOOL all = TRUE;
    for (SIZE_T i = 0; i < size; i++)
        all = all && base[i] == 9;
    /* Nothing asks for so little memory meanwhile. */
    EQUAL("undone", undone, base);
    CHECK("kept", all);
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    return finish();
}
