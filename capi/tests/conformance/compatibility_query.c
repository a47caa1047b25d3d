/* HeapQueryInformation of HeapCompatibilityInformation, and its errors. */
#include "check.h"

int main(void)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    ULONG value[2] = {77, 77};
    SIZE_T length = 0;
    NEED("created", heap);
    EQUAL("query", HeapQueryInformation(heap, HeapCompatibilityInformation, value, 4, &length), TRUE);
    EQUAL("fresh-is-0", value[0], 0);
    EQUAL("length", length, 4);

    value[0] = 77;
    length = 0;
    EQUAL("larger", HeapQueryInformation(heap, HeapCompatibilityInformation, value, 5, &length), TRUE);
    EQUAL("larger-value", value[0], 0);
    EQUAL("larger-length", length, 4);

    SetLastError(UNTOUCHED);
    length = 0;
    EQUAL("small", HeapQueryInformation(heap, HeapCompatibilityInformation, value, 3, &length), FALSE);
    EQUAL("small-error", GetLastError(), ERROR_INSUFFICIENT_BUFFER);
    EQUAL("small-length", length, 4);
    SetLastError(UNTOUCHED);
    length = 0;
    EQUAL("none", HeapQueryInformation(heap, HeapCompatibilityInformation, NULL, 0, &length), FALSE);
    EQUAL("none-error", GetLastError(), ERROR_INSUFFICIENT_BUFFER);
    EQUAL("none-length", length, 4);
    SetLastError(UNTOUCHED);
    EQUAL("no-length", HeapQueryInformation(heap, HeapCompatibilityInformation, value, 3, NULL), FALSE);
    EQUAL("no-length-error", GetLastError(), ERROR_INSUFFICIENT_BUFFER);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}
