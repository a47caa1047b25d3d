/* What programs share that hand the global or the local functions an address that is
 * neither. */
#ifndef CONFORMANCE_BAD_H
#define CONFORMANCE_BAD_H

#include "moveable.h"

/* Addresses that can be read and are none of a block of global or local memory. */
struct foreign {
    const char *what;
    HGLOBAL address;
};

enum { FOREIGN = 5 };

static char statics[64] __attribute__((aligned(16)));

/* Makes them; `on_stack` is aligned. `blocks` are the two that they are in. */
HELPER BOOL make_foreign(struct foreign *foreign, char *on_stack, HANDLE heap, HGLOBAL blocks[2])
{
    blocks[0] = GlobalAlloc(GMEM_FIXED, 200);
    blocks[1] = HeapAlloc(heap, 0, 200);
    if (!blocks[0] || !blocks[1])
        return FALSE;
    fill(blocks[0], 200);
    fill(blocks[1], 200);
    fill(statics, sizeof statics);
    foreign[0].what = "static";
    foreign[0].address = statics;
    foreign[1].what = "stack";
    foreign[1].address = on_stack;
    foreign[2].what = "inside";
    foreign[2].address = (char *)blocks[0] + 64;
    foreign[3].what = "other-heap";
    foreign[3].address = blocks[1];
    foreign[4].what = "heap-handle";
    foreign[4].address = heap;
    return TRUE;
}

/* What is so of both families. */
#define FOREIGN_CHECKS(Flags, Size, Lock, Handle, ReAlloc, Free)                                   \
    do {                                                                                           \
        SetLastError(UNTOUCHED);                                                                   \
        EQUAL(NAMED("flags"), Flags(address), GMEM_INVALID_HANDLE);                                \
        EQUAL(NAMED("flags-error"), GetLastError(), ERROR_INVALID_HANDLE);                         \
        SetLastError(UNTOUCHED);                                                                   \
        EQUAL(NAMED("size"), Size(address), 0);                                                    \
        EQUAL(NAMED("size-error"), GetLastError(), ERROR_INVALID_HANDLE);                          \
        SetLastError(UNTOUCHED);                                                                   \
        EQUAL(NAMED("lock"), Lock(address), address);                                              \
        EQUAL(NAMED("lock-error"), GetLastError(), UNTOUCHED);                                     \
        SetLastError(UNTOUCHED);                                                                   \
        EQUAL(NAMED("handle"), Handle(address), 0);                                                \
        EQUAL(NAMED("handle-error"), GetLastError(), ERROR_INVALID_HANDLE);                        \
        SetLastError(UNTOUCHED);                                                                   \
        EQUAL(NAMED("realloc"), ReAlloc(address, 10, GMEM_MOVEABLE), 0);                           \
        EQUAL(NAMED("realloc-error"), GetLastError(), ERROR_INVALID_HANDLE);                       \
        SetLastError(UNTOUCHED);                                                                   \
        EQUAL(NAMED("free"), Free(address), address);                                              \
        EQUAL(NAMED("free-error"), GetLastError(), ERROR_INVALID_HANDLE);                          \
    } while (0)

/* Whether nothing of it was harmed; frees the blocks. */
HELPER BOOL are_unharmed(char *on_stack, HANDLE heap, HGLOBAL blocks[2])
{
    BOOL filled = is_filled(statics, sizeof statics) && is_filled(on_stack, 64) &&
                  is_filled(blocks[0], 200) && is_filled(blocks[1], 200);
    BOOL sound = HeapValidate(heap, 0, NULL) && HeapValidate(GetProcessHeap(), 0, NULL);
    return filled && sound && GlobalSize(blocks[0]) == 200 && HeapSize(heap, 0, blocks[1]) == 200 &&
           !GlobalFree(blocks[0]) && HeapFree(heap, 0, blocks[1]);
}

#endif
