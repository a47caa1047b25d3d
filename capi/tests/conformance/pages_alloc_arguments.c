/* Which sizes, types and protections VirtualAlloc refuses, and with which error. */
#include "pages.h"

static const struct {
    const char *name;
    DWORD protect;
} refused[] = {
    {"none", 0},
    {"two", PAGE_READONLY | PAGE_READWRITE},
    {"two-with-execute", PAGE_READWRITE | PAGE_EXECUTE},
    {"noaccess-and-readonly", PAGE_NOACCESS | PAGE_READONLY},
    {"write-copy", PAGE_WRITECOPY},
    {"execute-write-copy", PAGE_EXECUTE_WRITECOPY},
    {"guard-alone", PAGE_GUARD},
    {"guard-and-noaccess", PAGE_NOACCESS | PAGE_GUARD},
    {"guard-and-nocache", PAGE_READWRITE | PAGE_GUARD | PAGE_NOCACHE},
    {"nocache-and-noaccess", PAGE_NOACCESS | PAGE_NOCACHE},
    {"nocache-and-writecombine", PAGE_READWRITE | PAGE_NOCACHE | PAGE_WRITECOMBINE},
};

static const DWORD taken[] = {PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE, PAGE_EXECUTE,
                              PAGE_EXECUTE_READ, PAGE_EXECUTE_READWRITE,
                              PAGE_READWRITE | PAGE_NOCACHE, PAGE_READONLY | PAGE_GUARD,
                              PAGE_READWRITE | PAGE_WRITECOMBINE, PAGE_EXECUTE_READ | PAGE_GUARD};

int main(void)
{
    FAILS("size-0", VirtualAlloc(NULL, 0, MEM_RESERVE, PAGE_READWRITE), 0,
          ERROR_INVALID_PARAMETER);
    for (SIZE_T i = 0; i < sizeof refused / sizeof *refused; i++) {
        char name[64];
        SetLastError(UNTOUCHED);
        void *at = VirtualAlloc(NULL, PAGE, MEM_RESERVE | MEM_COMMIT, refused[i].protect);
        DWORD error = GetLastError();
        snprintf(name, sizeof name, "protect-%s", refused[i].name);
        EQUAL(name, at, 0);
        snprintf(name, sizeof name, "protect-%s-error", refused[i].name);
        EQUAL(name, error, ERROR_INVALID_PARAMETER);
    }
    for (SIZE_T i = 0; i < sizeof taken / sizeof *taken; i++) {
        char name[64];
        void *at = VirtualAlloc(NULL, PAGE, MEM_RESERVE | MEM_COMMIT, taken[i]);
        snprintf(name, sizeof name, "protect-%#x", (unsigned)taken[i]);
        CHECK(name, tells(at, PAGE, MEM_COMMIT, taken[i], at));
        VirtualFree(at, 0, MEM_RELEASE);
    }
    FAILS("no-type", VirtualAlloc(NULL, PAGE, 0, PAGE_READWRITE), 0, ERROR_INVALID_PARAMETER);
    /* MEM_AT_ROUND_TO_PAGE-like bits of other systems have no meaning. */
    FAILS("round-to-page", VirtualAlloc(NULL, PAGE, MEM_RESERVE | 0x40000000, PAGE_READWRITE), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("watch-alone", VirtualAlloc(NULL, PAGE, MEM_WRITE_WATCH, PAGE_READWRITE), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("watch-commit",
          VirtualAlloc(NULL, PAGE, MEM_COMMIT | MEM_WRITE_WATCH, PAGE_READWRITE), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("physical-alone", VirtualAlloc(NULL, PAGE, MEM_PHYSICAL, PAGE_READWRITE), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("physical-commit",
          VirtualAlloc(NULL, PAGE, MEM_RESERVE | MEM_COMMIT | MEM_PHYSICAL, PAGE_READWRITE), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("physical-read", VirtualAlloc(NULL, PAGE, MEM_RESERVE | MEM_PHYSICAL, PAGE_READONLY), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("placeholder",
          VirtualAlloc(NULL, UNIT, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER, PAGE_NOACCESS), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("replace",
          VirtualAlloc(NULL, UNIT, MEM_RESERVE | MEM_REPLACE_PLACEHOLDER, PAGE_READWRITE), 0,
          ERROR_INVALID_PARAMETER);
    CHECK("huge", !VirtualAlloc(NULL, (SIZE_T)-1, MEM_RESERVE, PAGE_NOACCESS));
    CHECK("wraps", !VirtualAlloc((void *)(ULONG_PTR)0x10000000, (SIZE_T)-0x1000, MEM_RESERVE,
                                 PAGE_NOACCESS));
    CHECK("above-all", !VirtualAlloc((void *)(ULONG_PTR)0xFFFF800000000000ull, PAGE, MEM_RESERVE,
                                     PAGE_NOACCESS));
    return finish();
}
