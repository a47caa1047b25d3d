/* A view of a file that was made shorter: its pages behind the file's end raise
 * EXCEPTION_IN_PAGE_ERROR, and a handler that gives the file back its length goes on. On
 * Windows a file that is mapped cannot be made shorter. */
#include "pages.h"

static const char *path;
static char *volatile view;
static volatile ULONG_PTR raised, count, kind, address, reason, instruction;

static BOOL set_length(SIZE_T length)
{
#ifdef _WIN32
    HANDLE file = open_file(path, GENERIC_READ | GENERIC_WRITE);
    SetFilePointer(file, (LONG)length, NULL, FILE_BEGIN);
    BOOL done = SetEndOfFile(file);
    DWORD error = GetLastError();
    CloseHandle(file);
    SetLastError(error);
    return done;
#else
    return truncate(path, (off_t)length) == 0;
#endif
}

static LONG CALLBACK on_exception(EXCEPTION_POINTERS *exception)
{
    EXCEPTION_RECORD *record = exception->ExceptionRecord;
    if ((DWORD)record->ExceptionCode != (DWORD)EXCEPTION_IN_PAGE_ERROR)
        return EXCEPTION_CONTINUE_SEARCH;
    raised++;
    count = record->NumberParameters;
    kind = record->ExceptionInformation[0];
    address = record->ExceptionInformation[1];
    reason = record->ExceptionInformation[2];
    instruction = (ULONG_PTR)record->ExceptionAddress == exception->ContextRecord->Rip;
    return set_length(3 * PAGE) ? EXCEPTION_CONTINUE_EXECUTION : EXCEPTION_CONTINUE_SEARCH;
}

int main(void)
{
    path = scratch("inpage");
    NEED("file", make_file(path, 3 * PAGE));
    HANDLE file = open_file(path, GENERIC_READ | GENERIC_WRITE);
    HANDLE section = CreateFileMappingA(file, NULL, PAGE_READWRITE, 0, 0, NULL);
    NEED("section", section);
    view = (char *)MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    NEED("view", view);
    NEED("handler", AddVectoredExceptionHandler(1, on_exception));
    EQUAL("at-first", (BYTE)view[2 * PAGE + 5], (2 * PAGE + 5) % 251);
    if (set_length(PAGE)) {
        EQUAL("before-the-end", (BYTE)view[5], 5);
        EQUAL("nothing-raised", raised, 0);
        EQUAL("cannot-be-read", IsBadReadPtr(view + 2 * PAGE, 1), TRUE);
        char byte = 77;
        SIZE_T done = 77;
        FAILS("not-copied", ReadProcessMemory(HERE, view + 2 * PAGE, &byte, 1, &done), FALSE,
              ERROR_PARTIAL_COPY);
        EQUAL("system-raises-nothing", raised, 0);
        EQUAL("read", *(volatile char *)(view + 2 * PAGE + 5), 0);
        EQUAL("read-raised", raised, 1);
        EQUAL("read-parameters", count, 3);
        EQUAL("read-kind", kind, 0);
        EQUAL("read-address", address, view + 2 * PAGE + 5);
        CHECK("read-reason", (LONG)reason < 0);
        EQUAL("read-instruction", instruction, 1);
        NEED("shorter-again", set_length(PAGE));
        *(volatile char *)(view + PAGE + 9) = 4;
        EQUAL("write-raised", raised, 2);
        EQUAL("write-kind", kind, 1);
        EQUAL("write-address", address, view + PAGE + 9);
        EQUAL("written", view[PAGE + 9], 4);
        CHECK("told", tells(view, 3 * PAGE, MEM_COMMIT, PAGE_READWRITE, view));
    } else {
        EQUAL("cannot-be-shorter-error", GetLastError(), 1224); /* ERROR_USER_MAPPED_FILE */
    }
    CHECK("ended", UnmapViewOfFile(view));
    CloseHandle(section);
    CloseHandle(file);
    remove(path);
    return finish();
}
