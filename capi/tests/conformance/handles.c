/* Handles: closing and duplicating them, and what is none. */
#include "check.h"

static void refused(const char *name, HANDLE handle)
{
    char full[64];
    SetLastError(UNTOUCHED);
    CHECK(name, !CloseHandle(handle));
    snprintf(full, sizeof full, "%s-error", name);
    EQUAL(full, GetLastError(), ERROR_INVALID_HANDLE);
}

int main(void)
{
    HANDLE self = GetCurrentProcess();
    EQUAL("pseudo", (ULONG_PTR)self, (ULONG_PTR)-1);
    HANDLE section = make_section(PAGE_READWRITE, 0x1000);
    NEED("section", section);
    EQUAL("multiple-of-4", (ULONG_PTR)section & 3, 0);
    HANDLE second = NULL;
    SetLastError(UNTOUCHED);
    CHECK("duplicated", DuplicateHandle(self, section, self, &second, 0, FALSE,
                                        DUPLICATE_SAME_ACCESS));
    EQUAL("error-untouched", GetLastError(), UNTOUCHED);
    CHECK("another", second && second != section);
    char *view = (char *)MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    NEED("view", view);
    view[0] = 'd';
    CHECK("closed", CloseHandle(section));
    refused("twice", section);
    char *other = (char *)MapViewOfFile(second, FILE_MAP_WRITE, 0, 0, 0);
    NEED("other-view", other);
    EQUAL("same-section", other[0], 'd');
    HANDLE third = NULL;
    CHECK("moved", DuplicateHandle(self, second, self, &third, 0, FALSE,
                                   DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE));
    refused("source-closed", second);
    CHECK("third-closed", CloseHandle(third));
    EQUAL("views-stay", other[0], 'd');
    CHECK("unmapped", UnmapViewOfFile(view) && UnmapViewOfFile(other));

    refused("null", NULL);
    refused("garbage", (HANDLE)0xDEADBEE8);
    CHECK("pseudo-closed", CloseHandle(self));
    HANDLE process = NULL;
    CHECK("process", DuplicateHandle(self, self, self, &process, 0, FALSE, DUPLICATE_SAME_ACCESS));
    CHECK("process-is-another", process && process != self);
    SetLastError(UNTOUCHED);
    CHECK("wrong-kind", !MapViewOfFile(process, FILE_MAP_READ, 0, 0, 0));
    EQUAL("wrong-kind-error", GetLastError(), ERROR_INVALID_HANDLE);
    CHECK("process-closed", CloseHandle(process));
    SetLastError(UNTOUCHED);
    CHECK("duplicate-garbage",
          !DuplicateHandle(self, (HANDLE)0xDEADBEE8, self, &third, 0, FALSE, 0));
    EQUAL("duplicate-garbage-error", GetLastError(), ERROR_INVALID_HANDLE);
    return finish();
}
