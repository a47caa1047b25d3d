/* The native layer's statuses for sections of files, and what it tells of views. */
#include "pages.h"

static ULONG create(HANDLE file, LONGLONG bytes, ULONG protect, ULONG attributes, HANDLE *section)
{
    LARGE_INTEGER size;
    size.QuadPart = bytes;
    *section = NULL;
    return (ULONG)NtCreateSection(section, SECTION_ALL_ACCESS, NULL, bytes ? &size : NULL, protect,
                                  attributes, file);
}

static void told(const char *name, const void *view, ULONG type, SIZE_T size, ULONG protect)
{
    char full[64];
    MEMORY_REGION_INFORMATION region;
    memset(&region, 0x55, sizeof region);
    EQUAL(name,
          (ULONG)NtQueryVirtualMemory(HERE, (PVOID)(ULONG_PTR)view, MemoryRegionInformation, &region,
                                      sizeof region, NULL),
          0);
    snprintf(full, sizeof full, "%s-base", name);
    EQUAL(full, region.AllocationBase, view);
    snprintf(full, sizeof full, "%s-protection", name);
    EQUAL(full, region.AllocationProtect, protect);
    snprintf(full, sizeof full, "%s-type", name);
    EQUAL(full, region.RegionType, type);
    snprintf(full, sizeof full, "%s-region", name);
    EQUAL(full, region.RegionSize, size);
}

int main(void)
{
    const char *path = scratch("nativefiles");
    HANDLE section;
    NEED("file", make_file(path, 0x1100));
    HANDLE file = open_file(path, GENERIC_READ | GENERIC_WRITE);
    NEED("opened", file != INVALID_HANDLE_VALUE);
    EQUAL("too-big", create(file, 0x3000, PAGE_READONLY, SEC_COMMIT, &section), 0xC0000040u);
    EQUAL("image", create(file, 0, PAGE_READONLY, SEC_IMAGE, &section), 0xC000012Fu);
    EQUAL("image-not-run", create(file, 0, PAGE_READONLY, SEC_IMAGE_NO_EXECUTE, &section),
          0xC000012Fu);
    EQUAL("of-file", create(file, 0, PAGE_READWRITE, SEC_COMMIT, &section), 0);
    NEED("section", section);
    char *view = (char *)MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    NEED("view", view);
    told("file-view", view, 2, 0x2000, PAGE_READONLY);
    CHECK("unmapped", UnmapViewOfFile(view));
    CloseHandle(section);
    CHECK("emptied", SetFilePointer(file, 0, NULL, FILE_BEGIN) == 0 && SetEndOfFile(file));
    EQUAL("empty", create(file, 0, PAGE_READWRITE, SEC_COMMIT, &section), 0xC000011Eu);
    CloseHandle(file);
    remove(path);

    section = make_section(PAGE_READWRITE, 0x20000);
    NEED("memory", section);
    view = (char *)MapViewOfFile(section, FILE_MAP_WRITE, 0, 0x10000, 0x1001);
    NEED("memory-view", view);
    told("memory-told", view, 0, 0x2000, PAGE_READWRITE);
    CHECK("memory-unmapped", UnmapViewOfFile(view));
    CloseHandle(section);
    return finish();
}
