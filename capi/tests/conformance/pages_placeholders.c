/* Placeholders: reserved, split, replaced, turned back, joined and released. */
#include "pages.h"

static alloc2_function alloc2;

static PVOID placeholder(SIZE_T size)
{
    return alloc2(NULL, NULL, size, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS, NULL, 0);
}

static PVOID replace(PVOID at, SIZE_T size, ULONG type)
{
    return alloc2(NULL, at, size, type | MEM_REPLACE_PLACEHOLDER, PAGE_READWRITE, NULL, 0);
}

#define SPLIT (MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER)
#define JOIN (MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS)

static NTSTATUS nt_free(PVOID at, SIZE_T size, ULONG type)
{
    return NtFreeVirtualMemory(HERE, &at, &size, type);
}

int main(void)
{
    FIND(alloc2_function, VirtualAlloc2);
    NEED_FUNCTION(VirtualAlloc2);
    alloc2 = VirtualAlloc2_;
    FAILS("accessible",
          alloc2(NULL, NULL, UNIT, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_READWRITE, NULL, 0),
          0, ERROR_INVALID_PARAMETER);
    char *base = (char *)placeholder(4 * UNIT);
    NEED("reserved", base);
    CHECK("told", tells(base, 4 * UNIT, MEM_RESERVE, 0, base));
    EQUAL("told-first-protection", query(base).AllocationProtect, PAGE_NOACCESS);
    EQUAL("told-type", query(base).Type, MEM_PRIVATE);

    FAILS("commit", VirtualAlloc(base, PAGE, MEM_COMMIT, PAGE_READWRITE), 0,
          ERROR_INVALID_ADDRESS);
    FAILS("reserve", VirtualAlloc(base, UNIT, MEM_RESERVE, PAGE_READWRITE), 0,
          ERROR_INVALID_ADDRESS);
    FAILS("split-size-0", VirtualFree(base, 0, SPLIT), FALSE, ERROR_INVALID_PARAMETER);
    EQUAL("split-size-0-status", nt_free(base, 0, SPLIT), STATUS_INVALID_PARAMETER_3);
    FAILS("split-whole", VirtualFree(base, 4 * UNIT, SPLIT), FALSE, ERROR_INVALID_ADDRESS);
    CHECK("split-three", VirtualFree(base + UNIT, PAGE, SPLIT));
    CHECK("first", tells(base, UNIT, MEM_RESERVE, 0, base));
    CHECK("second", tells(base + UNIT, PAGE, MEM_RESERVE, 0, base + UNIT));
    CHECK("third", tells(base + UNIT + PAGE, 3 * UNIT - PAGE, MEM_RESERVE, 0, base + UNIT + PAGE));
    EQUAL("release-two", nt_free(base, UNIT + PAGE, MEM_RELEASE), STATUS_UNABLE_TO_FREE_VM);

    FAILS("replace-alone", replace(base + UNIT, PAGE, 0), 0, ERROR_INVALID_PARAMETER);
    FAILS("replace-commit", replace(base + UNIT, PAGE, MEM_COMMIT), 0, ERROR_INVALID_PARAMETER);
    FAILS("replace-less", replace(base, UNIT - PAGE, MEM_RESERVE), 0, ERROR_INVALID_ADDRESS);
    FAILS("replace-more", replace(base, UNIT + PAGE, MEM_RESERVE), 0, ERROR_INVALID_ADDRESS);
    EQUAL("replace", replace(base + UNIT, PAGE, MEM_RESERVE | MEM_COMMIT), base + UNIT);
    CHECK("replaced", tells(base + UNIT, PAGE, MEM_COMMIT, PAGE_READWRITE, base + UNIT));
    EQUAL("zero", base[UNIT], 0);
    base[UNIT] = 1;
    FAILS("join-replaced", VirtualFree(base, 4 * UNIT, JOIN), FALSE, ERROR_INVALID_ADDRESS);
    CHECK("turn-back", VirtualFree(base + UNIT, PAGE, SPLIT));
    CHECK("turned-back", tells(base + UNIT, PAGE, MEM_RESERVE, 0, base + UNIT));
    EQUAL("replace-again", replace(base + UNIT, PAGE, MEM_RESERVE | MEM_COMMIT), base + UNIT);
    EQUAL("zero-again", base[UNIT], 0);
    CHECK("turn-back-again", VirtualFree(base + UNIT, PAGE, SPLIT));

    EQUAL("join-alone", nt_free(base, 4 * UNIT, MEM_COALESCE_PLACEHOLDERS),
          STATUS_INVALID_PARAMETER_4);
    EQUAL("join-size-0", nt_free(base, 0, JOIN), STATUS_INVALID_PARAMETER_3);
    FAILS("join-one", VirtualFree(base, UNIT, JOIN), FALSE, ERROR_INVALID_ADDRESS);
    FAILS("join-part", VirtualFree(base, 2 * UNIT, JOIN), FALSE, ERROR_INVALID_ADDRESS);
    CHECK("join", VirtualFree(base, 4 * UNIT, JOIN));
    CHECK("joined", tells(base, 4 * UNIT, MEM_RESERVE, 0, base));

    /* Splitting at an end makes two. */
    CHECK("split-head", VirtualFree(base, UNIT, SPLIT));
    CHECK("head", tells(base, UNIT, MEM_RESERVE, 0, base));
    CHECK("rest", tells(base + UNIT, 3 * UNIT, MEM_RESERVE, 0, base + UNIT));
    CHECK("split-tail", VirtualFree(base + 3 * UNIT, UNIT, SPLIT));
    CHECK("middle", tells(base + UNIT, 2 * UNIT, MEM_RESERVE, 0, base + UNIT));
    CHECK("tail", tells(base + 3 * UNIT, UNIT, MEM_RESERVE, 0, base + 3 * UNIT));
    FAILS("split-two", VirtualFree(base, 2 * UNIT, SPLIT), FALSE, ERROR_INVALID_ADDRESS);
    CHECK("join-two", VirtualFree(base, 3 * UNIT, JOIN));
    CHECK("join-rest", VirtualFree(base, 4 * UNIT, JOIN));
    char *plain = (char *)VirtualAlloc(NULL, 2 * UNIT, MEM_RESERVE, PAGE_NOACCESS);
    NEED("plain", plain);
    FAILS("split-plain", VirtualFree(plain, UNIT, SPLIT), FALSE, ERROR_INVALID_ADDRESS);
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE) && VirtualFree(plain, 0, MEM_RELEASE));
    return finish();
}
