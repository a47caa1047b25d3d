/* A spy is released when the last block that it was told of is freed. */
#include "spy.h"

int main(void)
{
    IMalloc *allocator = task_allocator();
    NEED("allocator", allocator);
    NEED("registered", CoRegisterMallocSpy(&the_spy) == S_OK);
    void *first = CoTaskMemAlloc(10), *second = CoTaskMemAlloc(20);
    calls[0] = 0;
    EQUAL("revoke", CoRevokeMallocSpy(), E_ACCESSDENIED);
    came("revoke", "");
    EQUAL("register", CoRegisterMallocSpy(&the_spy), CO_E_OBJISREG);
    calls[0] = 0;
    EQUAL("size", IMalloc_GetSize(allocator, first), 10);
    came("still-told", "PreGetSize(1) PostGetSize(10,1) ");
    CoTaskMemFree(first);
    came("first", "PreFree(1) PostFree(1) ");
    EQUAL("revoke-again", CoRevokeMallocSpy(), E_ACCESSDENIED);
    CoTaskMemFree(second);
    came("last", "PreFree(1) PostFree(1) Release ");
    EQUAL("gone", CoRevokeMallocSpy(), CO_E_OBJNOTREG);
    CoTaskMemFree(CoTaskMemAlloc(10));
    came("not-told", "");
    EQUAL("register-anew", CoRegisterMallocSpy(&the_spy), S_OK);
    EQUAL("revoke-anew", CoRevokeMallocSpy(), S_OK);
    return finish();
}
