/* CoGetMalloc knows one context. */
#include "spy.h"

int main(void)
{
    static const DWORD others[] = {0, 2, 3, (DWORD)-1, (DWORD)-2};
    IMalloc *first = NULL, *second = NULL;
    EQUAL("task", CoGetMalloc(MEMCTX_TASK, &first), S_OK);
    NEED("object", first);
    EQUAL("again", CoGetMalloc(MEMCTX_TASK, &second), S_OK);
    EQUAL("same", first, second);
    int refused_ones = 0, nulls = 0;
    for (int i = 0; i < 5; i++) {
        second = first;
        refused_ones += CoGetMalloc(others[i], &second) == E_INVALIDARG;
        nulls += second == NULL;
    }
    EQUAL("others-refused", refused_ones, 5);
    EQUAL("others-null", nulls, 5);
    void *unknown = NULL;
    EQUAL("is-unknown", IMalloc_QueryInterface(first, IDENTIFIER(IID_IUnknown), &unknown), S_OK);
    CHECK("unknown", unknown != NULL);
    EQUAL("is-malloc", IMalloc_QueryInterface(first, IDENTIFIER(IID_IMalloc), &unknown), S_OK);
    EQUAL("malloc", unknown, first);
    EQUAL("is-no-spy", IMalloc_QueryInterface(first, IDENTIFIER(IID_IMallocSpy), &unknown),
          E_NOINTERFACE);
    EQUAL("no-spy", unknown, 0);
    /* The object is there for ever: nothing is counted. */
    EQUAL("add-ref", IMalloc_AddRef(first), 1);
    EQUAL("release", IMalloc_Release(first), 1);
    EQUAL("release-again", IMalloc_Release(first), 1);
    void *block = IMalloc_Alloc(first, 10);
    CHECK("lives-on", block != NULL);
    IMalloc_Free(first, block);
    return finish();
}
