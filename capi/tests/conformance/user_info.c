/* A block's settable value and flags. */
#include "check.h"

int main(void)
{
    PVOID marker = (PVOID)(ULONG_PTR)0x1234, value = marker;
    ULONG flags = 77;
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    void *plain = HeapAlloc(heap, 0, 32);
    EQUAL("plain", RtlGetUserInfoHeap(heap, 0, plain, &value, &flags), TRUE);
    EQUAL("plain-value-untouched", value, marker);
    EQUAL("plain-flags", flags, 0);

    char *block = (char *)RtlAllocateHeap(heap, HEAP_SETTABLE_USER_VALUE | 0xC00, 32);
    NEED("allocated", block);
    EQUAL("info", RtlGetUserInfoHeap(heap, 0, block, &value, &flags), TRUE);
    EQUAL("value-at-first", value, 0);
    EQUAL("flags-as-passed", flags, 0xC00);
    EQUAL("size-exact", HeapSize(heap, 0, block), 32);
    EQUAL("flags-set", RtlSetUserFlagsHeap(heap, 0, block, 0x400, 0x200), TRUE);
    RtlGetUserInfoHeap(heap, 0, block, &value, &flags);
    EQUAL("flags-now", flags, 0xA00);
    EQUAL("value-set", RtlSetUserValueHeap(heap, 0, block, marker), TRUE);
    RtlGetUserInfoHeap(heap, 0, block, &value, &flags);
    EQUAL("value-now", value, marker);
    EQUAL("value-in-the-second-word", *(PVOID *)(void *)(block + 32 + 8), marker);
    EQUAL("flags-still", flags, 0xA00);

    SetLastError(UNTOUCHED);
    EQUAL("foreign-bits-set", RtlSetUserFlagsHeap(heap, 0, block, 0, 0x100), FALSE);
    EQUAL("foreign-bits-set-error", GetLastError(), ERROR_INVALID_PARAMETER);
    SetLastError(UNTOUCHED);
    EQUAL("foreign-bits-cleared", RtlSetUserFlagsHeap(heap, 0, block, 0x1000, 0), FALSE);
    EQUAL("foreign-bits-cleared-error", GetLastError(), ERROR_INVALID_PARAMETER);
    CHECK("destroyed", HeapDestroy(heap));

    heap = HeapCreate(HEAP_NO_SERIALIZE, 0, 0);
    NEED("created-again", heap);
    char *first = (char *)RtlAllocateHeap(heap, HEAP_SETTABLE_USER_VALUE, 32);
    char *second = (char *)RtlAllocateHeap(heap, HEAP_SETTABLE_USER_VALUE, 32);
    EQUAL("16-bytes-bigger", second - first, round_up(32 + 8, 16) + 16);
    CHECK("destroyed-again", HeapDestroy(heap));
    return finish();
}
