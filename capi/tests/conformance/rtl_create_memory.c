/* A heap in its creator's memory: it lives there, asks the commit routine for
 * more, and leaves the memory to its owner when it is destroyed. */
#include "check.h"

static PVOID routine_base;
static SIZE_T routine_size;
static int routine_calls;

static NTSTATUS NTAPI commit(PVOID base, PVOID *address, PSIZE_T size)
{
    routine_calls++;
    routine_base = base;
    routine_size = *size;
    PVOID pages = VirtualAlloc(*address, *size, MEM_COMMIT, PAGE_READWRITE);
    return pages ? 0 : (NTSTATUS)0xC0000017;
}

int main(void)
{
    RTL_HEAP_PARAMETERS parameters;
    PVOID base = VirtualAlloc(NULL, 0x10000, MEM_RESERVE, PAGE_READWRITE);
    NEED("committed", VirtualAlloc(base, 0x1000, MEM_COMMIT, PAGE_READWRITE) == base);
    memset(&parameters, 0, sizeof parameters);
    parameters.Length = sizeof parameters;
    parameters.InitialCommit = 0x1000;
    parameters.InitialReserve = 0x10000;
    parameters.CommitRoutine = commit;
    PVOID heap = RtlCreateHeap(0, base, 0, 0, NULL, &parameters);
    NEED("created", heap);
    EQUAL("lives-there", heap, base);

    routine_calls = 0;
    char *block = (char *)RtlAllocateHeap(heap, 0, 0x4000);
    CHECK("allocated", block);
    CHECK("block-inside", block >= (char *)base && block + 0x4000 <= (char *)base + 0x10000);
    CHECK("routine-called", routine_calls > 0);
    EQUAL("routine-base", routine_base, heap);
    CHECK("routine-size", routine_size != 0);
    EQUAL("destroyed", RtlDestroyHeap(heap), 0);
    CHECK("memory-still-its-owners", VirtualFree(base, 0, MEM_RELEASE));
    return finish();
}
