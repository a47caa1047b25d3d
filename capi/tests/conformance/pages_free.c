/* What VirtualFree refuses, and with which error. */
#include "pages.h"

int main(void)
{
    char *base = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_RESERVE, PAGE_READWRITE);
    NEED("reserved", base);
    FAILS("both", VirtualFree(base, 0, MEM_DECOMMIT | MEM_RELEASE), FALSE,
          ERROR_INVALID_PARAMETER);
    FAILS("release-size", VirtualFree(base, PAGE, MEM_RELEASE), FALSE, ERROR_INVALID_PARAMETER);
    FAILS("release-whole-size", VirtualFree(base, 4 * PAGE, MEM_RELEASE), FALSE,
          ERROR_INVALID_PARAMETER);
    FAILS("none", VirtualFree(base, 0, 0), FALSE, ERROR_INVALID_PARAMETER);
    FAILS("free", VirtualFree(base, 0, MEM_FREE), FALSE, ERROR_INVALID_PARAMETER);
    FAILS("commit", VirtualFree(base, 0, MEM_COMMIT), FALSE, ERROR_INVALID_PARAMETER);
    FAILS("release-inside", VirtualFree(base + PAGE, 0, MEM_RELEASE), FALSE,
          ERROR_INVALID_ADDRESS);
    FAILS("decommit-inside", VirtualFree(base + PAGE, 0, MEM_DECOMMIT), FALSE,
          ERROR_INVALID_ADDRESS);
    FAILS("decommit-past-the-end", VirtualFree(base, 5 * PAGE, MEM_DECOMMIT), FALSE,
          ERROR_INVALID_PARAMETER);
    CHECK("untouched", tells(base, 4 * PAGE, MEM_RESERVE, 0, base));
    /* An address in the first page names it. */
    CHECK("released", VirtualFree(base + 7, 0, MEM_RELEASE));
    FAILS("release-free", VirtualFree(base, 0, MEM_RELEASE), FALSE, ERROR_INVALID_ADDRESS);
    FAILS("decommit-free", VirtualFree(base, PAGE, MEM_DECOMMIT), FALSE, ERROR_INVALID_ADDRESS);
    FAILS("null", VirtualFree(NULL, 0, MEM_RELEASE), FALSE, ERROR_INVALID_ADDRESS);
    return finish();
}
