/* The task allocator with addresses of no blocks of its: freed, foreign, inside a block,
 * and such that nothing can be read there. They are left alone. */
#include "spy.h"

static IMalloc *allocator;

static void bad(const char *what, void *address)
{
    char name[64];
    snprintf(name, sizeof name, "%s-did-alloc", what);
    EQUAL(name, IMalloc_DidAlloc(allocator, address), 0);
    snprintf(name, sizeof name, "%s-size", what);
    EQUAL(name, IMalloc_GetSize(allocator, address), ~(SIZE_T)0);
    snprintf(name, sizeof name, "%s-realloc", what);
    EQUAL(name, IMalloc_Realloc(allocator, address, 100), 0);
    snprintf(name, sizeof name, "%s-task-realloc", what);
    EQUAL(name, CoTaskMemRealloc(address, 100), 0);
    snprintf(name, sizeof name, "%s-realloc-0", what);
    EQUAL(name, IMalloc_Realloc(allocator, address, 0), 0);
    IMalloc_Free(allocator, address);
    CoTaskMemFree(address);
    snprintf(name, sizeof name, "%s-still-none", what);
    EQUAL(name, IMalloc_DidAlloc(allocator, address), 0);
}

int main(void)
{
    static char statics[64] __attribute__((aligned(16)));
    char on_stack[64] __attribute__((aligned(16)));
    allocator = task_allocator();
    NEED("allocator", allocator);
    char *block = (char *)IMalloc_Alloc(allocator, 200), *freed;
    HANDLE heap = HeapCreate(0, 0, 0);
    void *other = HeapAlloc(heap, 0, 200);
    NEED("allocated", block && other);
    memset(block, 7, 200);
    memset(statics, 8, sizeof statics);
    memset(on_stack, 9, sizeof on_stack);

    bad("static", statics);
    bad("stack", on_stack);
    bad("inside", block + 64);
    bad("other-heap", other);
    freed = (char *)IMalloc_Alloc(allocator, 200);
    IMalloc_Free(allocator, freed);
    bad("freed", freed);
    EQUAL("other-size", HeapSize(heap, 0, other), 200);
    EQUAL("size", IMalloc_GetSize(allocator, block), 200);
    CHECK("unharmed", block[0] == 7 && block[64] == 7 && block[199] == 7 && statics[0] == 8 &&
                          on_stack[0] == 9);
    CHECK("sound", HeapValidate(GetProcessHeap(), 0, NULL) && HeapValidate(heap, 0, NULL));
    CHECK("destroyed", HeapDestroy(heap));

    /* Where nothing can be read. */
    bad("low", (void *)(ULONG_PTR)0x10);
    bad("odd", (void *)(ULONG_PTR)0xdeadbee1u);
    bad("wild", (void *)(ULONG_PTR)0xdeadbee0u);
    bad("high", (void *)~(ULONG_PTR)15);
    EQUAL("size-at-last", IMalloc_GetSize(allocator, block), 200);
    IMalloc_Free(allocator, block);
    CHECK("sound-at-last", HeapValidate(GetProcessHeap(), 0, NULL));
    return finish();
}
