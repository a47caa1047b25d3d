/* HeapSize of NULL is all ones. */
#include "check.h"

int main(void)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    EQUAL("size", HeapSize(heap, 0, NULL), (SIZE_T)-1);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}
