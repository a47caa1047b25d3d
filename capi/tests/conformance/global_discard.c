/* Discarding: the block goes, the handle stays and may get a block again. */
#include "moveable.h"

int main(void)
{
    HGLOBAL handle = GlobalAlloc(GMEM_MOVEABLE, 10);
    NEED("allocated", handle);
    EQUAL("discarded", GlobalDiscard(handle), handle);
    EQUAL("word", word_of(handle), 0xb);
    EQUAL("data", data_of(handle), 0);
    EQUAL("size", GlobalSize(handle), 0);
    EQUAL("flags", GlobalFlags(handle), GMEM_DISCARDED);
    SetLastError(UNTOUCHED);
    EQUAL("lock", GlobalLock(handle), 0);
    EQUAL("lock-error", GetLastError(), ERROR_DISCARDED);
    EQUAL("again", GlobalDiscard(handle), handle);
    EQUAL("back", GlobalReAlloc(handle, 10, GMEM_MOVEABLE), handle);
    CHECK("back-size", GlobalSize(handle) >= 10 && GlobalSize(handle) <= 16);
    EQUAL("back-word", word_of(handle), 3);
    EQUAL("back-handle", GlobalHandle(data_of(handle)), handle);
    CHECK("back-lock", GlobalLock(handle) == data_of(handle) && data_of(handle));
    EQUAL("back-unlock", GlobalUnlock(handle), FALSE);
    CHECK("freed", !GlobalFree(handle));

    handle = GlobalAlloc(GMEM_MOVEABLE, 0);
    EQUAL("from-0", GlobalReAlloc(handle, 10, GMEM_MOVEABLE | GMEM_ZEROINIT), handle);
    CHECK("from-0-size", GlobalSize(handle) >= 10 && GlobalSize(handle) <= 16);
    EQUAL("from-0-word", word_of(handle), 3);
    CHECK("from-0-zeroed", is_zero(data_of(handle), 0, 10));
    EQUAL("to-0", GlobalReAlloc(handle, 0, GMEM_MOVEABLE), handle);
    EQUAL("to-0-size", GlobalSize(handle), 0);
    EQUAL("from-0-again", GlobalReAlloc(handle, 10, GMEM_MOVEABLE), handle);
    CHECK("from-0-again-size", GlobalSize(handle) >= 10 && GlobalSize(handle) <= 16);
    CHECK("freed-again", !GlobalFree(handle));

    HLOCAL local = LocalAlloc(LMEM_MOVEABLE | LMEM_DISCARDABLE, 10);
    EQUAL("local", LocalDiscard(local), local);
    EQUAL("local-word", word_of(local), 0xf);
    EQUAL("local-flags", LocalFlags(local) & LMEM_DISCARDED, LMEM_DISCARDED);
    CHECK("local-freed", !LocalFree(local));
    local = LocalAlloc(LMEM_FIXED, 0x20000);
    HLOCAL left = LocalDiscard(local);
    EQUAL("local-fixed", left, local);
    EQUAL("local-fixed-size", LocalSize(left), 0);
    CHECK("local-fixed-freed", !LocalFree(left));

    /* One that is served from a bucket as well. */
    make_hot(12);
    local = LocalAlloc(LMEM_FIXED, 12);
    left = LocalDiscard(local);
    EQUAL("local-hot", left, local);
    EQUAL("local-hot-size", LocalSize(left), 0);
    EQUAL("local-hot-again", LocalDiscard(left), left);
    EQUAL("local-hot-back", LocalSize(LocalReAlloc(left, 0, LMEM_MOVEABLE)), 0);
    CHECK("local-hot-freed", !LocalFree(left));
    return finish();
}
