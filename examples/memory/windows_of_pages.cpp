// Allocates physical pages and shows two of them in turn at one address (AWE).
//
// From the third part of an article on Windows' memory of 2009, written for 32-bit
// Windows. One source for Windows and for ntheap: docs/porting.md has the commands.
// The differences to what was published:
//
// Demanded by 64 bits
// - Differences of memory are printed with their sign.
//
// Demanded by standard C++
// - There are a main function, headers, and the ends of lines that the page lost;
//   `If` is `if`; the function is no member of a class that the page does not show.
//
// Everything else
// - The texts are translated.
// - What fails ends the program, where it went on and read memory that was not there.
// - The pages and the window are given back, as the text says in its steps.

#include <cstdio>
#include <iostream>
#include <windows.h>

using std::cout;
using std::endl;

static BOOL LoggedSetLockPagesPrivilege(HANDLE hProcess, BOOL bEnable)
{
    struct {
        DWORD Count; // of the array
        LUID_AND_ATTRIBUTES Privilege[1];
    } Info;
    HANDLE Token;

    // Opens the process's token.
    BOOL Result = OpenProcessToken(hProcess, TOKEN_ADJUST_PRIVILEGES, &Token);
    if (Result != TRUE) {
        std::printf("Cannot open process token.\n");
        return FALSE;
    }

    // One attribute is changed.
    Info.Count = 1;
    if (bEnable)
        Info.Privilege[0].Attributes = SE_PRIVILEGE_ENABLED;
    else
        Info.Privilege[0].Attributes = 0;

    // The number by the privilege's name.
    Result = LookupPrivilegeValue(NULL, SE_LOCK_MEMORY_NAME, &(Info.Privilege[0].Luid));
    if (Result != TRUE) {
        std::printf("Cannot get privilege for %s.\n", SE_LOCK_MEMORY_NAME);
        return FALSE;
    }

    // Adjusts it.
    Result = AdjustTokenPrivileges(Token, FALSE, reinterpret_cast<PTOKEN_PRIVILEGES>(&Info), 0,
                                   NULL, NULL);
    if (Result != TRUE) {
        std::printf("Cannot adjust token privileges (%u)\n",
                    static_cast<unsigned>(GetLastError()));
        return FALSE;
    }
    if (GetLastError() != ERROR_SUCCESS) {
        std::printf("Cannot enable the SE_LOCK_MEMORY_NAME privilege; ");
        std::printf("please check the local policy.\n");
        return FALSE;
    }
    CloseHandle(Token);
    return TRUE;
}

static MEMORYSTATUS status()
{
    MEMORYSTATUS memStatus;
    GlobalMemoryStatus(&memStatus);
    return memStatus;
}

static void less(const MEMORYSTATUS &from, const MEMORYSTATUS &to)
{
    cout << "less physical=" << static_cast<long long>(from.dwAvailPhys - to.dwAvailPhys) << endl;
    cout << "less page file="
         << static_cast<long long>(from.dwAvailPageFile - to.dwAvailPageFile) << endl;
    cout << "less address space="
         << static_cast<long long>(from.dwAvailVirtual - to.dwAvailVirtual) << endl;
}

int main()
{
    if (!LoggedSetLockPagesPrivilege(GetCurrentProcess(), TRUE))
        return 1;

    SYSTEM_INFO sysInfo;
    GetSystemInfo(&sysInfo);
    MEMORYSTATUS memStatus = status();
    PVOID pVirtual =
        VirtualAlloc(NULL, 100 * 1024 * 1024, MEM_RESERVE | MEM_PHYSICAL, PAGE_READWRITE);
    if (pVirtual == NULL) {
        cout << "There is not so much address space in a row!" << endl;
        return 1;
    }
    MEMORYSTATUS memStatusVirtual5 = status();
    cout << "Address space reserved:" << endl;
    less(memStatus, memStatusVirtual5);

    ULONG_PTR pages = static_cast<ULONG_PTR>(100) * 1024 * 1024 / sysInfo.dwPageSize;
    ULONG_PTR *frameArray = new ULONG_PTR[pages];
    // Without the privilege this returns FALSE.
    BOOL flag = AllocateUserPhysicalPages(GetCurrentProcess(), &pages, frameArray);
    if (flag == FALSE) {
        cout << "Allocating physical pages failed!" << endl;
        return 1;
    }
    MEMORYSTATUS memStatusVirtual6 = status();
    cout << "Physical pages allocated:" << endl;
    less(memStatusVirtual5, memStatusVirtual6);

    int *pVInt = static_cast<int *>(pVirtual);
    // pVInt[0]=10; would be an access violation now
    flag = MapUserPhysicalPages(pVirtual, 1, frameArray);
    if (flag == FALSE) {
        cout << "Mapping physical pages failed!" << endl;
        return 1;
    }
    MEMORYSTATUS memStatusVirtual7 = status();
    cout << "Physical page mapped:" << endl;
    less(memStatusVirtual6, memStatusVirtual7);

    pVInt[0] = 10;
    cout << "value of the first mapping=" << pVInt[0] << endl;
    flag = MapUserPhysicalPages(pVirtual, 1, frameArray + 1);
    if (flag == FALSE) {
        cout << "Mapping physical pages failed!" << endl;
        return 1;
    }
    pVInt[0] = 21;
    cout << "value of the second mapping=" << pVInt[0] << endl;
    flag = MapUserPhysicalPages(pVirtual, 1, frameArray);
    if (flag == FALSE) {
        cout << "Mapping physical pages failed!" << endl;
        return 1;
    }
    cout << "the first mapping's value again=" << pVInt[0] << endl;

    FreeUserPhysicalPages(GetCurrentProcess(), &pages, frameArray);
    VirtualFree(pVirtual, 0, MEM_RELEASE);
    delete[] frameArray;
    return 0;
}
