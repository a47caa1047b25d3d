/* What GetWriteWatch and ResetWriteWatch refuse. */
#include "pages.h"

#define REFUSED (~0u)

int main(void)
{
    PVOID addresses[4];
    ULONG_PTR count = 4;
    ULONG granularity;
    char *base = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_RESERVE | MEM_WRITE_WATCH,
                                      PAGE_READWRITE);
    char *plain = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_RESERVE, PAGE_READWRITE);
    NEED("reserved", base && plain);
    FAILS("no-base", GetWriteWatch(0, NULL, 4 * PAGE, addresses, &count, &granularity), REFUSED,
          ERROR_INVALID_PARAMETER);
    FAILS("not-watched", GetWriteWatch(0, plain, 4 * PAGE, addresses, &count, &granularity), REFUSED,
          ERROR_INVALID_PARAMETER);
    FAILS("size-0", GetWriteWatch(0, base, 0, addresses, &count, &granularity), REFUSED,
          ERROR_INVALID_PARAMETER);
    FAILS("beyond", GetWriteWatch(0, base, 5 * PAGE, addresses, &count, &granularity), REFUSED,
          ERROR_INVALID_PARAMETER);
    FAILS("unknown-flag", GetWriteWatch(0x100, base, 4 * PAGE, addresses, &count, &granularity),
          REFUSED, ERROR_INVALID_PARAMETER);
    FAILS("no-count", GetWriteWatch(0, base, 4 * PAGE, addresses, NULL, &granularity), REFUSED,
          ERROR_NOACCESS);
    FAILS("no-granularity", GetWriteWatch(0, base, 4 * PAGE, addresses, &count, NULL), REFUSED,
          ERROR_NOACCESS);
    FAILS("no-addresses", GetWriteWatch(0, base, 4 * PAGE, NULL, &count, &granularity), REFUSED,
          ERROR_NOACCESS);
    count = 0;
    FAILS("no-room", GetWriteWatch(0, base, 4 * PAGE, addresses, &count, &granularity), REFUSED,
          ERROR_INVALID_PARAMETER);
    FAILS("reset-not-watched", ResetWriteWatch(plain, PAGE), REFUSED, ERROR_INVALID_PARAMETER);
    FAILS("reset-size-0", ResetWriteWatch(base, 0), REFUSED, ERROR_INVALID_PARAMETER);
    FAILS("reset-beyond", ResetWriteWatch(base, 5 * PAGE), REFUSED, ERROR_INVALID_PARAMETER);
    EQUAL("reset", ResetWriteWatch(base, 4 * PAGE), 0);
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE) && VirtualFree(plain, 0, MEM_RELEASE));
    return finish();
}
