// A spreadsheet of 16 million cells that is an array of a gigabyte, of which a page is
// committed when one of its cells is first used, by a handler of access violations.
//
// The third part of an article on Windows' memory of 2009 tells of this program and does
// not print it: it names the spreadsheet, most of whose cells are empty, as what virtual
// memory is best for ("an array's speed and a list's size"), and the handler that commits
// the address of an access violation as the best way to commit it. One source for Windows
// and for ntheap: docs/porting.md has the commands. What the article leaves open:
//
// - The handler is a vectored one. `__try` and `__except`, which the article has in mind,
//   are a compiler's and not C++; a vectored handler is called for the same exceptions.
// - A cell that was never used is not looked for by reading it, which would commit its
//   page: what is used is found by VirtualQuery, page by page.

#include <cstddef>
#include <cstdio>
#include <cstring>
#include <windows.h>

struct Cell {
    double value;
    char text[56];
};

static const size_t ROWS = 65536, COLUMNS = 256;
static const size_t SHEET_BYTES = ROWS * COLUMNS * sizeof(Cell);

static char *sheet;
static volatile unsigned committed_pages, page_size;

static Cell &cell(size_t row, size_t column)
{
    return reinterpret_cast<Cell *>(sheet)[row * COLUMNS + column];
}

// Commits the page of an address of the sheet that was touched and is not committed.
static LONG CALLBACK commit_on_touch(EXCEPTION_POINTERS *exception)
{
    const EXCEPTION_RECORD *record = exception->ExceptionRecord;
    if (static_cast<DWORD>(record->ExceptionCode) != static_cast<DWORD>(EXCEPTION_ACCESS_VIOLATION))
        return EXCEPTION_CONTINUE_SEARCH;
    char *at = reinterpret_cast<char *>(record->ExceptionInformation[1]);
    if (at < sheet || at >= sheet + SHEET_BYTES)
        return EXCEPTION_CONTINUE_SEARCH;
    if (!VirtualAlloc(at, 1, MEM_COMMIT, PAGE_READWRITE))
        return EXCEPTION_CONTINUE_SEARCH; // there is no memory: the program ends
    committed_pages = committed_pages + 1;
    return EXCEPTION_CONTINUE_EXECUTION;
}

struct Total {
    size_t bytes;
    unsigned cells;
    double sum;
};

// The committed pages of the sheet, and the cells in them that hold anything.
static Total used()
{
    Total total = {0, 0, 0};
    MEMORY_BASIC_INFORMATION info;
    for (char *at = sheet; at < sheet + SHEET_BYTES; at += info.RegionSize) {
        if (VirtualQuery(at, &info, sizeof info) != sizeof info)
            break;
        if (info.State != MEM_COMMIT)
            continue;
        total.bytes += info.RegionSize;
        const Cell *first = reinterpret_cast<const Cell *>(at);
        for (const Cell *one = first; one < first + info.RegionSize / sizeof(Cell); one++) {
            if (one->text[0]) {
                total.cells++;
                total.sum += one->value;
            }
        }
    }
    return total;
}

static void tell(const char *when)
{
    Total total = used();
    printf("%s\ncommitted KB=%u\nused cells=%u\nsum=%.0f\n", when,
           static_cast<unsigned>(total.bytes / 1024), total.cells, total.sum);
}

static void set(size_t row, size_t column, double value)
{
    Cell &own = cell(row, column);
    own.value = value;
    snprintf(own.text, sizeof own.text, "%.2f", value);
}

int main()
{
    SYSTEM_INFO system;
    GetSystemInfo(&system);
    page_size = system.dwPageSize;
    MEMORYSTATUS before, after;
    GlobalMemoryStatus(&before);
    sheet = static_cast<char *>(VirtualAlloc(NULL, SHEET_BYTES, MEM_RESERVE, PAGE_READWRITE));
    PVOID handler = AddVectoredExceptionHandler(1, commit_on_touch);
    if (!sheet || !handler) {
        printf("There is no room for the sheet\n");
        return 1;
    }
    GlobalMemoryStatus(&after);
    printf("cells=%u\nreserved MB=%u\nless address space MB=%u\n",
           static_cast<unsigned>(ROWS * COLUMNS), static_cast<unsigned>(SHEET_BYTES >> 20),
           static_cast<unsigned>((before.dwAvailVirtual - after.dwAvailVirtual) >> 20));
    tell("empty");

    // A column of a thousand rows, as somebody would fill it in, and the two corners.
    for (size_t row = 0; row < 1000; row++)
        set(row, 3, static_cast<double>(row));
    set(0, 0, 1);
    set(ROWS - 1, COLUMNS - 1, 2);
    tell("filled");
    printf("commits by the handler=%u\npage size=%u\n", committed_pages, page_size);

    // What was committed is an array's elements like any other: no handler is asked.
    for (size_t row = 0; row < 1000; row++)
        set(row, 3, cell(row, 3).value * 2);
    tell("doubled");
    printf("commits by the handler=%u\n", committed_pages);

    // A column that is cleared goes back to the system, whole pages of it.
    for (size_t row = 0; row < 1000; row++)
        VirtualFree(&cell(row, 3), 1, MEM_DECOMMIT);
    tell("cleared");
    set(500, 3, 7);
    tell("used again");

    RemoveVectoredExceptionHandler(handler);
    if (!VirtualFree(sheet, 0, MEM_RELEASE))
        return 1;
    printf("released\n");
    return 0;
}
