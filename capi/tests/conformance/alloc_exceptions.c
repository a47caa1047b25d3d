/* HEAP_GENERATE_EXCEPTIONS: where there would be NULL, STATUS_NO_MEMORY is
 * raised, and a handler may leave by a jump. */
#include "check.h"

static void *jump[5];
static DWORD code;
static int raised;

static LONG NTAPI handler(EXCEPTION_POINTERS *pointers)
{
    code = pointers->ExceptionRecord->ExceptionCode;
    raised++;
    __builtin_longjmp(jump, 1);
}

static void *volatile result;
static HANDLE heap;

__attribute__((noinline)) static void try_alloc(DWORD flags)
{
    if (!__builtin_setjmp(jump))
        result = HeapAlloc(heap, flags, ~(SIZE_T)0);
}

__attribute__((noinline)) static void try_realloc(void *block)
{
    if (!__builtin_setjmp(jump))
        result = HeapReAlloc(heap, HEAP_GENERATE_EXCEPTIONS, block, ~(SIZE_T)0);
}

__attribute__((noinline)) static void try_multiple(void)
{
    PVOID array[2] = {NULL, NULL};
    if (!__builtin_setjmp(jump))
        RtlMultipleAllocateHeap(heap, HEAP_GENERATE_EXCEPTIONS, ~(SIZE_T)0, 2, array);
}

int main(void)
{
    heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    PVOID handle = AddVectoredExceptionHandler(1, handler);
    NEED("handler-added", handle);

    try_multiple();
    EQUAL("multiple-raised", raised, 1);
    EQUAL("multiple-code", code, 0xC0000017u);
    raised = 0, code = 0;
    try_alloc(HEAP_GENERATE_EXCEPTIONS);
    EQUAL("alloc-raised", raised, 1);
    EQUAL("alloc-code", code, 0xC0000017u);
    raised = 0;
    try_alloc(0);
    EQUAL("not-without-the-flag", raised, 0);
    EQUAL("null-without-the-flag", result, 0);

    void *block = HeapAlloc(heap, 0, 100);
    code = 0;
    try_realloc(block);
    EQUAL("realloc-raised", raised, 1);
    EQUAL("realloc-code", code, 0xC0000017u);
    EQUAL("realloc-keeps-the-block", HeapSize(heap, 0, block), 100);
    CHECK("heap-is-not-locked", HeapAlloc(heap, 0, 10) && HeapValidate(heap, 0, NULL));
    CHECK("destroyed", HeapDestroy(heap));

    /* Given to HeapCreate, the flag holds for every call. */
    heap = HeapCreate(HEAP_GENERATE_EXCEPTIONS, 0, 0);
    NEED("created-with-the-flag", heap);
    raised = 0, code = 0;
    try_alloc(0);
    EQUAL("heaps-flag-raised", raised, 1);
    EQUAL("heaps-flag-code", code, 0xC0000017u);
    CHECK("destroyed-with-the-flag", HeapDestroy(heap));
    CHECK("handler-removed", RemoveVectoredExceptionHandler(handle));
    return finish();
}
