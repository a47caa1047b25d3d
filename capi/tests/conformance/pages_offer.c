/* DiscardVirtualMemory, OfferVirtualMemory and ReclaimVirtualMemory. */
#include "pages.h"

typedef DWORD(WINAPI *discard_function)(PVOID, SIZE_T);
typedef DWORD(WINAPI *offer_function)(PVOID, SIZE_T, OFFER_PRIORITY);

int main(void)
{
    FIND(discard_function, DiscardVirtualMemory);
    FIND(offer_function, OfferVirtualMemory);
    FIND(discard_function, ReclaimVirtualMemory);
    NEED_FUNCTION(DiscardVirtualMemory);
    NEED_FUNCTION(OfferVirtualMemory);
    NEED_FUNCTION(ReclaimVirtualMemory);
    DWORD old;
    char *base = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    NEED("committed", base);
    memset(base, 7, 4 * PAGE);
    CHECK("unaligned", DiscardVirtualMemory_(base + 1, PAGE) != ERROR_SUCCESS);
    CHECK("odd-size", DiscardVirtualMemory_(base, PAGE + 1) != ERROR_SUCCESS);
    EQUAL("discard", DiscardVirtualMemory_(base, PAGE), ERROR_SUCCESS);
    CHECK("usable", tells(base, 4 * PAGE, MEM_COMMIT, PAGE_READWRITE, base));
    base[0] = 1;
    EQUAL("others-kept", base[PAGE], 7);

    EQUAL("offer", OfferVirtualMemory_(base + PAGE, 2 * PAGE, VmOfferPriorityLow), ERROR_SUCCESS);
    EQUAL("not-accessible", IsBadReadPtr(base + PAGE, 1), TRUE);
    DWORD reclaimed = ReclaimVirtualMemory_(base + PAGE, 2 * PAGE);
    CHECK("reclaim", reclaimed == ERROR_SUCCESS || reclaimed == ERROR_BUSY);
    CHECK("as-it-says", reclaimed == ERROR_BUSY ||
                            (base[PAGE] == 7 && base[3 * PAGE - 1] == 7));
    base[PAGE] = 8;
    EQUAL("usable-again", base[PAGE], 8);
    CHECK("locked", VirtualLock(base + PAGE, PAGE));
    EQUAL("offer-locked", OfferVirtualMemory_(base + PAGE, PAGE, VmOfferPriorityNormal),
          ERROR_SUCCESS);
    reclaimed = ReclaimVirtualMemory_(base + PAGE, PAGE);
    CHECK("reclaim-locked", reclaimed == ERROR_SUCCESS || reclaimed == ERROR_BUSY);
    FAILS("not-locked-then", VirtualUnlock(base + PAGE, PAGE), FALSE, ERROR_NOT_LOCKED);
    HANDLE section = make_section(PAGE_READWRITE, PAGE);
    void *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    NEED("view", view);
    CHECK("offer-view", OfferVirtualMemory_(view, PAGE, VmOfferPriorityLow) != ERROR_SUCCESS);
    CHECK("view-ended", UnmapViewOfFile(view) && CloseHandle(section));
    CHECK("unknown-priority",
          OfferVirtualMemory_(base, PAGE, (OFFER_PRIORITY)0) != ERROR_SUCCESS);
    CHECK("not-offered", ReclaimVirtualMemory_(base, PAGE) != ERROR_SUCCESS);
    CHECK("read-only", VirtualProtect(base, PAGE, PAGE_READONLY, &old));
    CHECK("discard-read-only", DiscardVirtualMemory_(base, PAGE) != ERROR_SUCCESS);
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    CHECK("discard-free", DiscardVirtualMemory_(base, PAGE) != ERROR_SUCCESS);
    return finish();
}
