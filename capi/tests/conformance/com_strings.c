/* Strings of Automation: their length before them, a 0 behind. */
#include "spy.h"

int main(void)
{
    static const OLECHAR text[] = {'t', 'e', 'x', 't', 0, 'x', 0};
    BSTR string = SysAllocString(text);
    NEED("allocated", string);
    EQUAL("length", SysStringLen(string), 4);
    EQUAL("bytes", SysStringByteLen(string), 8);
    EQUAL("prefix", ((DWORD *)(void *)string)[-1], 8);
    CHECK("content", memcmp(string, text, 10) == 0);
    SysFreeString(string);

    string = SysAllocStringLen(text, 6);
    EQUAL("with-zeros", SysStringLen(string), 6);
    CHECK("with-zeros-content", memcmp(string, text, 12) == 0 && string[6] == 0);
    EQUAL("realloc", SysReAllocString(&string, text), TRUE);
    EQUAL("realloc-length", SysStringLen(string), 4);
    EQUAL("realloc-own", SysReAllocStringLen(&string, string, 2), TRUE);
    CHECK("realloc-own-content", SysStringLen(string) == 2 && string[0] == 't' && string[2] == 0);
    SysFreeString(string);

    string = SysAllocStringLen(NULL, 100);
    EQUAL("undefined-length", SysStringLen(string), 100);
    EQUAL("undefined-end", string[100], 0);
    SysFreeString(string);
    string = SysAllocStringByteLen("odd", 3);
    EQUAL("odd-bytes", SysStringByteLen(string), 3);
    EQUAL("odd-length", SysStringLen(string), 1);
    CHECK("odd-content", memcmp(string, "odd", 4) == 0);
    SysFreeString(string);
    string = SysAllocStringLen(text, 0);
    CHECK("empty", string && SysStringLen(string) == 0 && string[0] == 0);
    SysFreeString(string);

    EQUAL("null", SysAllocString(NULL), 0);
    EQUAL("length-of-null", SysStringLen(NULL), 0);
    EQUAL("bytes-of-null", SysStringByteLen(NULL), 0);
    SysFreeString(NULL);
    string = NULL;
    EQUAL("realloc-of-null", SysReAllocString(&string, text), TRUE);
    EQUAL("realloc-of-null-length", SysStringLen(string), 4);
    EQUAL("realloc-to-null", SysReAllocString(&string, NULL), TRUE);
    EQUAL("is-null", string, 0);
    return finish();
}
