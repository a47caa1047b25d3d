/* The protections that a section can have. */
#include "check.h"

int main(void)
{
    static const struct {
        const char *name;
        DWORD protect;
        BOOL is_one;
    } all[] = {
        {"readonly", PAGE_READONLY, TRUE},
        {"readwrite", PAGE_READWRITE, TRUE},
        {"writecopy", PAGE_WRITECOPY, TRUE},
        {"execute-read", PAGE_EXECUTE_READ, TRUE},
        {"execute-readwrite", PAGE_EXECUTE_READWRITE, TRUE},
        {"execute-writecopy", PAGE_EXECUTE_WRITECOPY, TRUE},
        {"noaccess", PAGE_NOACCESS, FALSE},
        {"none", 0, FALSE},
        {"execute", PAGE_EXECUTE, FALSE},
        {"two", PAGE_READONLY | PAGE_READWRITE, FALSE},
        {"two-more", PAGE_READWRITE | PAGE_EXECUTE_READ, FALSE},
    };
    char name[64];
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        SetLastError(UNTOUCHED);
        HANDLE section = make_section(all[i].protect | SEC_COMMIT, 0x1000);
        DWORD error = GetLastError();
        EQUAL(all[i].name, section != NULL, all[i].is_one);
        snprintf(name, sizeof name, "%s-error", all[i].name);
        EQUAL(name, error, all[i].is_one ? ERROR_SUCCESS : ERROR_INVALID_PARAMETER);
        if (section)
            CloseHandle(section);
    }
    return finish();
}
