/* A spreadsheet of a gigabyte: cells are used as if all were there, and a handler
 * of access violations commits the pages that are touched. */
#include "pages.h"

#define ROWS 16384u
#define COLUMNS 1024u

struct cell {
    char text[64];
};

static struct cell *sheet;
static const SIZE_T size = (SIZE_T)ROWS * COLUMNS * sizeof(struct cell);
static volatile LONG touched, strange;

static struct cell *cell(SIZE_T row, SIZE_T column)
{
    return &sheet[row * COLUMNS + column];
}

static LONG CALLBACK commit_page(EXCEPTION_POINTERS *exception)
{
    EXCEPTION_RECORD *record = exception->ExceptionRecord;
    ULONG_PTR at = record->ExceptionInformation[1];
    if ((DWORD)record->ExceptionCode != (DWORD)STATUS_ACCESS_VIOLATION ||
        at - (ULONG_PTR)sheet >= size) {
        strange++;
        return EXCEPTION_CONTINUE_SEARCH;
    }
    touched++;
    return VirtualAlloc((void *)at, 1, MEM_COMMIT, PAGE_READWRITE) ? EXCEPTION_CONTINUE_EXECUTION
                                                                   : EXCEPTION_CONTINUE_SEARCH;
}

static SIZE_T committed(void)
{
    SIZE_T sum = 0;
    MEMORY_BASIC_INFORMATION info;
    for (char *at = (char *)sheet; at < (char *)sheet + size; at += info.RegionSize) {
        info = query(at);
        if (!info.RegionSize)
            return (SIZE_T)-1;
        if (info.State == MEM_COMMIT)
            sum += info.RegionSize;
    }
    return sum;
}

int main(void)
{
    PVOID handler = AddVectoredExceptionHandler(1, commit_page);
    NEED("handler", handler);
    sheet = (struct cell *)VirtualAlloc(NULL, size, MEM_RESERVE, PAGE_NOACCESS);
    NEED("reserved", sheet);
    EQUAL("nothing-committed", committed(), 0);
    for (SIZE_T row = 0; row < ROWS; row += 1024)
        snprintf(cell(row, row / 1024)->text, sizeof sheet->text, "row %u", (unsigned)row);
    EQUAL("touches", touched, ROWS / 1024);
    EQUAL("a-page-each", committed(), ROWS / 1024 * PAGE);
    CHECK("last", strcmp(cell(15360, 15)->text, "row 15360") == 0);
    EQUAL("no-more-touches", touched, ROWS / 1024);
    EQUAL("empty", *(volatile char *)cell(1, 1)->text, 0);
    EQUAL("read-touches-too", touched, ROWS / 1024 + 1);
    CHECK("cleared", VirtualFree(cell(15360, 15), 1, MEM_DECOMMIT));
    EQUAL("empty-again", *(volatile char *)cell(15360, 15)->text, 0);
    EQUAL("nothing-strange", strange, 0);
    CHECK("released", VirtualFree(sheet, 0, MEM_RELEASE));
    CHECK("removed", RemoveVectoredExceptionHandler(handler));
    return finish();
}
