/* RtlCreateHeap's parameters: none, zeroed, or of a length that is not theirs.
 * A commit routine without memory to commit is refused. */
#include "check.h"

static NTSTATUS NTAPI commit(PVOID base, PVOID *address, PSIZE_T size)
{
    (void)base, (void)address, (void)size;
    return 0;
}

static void one(const char *name, PRTL_HEAP_PARAMETERS parameters)
{
    PVOID heap = RtlCreateHeap(HEAP_GROWABLE, NULL, 0, 0, NULL, parameters);
    PVOID block = heap ? RtlAllocateHeap(heap, 0, 100) : NULL;
    if (CHECK(name, block && RtlFreeHeap(heap, 0, block)))
        RtlDestroyHeap(heap);
}

int main(void)
{
    RTL_HEAP_PARAMETERS parameters;
    one("none", NULL);
    memset(&parameters, 0, sizeof parameters);
    one("zeroed", &parameters);
    parameters.Length = 1;
    one("length-1", &parameters);

    memset(&parameters, 0, sizeof parameters);
    parameters.Length = sizeof parameters;
    parameters.CommitRoutine = commit;
    parameters.InitialCommit = 0x1000;
    parameters.InitialReserve = 0x10000;
    EQUAL("routine-without-base", RtlCreateHeap(0, NULL, 0, 0, NULL, &parameters), 0);
    return finish();
}
