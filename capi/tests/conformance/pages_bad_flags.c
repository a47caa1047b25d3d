/* Flags that do not go together, or are none: refused before anything changes. */
#include "bad_pages.h"

static const struct {
    const char *name;
    DWORD type, protect;
} types[] = {
    {"top-down-alone", MEM_TOP_DOWN, PAGE_READWRITE},
    {"large-alone", MEM_LARGE_PAGES, PAGE_READWRITE},
    {"large-commit", MEM_COMMIT | MEM_LARGE_PAGES, PAGE_READWRITE},
    {"reset-reserve", MEM_RESET | MEM_RESERVE, PAGE_READWRITE},
    {"reset-undo", MEM_RESET | MEM_RESET_UNDO, PAGE_READWRITE},
    {"undo-commit", MEM_RESET_UNDO | MEM_COMMIT, PAGE_READWRITE},
    {"undo-reserve", MEM_RESET_UNDO | MEM_RESERVE, PAGE_READWRITE},
    {"physical-watch", MEM_RESERVE | MEM_PHYSICAL | MEM_WRITE_WATCH, PAGE_READWRITE},
    {"physical-large", MEM_RESERVE | MEM_PHYSICAL | MEM_LARGE_PAGES, PAGE_READWRITE},
    {"physical-no-access", MEM_RESERVE | MEM_PHYSICAL, PAGE_NOACCESS},
    {"decommit", MEM_RESERVE | MEM_DECOMMIT, PAGE_READWRITE},
    {"release", MEM_RESERVE | MEM_RELEASE, PAGE_READWRITE},
    {"lowest-bit", MEM_RESERVE | 1, PAGE_READWRITE},
    {"highest-bit", MEM_RESERVE | 0x80000000u, PAGE_READWRITE},
    {"all-bits", 0xFFFFFFFFu, PAGE_READWRITE},
    {"no-protection-bit", MEM_RESERVE, PAGE_READWRITE | 0x800},
    {"high-protection-bit", MEM_RESERVE, PAGE_READWRITE | 0x80000000u},
    {"all-protections", MEM_RESERVE, 0xFF},
};

static const struct {
    const char *name;
    DWORD type;
} frees[] = {
    {"coalesce-alone", MEM_COALESCE_PLACEHOLDERS},
    {"preserve-alone", MEM_PRESERVE_PLACEHOLDER},
    {"decommit-preserve", MEM_DECOMMIT | MEM_PRESERVE_PLACEHOLDER},
    {"decommit-coalesce", MEM_DECOMMIT | MEM_COALESCE_PLACEHOLDERS},
    {"release-both", MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER | MEM_COALESCE_PLACEHOLDERS},
    {"release-reserve", MEM_RELEASE | MEM_RESERVE},
    {"release-highest-bit", MEM_RELEASE | 0x80000000u},
    {"all-bits", 0xFFFFFFFFu},
};

int main(void)
{
    char *base = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    char *room = (char *)VirtualAlloc(NULL, 4 * UNIT, MEM_RESERVE, PAGE_NOACCESS);
    NEED("regions", base && room && VirtualFree(room, 0, MEM_RELEASE));
    base[0] = 3;
    SetLastError(UNTOUCHED);
    for (SIZE_T i = 0; i < sizeof types / sizeof *types; i++) {
        DWORD type = types[i].type, protect = types[i].protect;
        /* Where there is memory for it, and where nothing is. */
        refuses("here", types[i].name,
                !VirtualAlloc(type & MEM_RESERVE ? room : base, 4 * PAGE, type, protect),
                ERROR_INVALID_PARAMETER);
        refuses("anywhere", types[i].name, !VirtualAlloc(NULL, UNIT, type, protect),
                ERROR_INVALID_PARAMETER);
    }
    for (SIZE_T i = 0; i < sizeof frees / sizeof *frees; i++)
        refuses("free", frees[i].name, !VirtualFree(base, 4 * PAGE, frees[i].type),
                ERROR_INVALID_PARAMETER);
    DWORD old;
    static const DWORD protects[] = {0x3, 0xFF, 0x800, PAGE_GUARD, PAGE_NOACCESS | PAGE_GUARD,
                                     PAGE_READONLY | PAGE_GUARD | PAGE_NOCACHE, 0x80000004u};
    for (SIZE_T i = 0; i < sizeof protects / sizeof *protects; i++) {
        char name[32];
        snprintf(name, sizeof name, "%#x", (unsigned)protects[i]);
        refuses("protect", name, !VirtualProtect(base, PAGE, protects[i], &old),
                ERROR_INVALID_PARAMETER);
    }
    CHECK("untouched", tells(base, 4 * PAGE, MEM_COMMIT, PAGE_READWRITE, base) && base[0] == 3);
    EQUAL("nothing-there", query(room).State, MEM_FREE);
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    return finish();
}
