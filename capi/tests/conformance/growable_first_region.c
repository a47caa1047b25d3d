/* The first region of a growable heap reserves the initial size and 64 KiB. */
#include "check.h"

int main(void)
{
    static const SIZE_T initial[] = {0, 0x10000, 0x50000};
    static const char *const names[] = {"none", "64-KiB", "320-KiB"};
    for (int i = 0; i < 3; i++) {
        HANDLE heap = HeapCreate(0, initial[i], 0);
        EQUAL(names[i], heap ? reserved(heap) : 0, initial[i] + 0x10000);
        HeapDestroy(heap);
    }
    return finish();
}
