/* The functions for apps map views that run no code; and views ended by UnmapViewOfFileEx. */
#include "pages.h"

typedef PVOID(WINAPI *map_function)(HANDLE, ULONG, ULONG64, SIZE_T);
typedef PVOID(WINAPI *map3_function)(HANDLE, HANDLE, PVOID, ULONG64, SIZE_T, ULONG, ULONG,
                                     MEM_EXTENDED_PARAMETER *, ULONG);
typedef BOOL(WINAPI *unmap_function)(PVOID, ULONG);
typedef BOOL(WINAPI *protect_function)(PVOID, SIZE_T, ULONG, PULONG);

int main(void)
{
    FIND(map_function, MapViewOfFileFromApp);
    FIND(map3_function, MapViewOfFile3FromApp);
    FIND(unmap_function, UnmapViewOfFileEx);
    FIND(protect_function, VirtualProtectFromApp);
    NEED_FUNCTION(MapViewOfFileFromApp);
    NEED_FUNCTION(MapViewOfFile3FromApp);
    NEED_FUNCTION(UnmapViewOfFileEx);
    NEED_FUNCTION(VirtualProtectFromApp);
    HANDLE section = make_section(PAGE_EXECUTE_READWRITE, 0x20000), self = GetCurrentProcess();
    NEED("section", section);
    char *view = (char *)MapViewOfFileFromApp_(section, FILE_MAP_WRITE, 0x10000, 0x1000);
    char *other = (char *)MapViewOfFile3FromApp_(section, self, NULL, 0x10000, 0x1000, 0,
                                                 PAGE_READONLY, NULL, 0);
    NEED("views", view && other);
    CHECK("view-told", tells(view, 0x1000, MEM_COMMIT, PAGE_READWRITE, view));
    CHECK("other-told", tells(other, 0x1000, MEM_COMMIT, PAGE_READONLY, other));
    view[7] = 'a';
    EQUAL("shared", other[7], 'a');
    FAILS("run", MapViewOfFileFromApp_(section, FILE_MAP_READ | FILE_MAP_EXECUTE, 0, 0), 0,
          ERROR_INVALID_PARAMETER);
    FAILS("run-3", MapViewOfFile3FromApp_(section, self, NULL, 0, 0, 0, PAGE_EXECUTE_READ, NULL, 0),
          0, ERROR_INVALID_PARAMETER);
    FAILS("misaligned", MapViewOfFileFromApp_(section, FILE_MAP_READ, 0x1000, 0), 0,
          ERROR_MAPPED_ALIGNMENT);
    ULONG old = 0;
    FAILS("protect-run", VirtualProtectFromApp_(view, 1, PAGE_EXECUTE_READ, &old), FALSE,
          ERROR_INVALID_PARAMETER);
    CHECK("protect", VirtualProtectFromApp_(view, 1, PAGE_READONLY, &old));
    EQUAL("protect-old", old, PAGE_READWRITE);
    FAILS("flags", UnmapViewOfFileEx_(view, MEM_RELEASE), FALSE, ERROR_INVALID_PARAMETER);
    CHECK("unmapped", UnmapViewOfFileEx_(view, 0));
    CHECK("unmapped-boost", UnmapViewOfFileEx_(other + 5, 1));
    EQUAL("gone", query(other).State, MEM_FREE);
    FAILS("unmapped-twice", UnmapViewOfFileEx_(view, 0), FALSE, ERROR_INVALID_ADDRESS);
    CloseHandle(section);
    return finish();
}
