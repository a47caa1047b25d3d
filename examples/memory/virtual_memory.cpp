// Reserves 1 GB, commits 100 MB of it, protects a page, resets, decommits and releases
// it, and tells what memory there is after each step.
//
// From the third part of an article on Windows' memory of 2009, written for 32-bit
// Windows. One source for Windows and for ntheap: docs/porting.md has the commands.
// The differences to what was published:
//
// Demanded by 64 bits
// - Addresses are printed by %p, and differences of memory with their sign.
// - As much memory as the machine has left does not fit behind the 100 MB, as it did
//   into 1 GB: 16 MB are committed and written to. So the system need not take what
//   was reset, and the value that was there may still be.
//
// Demanded by standard C++
// - There are a main function, headers, and the ends of lines that the page lost.
// - `iP` and `a` are declared once; the casts are C++'s.
//
// Everything else
// - The texts are translated.
// - What is an access violation stays commented out, as it was.

#include <cstdio>
#include <iostream>
#include <windows.h>

using std::cout;
using std::endl;

static MEMORYSTATUS status()
{
    MEMORYSTATUS memStatus;
    GlobalMemoryStatus(&memStatus);
    return memStatus;
}

static void changed(const char *how, const MEMORYSTATUS &from, const MEMORYSTATUS &to)
{
    long long physical = static_cast<long long>(from.dwAvailPhys - to.dwAvailPhys);
    long long page_file = static_cast<long long>(from.dwAvailPageFile - to.dwAvailPageFile);
    long long space = static_cast<long long>(from.dwAvailVirtual - to.dwAvailVirtual);
    cout << how << " physical=" << physical << endl;
    cout << how << " page file=" << page_file << endl;
    cout << how << " address space=" << space << endl;
}

int main()
{
    MEMORYSTATUS memStatus = status();
    LPVOID pV = VirtualAlloc(NULL, 1000 * 1024 * 1024, MEM_RESERVE | MEM_TOP_DOWN, PAGE_READWRITE);
    if (pV == NULL) {
        cout << "There is not so much address space!" << endl;
        return 1;
    }
    MEMORYSTATUS memStatusVirtual1 = status();
    cout << "Reserved:" << endl;
    std::printf("address=%p\n", pV);
    std::fflush(stdout);
    changed("less", memStatus, memStatusVirtual1);

    // iV[0]=1; would be an access violation
    LPVOID pP = VirtualAlloc(pV, 100 * 1024 * 1024, MEM_COMMIT, PAGE_READWRITE);
    if (pP == NULL) {
        cout << "There is not so much memory!" << endl;
        return 1;
    }
    int *iP = static_cast<int *>(pP);
    iP[0] = 3;
    iP[100 / sizeof(int) * 1024 * 1024 - 1] = 5; // the last that can be accessed
    // iP[100/sizeof(int)*1024*1024]=5; would be an access violation
    MEMORYSTATUS memStatusVirtual2 = status();
    cout << "Committed:" << endl;
    changed("less", memStatusVirtual1, memStatusVirtual2);

    DWORD protect;
    iP[0] = 8;
    VirtualProtect(pV, 4096, PAGE_READONLY, &protect);
    iP[1024] = 9; // outside of that page
    // iP[0]=9; would be an access violation
    VirtualProtect(pV, 4096, PAGE_READWRITE, &protect);
    cout << "first value=" << iP[0] << endl;

    PVOID re = VirtualAlloc(pV, 1024 * 1024, MEM_RESET, PAGE_READWRITE);
    if (re == NULL)
        cout << "Resetting failed!" << endl;
    char *pp = static_cast<char *>(pV) + 100 * 1024 * 1024 + 4096;
    if (VirtualAlloc(pp, 16 * 1024 * 1024, MEM_COMMIT, PAGE_READWRITE) == NULL) {
        cout << "There is not so much memory!" << endl;
        return 1;
    }
    for (int i = 0; i < 16 * 1024 * 1024; i++)
        pp[i] = 'V';
    memStatus = status();
    cout << "Memory after resetting:" << endl;
    cout << "length=" << memStatus.dwLength << endl;
    cout << "load=" << memStatus.dwMemoryLoad << endl;
    cout << "total physical=" << memStatus.dwTotalPhys << endl;
    cout << "available physical=" << memStatus.dwAvailPhys << endl;
    cout << "total page file=" << memStatus.dwTotalPageFile << endl;
    cout << "available page file=" << memStatus.dwAvailPageFile << endl;
    cout << "total address space=" << memStatus.dwTotalVirtual << endl;
    cout << "available address space=" << memStatus.dwAvailVirtual << endl;
    cout << "after resetting=" << iP[0] << endl;

    memStatusVirtual2 = status();
    VirtualFree(static_cast<int *>(pV) + 2000, 50 * 1024 * 1024, MEM_DECOMMIT);
    int *a = static_cast<int *>(pV);
    a[10] = 2; // this page was not decommitted
    MEMORYSTATUS memStatusVirtual3 = status();
    cout << "Decommitted:" << endl;
    changed("more", memStatusVirtual3, memStatusVirtual2);

    VirtualFree(pV, 0, MEM_RELEASE);
    // a[10]=2; would be an access violation
    MEMORYSTATUS memStatusVirtual4 = status();
    cout << "Released:" << endl;
    changed("more", memStatusVirtual4, memStatusVirtual3);
    return 0;
}
