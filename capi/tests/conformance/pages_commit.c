/* Committing again keeps what pages hold and changes the protection; what was
 * decommitted reads zero. */
#include "pages.h"

int main(void)
{
    char *base = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_RESERVE, PAGE_READWRITE);
    NEED("reserved", base);
    EQUAL("rounded", VirtualAlloc(base + PAGE + 0x10, PAGE, MEM_COMMIT, PAGE_READWRITE),
          base + PAGE);
    CHECK("before", tells(base, PAGE, MEM_RESERVE, 0, base));
    CHECK("two-pages", tells(base + PAGE, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE, base));
    CHECK("behind", tells(base + 3 * PAGE, PAGE, MEM_RESERVE, 0, base));
    EQUAL("zero", base[PAGE], 0);
    base[PAGE] = 7;
    EQUAL("again", VirtualAlloc(base, 4 * PAGE, MEM_COMMIT, PAGE_READONLY), base);
    CHECK("one-run", tells(base, 4 * PAGE, MEM_COMMIT, PAGE_READONLY, base));
    EQUAL("kept", base[PAGE], 7);
    EQUAL("first-protection", query(base).AllocationProtect, PAGE_READWRITE);
    CHECK("decommitted", VirtualFree(base + PAGE, 1, MEM_DECOMMIT));
    CHECK("one-less", tells(base + PAGE, PAGE, MEM_RESERVE, 0, base));
    CHECK("decommit-reserved", VirtualFree(base + PAGE, 1, MEM_DECOMMIT));
    EQUAL("back", VirtualAlloc(base + PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE), base + PAGE);
    EQUAL("zero-again", base[PAGE], 0);
    CHECK("decommit-all", VirtualFree(base, 0, MEM_DECOMMIT));
    CHECK("all-reserved", tells(base, 4 * PAGE, MEM_RESERVE, 0, base));
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    EQUAL("free", query(base).State, MEM_FREE);
    return finish();
}
