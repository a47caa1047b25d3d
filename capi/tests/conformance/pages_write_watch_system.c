/* What the system writes on the program's behalf counts as written. */
#include "pages.h"

#ifndef _WIN32
#include <fcntl.h>
#endif

#define PAGES 8

static char *base;

static ULONG told(void)
{
    PVOID addresses[PAGES];
    ULONG_PTR count = PAGES;
    ULONG granularity, bits = 0;
    if (GetWriteWatch(WRITE_WATCH_FLAG_RESET, base, PAGES * PAGE, addresses, &count,
                      &granularity) != 0)
        return ~0u;
    for (ULONG_PTR i = 0; i < count; i++)
        bits |= 1u << ((char *)addresses[i] - base) / PAGE;
    return bits;
}

/* Reads this program's own file into memory; whether all was read. */
static BOOL read_file(const char *path, void *to, unsigned bytes)
{
    DWORD done = 0;
    HANDLE file = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
    BOOL read_all = ReadFile(file, to, bytes, &done, NULL) && done == bytes;
    CloseHandle(file);
    return read_all;
}

/* The same by the system's own call, where it has another. */
static BOOL read_directly(const char *path, void *to, unsigned bytes)
{
#ifdef _WIN32
    return read_file(path, to, bytes);
#else
    int file = open(path, O_RDONLY);
    ssize_t done = read(file, to, bytes);
    close(file);
    return done == (ssize_t)bytes;
#endif
}

static BOOL read_nothing(void *to)
{
    DWORD done;
    BOOL failed = !ReadFile((HANDLE)(ULONG_PTR)0xDEADBEE0, to, 16, &done, NULL);
#ifndef _WIN32
    failed = failed && read(-1, to, 16) < 0;
#endif
    return failed;
}

int main(int count, char **arguments)
{
    NEED("name", count > 0);
    base = (char *)VirtualAlloc(NULL, PAGES * PAGE, MEM_RESERVE | MEM_COMMIT | MEM_WRITE_WATCH,
                                PAGE_READWRITE);
    NEED("reserved", base);
    CHECK("read", read_file(arguments[0], base + PAGE - 16, 32));
    EQUAL("fresh-pages", told(), 3);
    CHECK("read-again", read_file(arguments[0], base + PAGE - 16, 32));
    EQUAL("same-pages", told(), 3);
    CHECK("read-directly", read_directly(arguments[0], base + 2 * PAGE - 16, 32));
    EQUAL("next-pages", told(), 6);
    CHECK("failed-read", read_nothing(base + 4 * PAGE));
    EQUAL("none", told(), 0);
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    return finish();
}
