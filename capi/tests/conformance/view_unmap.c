/* Ending views. */
#include "check.h"

static void refused(const char *name, const void *address)
{
    char full[64];
    SetLastError(UNTOUCHED);
    CHECK(name, !UnmapViewOfFile(address));
    snprintf(full, sizeof full, "%s-error", name);
    EQUAL(full, GetLastError(), ERROR_INVALID_ADDRESS);
}

int main(void)
{
    HANDLE section = make_section(PAGE_READWRITE, 0x20000);
    NEED("section", section);
    char *view = (char *)MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    NEED("view", view);
    view[5] = 'v';
    SetLastError(UNTOUCHED);
    CHECK("inside", UnmapViewOfFile(view + 0x12345));
    EQUAL("error-untouched", GetLastError(), UNTOUCHED);
    refused("twice", view);
    view = (char *)MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    NEED("view-again", view);
    EQUAL("contents-stay", view[5], 'v');
    CHECK("ended", UnmapViewOfFile(view));
    void *private_pages = VirtualAlloc(NULL, 0x10000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    NEED("private", private_pages);
    refused("private-refused", private_pages);
    refused("null", NULL);
    refused("wild", (void *)0x1230000);
    SetLastError(UNTOUCHED);
    CHECK("flush-private", !FlushViewOfFile(private_pages, 0));
    EQUAL("flush-private-error", GetLastError(), ERROR_INVALID_ADDRESS);
    VirtualFree(private_pages, 0, MEM_RELEASE);
    CloseHandle(section);
    return finish();
}
