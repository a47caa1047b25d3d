/* A spy that answers 0 has the request fail, and no Post is told. */
#include "spy.h"

int main(void)
{
    NEED("registered", CoRegisterMallocSpy(&the_spy) == S_OK);
    refused = 77;
    calls[0] = 0;
    EQUAL("alloc", CoTaskMemAlloc(77), 0);
    came("alloc", "PreAlloc(77) ");
    void *block = CoTaskMemAlloc(0);
    CHECK("alloc-0", block != NULL);
    came("alloc-0", "PreAlloc(0) PostAlloc ");
    EQUAL("realloc", CoTaskMemRealloc(block, 77), 0);
    came("realloc", "PreRealloc(block,77,1) ");
    CoTaskMemFree(block);
    came("free", "PreFree(1) PostFree(1) ");
    EQUAL("revoked", CoRevokeMallocSpy(), S_OK);
    return finish();
}
