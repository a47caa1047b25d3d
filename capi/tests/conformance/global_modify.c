/* GMEM_MODIFY: a fixed global block gets a handle, a moveable one becomes discardable;
 * sizes stay. */
#include "moveable.h"

int main(void)
{
    HGLOBAL fixed = GlobalAlloc(GMEM_FIXED, 50);
    fill(fixed, 50);
    HGLOBAL handle = GlobalReAlloc(fixed, 10, GMEM_MODIFY | GMEM_MOVEABLE);
    NEED("converted", handle);
    EQUAL("is-a-handle", (ULONG_PTR)handle & 15, 8);
    EQUAL("word", word_of(handle), 3);
    EQUAL("size-kept", GlobalSize(handle), 50);
    CHECK("data-copied", data_of(handle) != fixed);
    CHECK("content", is_filled(data_of(handle), 50));
    EQUAL("handle-of-data", GlobalHandle(data_of(handle)), handle);
    EQUAL("modified", GlobalReAlloc(handle, 10, GMEM_MODIFY | GMEM_DISCARDABLE), handle);
    EQUAL("modified-word", word_of(handle), 7);
    EQUAL("modified-size", GlobalSize(handle), 50);
    EQUAL("modified-flags", GlobalFlags(handle), GMEM_DISCARDABLE);
    CHECK("freed", !GlobalFree(handle));

    fixed = GlobalAlloc(GMEM_FIXED, 50);
    handle = GlobalReAlloc(fixed, 0, GMEM_MODIFY | GMEM_MOVEABLE | GMEM_DISCARDABLE);
    NEED("converted-discardable", handle);
    EQUAL("word-discardable", word_of(handle), 7);
    CHECK("discardable-freed", !GlobalFree(handle));

    fixed = GlobalAlloc(GMEM_FIXED, 50);
    EQUAL("without-moveable", GlobalReAlloc(fixed, 0x100000, GMEM_MODIFY), fixed);
    EQUAL("without-moveable-size", GlobalSize(fixed), 50);
    HLOCAL local = LocalAlloc(LMEM_FIXED, 50);
    EQUAL("local", LocalReAlloc(local, 10, LMEM_MODIFY | LMEM_MOVEABLE), local);
    EQUAL("local-size", LocalSize(local), 50);
    CHECK("fixed-freed", !GlobalFree(fixed) && !LocalFree(local));
    return finish();
}
