/* A walk of a fresh growable heap: its region, one free block, the range not yet
 * committed. */
#include "check.h"

int main(void)
{
    PROCESS_HEAP_ENTRY e[8];
    memset(e, 0, sizeof e);
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    NEED("three-entries", walk(heap, e, 8) == 3);
    EQUAL("end-error", GetLastError(), ERROR_NO_MORE_ITEMS);
    char *base = (char *)heap;
    SIZE_T committed = e[0].Region.dwCommittedSize, rest = e[0].Region.dwUnCommittedSize;

    EQUAL("region-flags", e[0].wFlags, PROCESS_HEAP_REGION);
    EQUAL("region-data", e[0].lpData, heap);
    CHECK("region-header-size", e[0].cbData > 0 && e[0].cbData <= 0x1000);
    EQUAL("region-overhead", e[0].cbOverhead, 0);
    EQUAL("region-index", e[0].iRegionIndex, 0);
    EQUAL("region-committed", committed, 0x2000);
    EQUAL("region-uncommitted", rest, 0x10000 - committed);
    char *first = (char *)e[0].Region.lpFirstBlock, *header_end = base + e[0].cbData;
    CHECK("region-first-block", first == header_end + 16 || first == header_end + 32);
    EQUAL("region-last-block", e[0].Region.lpLastBlock, behind(e[2].lpData, e[2].cbData));

    EQUAL("free-flags", e[1].wFlags, 0);
    EQUAL("free-overhead", e[1].cbOverhead, 0x20);
    EQUAL("free-index", e[1].iRegionIndex, 0);
    EQUAL("free-end", behind(e[1].lpData, e[1].cbData + 2 * (SIZE_T)e[1].cbOverhead), e[2].lpData);

    EQUAL("uncommitted-flags", e[2].wFlags, PROCESS_HEAP_UNCOMMITTED_RANGE);
    EQUAL("uncommitted-data", e[2].lpData, base + committed);
    EQUAL("uncommitted-size", e[2].cbData, rest - 0x1000);
    EQUAL("uncommitted-overhead", e[2].cbOverhead, 0);
    EQUAL("uncommitted-index", e[2].iRegionIndex, 0);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}
