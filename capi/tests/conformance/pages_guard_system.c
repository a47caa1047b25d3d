/* A call of the system that meets a guard page fails and raises nothing. */
#include "pages.h"

static volatile LONG raised;

static LONG CALLBACK on_exception(EXCEPTION_POINTERS *exception)
{
    (void)exception;
    raised++;
    return EXCEPTION_CONTINUE_SEARCH;
}

int main(void)
{
    const char *path = scratch("guardsystem");
    NEED("file", make_file(path, 0x1000));
    HANDLE file = open_file(path, GENERIC_READ);
    NEED("opened", file != INVALID_HANDLE_VALUE);
    NEED("handler", AddVectoredExceptionHandler(1, on_exception));
    char *base = (char *)VirtualAlloc(NULL, 2 * PAGE, MEM_RESERVE | MEM_COMMIT,
                                      PAGE_READWRITE | PAGE_GUARD);
    NEED("committed", base);
    DWORD old, count = 77;
    CHECK("read", !ReadFile(file, base, 16, &count, NULL));
    CHECK("read-other", !ReadFile(file, base + PAGE, 16, &count, NULL));
    EQUAL("nothing-raised", raised, 0);
    CHECK("opened-again", VirtualProtect(base, 2 * PAGE, PAGE_READWRITE, &old));
    EQUAL("nothing-written", base[1], 0);
    EQUAL("nothing-written-there", base[PAGE + 1], 0);
    CHECK("rewound", SetFilePointer(file, 0, NULL, FILE_BEGIN) == 0);
    CHECK("read-then", ReadFile(file, base, 16, &count, NULL) && count == 16);
    EQUAL("written-then", base[1], 1);
    CloseHandle(file);
    remove(path);
    return finish();
}
