/* The ways of giving a block to the wrong function, one a run: the argument says
 * which. Prints the block; "went on" if the process did. */
#include <ntheap_crt.h>

#include <cstdio>
#include <cstring>
#include <malloc.h>
#include <windows.h>

/* Of the debug runtime: crtdbg.h would make release builds call malloc, and debug
 * builds have an operator new of its own. */
extern "C" void *_malloc_dbg(size_t size, int use, const char *file, int line);
extern "C" void _free_dbg(void *block, int use);
extern "C" int _CrtIsValidHeapPointer(const void *block);
static const int normal_block = 1;

/* Has a destructor, so that new[] keeps how many there are. */
struct Thing {
    char bytes[30];
    ~Thing() { bytes[0] = 0; }
};

/* Hides from the compiler what is wrong. */
template <class T> static T *hidden(T *pointer)
{
    T *volatile there = pointer;
    return there;
}

static void *shown(void *block)
{
    std::printf("block 0x%zx\n", reinterpret_cast<size_t>(block));
    std::fflush(stdout);
    return hidden(block);
}

static bool is(const char *argument, const char *name)
{
    return std::strcmp(argument, name) == 0;
}

int main(int count, char **arguments)
{
    if (count != 2)
        return 2;
    const char *which = arguments[1];
    /* As a program's other parts have some. */
    static void *others[3];
    for (void *&other : others)
        other = malloc(120);

    if (is(which, "other-runtime")) {
        ntheap_crt *a = ntheap_crt_open("a", &others), *b = ntheap_crt_open("b", &others);
        ntheap_crt_free(b, shown(ntheap_crt_malloc(a, 100)));
    } else if (is(which, "heap-free")) {
        if (!HeapFree(GetProcessHeap(), 0, shown(malloc(300))))
            return 3;
    } else if (is(which, "free-of-heap-alloc")) {
        free(shown(HeapAlloc(GetProcessHeap(), 0, 300)));
    } else if (is(which, "free-of-another-heap")) {
        free(shown(HeapAlloc(HeapCreate(0, 0, 0), 0, 300)));
    } else if (is(which, "local-free")) {
        if (LocalFree(shown(HeapAlloc(GetProcessHeap(), 0, 300))))
            return 3;
        if (GlobalFree(hidden(HeapAlloc(GetProcessHeap(), 0, 300))))
            return 3;
    } else if (is(which, "handle-heap-free")) {
        HeapSetInformation(nullptr, HeapEnableTerminationOnCorruption, nullptr, 0);
        HeapFree(GetProcessHeap(), 0, shown(GlobalAlloc(GMEM_MOVEABLE, 300)));
    } else if (is(which, "new-free")) {
        free(shown(operator new(100)));
    } else if (is(which, "array-free")) {
        free(shown(new Thing[3]));
    } else if (is(which, "array-delete")) {
        operator delete(shown(new Thing[3]));
    } else if (is(which, "aligned-free")) {
        free(shown(_aligned_malloc(400, 64)));
    } else if (is(which, "free-aligned")) {
        _aligned_free(shown(malloc(400)));
    } else if (is(which, "aligned-wild")) {
        _aligned_free(shown(reinterpret_cast<void *>(0x1000)));
    } else if (is(which, "destroyed")) {
        ntheap_crt *a = ntheap_crt_open("a", &others), *b = ntheap_crt_open("b", &others);
        void *block = shown(ntheap_crt_malloc(a, 100));
        ntheap_crt_close(a);
        ntheap_crt_free(b, block);
    } else if (is(which, "twice")) {
        void *block = shown(malloc(120));
        void *again = hidden(block);
        free(block);
        free(again);
    } else if (is(which, "overrun")) {
        auto *bytes = static_cast<volatile unsigned char *>(shown(malloc(120)));
        bytes[120] = 0x5A;
        free(hidden(const_cast<unsigned char *>(bytes)));
    } else if (is(which, "debug-free")) {
        free(shown(_malloc_dbg(100, normal_block, "failures.cpp", 1)));
    } else if (is(which, "free-debug")) {
        _free_dbg(shown(malloc(100)), normal_block);
    } else if (is(which, "other-free-debug")) {
        ntheap_crt *a = ntheap_crt_open("a", &others);
        _free_dbg(shown(ntheap_crt_malloc(a, 100)), normal_block);
    } else if (is(which, "is-valid")) {
        ntheap_crt *a = ntheap_crt_open("a", &others);
        void *own = _malloc_dbg(100, normal_block, "failures.cpp", 2);
        void *other = ntheap_crt_malloc(a, 100);
        std::printf("%d %d\n", _CrtIsValidHeapPointer(own), _CrtIsValidHeapPointer(other));
    } else if (is(which, "nothing")) {
        shown(nullptr);
    } else {
        return 2;
    }
    std::printf("went on\n");
    return 0;
}
