/* The obsolete functions that once compacted: no block is moved, discarded or made
 * smaller by them, and what they return is the process heap's largest free block. */
#include "moveable.h"

#define KINDS 4

static HGLOBAL handles[KINDS];
static void *places[KINDS];
static UINT flags[KINDS];

static SIZE_T compact_global(UINT bytes)
{
    return GlobalCompact(bytes);
}

static SIZE_T compact_local(UINT bytes)
{
    return LocalCompact(bytes);
}

static SIZE_T shrink_all(UINT bytes)
{
    return LocalShrink(NULL, bytes);
}

static SIZE_T shrink_one(UINT bytes)
{
    return LocalShrink(handles[1], bytes);
}

static void changes_nothing(const char *what, SIZE_T (*compact)(UINT))
{
    static const UINT amounts[] = {0, 1, 0x100000, ~0u};
    char name[64];
    int told = 0, untouched = 0, same = 0;
    for (int i = 0; i < 4; i++) {
        SIZE_T largest = HeapCompact(GetProcessHeap(), 0);
        SetLastError(UNTOUCHED);
        SIZE_T answer = compact(amounts[i]);
        untouched += GetLastError() == UNTOUCHED;
        told += answer == largest && answer != 0;
        for (int kind = 0; kind < KINDS; kind++)
            same += data_of(handles[kind]) == places[kind] && GlobalSize(handles[kind]) == 5000 &&
                    GlobalFlags(handles[kind]) == flags[kind] && is_filled(places[kind], 5000);
    }
    EQUAL(NAMED("largest-free"), told, 4);
    EQUAL(NAMED("error"), untouched, 4);
    EQUAL(NAMED("blocks"), same, 4 * KINDS);
}

int main(void)
{
    static const UINT kinds[KINDS] = {0, 0, GMEM_DISCARDABLE, GMEM_DISCARDABLE};
    for (int kind = 0; kind < KINDS; kind++) {
        /* What would be compacted away: a hole before each block. */
        HGLOBAL hole = GlobalAlloc(GMEM_MOVEABLE, 7000);
        handles[kind] = GlobalAlloc(GMEM_MOVEABLE | kinds[kind], 5000);
        NEED(kind == 0   ? "plain"
             : kind == 1 ? "locked"
             : kind == 2 ? "discardable"
                         : "discardable-locked",
             hole && handles[kind] && !GlobalFree(hole));
        if (kind % 2)
            GlobalLock(handles[kind]);
        places[kind] = data_of(handles[kind]);
        flags[kind] = GlobalFlags(handles[kind]);
        fill(places[kind], 5000);
    }
    EQUAL("locked-flags", flags[1], 1);
    EQUAL("discardable-flags", flags[2], GMEM_DISCARDABLE);
    changes_nothing("global", compact_global);
    changes_nothing("local", compact_local);
    changes_nothing("shrink", shrink_all);
    changes_nothing("shrink-one", shrink_one);
    for (int kind = 0; kind < KINDS; kind++)
        handles[kind] = GlobalFree(handles[kind]);
    CHECK("freed", !handles[0] && !handles[1] && !handles[2] && !handles[3]);
    return finish();
}
