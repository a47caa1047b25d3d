// Finds a leaked [out] parameter: a spy on the task allocator keeps a list of the blocks
// that are handed out, each with what the program was doing, and what is left on it
// when the work is done was leaked.
//
// COM's rule is that a function allocates what it hands out by an [out] parameter, and its
// caller frees it by CoTaskMemFree. One caller below does not.
//
// One source for Windows and for ntheap: docs/porting.md has the commands.

#include <cstdio>
#include <cstring>
#include <windows.h>

#include <objbase.h>

namespace {

const char *doing = "nothing";

class LeakSpy : public IMallocSpy {
    struct Block {
        void *address;
        SIZE_T size;
        const char *during;
    };

    Block blocks[64];
    unsigned count, minimizing, asking;
    SIZE_T asked;

    void add(void *address) {
        if (address && count < sizeof blocks / sizeof *blocks) {
            Block block = {address, asked, doing};
            blocks[count++] = block;
        }
    }

    void remove(void *address) {
        for (unsigned i = 0; i < count; i++) {
            if (blocks[i].address == address) {
                blocks[i] = blocks[--count];
                return;
            }
        }
    }

public:
    LeakSpy() : count(0), minimizing(0), asking(0), asked(0) {}

    // How often the heap was to be made smaller, and how often something was asked about
    // a block.
    unsigned minimized() const { return minimizing; }
    unsigned asked_about() const { return asking; }

    // The blocks that are left; how many.
    unsigned report() const {
        for (unsigned i = 0; i < count; i++)
            std::printf("leaked: %u bytes, handed out by %s\n",
                        static_cast<unsigned>(blocks[i].size), blocks[i].during);
        return count;
    }

    HRESULT STDMETHODCALLTYPE QueryInterface(REFIID riid, void **object) {
        bool known = IsEqualIID(riid, IID_IUnknown) || IsEqualIID(riid, IID_IMallocSpy);
        *object = known ? this : NULL;
        return known ? S_OK : E_NOINTERFACE;
    }
    // It lives as long as the program.
    ULONG STDMETHODCALLTYPE AddRef() { return 2; }
    ULONG STDMETHODCALLTYPE Release() { return 1; }

    SIZE_T STDMETHODCALLTYPE PreAlloc(SIZE_T cbRequest) { return asked = cbRequest; }
    void *STDMETHODCALLTYPE PostAlloc(void *pActual) {
        add(pActual);
        return pActual;
    }
    void *STDMETHODCALLTYPE PreFree(void *pRequest, BOOL) {
        remove(pRequest);
        return pRequest;
    }
    void STDMETHODCALLTYPE PostFree(BOOL) {}
    SIZE_T STDMETHODCALLTYPE PreRealloc(void *pRequest, SIZE_T cbRequest, void **ppNewRequest,
                                        BOOL) {
        remove(pRequest);
        *ppNewRequest = pRequest;
        return asked = cbRequest;
    }
    void *STDMETHODCALLTYPE PostRealloc(void *pActual, BOOL) {
        add(pActual);
        return pActual;
    }
    void *STDMETHODCALLTYPE PreGetSize(void *pRequest, BOOL) {
        asking++;
        return pRequest;
    }
    SIZE_T STDMETHODCALLTYPE PostGetSize(SIZE_T cbActual, BOOL) { return cbActual; }
    void *STDMETHODCALLTYPE PreDidAlloc(void *pRequest, BOOL) {
        asking++;
        return pRequest;
    }
    int STDMETHODCALLTYPE PostDidAlloc(void *, BOOL, int fActual) { return fActual; }
    void STDMETHODCALLTYPE PreHeapMinimize() {}
    void STDMETHODCALLTYPE PostHeapMinimize() { minimizing++; }
};

// Functions as of an interface: what they hand out is their caller's to free.

HRESULT GetTitle(char **title) {
    doing = "GetTitle";
    *title = static_cast<char *>(CoTaskMemAlloc(6));
    if (!*title)
        return E_OUTOFMEMORY;
    std::memcpy(*title, "title", 6);
    return S_OK;
}

HRESULT GetAuthor(char **author) {
    doing = "GetAuthor";
    *author = static_cast<char *>(CoTaskMemAlloc(3));
    if (!*author)
        return E_OUTOFMEMORY;
    char *longer = static_cast<char *>(CoTaskMemRealloc(*author, 12));
    if (!longer)
        return E_OUTOFMEMORY;
    *author = longer;
    std::memcpy(*author, "an author's", 12);
    return S_OK;
}

HRESULT GetNumbers(unsigned *count, int **numbers) {
    doing = "GetNumbers";
    *count = 10;
    *numbers = static_cast<int *>(CoTaskMemAlloc(10 * sizeof(int)));
    return *numbers ? S_OK : E_OUTOFMEMORY;
}

// Frees the title and the numbers, and forgets the author.
void describe() {
    char *title = NULL, *author = NULL;
    int *numbers = NULL;
    unsigned count = 0;
    if (GetTitle(&title) == S_OK && GetAuthor(&author) == S_OK &&
        GetNumbers(&count, &numbers) == S_OK)
        std::printf("%s by %s, with %u numbers\n", title, author, count);
    CoTaskMemFree(title);
    CoTaskMemFree(numbers);
}

// Uses the allocator as an object, which the spy is told of as well; whether all is as it
// should be.
bool ask(IMalloc *allocator) {
    doing = "ask";
    void *block = allocator->Alloc(30), *kept = block ? allocator->Realloc(block, 40) : NULL;
    if (!kept)
        return false;
    allocator->HeapMinimize();
    SIZE_T size = allocator->GetSize(kept);
    bool known = allocator->DidAlloc(kept) == 1 && allocator->DidAlloc(&size) == 0 &&
                 allocator->DidAlloc(NULL) == -1;
    std::printf("the allocator %s its block, of %u bytes\n", known ? "knows" : "does not know",
                static_cast<unsigned>(size));
    allocator->Free(kept);
    return known && size == 40;
}

} // namespace

int main() {
    static LeakSpy spy;
    IMalloc *allocator = NULL;
    if (CoGetMalloc(MEMCTX_TASK, &allocator) != S_OK || CoRegisterMallocSpy(&spy) != S_OK)
        return 2;
    if (!ask(allocator) || spy.minimized() != 1 || spy.asked_about() != 3)
        return 3;
    describe();
    unsigned leaks = spy.report();
    HRESULT revoked = CoRevokeMallocSpy();
    // With blocks left, the spy is told of calls until the last of them is freed.
    std::printf("%u leaked, revoked %s\n", leaks, revoked == E_ACCESSDENIED ? "later" : "now");
    return leaks == 1 && revoked == E_ACCESSDENIED ? 0 : 1;
}
