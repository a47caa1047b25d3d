/* What VirtualQuery tells of reserved, committed and free pages, and of memory
 * that the program did not reserve. */
#include "pages.h"

static int variable;

int main(void)
{
    EQUAL("structure", sizeof(MEMORY_BASIC_INFORMATION), 48);
    char *base = (char *)VirtualAlloc(NULL, 8 * PAGE, MEM_RESERVE, PAGE_EXECUTE_READ);
    NEED("reserved", base);
    CHECK("all", tells(base, 8 * PAGE, MEM_RESERVE, 0, base));
    EQUAL("first-protection", query(base).AllocationProtect, PAGE_EXECUTE_READ);
    EQUAL("type", query(base).Type, MEM_PRIVATE);
    NEED("committed", VirtualAlloc(base + 2 * PAGE, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE));
    NEED("committed-more", VirtualAlloc(base + 4 * PAGE, PAGE, MEM_COMMIT, PAGE_NOACCESS));
    CHECK("head", tells(base, 2 * PAGE, MEM_RESERVE, 0, base));
    CHECK("from-inside", tells(base + PAGE, PAGE, MEM_RESERVE, 0, base));
    CHECK("read-write", tells(base + 2 * PAGE, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE, base));
    CHECK("no-access", tells(base + 4 * PAGE, PAGE, MEM_COMMIT, PAGE_NOACCESS, base));
    CHECK("tail", tells(base + 5 * PAGE, 3 * PAGE, MEM_RESERVE, 0, base));
    EQUAL("page-of-an-address", query(base + 3 * PAGE + 5).BaseAddress, base + 3 * PAGE);
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));

    MEMORY_BASIC_INFORMATION info = query(base + PAGE + 5);
    EQUAL("free-page", info.BaseAddress, base + PAGE);
    EQUAL("free-state", info.State, MEM_FREE);
    EQUAL("free-reservation", info.AllocationBase, 0);
    EQUAL("free-first-protection", info.AllocationProtect, 0);
    EQUAL("free-protection", info.Protect, PAGE_NOACCESS);
    EQUAL("free-type", info.Type, 0);

    info = query(&variable);
    EQUAL("data-type", info.Type, MEM_IMAGE);
    EQUAL("data-state", info.State, MEM_COMMIT);
    void *data_base = info.AllocationBase;
    info = query((void *)(ULONG_PTR)finish);
    EQUAL("code-type", info.Type, MEM_IMAGE);
    EQUAL("code-first-protection", info.AllocationProtect, PAGE_EXECUTE_WRITECOPY);
    EQUAL("one-image", info.AllocationBase, data_base);
    int local = 0;
    info = query(&local);
    EQUAL("stack-type", info.Type, MEM_PRIVATE);
    EQUAL("stack-protection", info.Protect, PAGE_READWRITE);

    FAILS("above-all", VirtualQuery((void *)(ULONG_PTR)0xFFFF800000000000ull, &info, sizeof info),
          0, ERROR_INVALID_PARAMETER);
    FAILS("short", VirtualQuery(base, &info, sizeof info - 1), 0, ERROR_BAD_LENGTH);
    return finish();
}
