/* GlobalFlags: discardable, discarded, shared, locks; obsolete flags are invisible. */
#include "moveable.h"

static void flags_are(const char *name, UINT flags, SIZE_T size, UINT expected)
{
    HGLOBAL handle = GlobalAlloc(flags, size);
    EQUAL(name, GlobalFlags(handle), expected);
    GlobalFree(handle);
}

int main(void)
{
    UINT obsolete = GMEM_NOTIFY | GMEM_NOT_BANKED | GMEM_NODISCARD | GMEM_NOCOMPACT | GMEM_LOWER;
    flags_are("plain", GMEM_MOVEABLE, 10, 0);
    flags_are("obsolete", GMEM_MOVEABLE | obsolete, 10, 0);
    flags_are("obsolete-fixed", obsolete, 10, 0);
    flags_are("shared", GMEM_MOVEABLE | GMEM_DDESHARE, 10, GMEM_DDESHARE);
    flags_are("shared-fixed", GMEM_DDESHARE, 10, 0);
    flags_are("discardable", GMEM_MOVEABLE | GMEM_DISCARDABLE, 1, 0x100);
    flags_are("discardable-fixed", GMEM_DISCARDABLE, 10, 0);
    flags_are("discardable-0", GMEM_MOVEABLE | GMEM_DISCARDABLE, 0, 0x4100);
    flags_are("discardable-shared", GMEM_MOVEABLE | GMEM_DISCARDABLE | GMEM_DDESHARE, 1, 0x2100);

    HGLOBAL handle = GlobalAlloc(GMEM_MOVEABLE | GMEM_DDESHARE, 10);
    GlobalLock(handle);
    GlobalLock(handle);
    EQUAL("locked-twice", GlobalFlags(handle), 0x2002);
    EQUAL("local-shows-no-sharing", LocalFlags(handle), 2);
    CHECK("freed-locked", !GlobalFree(handle));

    UINT local_obsolete = LMEM_NOCOMPACT | LMEM_NODISCARD;
    HLOCAL local = LocalAlloc(LMEM_MOVEABLE | local_obsolete, 10);
    EQUAL("local-obsolete", LocalFlags(local), 0);
    EQUAL("local-obsolete-size", LocalSize(local), 10);
    CHECK("local-obsolete-freed", !LocalFree(local));
    local = LocalAlloc(local_obsolete, 10);
    EQUAL("local-obsolete-fixed", LocalFlags(local), 0);
    EQUAL("local-obsolete-fixed-size", LocalSize(local), 10);
    CHECK("local-obsolete-fixed-freed", !LocalFree(local));
    /* Global memory's obsolete flags are as invisible to the local functions. */
    local = LocalAlloc(LMEM_MOVEABLE | GMEM_NOTIFY | GMEM_NOT_BANKED, 10);
    EQUAL("local-obsolete-global", LocalFlags(local), 0);
    CHECK("local-obsolete-global-freed", !LocalFree(local));

    local = LocalAlloc(LMEM_MOVEABLE | LMEM_DISCARDABLE, 10);
    EQUAL("local-discardable", LocalFlags(local), LMEM_DISCARDABLE);
    LocalFree(local);
    local = LocalAlloc(LMEM_MOVEABLE | GMEM_DDESHARE, 10);
    EQUAL("local-shared", LocalFlags(local), 0);
    EQUAL("local-shared-as-global", GlobalFlags(local), 0);
    LocalFree(local);
    local = LocalAlloc(LMEM_FIXED, 10);
    EQUAL("local-fixed", LocalFlags(local), 0);
    CHECK("local-freed", !LocalFree(local));
    return finish();
}
