/* Views in place of placeholders. */
#include "check.h"

#ifdef _WIN32
/* Not in MinGW's import libraries. */
typedef PVOID(WINAPI *alloc2_function)(HANDLE, PVOID, SIZE_T, ULONG, ULONG, PVOID, ULONG);
typedef PVOID(WINAPI *map3_function)(HANDLE, HANDLE, PVOID, ULONG64, SIZE_T, ULONG, ULONG, PVOID,
                                     ULONG);
typedef BOOL(WINAPI *unmap2_function)(HANDLE, PVOID, ULONG);
static alloc2_function alloc2;
static map3_function map3;
static unmap2_function unmap2;

static BOOL loaded(void)
{
    HMODULE base = LoadLibraryA("kernelbase.dll");
    alloc2 = (alloc2_function)(void *)GetProcAddress(base, "VirtualAlloc2");
    map3 = (map3_function)(void *)GetProcAddress(base, "MapViewOfFile3");
    unmap2 = (unmap2_function)(void *)GetProcAddress(base, "UnmapViewOfFile2");
    return alloc2 && map3 && unmap2;
}
#ifndef MEM_RESERVE_PLACEHOLDER
#define MEM_RESERVE_PLACEHOLDER 0x40000
#define MEM_REPLACE_PLACEHOLDER 0x4000
#define MEM_PRESERVE_PLACEHOLDER 0x2
#endif
#else
#define alloc2 VirtualAlloc2
#define map3 MapViewOfFile3
#define unmap2 UnmapViewOfFile2
#define loaded() TRUE
#endif

static void refused(const char *name, BOOL done, DWORD want)
{
    char full[64];
    DWORD error = GetLastError();
    CHECK(name, !done);
    snprintf(full, sizeof full, "%s-error", name);
    EQUAL(full, error, want);
    SetLastError(UNTOUCHED);
}

int main(void)
{
    NEED("functions", loaded());
    HANDLE section = make_section(PAGE_READWRITE, 0x40000), self = GetCurrentProcess();
    NEED("section", section);
    char *place = (char *)alloc2(NULL, NULL, 0x20000, MEM_RESERVE | MEM_RESERVE_PLACEHOLDER,
                                 PAGE_NOACCESS, NULL, 0);
    NEED("placeholder", place);
    CHECK("split", VirtualFree(place + 0x3000, 0x2000, MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER));
    SetLastError(UNTOUCHED);
    refused("unaligned-offset", map3(section, NULL, place + 0x3000, 0x800, 0x2000,
                                     MEM_REPLACE_PLACEHOLDER, PAGE_READWRITE, NULL, 0) != NULL,
            ERROR_MAPPED_ALIGNMENT);
    refused("unaligned-address", map3(section, NULL, place + 0x3800, 0, 0x1000,
                                      MEM_REPLACE_PLACEHOLDER, PAGE_READWRITE, NULL, 0) != NULL,
            ERROR_MAPPED_ALIGNMENT);
    refused("wrong-size", map3(section, NULL, place + 0x3000, 0, 0x1000, MEM_REPLACE_PLACEHOLDER,
                               PAGE_READWRITE, NULL, 0) != NULL,
            ERROR_INVALID_ADDRESS);
    char *view = (char *)map3(section, self, place + 0x3000, 0x1000, 0x2000,
                              MEM_REPLACE_PLACEHOLDER, PAGE_READWRITE, NULL, 0);
    EQUAL("view", view, place + 0x3000);
    char *plain = (char *)map3(section, self, NULL, 0, 0x10000, 0, PAGE_READWRITE, NULL, 0);
    NEED("plain", view && plain);
    view[0] = 'p';
    EQUAL("shared", plain[0x1000], 'p');
    SetLastError(UNTOUCHED);
    refused("keep-plain", unmap2(self, plain, MEM_PRESERVE_PLACEHOLDER), ERROR_INVALID_ADDRESS);
    refused("no-process", unmap2(NULL, plain, 0), ERROR_INVALID_HANDLE);
    refused("flags", unmap2(self, plain, MEM_RELEASE), ERROR_INVALID_PARAMETER);
    refused("free-view", VirtualFree(view, 0, MEM_RELEASE), ERROR_INVALID_PARAMETER);
    CHECK("boost", unmap2(self, plain, 1));
    CHECK("kept", unmap2(self, view, MEM_PRESERVE_PLACEHOLDER));
    MEMORY_BASIC_INFORMATION info;
    VirtualQuery(view, &info, sizeof info);
    EQUAL("placeholder-again", info.State, MEM_RESERVE);
    EQUAL("placeholder-size", info.RegionSize, 0x2000);
    EQUAL("placeholder-type", info.Type, MEM_PRIVATE);
    CHECK("freed", VirtualFree(view, 0, MEM_RELEASE));
    CloseHandle(section);
    return finish();
}
