/* Registering a spy and ending it. */
#include "spy.h"

static int asked;

/* A QueryInterface that knows no spy. */
static HRESULT STDMETHODCALLTYPE refuse(IMallocSpy *spy, REFIID riid, void **object)
{
    (void)spy;
    asked += IsEqualIID(riid, IDENTIFIER(IID_IMallocSpy)) != 0;
    *object = NULL;
    return E_NOINTERFACE;
}

int main(void)
{
    IMallocSpyVtbl refusing_methods = spy_methods;
    IMallocSpy refusing = {&refusing_methods};
    refusing_methods.QueryInterface = refuse;
    EQUAL("register-refusing", CoRegisterMallocSpy(&refusing), E_INVALIDARG);
    EQUAL("asked", asked, 1);
    EQUAL("revoke-refusing", CoRevokeMallocSpy(), CO_E_OBJNOTREG);
    CoTaskMemFree(CoTaskMemAlloc(10));
    came("refusing", "");
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
