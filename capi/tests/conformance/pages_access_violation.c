/* What an access violation tells, and that a handler changes what the thread goes
 * on with. */
#include "pages.h"

static volatile ULONG_PTR count, kind, address, code_address;
static char *volatile base;

static LONG CALLBACK repair(EXCEPTION_POINTERS *exception)
{
    EXCEPTION_RECORD *record = exception->ExceptionRecord;
    DWORD old;
    if ((DWORD)record->ExceptionCode != (DWORD)STATUS_ACCESS_VIOLATION)
        return EXCEPTION_CONTINUE_SEARCH;
    count = record->NumberParameters;
    kind = record->ExceptionInformation[0];
    address = record->ExceptionInformation[1];
    code_address = (ULONG_PTR)record->ExceptionAddress == exception->ContextRecord->Rip;
    if (kind == 8) {
        /* Back to the caller, as if the function had returned 42. */
        ULONG_PTR *stack = (ULONG_PTR *)exception->ContextRecord->Rsp;
        exception->ContextRecord->Rip = *stack;
        exception->ContextRecord->Rsp += sizeof *stack;
        exception->ContextRecord->Rax = 42;
        return EXCEPTION_CONTINUE_EXECUTION;
    }
    if (!VirtualProtect(base, PAGE, PAGE_READWRITE, &old))
        VirtualAlloc(base, PAGE, MEM_COMMIT, PAGE_READWRITE);
    return EXCEPTION_CONTINUE_EXECUTION;
}

int main(void)
{
    DWORD old;
    NEED("handler", AddVectoredExceptionHandler(1, repair));
    base = (char *)VirtualAlloc(NULL, 2 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_NOACCESS);
    NEED("committed", base);
    EQUAL("read", *(volatile char *)(base + 3), 0);
    EQUAL("read-parameters", count, 2);
    EQUAL("read-kind", kind, 0);
    EQUAL("read-address", address, base + 3);
    EQUAL("read-instruction", code_address, 1);
    CHECK("read-only", VirtualProtect(base, PAGE, PAGE_READONLY, &old));
    *(volatile char *)(base + 9) = 4;
    EQUAL("write-kind", kind, 1);
    EQUAL("write-address", address, base + 9);
    EQUAL("written", base[9], 4);
    CHECK("decommitted", VirtualFree(base, PAGE, MEM_DECOMMIT));
    EQUAL("read-decommitted", *(volatile char *)(base + 9), 0);
    EQUAL("decommitted-kind", kind, 0);
    EQUAL("decommitted-address", address, base + 9);
    int (*code)(void) = (int (*)(void))(ULONG_PTR)base;
    EQUAL("run", code(), 42);
    EQUAL("run-kind", kind, 8);
    EQUAL("run-address", address, base);
    return finish();
}
