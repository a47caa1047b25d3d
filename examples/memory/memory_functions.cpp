// Allocates from pages, from a heap and as global memory, and writes a text there.
//
// From an article on Windows' memory functions, written for 32-bit Windows. One source
// for Windows and for ntheap: docs/porting.md has the commands. The differences to what
// was published:
//
// Demanded by standard C++
// - There are a main function and headers; the numbers before the lines are gone. The
//   casts are C++'s, and a narrow text is given to OutputDebugStringA, where a wide one
//   was claimed by a cast.
//
// Everything else
// - The texts are translated. They go to standard output as well, since not everybody
//   has a debugger that shows them.

#include <cmath>
#include <cstdio>
#include <cstring>
#include <windows.h>

static void show(const void *text)
{
    OutputDebugStringA(static_cast<LPCSTR>(text));
    std::printf("%s", static_cast<const char *>(text));
}

static void MemVirtual(void)
{
    // The size of the new memory.
    UINT nNewSize = static_cast<UINT>(std::ceil(1500 / 1024.0)) * 1024;
    PBYTE pNewBuffer = static_cast<PBYTE>(VirtualAlloc(NULL, nNewSize, MEM_COMMIT, PAGE_READWRITE));
    if (pNewBuffer) {
        // Tries the virtual memory.
        ZeroMemory(pNewBuffer, 1500);
        std::memcpy(pNewBuffer, "Virtual memory allocated\r\n",
                    sizeof("Virtual memory allocated\r\n"));
        show(pNewBuffer);
        // The third argument must be MEM_RELEASE.
        VirtualFree(pNewBuffer, 0, MEM_RELEASE);
    }
}

static void MemHeap(void)
{
    const int nHeapSize = 1024;
    PBYTE pNewHeap = static_cast<PBYTE>(::HeapAlloc(GetProcessHeap(), 0, nHeapSize));
    if (pNewHeap) {
        // Tries the heap.
        ZeroMemory(pNewHeap, nHeapSize);
        std::memcpy(pNewHeap, "Heap memory allocated\r\n", sizeof("Heap memory allocated\r\n"));
        show(pNewHeap);
        BOOL bRes = ::HeapFree(GetProcessHeap(), 0, pNewHeap);
        if (bRes != TRUE)
            show("Freeing failed\r\n");
    }
}

static void MemGlobal(void)
{
    // Global memory.
    BYTE *pGlobal = static_cast<BYTE *>(::GlobalAlloc(GMEM_FIXED, 1024));
    if (!pGlobal)
        return;
    ZeroMemory(pGlobal, 1024);
    std::memcpy(pGlobal, "Global memory allocated\r\n", sizeof("Global memory allocated\r\n"));
    show(pGlobal);
    ::GlobalFree(static_cast<HGLOBAL>(pGlobal));
}

int main()
{
    MemVirtual();
    MemHeap();
    MemGlobal();
    return 0;
}
