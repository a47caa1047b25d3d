// Tells about the machine, and what memory there is: at first, with an array on the
// stack, and with 300 MB from `new`.
//
// From the second part of an article on Windows' memory of 2009, written for 32-bit
// Windows. One source for Windows and for ntheap: docs/porting.md has the commands.
// The differences to what was published:
//
// Demanded by 64 bits
// - Addresses are printed by %p and the stream's own, not by %x.
// - What has become less is a difference of two SIZE_T and may be negative: it is
//   printed with its sign.
//
// Demanded by standard C++
// - There are a main function, headers, and the ends of lines that the page lost.
//
// Everything else
// - The texts are translated.
// - The array and the block are used once, so that no compiler leaves them out, and
//   the block is freed.

#include <cstdio>
#include <iostream>
#include <windows.h>

using std::cout;
using std::endl;

static long long less(SIZE_T before, SIZE_T after)
{
    return static_cast<long long>(before) - static_cast<long long>(after);
}

int main()
{
    SYSTEM_INFO sysInfo;
    GetSystemInfo(&sysInfo);
    cout << "Machine:" << endl;
    cout << "page size=" << sysInfo.dwPageSize << endl;
    cout << "allocation granularity=" << sysInfo.dwAllocationGranularity << endl;
    cout << "lowest address=" << sysInfo.lpMinimumApplicationAddress << endl;
    cout << "highest address=" << sysInfo.lpMaximumApplicationAddress << endl;

    MEMORYSTATUS memStatus;
    GlobalMemoryStatus(&memStatus);
    cout << "Memory at first:" << endl;
    cout << "load=" << memStatus.dwMemoryLoad << endl;
    cout << "total physical=" << memStatus.dwTotalPhys << endl;
    cout << "available physical=" << memStatus.dwAvailPhys << endl;
    cout << "total page file=" << memStatus.dwTotalPageFile << endl;
    cout << "available page file=" << memStatus.dwAvailPageFile << endl;
    cout << "total address space=" << memStatus.dwTotalVirtual << endl;
    cout << "available address space=" << memStatus.dwAvailVirtual << endl;

    volatile char stat[65536];
    stat[0] = 1;
    MEMORYSTATUS memStatus1;
    GlobalMemoryStatus(&memStatus1);
    cout << "Allocated statically:" << endl;
    cout << std::flush;
    std::printf("address=%p\n", const_cast<char *>(stat));
    std::fflush(stdout);
    cout << "less physical=" << less(memStatus.dwAvailPhys, memStatus1.dwAvailPhys) << endl;
    cout << "less page file=" << less(memStatus.dwAvailPageFile, memStatus1.dwAvailPageFile)
         << endl;
    cout << "less address space=" << less(memStatus.dwAvailVirtual, memStatus1.dwAvailVirtual)
         << endl;

    char *volatile dynamic = new char[300 * 1024 * 1024];
    dynamic[0] = 1;
    MEMORYSTATUS memStatus2;
    GlobalMemoryStatus(&memStatus2);
    cout << "Allocated dynamically:" << endl;
    std::printf("address=%p\n", static_cast<void *>(dynamic));
    std::fflush(stdout);
    cout << "less physical=" << less(memStatus.dwAvailPhys, memStatus2.dwAvailPhys) << endl;
    cout << "less page file=" << less(memStatus.dwAvailPageFile, memStatus2.dwAvailPageFile)
         << endl;
    cout << "less address space=" << less(memStatus.dwAvailVirtual, memStatus2.dwAvailVirtual)
         << endl;
    delete[] dynamic;
    return 0;
}
