/* A spy that puts bytes of its own before each block: the program sees none of it. */
#include "spy.h"

int main(void)
{
    IMalloc *allocator = task_allocator();
    NEED("allocator", allocator);
    void *old = CoTaskMemAlloc(5);
    before = 32;
    NEED("registered", CoRegisterMallocSpy(&the_spy) == S_OK);
    char *block = (char *)CoTaskMemAlloc(100);
    NEED("allocated", block);
    memset(block, 9, 100);
    EQUAL("size", IMalloc_GetSize(allocator, block), 100);
    EQUAL("did", IMalloc_DidAlloc(allocator, block), 1);
    EQUAL("heap-size", HeapSize(GetProcessHeap(), 0, block - 32), 132);
    block = (char *)CoTaskMemRealloc(block, 1000);
    NEED("grown", block);
    EQUAL("grown-size", IMalloc_GetSize(allocator, block), 1000);
    CHECK("content", block[0] == 9 && block[99] == 9);
    EQUAL("old-size", IMalloc_GetSize(allocator, old), 5);
    CoTaskMemFree(old);
    char *another = (char *)CoTaskMemRealloc(NULL, 64);
    NEED("realloc-null", another);
    EQUAL("realloc-null-size", IMalloc_GetSize(allocator, another), 64);
    EQUAL("realloc-0", CoTaskMemRealloc(another, 0), 0);
    CoTaskMemFree(block);
    EQUAL("revoked", CoRevokeMallocSpy(), S_OK);
    CHECK("sound", HeapValidate(GetProcessHeap(), 0, NULL));
    return finish();
}
