/* Registering a spy and ending it. */
#include "spy.h"

int main(void)
{
    EQUAL("revoke-none", CoRevokeMallocSpy(), CO_E_OBJNOTREG);
    EQUAL("register-null", CoRegisterMallocSpy(NULL), E_INVALIDARG);
    EQUAL("register", CoRegisterMallocSpy(&the_spy), S_OK);
    EQUAL("register-again", CoRegisterMallocSpy(&the_spy), CO_E_OBJISREG);
    EQUAL("register-null-again", CoRegisterMallocSpy(NULL), E_INVALIDARG);
    calls[0] = 0;
    EQUAL("revoke", CoRevokeMallocSpy(), S_OK);
    came("revoke", "Release ");
    EQUAL("revoke-again", CoRevokeMallocSpy(), CO_E_OBJNOTREG);
    void *block = CoTaskMemAlloc(10);
    CoTaskMemFree(block);
    came("after", "");
    return finish();
}
