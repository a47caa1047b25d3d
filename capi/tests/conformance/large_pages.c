/* Large pages: asked for wrongly, without the privilege, and where there are none. */
#include "privilege.h"

static void refused(const char *name, const void *result, DWORD want)
{
    char full[64];
    DWORD error = GetLastError();
    CHECK(name, !result);
    snprintf(full, sizeof full, "%s-error", name);
    EQUAL(full, error, want);
    SetLastError(UNTOUCHED);
}

static HANDLE section(DWORD attributes, SIZE_T size)
{
    return CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE | attributes, 0,
                              (DWORD)size, NULL);
}

int main(void)
{
    SIZE_T large = GetLargePageMinimum();
    NEED("large-pages", large != 0);
    const DWORD all = MEM_RESERVE | MEM_COMMIT | MEM_LARGE_PAGES;
    SetLastError(UNTOUCHED);
    refused("pages-without-privilege", VirtualAlloc(NULL, large, all, PAGE_READWRITE),
            ERROR_PRIVILEGE_NOT_HELD);
    refused("section-without-privilege", section(SEC_COMMIT | SEC_LARGE_PAGES, large),
            ERROR_PRIVILEGE_NOT_HELD);
    refused("section-odd-size", section(SEC_COMMIT | SEC_LARGE_PAGES, large + 0x1000),
            ERROR_INVALID_PARAMETER);
    refused("section-no-size", section(SEC_COMMIT | SEC_LARGE_PAGES, 0), ERROR_INVALID_PARAMETER);
    refused("section-reserved", section(SEC_RESERVE | SEC_LARGE_PAGES, large),
            ERROR_INVALID_PARAMETER);
    refused("pages-reserved",
            VirtualAlloc(NULL, large, MEM_RESERVE | MEM_LARGE_PAGES, PAGE_READWRITE),
            ERROR_INVALID_PARAMETER);

    NEED("privilege", set_privilege(SE_PRIVILEGE_ENABLED));
    SetLastError(UNTOUCHED);
    refused("pages-odd-size", VirtualAlloc(NULL, large + 0x1000, all, PAGE_READWRITE),
            ERROR_INVALID_PARAMETER);
    /* There are as many as the machine's owner says, mostly none, and never so many. */
    refused("section-of-many",
            CreateFileMappingA(INVALID_HANDLE_VALUE, NULL,
                               PAGE_READWRITE | SEC_COMMIT | SEC_LARGE_PAGES, 0x100, 0, NULL),
            ERROR_NO_SYSTEM_RESOURCES);
    char *memory = (char *)VirtualAlloc(NULL, large, all, PAGE_READWRITE);
    DWORD error = GetLastError();
    if (memory) {
        memory[large - 1] = 1;
        CHECK("pages", VirtualFree(memory, 0, MEM_RELEASE));
    } else {
        EQUAL("pages", error, ERROR_NO_SYSTEM_RESOURCES);
    }
    return finish();
}
