// Asks about the pages of two arrays on the stack and of two blocks from `new`.
//
// From the second part of an article on Windows' memory of 2009, written for 32-bit
// Windows. One source for Windows and for ntheap: docs/porting.md has the commands.
// The differences to what was published:
//
// Demanded by 64 bits
// - Addresses are printed by %p.
//
// Demanded by standard C++
// - There are a main function, headers, and the ends of lines that the page lost.
// - The length is a SIZE_T, as VirtualQuery takes it.
//
// Everything else
// - The texts are translated, and one function prints what was printed four times.
// - The third question about the blocks was about an address from one run of the
//   author's: it is about what lies behind the second block's pages.
// - The arrays and blocks are used once, so that no compiler leaves them out, and the
//   blocks are freed.

#include <cstdio>
#include <windows.h>

static MEMORY_BASIC_INFORMATION ask(const char *kind, const char *name, const void *address)
{
    MEMORY_BASIC_INFORMATION mbi;
    SIZE_T len = sizeof(MEMORY_BASIC_INFORMATION);
    VirtualQuery(address, &mbi, len);
    std::printf("Address of %s memory:\n", kind);
    std::printf("region's base=%p\n", mbi.AllocationBase);
    std::printf("state of the pages=%lu\n", static_cast<unsigned long>(mbi.State));
    std::printf("region's protection=%lu\n", static_cast<unsigned long>(mbi.AllocationProtect));
    std::printf("pages' base=%p\n", mbi.BaseAddress);
    std::printf("pointer %s=%p\n", name, const_cast<void *>(address));
    std::printf("size from the pages' base=%llu\n",
                static_cast<unsigned long long>(mbi.RegionSize));
    std::printf("type of the pages=%lu\n", static_cast<unsigned long>(mbi.Type));
    std::printf("pages' protection=%lu\n", static_cast<unsigned long>(mbi.Protect));
    return mbi;
}

int main()
{
    volatile char arrayA[4097];
    volatile char arrayB[900000];
    arrayA[0] = 1;
    arrayB[0] = 1;
    ask("static", "arrayA", const_cast<char *>(arrayA));
    ask("static", "arrayB", const_cast<char *>(arrayB));

    char *volatile dynamicA = new char[1024];
    char *volatile dynamicB = new char[65467];
    dynamicA[0] = 1;
    dynamicB[0] = 1;
    ask("dynamic", "dynamicA", dynamicA);
    MEMORY_BASIC_INFORMATION mbiB = ask("dynamic", "dynamicB", dynamicB);
    ask("dynamic", "behind", static_cast<char *>(mbiB.BaseAddress) + mbiB.RegionSize);
    delete[] dynamicA;
    delete[] dynamicB;
    return 0;
}
