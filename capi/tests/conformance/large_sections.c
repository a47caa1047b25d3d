/* Sections of large pages and their views. */
#include "pages.h"
#include "privilege.h"

/* Has the system's pool hold so many large pages; how many it held, or -1 where it cannot
 * be changed. */
static long set_pool(long pages)
{
    long before = -1;
#ifdef _WIN32
    (void)pages;
#else
    static const char pool[] = "/proc/sys/vm/nr_hugepages";
    long now = -1;
    FILE *file = fopen(pool, "r");
    if (file && fscanf(file, "%ld", &before) != 1)
        before = -1;
    if (file)
        fclose(file);
    file = fopen(pool, "w");
    if (!file)
        return -1;
    fprintf(file, "%ld", pages);
    fclose(file);
    file = fopen(pool, "r");
    if (!file || fscanf(file, "%ld", &now) != 1 || now < pages)
        before = -1;
    if (file)
        fclose(file);
#endif
    return before;
}

static HANDLE large_section(SIZE_T size)
{
    return make_section(PAGE_READWRITE | SEC_COMMIT | SEC_LARGE_PAGES, (DWORD)size);
}

int main(void)
{
    SIZE_T large = GetLargePageMinimum();
    DWORD old;
    NEED("large-pages", large != 0);
    NEED("privilege", set_privilege(SE_PRIVILEGE_ENABLED));
    HANDLE plain = make_section(PAGE_READWRITE, (DWORD)large);
    NEED("plain", plain);
    const DWORD write = FILE_MAP_WRITE | FILE_MAP_LARGE_PAGES;
    FAILS("large-view-of-plain", MapViewOfFile(plain, write, 0, 0, 0), 0, ERROR_INVALID_PARAMETER);
    CloseHandle(plain);

    /* Others take large pages meanwhile: more than are needed here. */
    long before = set_pool(8);
    HANDLE section = large_section(2 * large);
    if (before < 0 && !section) {
        EQUAL("none-error", GetLastError(), ERROR_NO_SYSTEM_RESOURCES);
        CHECK("skipped-the-pool-of-large-pages-cannot-be-changed", TRUE);
        return finish();
    }
    NEED("section", section);
    char *view = (char *)MapViewOfFile(section, write, 0, 0, 0);
    char *other = (char *)MapViewOfFile(section, FILE_MAP_READ, 0, (DWORD)large, large);
    NEED("views", view && other);
    EQUAL("view-unit", (ULONG_PTR)view % large, 0);
    EQUAL("other-unit", (ULONG_PTR)other % large, 0);
    CHECK("view-told", tells(view, 2 * large, MEM_COMMIT, PAGE_READWRITE, view));
    CHECK("other-told", tells(other, large, MEM_COMMIT, PAGE_READONLY, other));
    EQUAL("type", query(view).Type, MEM_MAPPED);
    EQUAL("zero", view[2 * large - 1], 0);
    view[large] = 'l';
    EQUAL("shared", other[0], 'l');
    SECTION_BASIC_INFORMATION told;
    EQUAL("query", (ULONG)NtQuerySection(section, SectionBasicInformation, &told, sizeof told, NULL),
          0);
    EQUAL("attributes", told.AllocationAttributes, SEC_COMMIT | SEC_LARGE_PAGES);

    FAILS("offset-of-a-unit", MapViewOfFile(section, FILE_MAP_READ, 0, UNIT, 0), 0,
          ERROR_MAPPED_ALIGNMENT);
    FAILS("size-of-a-unit", MapViewOfFile(section, FILE_MAP_READ, 0, 0, UNIT), 0,
          ERROR_INVALID_PARAMETER);
    char *room = (char *)VirtualAlloc(NULL, 4 * large, MEM_RESERVE, PAGE_NOACCESS);
    NEED("room", room && VirtualFree(room, 0, MEM_RELEASE));
    char *place = room + (large - (ULONG_PTR)room % large) % large;
    FAILS("place-of-a-unit", MapViewOfFileEx(section, write, 0, 0, 0, place + UNIT), 0,
          ERROR_MAPPED_ALIGNMENT);
    char *third = (char *)MapViewOfFileEx(section, write, 0, 0, 0, place);
    EQUAL("place", third, place);
    EQUAL("place-shared", third[large], 'l');
    CHECK("place-ended", UnmapViewOfFile(third + 5));
    FAILS("copy", MapViewOfFile(section, FILE_MAP_COPY, 0, 0, 0), 0, ERROR_INVALID_PARAMETER);
    FAILS("protect-copy", VirtualProtect(view, large, PAGE_WRITECOPY, &old), FALSE,
          ERROR_INVALID_PARAMETER);
    FAILS("protect-part", VirtualProtect(view, PAGE, PAGE_READONLY, &old), FALSE,
          ERROR_INVALID_PARAMETER);
    CHECK("untouched", tells(view, 2 * large, MEM_COMMIT, PAGE_READWRITE, view));
    CHECK("protect", VirtualProtect(view, large, PAGE_READONLY, &old));
    CHECK("protected", tells(view, large, MEM_COMMIT, PAGE_READONLY, view));
    CHECK("not-protected", tells(view + large, large, MEM_COMMIT, PAGE_READWRITE, view));
    FAILS("commit", VirtualAlloc(view, PAGE, MEM_COMMIT, PAGE_READWRITE), 0, ERROR_ACCESS_DENIED);
    FAILS("decommit", VirtualFree(view, large, MEM_DECOMMIT), FALSE, ERROR_INVALID_PARAMETER);

    /* A name leads to them as well, and a duplicate. */
    HANDLE second = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL,
                                       PAGE_READWRITE | SEC_COMMIT | SEC_LARGE_PAGES, 0,
                                       (DWORD)large, "ntheap-conformance-large");
    NEED("named", second);
    HANDLE opened = OpenFileMappingA(FILE_MAP_ALL_ACCESS, FALSE, "ntheap-conformance-large");
    NEED("opened", opened);
    char *first_view = (char *)MapViewOfFile(second, FILE_MAP_WRITE, 0, 0, 0);
    char *second_view = (char *)MapViewOfFile(opened, write, 0, 0, 0);
    NEED("named-views", first_view && second_view);
    first_view[7] = 'n';
    EQUAL("named-shared", second_view[7], 'n');
    CHECK("named-ended", UnmapViewOfFile(first_view) && UnmapViewOfFile(second_view));
    CHECK("named-closed", CloseHandle(second) && CloseHandle(opened));

    CHECK("ended", UnmapViewOfFile(view) && UnmapViewOfFile(other));
    EQUAL("gone", query(view).State, MEM_FREE);
    CHECK("closed", CloseHandle(section));
    if (before >= 0)
        set_pool(before);
    return finish();
}
