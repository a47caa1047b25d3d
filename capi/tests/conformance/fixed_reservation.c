/* A fixed heap reserves its maximum, rounded up to 8 KiB. */
#include "check.h"

int main(void)
{
    static const SIZE_T maximum[] = {0x8000, 0x5000, 0x10001, 0x41000};
    static const char *const names[] = {"32-KiB", "20-KiB", "64-KiB-and-1", "260-KiB"};
    for (int i = 0; i < 4; i++) {
        HANDLE heap = HeapCreate(0, 0, maximum[i]);
        if (CHECK(names[i], heap && reserved(heap) == round_up(maximum[i], 0x2000)))
            HeapDestroy(heap);
    }
    return finish();
}
