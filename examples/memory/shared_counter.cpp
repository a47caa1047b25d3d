// Counts the instances of the program that run, in memory that they share. Says so,
// waits for the end of its input, and says how many there were in all.
//
// From the fourth part of an article on Windows' memory of 2009. One source for Windows
// and for ntheap: docs/porting.md has the commands. The differences to what was
// published:
//
// Demanded by standard C++
// - The counter was a variable in a data section of the program that the linker was
//   told to share (#pragma data_seg, /SECTION:.share,RWS). No other linker can do that:
//   it is a section with a name, as the text says that programs share data. Its memory
//   is zero at first.
//
// Everything else
// - `shareCount` and `ShareCount` are one name, and the counter is added to in one step,
//   since several instances may do so at once.
// - The name is the program's argument.

#include <cstdio>
#include <windows.h>

int main(int count, char **arguments)
{
    if (count != 2)
        return 1;
    HANDLE share = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, sizeof(LONG),
                                      arguments[1]);
    if (share == NULL) {
        std::printf("There is no shared memory!\n");
        return 1;
    }
    LONG *shareCount = static_cast<LONG *>(MapViewOfFile(share, FILE_MAP_WRITE, 0, 0, 0));
    if (shareCount == NULL) {
        std::printf("There is no shared memory!\n");
        return 1;
    }
    LONG own = __atomic_add_fetch(shareCount, 1, __ATOMIC_SEQ_CST);
    std::printf("instance=%d\n", static_cast<int>(own));
    std::fflush(stdout);
    while (std::getchar() != EOF)
        continue;
    std::printf("instances=%d\n", static_cast<int>(__atomic_load_n(shareCount, __ATOMIC_SEQ_CST)));
    UnmapViewOfFile(shareCount);
    CloseHandle(share);
    return 0;
}
