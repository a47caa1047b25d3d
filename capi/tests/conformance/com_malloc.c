/* The task allocator: blocks of the process heap. */
#include "spy.h"

int main(void)
{
    IMalloc *allocator = task_allocator();
    NEED("allocator", allocator);
    char *block = (char *)IMalloc_Alloc(allocator, 100), local[64];
    NEED("allocated", block);
    EQUAL("did-alloc", IMalloc_DidAlloc(allocator, block), 1);
    EQUAL("did-alloc-null", IMalloc_DidAlloc(allocator, NULL), -1);
    EQUAL("did-alloc-interior", IMalloc_DidAlloc(allocator, block + 4), 0);
    EQUAL("did-alloc-foreign", IMalloc_DidAlloc(allocator, local + 16), 0);
    EQUAL("size", IMalloc_GetSize(allocator, block), 100);
    EQUAL("size-null", IMalloc_GetSize(allocator, NULL), ~(SIZE_T)0);
    EQUAL("process-heap", HeapSize(GetProcessHeap(), 0, block), 100);

    memset(block, 7, 100);
    block = (char *)IMalloc_Realloc(allocator, block, 5000);
    NEED("grown", block);
    EQUAL("grown-size", IMalloc_GetSize(allocator, block), 5000);
    CHECK("grown-content", block[0] == 7 && block[99] == 7);
    EQUAL("too-large", IMalloc_Realloc(allocator, block, ~(SIZE_T)0 - 100), 0);
    EQUAL("size-still", IMalloc_GetSize(allocator, block), 5000);
    EQUAL("realloc-0", IMalloc_Realloc(allocator, block, 0), 0);
    block = (char *)IMalloc_Realloc(allocator, NULL, 20);
    NEED("realloc-null", block);
    EQUAL("realloc-null-size", IMalloc_GetSize(allocator, block), 20);
    IMalloc_Free(allocator, block);
    IMalloc_Free(allocator, NULL);
    IMalloc_HeapMinimize(allocator);
    EQUAL("alloc-too-large", IMalloc_Alloc(allocator, ~(SIZE_T)0 - 100), 0);

    void *empty = CoTaskMemAlloc(0), *other = CoTaskMemAlloc(0);
    CHECK("0-bytes", empty && other && empty != other);
    EQUAL("0-bytes-size", IMalloc_GetSize(allocator, empty), 0);
    CoTaskMemFree(empty);
    CoTaskMemFree(other);
    CoTaskMemFree(NULL);
    block = (char *)CoTaskMemRealloc(NULL, 30);
    NEED("task-realloc", block);
    EQUAL("one-allocator", IMalloc_DidAlloc(allocator, block), 1);
    EQUAL("task-realloc-0", CoTaskMemRealloc(block, 0), 0);
    return finish();
}
