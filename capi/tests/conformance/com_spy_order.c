/* What a spy is told, in which order. */
#include "spy.h"

int main(void)
{
    IMalloc *allocator = task_allocator();
    NEED("allocator", allocator);
    void *old = IMalloc_Alloc(allocator, 11), *other = IMalloc_Alloc(allocator, 12);
    NEED("registered", CoRegisterMallocSpy(&the_spy) == S_OK);
    calls[0] = 0;
    void *block = IMalloc_Alloc(allocator, 10);
    came("alloc", "PreAlloc(10) PostAlloc ");
    EQUAL("size", IMalloc_GetSize(allocator, block), 10);
    came("size", "PreGetSize(1) PostGetSize(10,1) ");
    EQUAL("did", IMalloc_DidAlloc(allocator, block), 1);
    came("did", "PreDidAlloc(1) PostDidAlloc(1,1) ");
    block = IMalloc_Realloc(allocator, block, 20);
    came("realloc", "PreRealloc(block,20,1) PostRealloc ");
    IMalloc_Free(allocator, block);
    came("free", "PreFree(1) PostFree(1) ");
    IMalloc_Free(allocator, NULL);
    came("free-null", "");
    block = IMalloc_Realloc(allocator, NULL, 30);
    came("realloc-null", "PreRealloc(null,30,1) PostRealloc ");
    EQUAL("realloc-0", IMalloc_Realloc(allocator, block, 0), 0);
    came("realloc-0", "PreRealloc(block,0,1) ");
    IMalloc_HeapMinimize(allocator);
    came("minimize", "PreHeapMinimize PostHeapMinimize ");
    EQUAL("old-size", IMalloc_GetSize(allocator, old), 11);
    came("old-size", "PreGetSize(0) PostGetSize(11,0) ");
    EQUAL("old-did", IMalloc_DidAlloc(allocator, old), 1);
    came("old-did", "PreDidAlloc(0) PostDidAlloc(0,1) ");
    other = IMalloc_Realloc(allocator, other, 40);
    came("old-realloc", "PreRealloc(block,40,0) PostRealloc ");
    CoTaskMemFree(old);
    came("old-free", "PreFree(0) PostFree(0) ");
    block = CoTaskMemAlloc(50);
    came("task-alloc", "PreAlloc(50) PostAlloc ");
    block = CoTaskMemRealloc(block, 60);
    came("task-realloc", "PreRealloc(block,60,1) PostRealloc ");
    CoTaskMemFree(block);
    came("task-free", "PreFree(1) PostFree(1) ");
    CoTaskMemFree(other);
    calls[0] = 0;
    EQUAL("revoked", CoRevokeMallocSpy(), S_OK);
    return finish();
}
