/* NtFreeVirtualMemory: rounded values come back, regions are ended in part, and
 * each refusal has its status. */
#include "pages.h"

static PVOID at;
static SIZE_T size;

static NTSTATUS let_go(PVOID address, SIZE_T bytes, ULONG type)
{
    at = address;
    size = bytes;
    return NtFreeVirtualMemory(HERE, &at, &size, type);
}

int main(void)
{
    char *base = (char *)VirtualAlloc(NULL, 16 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    NEED("committed", base);
    EQUAL("type-first", NtFreeVirtualMemory(HERE, NULL, NULL, 0), STATUS_INVALID_PARAMETER_4);
    EQUAL("both", let_go(base, 0, MEM_DECOMMIT | MEM_RELEASE), STATUS_INVALID_PARAMETER_4);
    EQUAL("coalesce-alone", let_go(base, PAGE, MEM_COALESCE_PLACEHOLDERS),
          STATUS_INVALID_PARAMETER_4);
    EQUAL("not-at-base", let_go(base + PAGE, 0, MEM_RELEASE), STATUS_FREE_VM_NOT_AT_BASE);
    EQUAL("decommit-not-at-base", let_go(base + PAGE, 0, MEM_DECOMMIT),
          STATUS_FREE_VM_NOT_AT_BASE);
    EQUAL("too-large", let_go(base, 17 * PAGE, MEM_RELEASE), STATUS_UNABLE_TO_FREE_VM);
    EQUAL("decommit-too-large", let_go(base + 15 * PAGE, 2 * PAGE, MEM_DECOMMIT),
          STATUS_UNABLE_TO_FREE_VM);

    EQUAL("decommit", let_go(base + PAGE + 1, PAGE, MEM_DECOMMIT), 0);
    EQUAL("decommit-at", at, base + PAGE);
    EQUAL("decommit-size", size, 2 * PAGE);
    EQUAL("decommit-all", let_go(base + 1, 0, MEM_DECOMMIT), 0);
    EQUAL("decommit-all-at", at, base);
    EQUAL("decommit-all-size", size, 0);
    EQUAL("decommit-reserved", let_go(base, PAGE, MEM_DECOMMIT), 0);

    EQUAL("middle", let_go(base + 6 * PAGE + 1, PAGE, MEM_RELEASE), 0);
    EQUAL("middle-at", at, base + 6 * PAGE);
    EQUAL("middle-size", size, 2 * PAGE);
    CHECK("head-left", tells(base, 6 * PAGE, MEM_RESERVE, 0, base));
    EQUAL("hole", query(base + 6 * PAGE).State, MEM_FREE);
    CHECK("tail-left", tells(base + 8 * PAGE, 8 * PAGE, MEM_RESERVE, 0, base + 8 * PAGE));
    EQUAL("of-the-head", let_go(base, PAGE, MEM_RELEASE), 0);
    CHECK("head-cut", tells(base + PAGE, 5 * PAGE, MEM_RESERVE, 0, base + PAGE));
    EQUAL("of-the-tail", let_go(base + 15 * PAGE, PAGE, MEM_RELEASE), 0);
    CHECK("tail-cut", tells(base + 8 * PAGE, 7 * PAGE, MEM_RESERVE, 0, base + 8 * PAGE));
    EQUAL("free-memory", let_go(base, PAGE, MEM_RELEASE), STATUS_MEMORY_NOT_ALLOCATED);
    EQUAL("free-memory-decommit", let_go(base, PAGE, MEM_DECOMMIT), STATUS_MEMORY_NOT_ALLOCATED);
    EQUAL("head-ended", let_go(base + PAGE, 0, MEM_RELEASE), 0);
    EQUAL("tail-ended", let_go(base + 8 * PAGE, 7 * PAGE, MEM_RELEASE), 0);
    EQUAL("tail-size", size, 7 * PAGE);
    return finish();
}
