/* A spy that is revoked while it is told of a call: a block that is being made holds it,
 * as one that was made does; it is released when the last is freed, or the call that
 * makes none is over. */
#include "spy.h"

static SIZE_T (*STDMETHODCALLTYPE pre_alloc)(IMallocSpy *, SIZE_T);
static HRESULT answer;
static int revokes;

static SIZE_T STDMETHODCALLTYPE revoking_pre_alloc(IMallocSpy *spy, SIZE_T bytes)
{
    SIZE_T actual = pre_alloc(spy, bytes);
    if (revokes)
        answer = CoRevokeMallocSpy();
    return actual;
}

static void register_revoking(const char *name)
{
    revokes = 0;
    EQUAL(name, CoRegisterMallocSpy(&the_spy), S_OK);
    revokes = 1;
    answer = S_OK;
    calls[0] = 0;
}

int main(void)
{
    pre_alloc = spy_methods.PreAlloc;
    spy_methods.PreAlloc = revoking_pre_alloc;
    register_revoking("register");
    void *block = CoTaskMemAlloc(10);
    revokes = 0;
    NEED("allocated", block);
    EQUAL("inside", answer, E_ACCESSDENIED);
    came("inside", "PreAlloc(10) PostAlloc ");
    EQUAL("still-there", CoRevokeMallocSpy(), E_ACCESSDENIED);
    CoTaskMemFree(block);
    came("freed", "PreFree(1) PostFree(1) Release ");
    EQUAL("gone", CoRevokeMallocSpy(), CO_E_OBJNOTREG);

    /* Nothing comes of the call: nothing holds the spy. */
    register_revoking("register-again");
    refused = 77;
    EQUAL("refused", CoTaskMemAlloc(77), 0);
    revokes = 0;
    EQUAL("refused-inside", answer, E_ACCESSDENIED);
    came("refused", "PreAlloc(77) Release ");
    EQUAL("gone-again", CoRevokeMallocSpy(), CO_E_OBJNOTREG);
    return finish();
}
