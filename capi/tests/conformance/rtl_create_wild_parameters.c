/* Parameters at an address that cannot be read: no heap, and no fault. */
#include "check.h"

int main(void)
{
    ULONG_PTR wild = 0xDEADBEEF;
    EQUAL("refused", RtlCreateHeap(HEAP_GROWABLE, NULL, 0, 0, NULL, (PRTL_HEAP_PARAMETERS)wild), 0);
    return finish();
}
