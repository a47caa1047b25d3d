/* A growable heap's second region has 1 MiB, each further one twice as much as
 * the one before, up to 0xFD0000. Blocks of 0x60000 bytes are in regions. */
#include "check.h"

int main(void)
{
    char *bases[100];
    SIZE_T spans[100];
    int regions = 0, shared = 0;
    HANDLE heap = HeapCreate(0, 0, 0);
    NEED("created", heap);
    for (int i = 0; i < 100; i++) {
        char *block = (char *)HeapAlloc(heap, 0, 0x60000), *base = reservation(block);
        int known = 0;
        for (int r = 0; r < regions; r++)
            known = known || bases[r] == base;
        shared += known;
        if (!known) {
            bases[regions] = base;
            spans[regions++] = reserved(block);
        }
    }
    CHECK("regions-are-shared", shared > 80);
    NEED("regions-enough", regions >= 6);
    EQUAL("second", spans[0], 0x100000);
    EQUAL("third", spans[1], 0x200000);
    EQUAL("fourth", spans[2], 0x400000);
    EQUAL("fifth", spans[3], 0x800000);
    SIZE_T smallest = 0xFD0000, largest = 0xFD0000;
    for (int r = 4; r < regions; r++) {
        smallest = spans[r] < smallest ? spans[r] : smallest;
        largest = spans[r] > largest ? spans[r] : largest;
    }
    EQUAL("later-not-smaller", smallest, 0xFD0000);
    EQUAL("later-not-larger", largest, 0xFD0000);
    CHECK("destroyed", HeapDestroy(heap));
    return finish();
}
