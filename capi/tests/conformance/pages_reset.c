/* MEM_RESET keeps state and protection, and each page holds what it did or
 * zeros. */
#include "pages.h"

int main(void)
{
    char *base = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_RESERVE, PAGE_NOACCESS);
    NEED("reserved", base);
    EQUAL("of-reserved", VirtualAlloc(base, PAGE, MEM_RESET, PAGE_NOACCESS), base);
    CHECK("still-reserved", tells(base, 4 * PAGE, MEM_RESERVE, 0, base));
    NEED("committed", VirtualAlloc(base, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE));
    base[0] = base[PAGE - 1] = 5;
    EQUAL("of-committed", VirtualAlloc(base + 1, PAGE, MEM_RESET, PAGE_NOACCESS), base);
    CHECK("state-kept", tells(base, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE, base));
    CHECK("all-or-nothing", base[0] == base[PAGE - 1] && (base[0] == 5 || base[0] == 0));
    FAILS("past-the-end", VirtualAlloc(base, 5 * PAGE, MEM_RESET, PAGE_NOACCESS), 0,
          ERROR_INVALID_ADDRESS);
    FAILS("with-commit", VirtualAlloc(base, PAGE, MEM_RESET | MEM_COMMIT, PAGE_READWRITE), 0,
          ERROR_INVALID_PARAMETER);
    base[0] = 6;
    EQUAL("written-after", base[0], 6);
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    return finish();
}
