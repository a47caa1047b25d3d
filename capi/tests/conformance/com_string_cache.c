/* Strings are task memory; freed ones are kept, and a spy hears neither of that nor of
 * the next one of their size. */
#include "spy.h"

int main(void)
{
    static const OLECHAR text[] = {'c', 'a', 'c', 'h', 'e', 0}, same[] = {'S', 'A', 'M', 'E', 0};
    NEED("registered", CoRegisterMallocSpy(&the_spy) == S_OK);
    calls[0] = 0;
    BSTR string = SysAllocString(text);
    CHECK("told", strncmp(calls, "PreAlloc(", 9) == 0);
    calls[0] = 0;
    SysFreeString(string);
    CHECK("free-not-told", strstr(calls, "PreFree") == NULL);
    calls[0] = 0;
    BSTR next = SysAllocString(same);
    EQUAL("kept-one", next, string);
    came("next-not-told", "");
    EQUAL("leaked-says-the-spy", CoRevokeMallocSpy(), E_ACCESSDENIED);
    SysFreeString(next);
    return finish();
}
