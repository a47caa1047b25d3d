/* HeapValidate: TRUE of a sound heap and of its blocks, FALSE of whatever is not
 * a block of it; the last error is not touched, but for an address that cannot be
 * read. */
#include "check.h"

int main(void)
{
    static char elsewhere[256];
    char on_stack[256];
    ULONG_PTR wild = 0xDEADBEE0;
    HANDLE heap = HeapCreate(0, 0, 0), other = HeapCreate(0, 0, 0);
    NEED("created", heap && other);
    char *block = (char *)HeapAlloc(heap, 0, 100), *freed = (char *)HeapAlloc(heap, 0, 100);
    char *large = (char *)HeapAlloc(heap, 0, 0x200000), *others = (char *)HeapAlloc(other, 0, 100);
    memset(on_stack, 0, sizeof on_stack);
    memset(block, 0, 100);
    memset(freed, 0, 100);
    CHECK("freed-it", HeapFree(heap, 0, freed));

    SetLastError(UNTOUCHED);
    EQUAL("heap", HeapValidate(heap, 0, NULL), TRUE);
    EQUAL("block", HeapValidate(heap, 0, block), TRUE);
    EQUAL("large-block", HeapValidate(heap, 0, large), TRUE);
    EQUAL("freed-block", HeapValidate(heap, 0, freed), FALSE);
    EQUAL("static-memory", HeapValidate(heap, 0, elsewhere + 64), FALSE);
    EQUAL("stack-memory", HeapValidate(heap, 0, on_stack + 64), FALSE);
    EQUAL("interior-pointer", HeapValidate(heap, 0, block + 16), FALSE);
    EQUAL("odd-interior-pointer", HeapValidate(heap, 0, block + 1), FALSE);
    EQUAL("interior-of-large", HeapValidate(heap, 0, large + 0x10000), FALSE);
    EQUAL("block-of-another-heap", HeapValidate(heap, 0, others), FALSE);
    EQUAL("error-untouched", GetLastError(), UNTOUCHED);
    EQUAL("unreadable", HeapValidate(heap, 0, (void *)wild), FALSE);
    EQUAL("unreadable-error", GetLastError(), ERROR_NOACCESS);
    CHECK("destroyed", HeapDestroy(heap) && HeapDestroy(other));
    return finish();
}
