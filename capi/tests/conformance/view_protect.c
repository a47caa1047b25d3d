/* VirtualProtect on a view takes rights away, and gives none that the view was not
 * made with. */
#include "check.h"

static void changes(const char *view_name, char *view, DWORD wanted, BOOL want)
{
    char name[64];
    DWORD old = 0;
    snprintf(name, sizeof name, "%s-to-%02x", view_name, (unsigned)wanted);
    SetLastError(UNTOUCHED);
    BOOL changed = VirtualProtect(view, 0x1000, wanted, &old);
    EQUAL(name, changed != FALSE, want);
    if (!want) {
        snprintf(name, sizeof name, "%s-to-%02x-error", view_name, (unsigned)wanted);
        EQUAL(name, GetLastError(), ERROR_INVALID_PARAMETER);
    }
}

int main(void)
{
    HANDLE section = make_section(PAGE_EXECUTE_READWRITE, 0x2000);
    NEED("section", section);
    static const struct {
        const char *name;
        DWORD access;
        DWORD allowed;
    } all[] = {
        {"nothing", 0, PAGE_NOACCESS},
        {"read", FILE_MAP_READ, PAGE_NOACCESS | PAGE_READONLY | PAGE_WRITECOPY},
        {"write", FILE_MAP_WRITE,
         PAGE_NOACCESS | PAGE_READONLY | PAGE_READWRITE | PAGE_WRITECOPY},
        {"copy", FILE_MAP_COPY, PAGE_NOACCESS | PAGE_READONLY | PAGE_WRITECOPY},
        {"read-run", FILE_MAP_READ | FILE_MAP_EXECUTE,
         PAGE_NOACCESS | PAGE_READONLY | PAGE_WRITECOPY | PAGE_EXECUTE | PAGE_EXECUTE_READ |
             PAGE_EXECUTE_WRITECOPY},
        {"write-run", FILE_MAP_WRITE | FILE_MAP_EXECUTE,
         PAGE_NOACCESS | PAGE_READONLY | PAGE_READWRITE | PAGE_WRITECOPY | PAGE_EXECUTE |
             PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE | PAGE_EXECUTE_WRITECOPY},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char *view = (char *)MapViewOfFile(section, all[i].access, 0, 0, 0);
        if (!CHECK(all[i].name, view))
            continue;
        for (DWORD wanted = PAGE_NOACCESS; wanted <= PAGE_EXECUTE_WRITECOPY; wanted <<= 1)
            changes(all[i].name, view, wanted, (all[i].allowed & wanted) != 0);
        UnmapViewOfFile(view);
    }
    /* A copy that is asked for is one. */
    char *view = (char *)MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
    char *writer = (char *)MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    NEED("two", view && writer);
    DWORD old = 0;
    CHECK("to-copy", VirtualProtect(view, 0x1000, PAGE_WRITECOPY, &old));
    EQUAL("was", old, PAGE_READONLY);
    view[0] = 'c';
    EQUAL("written", view[0], 'c');
    EQUAL("not-shared", writer[0], 0);
    UnmapViewOfFile(view);
    UnmapViewOfFile(writer);
    CloseHandle(section);
    return finish();
}
