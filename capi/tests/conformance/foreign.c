/* The global and the local functions with addresses that can be read and are no blocks of
 * the process heap; and with a fixed block that was freed. */
#include "moveable.h"

/* Those of one family, and what sets it apart. */
struct family {
    const char *name;
    HGLOBAL(WINAPI *alloc)(UINT, SIZE_T);
    UINT(WINAPI *flags)(HGLOBAL);
    SIZE_T(WINAPI *size)(HGLOBAL);
    LPVOID(WINAPI *lock)(HGLOBAL);
    BOOL(WINAPI *unlock)(HGLOBAL);
    HGLOBAL(WINAPI *handle)(LPCVOID);
    HGLOBAL(WINAPI *realloc)(HGLOBAL, SIZE_T, UINT);
    HGLOBAL(WINAPI *free)(HGLOBAL);
    BOOL unlocks;
    DWORD unlock_error;
};

static const struct family families[2] = {
    {"global", GlobalAlloc, GlobalFlags, GlobalSize, GlobalLock, GlobalUnlock, GlobalHandle,
     GlobalReAlloc, GlobalFree, TRUE, UNTOUCHED},
    {"local", LocalAlloc, LocalFlags, LocalSize, LocalLock, LocalUnlock, LocalHandle, LocalReAlloc,
     LocalFree, FALSE, ERROR_NOT_LOCKED},
};

static void bad(const struct family *family, const char *address_is, HGLOBAL address)
{
    char name[64], what[48];
    snprintf(what, sizeof what, "%s-%s", family->name, address_is);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("flags"), family->flags(address), GMEM_INVALID_HANDLE);
    EQUAL(NAMED("flags-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("size"), family->size(address), 0);
    EQUAL(NAMED("size-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("lock"), family->lock(address), address);
    EQUAL(NAMED("lock-error"), GetLastError(), UNTOUCHED);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("handle"), family->handle(address), 0);
    EQUAL(NAMED("handle-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("realloc"), family->realloc(address, 10, GMEM_MOVEABLE), 0);
    EQUAL(NAMED("realloc-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("free"), family->free(address), address);
    EQUAL(NAMED("free-error"), GetLastError(), ERROR_INVALID_HANDLE);
    SetLastError(UNTOUCHED);
    EQUAL(NAMED("unlock"), family->unlock(address), family->unlocks);
    EQUAL(NAMED("unlock-error"), GetLastError(), family->unlock_error);
}

int main(void)
{
    static char statics[64] __attribute__((aligned(16)));
    char on_stack[64] __attribute__((aligned(16)));
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("made", heap);
    HGLOBAL fixed = GlobalAlloc(GMEM_FIXED, 200);
    char *block = (char *)HeapAlloc(heap, 0, 200);
    NEED("blocks", fixed && block);
    fill(fixed, 200);
    fill(block, 200);
    fill(statics, sizeof statics);
    fill(on_stack, sizeof on_stack);
    for (int i = 0; i < 2; i++) {
        const struct family *family = &families[i];
        bad(family, "static", statics);
        bad(family, "stack", on_stack);
        bad(family, "inside", (char *)fixed + 64);
        bad(family, "other-heap", block);
        bad(family, "heap-handle", heap);
    }
    CHECK("unharmed", is_filled(statics, sizeof statics) && is_filled(on_stack, sizeof on_stack) &&
                          is_filled(fixed, 200) && is_filled(block, 200));
    CHECK("sound", HeapValidate(heap, 0, NULL) && HeapValidate(GetProcessHeap(), 0, NULL));
    CHECK("sizes", GlobalSize(fixed) == 200 && HeapSize(heap, 0, block) == 200);
    CHECK("freed", !GlobalFree(fixed) && HeapFree(heap, 0, block) && HeapDestroy(heap));

    for (int i = 0; i < 2; i++) {
        HGLOBAL freed = families[i].alloc(GMEM_FIXED, 100);
        char name[64];
        const char *what = families[i].name;
        CHECK(NAMED("freed-once"), freed && !families[i].free(freed));
        bad(&families[i], "freed", freed);
    }
    CHECK("sound-then", HeapValidate(GetProcessHeap(), 0, NULL));
    return finish();
}
