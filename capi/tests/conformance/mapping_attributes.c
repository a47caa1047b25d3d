/* The attributes that a section can have. */
#include "check.h"

int main(void)
{
    const char *path = scratch("attributes");
    NEED("file", make_file(path, 0x2000));
    HANDLE file = open_file(path, GENERIC_READ | GENERIC_WRITE);
    NEED("opened", file != INVALID_HANDLE_VALUE);
    static const struct {
        const char *name;
        DWORD attributes;
        DWORD error;
    } all[] = {
        {"none", 0, ERROR_SUCCESS},
        {"commit", SEC_COMMIT, ERROR_SUCCESS},
        {"reserve", SEC_RESERVE, ERROR_SUCCESS},
        {"commit-nocache", SEC_COMMIT | SEC_NOCACHE, ERROR_SUCCESS},
        {"reserve-nocache", SEC_RESERVE | SEC_NOCACHE, ERROR_SUCCESS},
        {"commit-writecombine", SEC_COMMIT | SEC_WRITECOMBINE, ERROR_SUCCESS},
        {"reserve-writecombine", SEC_RESERVE | SEC_WRITECOMBINE, ERROR_SUCCESS},
        {"reserve-commit", SEC_RESERVE | SEC_COMMIT, ERROR_INVALID_PARAMETER},
        {"nocache", SEC_NOCACHE, ERROR_INVALID_PARAMETER},
        {"writecombine", SEC_WRITECOMBINE, ERROR_INVALID_PARAMETER},
        {"large-pages", SEC_LARGE_PAGES, ERROR_INVALID_PARAMETER},
        {"file", SEC_FILE, ERROR_INVALID_PARAMETER},
        {"image-reserve", SEC_IMAGE | SEC_RESERVE, ERROR_INVALID_PARAMETER},
        {"image-commit", SEC_IMAGE | SEC_COMMIT, ERROR_INVALID_PARAMETER},
        {"reserve-large-pages", SEC_RESERVE | SEC_LARGE_PAGES, ERROR_INVALID_PARAMETER},
    };
    char name[64];
    for (int of_file = 0; of_file <= 1; of_file++) {
        for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
            SetLastError(UNTOUCHED);
            HANDLE section = CreateFileMappingA(of_file ? file : INVALID_HANDLE_VALUE, NULL,
                                                PAGE_READONLY | all[i].attributes, 0, 0x1000, NULL);
            snprintf(name, sizeof name, "%s-%s", of_file ? "file" : "memory", all[i].name);
            EQUAL(name, GetLastError(), all[i].error);
            if (section)
                CloseHandle(section);
        }
    }
    SetLastError(UNTOUCHED);
    CHECK("image-refused",
          !CreateFileMappingA(file, NULL, PAGE_READONLY | SEC_IMAGE, 0, 0, NULL));
    EQUAL("image-error", GetLastError(), ERROR_BAD_EXE_FORMAT);
    SetLastError(UNTOUCHED);
    CHECK("image-not-run-refused",
          !CreateFileMappingA(file, NULL, PAGE_READONLY | SEC_IMAGE_NO_EXECUTE, 0, 0, NULL));
    EQUAL("image-not-run-error", GetLastError(), ERROR_BAD_EXE_FORMAT);
    CloseHandle(file);
    remove(path);
    return finish();
}
