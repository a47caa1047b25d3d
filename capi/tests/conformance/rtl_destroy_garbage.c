/* RtlDestroyHeap of what is no heap gives the handle back. (Windows looks at the
 * handle where it validates parameters.) */
#include "check.h"

int main(void)
{
    PVOID garbage = VirtualAlloc(NULL, 0x10000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    NEED("memory", garbage);
    EQUAL("zeros", RtlDestroyHeap(garbage), garbage);
    memset(garbage, 0x5A, 0x10000);
    EQUAL("bytes", RtlDestroyHeap(garbage), garbage);
    EQUAL("still-there", *(unsigned char *)garbage, 0x5A);
    CHECK("released", VirtualFree(garbage, 0, MEM_RELEASE));
    return finish();
}
