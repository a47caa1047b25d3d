/* Handles: a fixed block's is its address; a moveable one's leads to the second word
 * of an entry, whose first has its flags. */
#include "moveable.h"

int main(void)
{
    HGLOBAL fixed = GlobalAlloc(GMEM_FIXED, 100);
    NEED("fixed", fixed);
    EQUAL("fixed-aligned", (ULONG_PTR)fixed & 15, 0);
    EQUAL("fixed-lock", GlobalLock(fixed), fixed);

    HGLOBAL moveable = GlobalAlloc(GMEM_MOVEABLE, 100);
    NEED("moveable", moveable);
    EQUAL("moveable-low-bits", (ULONG_PTR)moveable & 15, 8);
    EQUAL("leads-to-data", GlobalLock(moveable), data_of(moveable));
    EQUAL("word-locked-once", word_of(moveable), 0x10003);
    GlobalUnlock(moveable);
    EQUAL("word", word_of(moveable), 3);

    HGLOBAL discardable = GlobalAlloc(GMEM_MOVEABLE | GMEM_DISCARDABLE, 100);
    EQUAL("word-discardable", word_of(discardable), 7);
    HGLOBAL shared = GlobalAlloc(GMEM_MOVEABLE | GMEM_DDESHARE, 100);
    EQUAL("word-shared", word_of(shared), 0x8003);
    HGLOBAL empty = GlobalAlloc(GMEM_MOVEABLE, 0);
    EQUAL("word-empty", word_of(empty), 0xb);
    EQUAL("data-empty", data_of(empty), 0);
    HGLOBAL both = GlobalAlloc(GMEM_MOVEABLE | GMEM_DISCARDABLE, 0);
    EQUAL("word-both", word_of(both), 0xf);
    EQUAL("data-both", data_of(both), 0);
    HLOCAL local = LocalAlloc(LMEM_MOVEABLE, 100);
    EQUAL("word-local", word_of(local), 3);
    EQUAL("local-low-bits", (ULONG_PTR)local & 15, 8);

    HGLOBAL second = GlobalAlloc(GMEM_MOVEABLE, 100);
    EQUAL("freed", GlobalFree(moveable), 0);
    EQUAL("word-freed-low-bits", word_of(moveable) & 15, 0);
    EQUAL("data-freed", data_of(moveable), 0);
    /* The word is where the next free entry is: of the one freed later, known. */
    EQUAL("second-freed", GlobalFree(second), 0);
    EQUAL("word-second-low-bits", word_of(second) & 15, 0);
    EQUAL("data-second", data_of(second), 0);
    EQUAL("word-second", word_of(second), (ULONG_PTR)moveable - sizeof(void *));
    CHECK("all-freed", !GlobalFree(fixed) && !GlobalFree(discardable) && !GlobalFree(shared) &&
                           !GlobalFree(empty) && !GlobalFree(both) && !LocalFree(local));
    return finish();
}
