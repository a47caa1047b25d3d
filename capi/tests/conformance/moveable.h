/* What programs about global and local memory share. */
#ifndef CONFORMANCE_MOVEABLE_H
#define CONFORMANCE_MOVEABLE_H

#include "check.h"

/* The two words of a handle's entry in the table. */
HELPER ULONG_PTR word_of(HGLOBAL handle)
{
    return *(ULONG_PTR *)(void *)((char *)handle - sizeof(void *));
}

HELPER void *data_of(HGLOBAL handle)
{
    return *(void **)handle;
}

/* A check's name, of what it is about and `end`, in an array `name`. */
#define NAMED(end) (snprintf(name, sizeof name, "%s-" end, what), name)

/* A handle and an address that nobody made. */
#define BAD_HANDLE ((HGLOBAL)(ULONG_PTR)0xdeadbee8)
#define BAD_ADDRESS ((HGLOBAL)(ULONG_PTR)0xdeadbee0)

/* Makes blocks of a size hot: from then on the low-fragmentation heap serves them,
 * fixed and moveable ones. */
HELPER void make_hot(SIZE_T size)
{
    static HGLOBAL blocks[256];
    for (UINT flags = 0; flags <= GMEM_MOVEABLE; flags += GMEM_MOVEABLE) {
        for (int i = 0; i < 256; i++)
            blocks[i] = GlobalAlloc(flags, size);
        for (int i = 0; i < 256; i++)
            GlobalFree(blocks[i]);
    }
}

/* Fills a block with bytes that tell their place. */
HELPER void fill(void *block, SIZE_T size)
{
    for (SIZE_T i = 0; i < size; i++)
        ((unsigned char *)block)[i] = (unsigned char)(i * 7 + 1);
}

/* Whether they are there. */
HELPER BOOL is_filled(const void *block, SIZE_T size)
{
    for (SIZE_T i = 0; i < size; i++) {
        if (((const unsigned char *)block)[i] != (unsigned char)(i * 7 + 1))
            return FALSE;
    }
    return TRUE;
}

/* Whether `count` bytes from `from` on are 0. */
HELPER BOOL is_zero(const void *block, SIZE_T from, SIZE_T count)
{
    for (SIZE_T i = 0; i < count; i++) {
        if (((const unsigned char *)block)[from + i])
            return FALSE;
    }
    return TRUE;
}

#endif
