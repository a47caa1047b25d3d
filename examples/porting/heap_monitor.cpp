// A heap monitor: it lists the process's heaps by Toolhelp, makes one of its own for its
// containers, allocates by new, GlobalAlloc, malloc and HeapAlloc, and tells which
// blocks appeared in which heap.
//
// The program was written in 2003 for 32-bit Windows and Visual C++ 6 by
// leezy_2000, whose article on Windows' memory it illustrated. One source for
// Windows and for ntheap: docs/porting.md has the commands. heap_allocator.cpp is the
// same program over GetProcessHeaps and HeapWalk. The differences to what was
// published:
//
// Demanded by 64 bits
// - The typedef of ULONG_PTR as unsigned long is gone: the headers have it, with
//   64 bits.
// - Addresses were cast to int and LONG to be printed; they are ULONG_PTR.
// - Sizes were summed in DWORD, and container sizes kept in int; they are SIZE_T.
//
// Demanded by standard C++
// - The definition of the static member of one specialisation has `template <>`.
// - The allocator converts from those of other types, compares across types,
//   and says `noexcept` for `throw()`, which C++20 has no more.
// - `allocate` throws std::bad_alloc; a container does not expect NULL.
// - `deallocate` takes a `pointer`, and `_Charalloc` is gone: both were for the
//   library of Visual C++ 6. So are stdafx.h and the pragma.
// - `newheapid` has a value even if no heap is new.
// - Header and program are one file; the header's guard began with an underscore.
//
// Everything else
// - The allocations by GlobalAlloc and HeapAlloc, which were commented out, are made, and
//   each one's address is printed.
// - What is printed between Heap32First and the last Heap32Next is kept until then: the
//   stream may allocate, and the walk be at a block that goes.
// - "/t" is "\t", as it was before the page lost its backslashes.
// - What is allocated is freed; variables that nothing used are gone.

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <new>
#include <set>
#include <vector>
#include <windows.h>

#include <tlhelp32.h>

namespace MyLib {
template <class T>
class MyAlloc {
public:
    static HANDLE hHeap;
    // type definitions
    typedef T value_type;
    typedef T *pointer;
    typedef const T *const_pointer;
    typedef T &reference;
    typedef const T &const_reference;
    typedef std::size_t size_type;
    typedef std::ptrdiff_t difference_type;

    // rebind allocator to type U
    template <class U>
    struct rebind {
        typedef MyAlloc<U> other;
    };

    // return address of values
    pointer address(reference value) const { return &value; }
    const_pointer address(const_reference value) const { return &value; }

    // nothing to do because the allocator has no state
    MyAlloc() noexcept {}
    template <class U>
    MyAlloc(const MyAlloc<U> &) noexcept {}

    // return maximum number of elements that can be allocated
    size_type max_size() const noexcept { return static_cast<size_type>(-1) / sizeof(T); }

    // allocate but don't initialize num elements of type T
    pointer allocate(size_type num, const void * = nullptr) {
        if (num > max_size())
            throw std::bad_alloc();
        void *ret = HeapAlloc(hHeap, 0, num * sizeof(T));
        if (ret == nullptr)
            throw std::bad_alloc();
        return static_cast<pointer>(ret);
    }

    // initialize elements of allocated storage p with value value
    void construct(pointer p, const T &value) { new (static_cast<void *>(p)) T(value); }

    // destroy elements of initialized storage p
    void destroy(pointer p) { p->~T(); }

    // deallocate storage p of deleted elements
    void deallocate(pointer p, size_type) { HeapFree(hHeap, 0, p); }
};

// all specializations of this allocator are interchangeable
template <class T1, class T2>
bool operator==(const MyAlloc<T1> &, const MyAlloc<T2> &) noexcept {
    return true;
}
template <class T1, class T2>
bool operator!=(const MyAlloc<T1> &, const MyAlloc<T2> &) noexcept {
    return false;
}
} // namespace MyLib

using namespace std;

// compares two blocks by their sizes
class HeapInfoCompare {
public:
    bool operator()(const HEAPENTRY32 &he1, const HEAPENTRY32 &he2) const {
        return he1.dwBlockSize < he2.dwBlockSize;
    }
};

typedef vector<HEAPENTRY32, MyLib::MyAlloc<HEAPENTRY32>> HEAPENTRYSET;

template <>
HANDLE MyLib::MyAlloc<HEAPENTRY32>::hHeap = nullptr;

void getheapid(set<ULONG_PTR> &heapid) {
    HANDLE hSnapShot = CreateToolhelp32Snapshot(TH32CS_SNAPHEAPLIST, GetCurrentProcessId());
    HEAPLIST32 heaplist32;
    heaplist32.dwSize = sizeof(HEAPLIST32);
    BOOL bRet = Heap32ListFirst(hSnapShot, &heaplist32);
    while (bRet) {
        heapid.insert(heaplist32.th32HeapID);
        cout << heaplist32.th32HeapID << endl;
        bRet = Heap32ListNext(hSnapShot, &heaplist32);
    }
    CloseHandle(hSnapShot);
    cout << "the end" << endl;
}

