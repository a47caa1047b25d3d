/* DiscardVirtualMemory, OfferVirtualMemory and ReclaimVirtualMemory. */
#include "pages.h"

int main(void)
{
    discard_function discard, reclaim;
    offer_function offer;
    NEED_OFFERS();
    DWORD old;
    char *base = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    NEED("committed", base);
    memset(base, 7, 4 * PAGE);
    CHECK("unaligned", discard(base + 1, PAGE) != ERROR_SUCCESS);
    CHECK("odd-size", discard(base, PAGE + 1) != ERROR_SUCCESS);
    CHECK("offer-unaligned", offer(base + 1, PAGE, VmOfferPriorityLow) != ERROR_SUCCESS);
    CHECK("offer-odd-size", offer(base, PAGE + 1, VmOfferPriorityLow) != ERROR_SUCCESS);
    EQUAL("not-offered", base[0], 7);
    EQUAL("discard", discard(base, PAGE), ERROR_SUCCESS);
    CHECK("usable", tells(base, 4 * PAGE, MEM_COMMIT, PAGE_READWRITE, base));
    base[0] = 1;
    EQUAL("others-kept", base[PAGE], 7);

    EQUAL("offer", offer(base + PAGE, 2 * PAGE, VmOfferPriorityLow), ERROR_SUCCESS);
    EQUAL("not-accessible", IsBadReadPtr(base + PAGE, 1), TRUE);
    DWORD reclaimed = reclaim(base + PAGE, 2 * PAGE);
    CHECK("reclaim", reclaimed == ERROR_SUCCESS || reclaimed == ERROR_BUSY);
    CHECK("as-it-says", reclaimed == ERROR_BUSY ||
                            (base[PAGE] == 7 && base[3 * PAGE - 1] == 7));
    base[PAGE] = 8;
    EQUAL("usable-again", base[PAGE], 8);
    CHECK("locked", VirtualLock(base + PAGE, PAGE));
    EQUAL("offer-locked", offer(base + PAGE, PAGE, VmOfferPriorityNormal),
          ERROR_SUCCESS);
    reclaimed = reclaim(base + PAGE, PAGE);
    CHECK("reclaim-locked", reclaimed == ERROR_SUCCESS || reclaimed == ERROR_BUSY);
    FAILS("not-locked-then", VirtualUnlock(base + PAGE, PAGE), FALSE, ERROR_NOT_LOCKED);
    HANDLE section = make_section(PAGE_READWRITE, PAGE);
    void *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    NEED("view", view);
    CHECK("offer-view", offer(view, PAGE, VmOfferPriorityLow) != ERROR_SUCCESS);
    CHECK("view-ended", UnmapViewOfFile(view) && CloseHandle(section));
    static const int priorities[] = {VmOfferPriorityVeryLow, VmOfferPriorityLow,
                                     VmOfferPriorityBelowNormal, VmOfferPriorityNormal};
    /* A page of the documentation prints the last two. */
    static const int unknown[] = {0, VmOfferPriorityNormal + 1, 0x1000, 0x2000};
    char name[32];
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "priority-%d", i);
        EQUAL(name, priorities[i], i + 1);
        snprintf(name, sizeof name, "offer-priority-%d", i);
        EQUAL(name, offer(base, PAGE, (OFFER_PRIORITY)priorities[i]), ERROR_SUCCESS);
        reclaimed = reclaim(base, PAGE);
        snprintf(name, sizeof name, "reclaim-priority-%d", i);
        CHECK(name, reclaimed == ERROR_SUCCESS || reclaimed == ERROR_BUSY);
    }
    for (int i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "unknown-priority-%#x", (unsigned)unknown[i]);
        EQUAL(name, offer(base, PAGE, (OFFER_PRIORITY)unknown[i]), ERROR_INVALID_PARAMETER);
    }
    CHECK("reclaim-not-offered", reclaim(base, PAGE) != ERROR_SUCCESS);
    CHECK("read-only", VirtualProtect(base, PAGE, PAGE_READONLY, &old));
    CHECK("discard-read-only", discard(base, PAGE) != ERROR_SUCCESS);
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    CHECK("discard-free", discard(base, PAGE) != ERROR_SUCCESS);
    return finish();
}
