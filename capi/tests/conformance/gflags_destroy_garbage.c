/* RtlDestroyHeap of what is no heap, with validation of parameters, gives it
 * back. */
#include "gflags.h"

static void body(DWORD flags)
{
    static char garbage[0x1000];
    EQUAL(named(flags, "given-back"), RtlDestroyHeap((HANDLE)garbage), garbage);
}

int main(int argc, char **argv)
{
    static const DWORD flags[] = {FLG_PARAMETERS, 0};
    return under_flags(argc, argv, flags, body);
}
