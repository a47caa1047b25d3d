/* RtlWalkHeap shows what HeapWalk shows, with flags of its own. */
#include "check.h"

int main(void)
{
    PROCESS_HEAP_ENTRY e[8];
    RTL_HEAP_WALK_ENTRY r[8], entry;
    memset(r, 0, sizeof r);
    memset(&entry, 0, sizeof entry);
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    CHECK("allocated", HeapAlloc(heap, 0, 100) && HeapAlloc(heap, 0, 0x200000));
    NEED("entries", walk(heap, e, 8) == 5);
    SIZE_T count = 0;
    NTSTATUS status;
    while ((status = RtlWalkHeap(heap, &entry)) == 0 && count < 8)
        r[count++] = entry;
    EQUAL("count", count, 5);
    EQUAL("end-status", (DWORD)status, 0x8000001Au);
    SIZE_T same = 0;
    for (SIZE_T i = 0; i < count && i < 5; i++)
        same += r[i].DataAddress == e[i].lpData && r[i].DataSize == e[i].cbData &&
                r[i].OverheadBytes == e[i].cbOverhead && r[i].SegmentIndex == e[i].iRegionIndex;
    EQUAL("same-sequence", same, 5);
    EQUAL("region-flags", r[0].Flags, 2);
    EQUAL("busy-flags", r[1].Flags, 0x4011);
    EQUAL("free-flags", r[2].Flags, 0);
    EQUAL("uncommitted-flags", r[3].Flags, 0x1000);
    EQUAL("region-committed", r[0].Segment.CommittedSize, e[0].Region.dwCommittedSize);
    EQUAL("region-uncommitted", r[0].Segment.UnCommittedSize, e[0].Region.dwUnCommittedSize);
    EQUAL("region-first", r[0].Segment.FirstEntry, e[0].Region.lpFirstBlock);
    EQUAL("region-last", r[0].Segment.LastEntry, e[0].Region.lpLastBlock);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}
