/* Pages that are known by their numbers, in windows. */
#include "privilege.h"

static void refused(const char *name, BOOL done, DWORD want)
{
    char full[64];
    DWORD error = GetLastError();
    CHECK(name, !done);
    snprintf(full, sizeof full, "%s-error", name);
    EQUAL(full, error, want);
    SetLastError(UNTOUCHED);
}

int main(void)
{
    HANDLE self = GetCurrentProcess();
    ULONG_PTR frames[8], count = 8;
    SetLastError(UNTOUCHED);
    refused("without-privilege", AllocateUserPhysicalPages(self, &count, frames),
            ERROR_PRIVILEGE_NOT_HELD);
    NEED("privilege", set_privilege(SE_PRIVILEGE_ENABLED));
    char *window = (char *)VirtualAlloc(NULL, 0x4000, MEM_RESERVE | MEM_PHYSICAL, PAGE_READWRITE);
    NEED("window", window);
    NEED("frames", AllocateUserPhysicalPages(self, &count, frames));
    EQUAL("all", count, 8);
    NEED("first", MapUserPhysicalPages(window, 1, frames));
    window[0] = 10;
    NEED("second", MapUserPhysicalPages(window, 1, frames + 1));
    EQUAL("second-is-fresh", window[0], 0);
    window[0] = 21;
    NEED("first-again", MapUserPhysicalPages(window, 1, frames));
    EQUAL("first-holds", window[0], 10);

    SetLastError(UNTOUCHED);
    refused("shown-elsewhere", MapUserPhysicalPages(window + 0x1000, 1, frames),
            ERROR_INVALID_PARAMETER);
    ULONG_PTR none = 0;
    refused("no-frame", MapUserPhysicalPages(window, 1, &none), ERROR_INVALID_PARAMETER);
    refused("no-window", MapUserPhysicalPages(&none, 1, frames + 2), ERROR_INVALID_PARAMETER);
    EQUAL("all-or-nothing", window[0], 10);
    PVOID places[3] = {window + 0x3000, window, window + 0x1000};
    ULONG_PTR picked[3] = {frames[2], frames[1], frames[3]};
    CHECK("scattered", MapUserPhysicalPagesScatter(places, 3, picked));
    EQUAL("scattered-second", window[0], 21);
    CHECK("scattered-none", MapUserPhysicalPagesScatter(places, 3, NULL));
    CHECK("unmapped", MapUserPhysicalPages(window, 4, NULL));
    CHECK("mapped", MapUserPhysicalPages(window, 4, frames));
    EQUAL("kept", window[0], 10);
    EQUAL("kept-second", window[0x1000], 21);
    DWORD old;
    SetLastError(UNTOUCHED);
    CHECK("protect-refused", !VirtualProtect(window, 0x1000, PAGE_READONLY, &old));
    CHECK("commit-refused", !VirtualAlloc(window, 0x1000, MEM_COMMIT, PAGE_READWRITE));
    CHECK("part-refused", !VirtualFree(window, 0x1000, MEM_DECOMMIT));
    CHECK("part-release-refused", !VirtualFree(window, 0x1000, MEM_RELEASE));
    EQUAL("kept-after-all", window[0x1000], 21);
    CHECK("freed", FreeUserPhysicalPages(self, &count, frames));
    EQUAL("freed-all", count, 8);
    count = 1;
    SetLastError(UNTOUCHED);
    refused("freed-twice", FreeUserPhysicalPages(self, &count, frames), ERROR_INVALID_PARAMETER);
    EQUAL("freed-none", count, 0);
    CHECK("released", VirtualFree(window, 0, MEM_RELEASE));
    CHECK("privilege-off", set_privilege(0));
    count = 1;
    SetLastError(UNTOUCHED);
    refused("privilege-gone", AllocateUserPhysicalPages(self, &count, frames),
            ERROR_PRIVILEGE_NOT_HELD);
    return finish();
}
