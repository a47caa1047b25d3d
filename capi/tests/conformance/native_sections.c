/* The native layer of sections. */
#include "check.h"

#define OWN ((HANDLE)(LONG_PTR)-1)

static ULONG map(HANDLE section, char **view, LONGLONG from, SIZE_T *size, ULONG protect)
{
    LARGE_INTEGER offset;
    PVOID base = *view;
    offset.QuadPart = from;
    ULONG status = (ULONG)NtMapViewOfSection(section, OWN, &base, 0, 0, &offset, size, ViewShare, 0,
                                             protect);
    *view = (char *)base;
    return status;
}

int main(void)
{
    LARGE_INTEGER size;
    HANDLE section = NULL, other = NULL;
    size.QuadPart = 0x12345;
    NEED("created", NtCreateSection(&section, SECTION_ALL_ACCESS, NULL, &size, PAGE_READWRITE,
                                    SEC_COMMIT, NULL) == 0);
    char *view = NULL;
    SIZE_T length = 0;
    EQUAL("mapped", map(section, &view, 0, &length, PAGE_READWRITE), 0);
    EQUAL("length-written-back", length, 0x13000);
    CHECK("aligned", view && ((ULONG_PTR)view & 0xFFFF) == 0);
    char *part = NULL;
    length = 0x1001;
    EQUAL("part-mapped", map(section, &part, 0x10000, &length, PAGE_READONLY), 0);
    EQUAL("part-length", length, 0x2000);
    NEED("both", view && part);
    view[0x10005] = 'n';
    EQUAL("shared", part[5], 'n');
    EQUAL("unmapped", (ULONG)NtUnmapViewOfSection(OWN, part + 0x123), 0);
    EQUAL("unmapped-twice", (ULONG)NtUnmapViewOfSection(OWN, part), 0xC0000019u);
    EQUAL("unmapped-nobodys", (ULONG)NtUnmapViewOfSection(NULL, view), 0xC0000008u);

    part = NULL;
    length = 0;
    EQUAL("misaligned", map(section, &part, 0x1000, &length, PAGE_READONLY), 0xC0000220u);
    length = 0x20000;
    EQUAL("too-long", map(section, &part, 0, &length, PAGE_READONLY), 0xC000001Fu);
    length = 0;
    EQUAL("protection", map(section, &part, 0, &length, 0), 0xC0000045u);
    part = view;
    length = 0;
    EQUAL("occupied", map(section, &part, 0, &length, PAGE_READONLY), 0xC0000018u);
    part = NULL;
    EQUAL("more-than-the-section", map(section, &part, 0, &length, PAGE_EXECUTE_READ), 0xC000004Eu);
    EQUAL("no-handle", map((HANDLE)0xDEADBEE8, &part, 0, &length, PAGE_READONLY), 0xC0000008u);
    EQUAL("end", (ULONG)NtUnmapViewOfSection(OWN, view), 0);
    EQUAL("closed", (ULONG)NtClose(section), 0);
    EQUAL("closed-twice", (ULONG)NtClose(section), 0xC0000008u);

    size.QuadPart = 0x1000;
    EQUAL("bad-protection", (ULONG)NtCreateSection(&other, SECTION_ALL_ACCESS, NULL, &size,
                                                   PAGE_NOACCESS, SEC_COMMIT, NULL),
          0xC0000045u);
    size.QuadPart = 0;
    ULONG status = (ULONG)NtCreateSection(&other, SECTION_ALL_ACCESS, NULL, &size, PAGE_READWRITE,
                                          SEC_COMMIT, NULL);
    CHECK("no-size", status == 0xC000000Du || status == 0xC00000F2u);
    return finish();
}
