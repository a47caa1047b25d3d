/* HeapQueryInformation of no heap: FALSE, ERROR_NOACCESS, the length untouched. */
#include "check.h"

int main(void)
{
    ULONG value = 77;
    SIZE_T length = 55;
    SetLastError(UNTOUCHED);
    EQUAL("refused", HeapQueryInformation(NULL, HeapCompatibilityInformation, &value, 4, &length), 0);
    EQUAL("error", GetLastError(), ERROR_NOACCESS);
    EQUAL("length-untouched", length, 55);
    EQUAL("value-untouched", value, 77);
    return finish();
}
