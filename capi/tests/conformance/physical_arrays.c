/* Arrays of page numbers that cannot be accessed, and pages that change places. */
#include "pages.h"
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
    NEED("privilege", set_privilege(SE_PRIVILEGE_ENABLED));
    /* Two pages, the second of which cannot be accessed. */
    char *memory = (char *)VirtualAlloc(NULL, 2 * PAGE, MEM_RESERVE, PAGE_NOACCESS);
    NEED("memory", memory && VirtualAlloc(memory, PAGE, MEM_COMMIT, PAGE_READWRITE));
    ULONG_PTR *last = (ULONG_PTR *)(void *)(memory + PAGE) - 1;
    ULONG_PTR *bad = (ULONG_PTR *)(void *)(memory + PAGE);
    char *window = (char *)VirtualAlloc(NULL, 8 * PAGE, MEM_RESERVE | MEM_PHYSICAL, PAGE_READWRITE);
    NEED("window", window);

    ULONG_PTR frames[8], count = 2;
    SetLastError(UNTOUCHED);
    refused("allocate-to-bad", AllocateUserPhysicalPages(self, &count, last), ERROR_NOACCESS);
    EQUAL("count-kept", count, 2);
    refused("allocate-bad-count", AllocateUserPhysicalPages(self, bad, frames), ERROR_NOACCESS);
    count = 100000;
    refused("allocate-many-to-bad", AllocateUserPhysicalPages(self, &count, last), ERROR_NOACCESS);
    count = 8;
    NEED("frames", AllocateUserPhysicalPages(self, &count, frames));
    EQUAL("all", count, 8);

    *last = frames[0];
    refused("map-bad", MapUserPhysicalPages(window, 2, last), ERROR_NOACCESS);
    refused("map-very-bad", MapUserPhysicalPages(window, 1, (PULONG_PTR)8), ERROR_NOACCESS);
    PVOID *places = (PVOID *)(void *)last;
    *places = window;
    refused("scatter-bad-places", MapUserPhysicalPagesScatter(places, 2, frames), ERROR_NOACCESS);
    PVOID two[2] = {window, window + PAGE};
    *last = frames[0];
    refused("scatter-bad-frames", MapUserPhysicalPagesScatter(two, 2, last), ERROR_NOACCESS);
    MEMORY_BASIC_INFORMATION info;
    VirtualQuery(window, &info, sizeof info);
    EQUAL("nothing-shown", info.RegionSize, 8 * PAGE);
    count = 2;
    refused("free-bad", FreeUserPhysicalPages(self, &count, last), ERROR_NOACCESS);

    /* A page that the call does not name keeps its frame. */
    NEED("mapped", MapUserPhysicalPages(window, 3, frames));
    window[0] = 'a';
    window[PAGE] = 'b';
    window[2 * PAGE] = 'c';
    PVOID scattered[2] = {window, window + 5 * PAGE};
    ULONG_PTR picked[2] = {frames[1], frames[3]};
    SetLastError(UNTOUCHED);
    refused("shown-between", MapUserPhysicalPagesScatter(scattered, 2, picked),
            ERROR_INVALID_PARAMETER);
    EQUAL("as-it-was", window[0], 'a');
    PVOID turned[3] = {window + 2 * PAGE, window, window + PAGE};
    ULONG_PTR rotated[3] = {frames[0], frames[1], frames[2]};
    CHECK("rotated", MapUserPhysicalPagesScatter(turned, 3, rotated));
    EQUAL("first", window[0], 'b');
    EQUAL("second", window[PAGE], 'c');
    EQUAL("third", window[2 * PAGE], 'a');
    PVOID twice[2] = {window, window};
    refused("page-twice", MapUserPhysicalPagesScatter(twice, 2, NULL), ERROR_INVALID_PARAMETER);

    count = 8;
    CHECK("freed", FreeUserPhysicalPages(self, &count, frames));
    CHECK("released", VirtualFree(window, 0, MEM_RELEASE) && VirtualFree(memory, 0, MEM_RELEASE));
    return finish();
}
