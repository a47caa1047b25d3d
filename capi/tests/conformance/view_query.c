/* What VirtualQuery tells of views, and what VirtualFree makes of them. */
#include "check.h"

int main(void)
{
    const char *path = scratch("viewquery");
    NEED("file", make_file(path, 0x1234));
    HANDLE file = open_file(path, GENERIC_READ | GENERIC_WRITE);
    HANDLE section = CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, 0, NULL);
    NEED("section", section);
    char *view = (char *)MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    NEED("view", view);
    EQUAL("at-a-multiple", (ULONG_PTR)view & 0xFFFF, 0);
    MEMORY_BASIC_INFORMATION info;
    EQUAL("query", VirtualQuery(view + 0x1000, &info, sizeof info), sizeof info);
    EQUAL("base", info.BaseAddress, view + 0x1000);
    EQUAL("allocation-base", info.AllocationBase, view);
    EQUAL("allocation-protect", info.AllocationProtect, PAGE_READWRITE);
    EQUAL("size-in-pages", info.RegionSize, 0x1000);
    EQUAL("state", info.State, MEM_COMMIT);
    EQUAL("type", info.Type, MEM_MAPPED);
    VirtualQuery(view, &info, sizeof info);
    EQUAL("whole-size", info.RegionSize, 0x2000);

    SetLastError(UNTOUCHED);
    CHECK("commit-refused", !VirtualAlloc(view, 0x1000, MEM_COMMIT, PAGE_READWRITE));
    EQUAL("commit-error", GetLastError(), ERROR_ACCESS_DENIED);
    SetLastError(UNTOUCHED);
    CHECK("decommit-refused", !VirtualFree(view, 0x1000, MEM_DECOMMIT));
    EQUAL("decommit-error", GetLastError(), ERROR_INVALID_PARAMETER);
    SetLastError(UNTOUCHED);
    CHECK("release-refused", !VirtualFree(view, 0, MEM_RELEASE));
    EQUAL("release-error", GetLastError(), ERROR_INVALID_PARAMETER);
    EQUAL("reset", VirtualAlloc(view, 0x1000, MEM_RESET, PAGE_NOACCESS), view);
    CHECK("still-there", UnmapViewOfFile(view));
    CloseHandle(section);
    CloseHandle(file);
    remove(path);
    return finish();
}
