/* The flags of heaps that GlobalFlag's bits become, where Windows' heap has them. */
#include "gflags.h"

static DWORD derived(DWORD flags)
{
    DWORD of_heap = 0;
    if (flags & FLG_TAIL)
        of_heap |= 0x20;
    if (flags & FLG_FREE)
        of_heap |= 0x40;
    if (flags & FLG_PARAMETERS)
        of_heap |= 0x40000060;
    if (flags & FLG_ALL)
        of_heap |= 0x20000060;
    if (flags & FLG_APART)
        of_heap |= 0x80;
    return of_heap;
}

static void body(DWORD flags)
{
    HANDLE growable = HeapCreate(0, 0, 0), fixed = HeapCreate(0, 0, 0x10000);
    HANDLE asked = HeapCreate(0x60, 0, 0);
    if (!CHECK(named(flags, "created"), growable && fixed && asked))
        return;
    EQUAL(named(flags, "signature"), at(growable, 0x10), 0xFFEEFFEEu);
    EQUAL(named(flags, "growable"), at(growable, 0x70), derived(flags) | 0x1002);
    EQUAL(named(flags, "fixed"), at(fixed, 0x70), derived(flags) | 0x1000);
    EQUAL(named(flags, "asked-for-at-creation"), at(asked, 0x70), derived(flags) | 0x1002);
    EQUAL(named(flags, "process"), at(GetProcessHeap(), 0x70), derived(flags) | 2);
    EQUAL(named(flags, "forced"), at(growable, 0x74) & 0x600000E0, derived(flags));
    CHECK(named(flags, "destroyed"),
          HeapDestroy(growable) && HeapDestroy(fixed) && HeapDestroy(asked));
}

int main(int argc, char **argv)
{
    static const DWORD flags[] = {FLG_TAIL,  FLG_FREE, FLG_PARAMETERS, FLG_ALL,
                                  FLG_APART, 0x200030, 0xF0,           0};
    return under_flags(argc, argv, flags, body);
}