// Prints all heaps' blocks but those of the heap `hid`, and adds the busy ones
// to `hset`.
void heapinfo(HEAPENTRYSET &hset, ULONG_PTR hid) {
    HEAPENTRYSET walked;
    HANDLE hSnapShot = CreateToolhelp32Snapshot(TH32CS_SNAPHEAPLIST, GetCurrentProcessId());
    HEAPLIST32 heaplist32;
    heaplist32.dwSize = sizeof(HEAPLIST32);
    BOOL bRet = Heap32ListFirst(hSnapShot, &heaplist32);
    while (bRet) {
        if (heaplist32.th32HeapID == hid) {
            bRet = Heap32ListNext(hSnapShot, &heaplist32);
            continue;
        }

        SIZE_T totalsize = 0, freesize = 0;
        HEAPENTRY32 he32;
        he32.dwSize = sizeof(HEAPENTRY32);
        walked.clear();
        BOOL bBlock = Heap32First(&he32, heaplist32.th32ProcessID, heaplist32.th32HeapID);
        while (bBlock) {
            walked.push_back(he32);
            bBlock = Heap32Next(&he32);
        }

        for (HEAPENTRYSET::iterator pos = walked.begin(); pos != walked.end(); ++pos) {
            if (pos == walked.begin())
                cout << "the heapid is :" << pos->th32HeapID << endl;
            cout << (pos == walked.begin() ? "the information of first block: "
                                           : "the information of block: ")
                 << "Blocksize: " << pos->dwBlockSize << "\t Address: " << pos->dwAddress << endl;

            totalsize += pos->dwBlockSize;
            if (pos->dwFlags & LF32_FREE)
                freesize += pos->dwBlockSize;
            if ((pos->dwFlags & LF32_FIXED) || (pos->dwFlags & LF32_MOVEABLE))
                hset.push_back(*pos);
        }

        cout << "the total size of heap is: " << totalsize << endl;
        cout << "the free  size of heap is: " << freesize << endl;
        cout << "the commited  size of heap is: " << (totalsize - freesize) << endl;

        bRet = Heap32ListNext(hSnapShot, &heaplist32);
    }
    CloseHandle(hSnapShot);
    cout << "the end" << endl;
}

HANDLE hHeap;

int main() {
    // list all heaps before and after one is made, and take away the former
    set<ULONG_PTR> heapid1, heapid2, heapid3;

    getheapid(heapid1);

    hHeap = HeapCreate(0, 0, 0);

    getheapid(heapid2);

    insert_iterator<set<ULONG_PTR>> iter(heapid3, heapid3.begin());
    set_difference(heapid2.begin(), heapid2.end(), heapid1.begin(), heapid1.end(), iter);

    ULONG_PTR newheapid = 0;
    for (set<ULONG_PTR>::iterator pos = heapid3.begin(); pos != heapid3.end(); ++pos) {
        cout << "The new heap id is\t" << *pos << endl;
        newheapid = *pos;
    }

    MyLib::MyAlloc<HEAPENTRY32>::hHeap = hHeap;

    HEAPENTRYSET heapset1, heapset2, heapset3;

    heapset1.reserve(400); // so that the vectors do not grow
    heapset2.reserve(400);
    heapset3.reserve(400);

    heapinfo(heapset1, newheapid);
    sort(heapset1.begin(), heapset1.end(), HeapInfoCompare());

    HANDLE hCurHeap = GetProcessHeap();
    void *r = HeapAlloc(hCurHeap, HEAP_ZERO_MEMORY, 4 * 1024);
    char *p = new char[4 * 1024];
    HGLOBAL g = GlobalAlloc(GHND, 4 * 1024);
    char *q = static_cast<char *>(malloc(4 * 1024));

    cout << "by HeapAlloc\t" << reinterpret_cast<ULONG_PTR>(r) << endl;
    cout << "by new\t" << reinterpret_cast<ULONG_PTR>(p) << endl;
    cout << "by GlobalAlloc\t" << reinterpret_cast<ULONG_PTR>(GlobalLock(g)) << endl;
    cout << "by malloc\t" << reinterpret_cast<ULONG_PTR>(q) << endl;

    heapinfo(heapset2, newheapid);
    sort(heapset2.begin(), heapset2.end(), HeapInfoCompare());

    insert_iterator<HEAPENTRYSET> miter(heapset3, heapset3.begin());
    set_difference(heapset2.begin(), heapset2.end(), heapset1.begin(), heapset1.end(), miter,
                   HeapInfoCompare());

    for (HEAPENTRYSET::iterator mpos = heapset3.begin(); mpos != heapset3.end(); ++mpos) {
        cout << "The size of the different block is\t" << mpos->dwBlockSize
             << "\tand the addresss is\t" << mpos->dwAddress << "\tdwFlags is\t" << mpos->dwFlags
             << endl;
        cout << "The heapid is:\t" << mpos->th32HeapID << endl;
    }

    free(q);
    GlobalFree(g);
    delete[] p;
    HeapFree(hCurHeap, 0, r);
    return 0;
}
