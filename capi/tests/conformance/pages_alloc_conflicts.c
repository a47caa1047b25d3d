/* What is reserved is not reserved again, nor anything else in its 64 KiB; and a
 * commit lies in one region. */
#include "pages.h"

int main(void)
{
    char *room = (char *)VirtualAlloc(NULL, 16 * UNIT, MEM_RESERVE, PAGE_NOACCESS);
    NEED("room", room);
    CHECK("room-freed", VirtualFree(room, 0, MEM_RELEASE));
    char *one = (char *)VirtualAlloc(room, PAGE, MEM_RESERVE, PAGE_READWRITE);
    char *two = (char *)VirtualAlloc(room + UNIT, UNIT, MEM_RESERVE, PAGE_READWRITE);
    char *three = (char *)VirtualAlloc(room + 2 * UNIT, UNIT, MEM_RESERVE, PAGE_READWRITE);
    EQUAL("first", one, room);
    EQUAL("second", two, room + UNIT);
    EQUAL("third", three, room + 2 * UNIT);

    FAILS("again", VirtualAlloc(one, PAGE, MEM_RESERVE, PAGE_READWRITE), 0, ERROR_INVALID_ADDRESS);
    FAILS("same-unit", VirtualAlloc(one + 2 * PAGE, PAGE, MEM_RESERVE, PAGE_READWRITE), 0,
          ERROR_INVALID_ADDRESS);
    FAILS("into-the-next", VirtualAlloc(room + 3 * UNIT - 1, PAGE, MEM_RESERVE, PAGE_READWRITE), 0,
          ERROR_INVALID_ADDRESS);
    FAILS("commit-free", VirtualAlloc(room + 4 * UNIT, PAGE, MEM_COMMIT, PAGE_READWRITE), 0,
          ERROR_INVALID_ADDRESS);
    FAILS("commit-behind", VirtualAlloc(one + PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE), 0,
          ERROR_INVALID_ADDRESS);
    FAILS("commit-too-much", VirtualAlloc(one, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE), 0,
          ERROR_INVALID_ADDRESS);
    FAILS("commit-two", VirtualAlloc(two + UNIT - PAGE, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE), 0,
          ERROR_INVALID_ADDRESS);
    CHECK("nothing-committed", tells(two, UNIT, MEM_RESERVE, 0, two));
    CHECK("nothing-committed-there", tells(three, UNIT, MEM_RESERVE, 0, three));

    DWORD old = 0;
    NEED("both-committed", VirtualAlloc(two, UNIT, MEM_COMMIT, PAGE_READWRITE) &&
                               VirtualAlloc(three, UNIT, MEM_COMMIT, PAGE_READWRITE));
    FAILS("protect-two", VirtualProtect(two + UNIT - PAGE, 2 * PAGE, PAGE_READONLY, &old), FALSE,
          ERROR_INVALID_ADDRESS);
    FAILS("decommit-two", VirtualFree(two + UNIT - PAGE, 2 * PAGE, MEM_DECOMMIT), FALSE,
          ERROR_INVALID_PARAMETER);
    FAILS("reset-two", VirtualAlloc(two + UNIT - PAGE, 2 * PAGE, MEM_RESET, PAGE_NOACCESS), 0,
          ERROR_INVALID_ADDRESS);
    CHECK("both-kept", tells(two, UNIT, MEM_COMMIT, PAGE_READWRITE, two) &&
                           tells(three, UNIT, MEM_COMMIT, PAGE_READWRITE, three));
    MEMORY_BASIC_INFORMATION info = query(one + PAGE);
    EQUAL("rest-is-free", info.State, MEM_FREE);
    EQUAL("rest-reservation", info.AllocationBase, 0);
    EQUAL("rest-size", info.RegionSize, UNIT - PAGE);
    CHECK("released", VirtualFree(one, 0, MEM_RELEASE));
    CHECK("released-second", VirtualFree(two, 0, MEM_RELEASE));
    CHECK("released-third", VirtualFree(three, 0, MEM_RELEASE));
    return finish();
}
