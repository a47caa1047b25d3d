/* What NtQuerySection tells of attributes and sizes. */
#include "check.h"

static void told(const char *name, HANDLE section, ULONG attributes, LONGLONG size)
{
    char full[64];
    SECTION_BASIC_INFORMATION info;
    SIZE_T length = 0;
    memset(&info, 0x55, sizeof info);
    snprintf(full, sizeof full, "%s-status", name);
    EQUAL(full, (DWORD)NtQuerySection(section, SectionBasicInformation, &info, sizeof info, &length),
          0);
    snprintf(full, sizeof full, "%s-length", name);
    EQUAL(full, length, sizeof info);
    snprintf(full, sizeof full, "%s-base", name);
    EQUAL(full, info.BaseAddress, NULL);
    snprintf(full, sizeof full, "%s-attributes", name);
    EQUAL(full, info.AllocationAttributes, attributes);
    snprintf(full, sizeof full, "%s-size", name);
    EQUAL(full, info.MaximumSize.QuadPart, size);
}

int main(void)
{
    const char *path = scratch("query");
    NEED("file", make_file(path, 0x1234));
    HANDLE file = open_file(path, GENERIC_READ | GENERIC_WRITE);
    NEED("opened", file != INVALID_HANDLE_VALUE);

    HANDLE section = make_section(PAGE_READWRITE, 0x1000);
    told("memory", section, SEC_COMMIT, 0x1000);
    CloseHandle(section);
    section = make_section(PAGE_READWRITE | SEC_RESERVE, 0x3000);
    told("reserve", section, SEC_RESERVE, 0x3000);
    CloseHandle(section);
    section = CreateFileMappingA(file, NULL, PAGE_READONLY, 0, 0, NULL);
    told("of-file", section, SEC_FILE, 0x1234);

    SECTION_BASIC_INFORMATION info;
    char image[128];
    EQUAL("short", (DWORD)NtQuerySection(section, SectionBasicInformation, &info, 4, NULL),
          0xC0000004u);
    int none = 99; /* a constant would not compile as C++ */
    EQUAL("class", (DWORD)NtQuerySection(section, (SECTION_INFORMATION_CLASS)none, &info,
                                         sizeof info, NULL),
          0xC0000003u);
    EQUAL("no-image", (DWORD)NtQuerySection(section, SectionImageInformation, image, 64, NULL),
          0xC0000049u);
    EQUAL("no-handle",
          (DWORD)NtQuerySection((HANDLE)0xDEADBEE8, SectionBasicInformation, &info, sizeof info,
                                NULL),
          0xC0000008u);
    CloseHandle(section);
    CloseHandle(file);
    remove(path);
    return finish();
}
