/* Windows and physical pages with counts and addresses that mean nothing. */
#include "bad_pages.h"
#include "privilege.h"

int main(void)
{
    HANDLE self = GetCurrentProcess();
    NEED("privilege", set_privilege(SE_PRIVILEGE_ENABLED));
    char *window = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_RESERVE | MEM_PHYSICAL, PAGE_READWRITE);
    char *plain = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_RESERVE, PAGE_READWRITE);
    ULONG_PTR frames[4], count = 4;
    NEED("window", window && plain && AllocateUserPhysicalPages(self, &count, frames));
    NEED("mapped", count == 4 && MapUserPhysicalPages(window, 2, frames));
    window[0] = 'w';
    SetLastError(UNTOUCHED);
    refuses("map", "inside-a-page", !MapUserPhysicalPages(window + 5, 1, frames + 2),
            ERROR_INVALID_PARAMETER);
    refuses("map", "beyond", !MapUserPhysicalPages(window + 2 * PAGE, 3, NULL), 0);
    refuses("map", "before", !MapUserPhysicalPages(window - PAGE, 2, NULL), 0);
    refuses("map", "plain", !MapUserPhysicalPages(plain, 1, frames + 2), 0);
    refuses("map", "plain-nothing", !MapUserPhysicalPages(plain, 1, NULL), 0);
    refuses("map", "null", !MapUserPhysicalPages(NULL, 1, frames + 2), 0);
    refuses("map", "all", !MapUserPhysicalPages(window, (ULONG_PTR)-1, NULL), 0);
    refuses("map", "wraps", !MapUserPhysicalPages(window, ((ULONG_PTR)1 << 52) + 1, NULL), 0);
    ULONG_PTR twice[2] = {frames[2], frames[2]};
    refuses("map", "twice", !MapUserPhysicalPages(window + 2 * PAGE, 2, twice),
            ERROR_INVALID_PARAMETER);
    ULONG_PTR strange[2] = {frames[2], ~(ULONG_PTR)0};
    refuses("map", "strange", !MapUserPhysicalPages(window + 2 * PAGE, 2, strange),
            ERROR_INVALID_PARAMETER);
    PVOID places[2] = {window + 2 * PAGE, plain};
    refuses("scatter", "plain", !MapUserPhysicalPagesScatter(places, 2, frames + 2), 0);
    refuses("scatter", "null", !MapUserPhysicalPagesScatter(NULL, 1, frames + 2), ERROR_NOACCESS);
    refuses("allocate", "no-count", !AllocateUserPhysicalPages(self, NULL, frames), ERROR_NOACCESS);
    count = 1;
    refuses("allocate", "nowhere", !AllocateUserPhysicalPages(self, &count, NULL), ERROR_NOACCESS);
    refuses("allocate", "nobody", !AllocateUserPhysicalPages(NULL, &count, frames + 2),
            ERROR_INVALID_HANDLE);
    refuses("free", "nobody", !FreeUserPhysicalPages(NULL, &count, frames + 2),
            ERROR_INVALID_HANDLE);
    count = 2;
    refuses("free", "strange", !FreeUserPhysicalPages(self, &count, strange),
            ERROR_INVALID_PARAMETER);
    EQUAL("freed-before-it", count, 1);
    EQUAL("untouched", window[0], 'w');
    MEMORY_BASIC_INFORMATION info = query(window);
    EQUAL("window-kept", info.AllocationBase, window);
    CHECK("released-shown", VirtualFree(window, 0, MEM_RELEASE));
    count = 2;
    CHECK("freed", FreeUserPhysicalPages(self, &count, frames));
    count = 1;
    CHECK("freed-last", FreeUserPhysicalPages(self, &count, frames + 3));
    CHECK("released", VirtualFree(plain, 0, MEM_RELEASE));
    return finish();
}
