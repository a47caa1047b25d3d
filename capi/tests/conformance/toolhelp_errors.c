/* What Toolhelp's heap functions refuse. */
#include "check.h"
#include <tlhelp32.h>

#ifndef _WIN32
#include <signal.h>
#include <sys/wait.h>
#endif

/* A process that lives and is not this one: started here, and ended at the end. */
#ifdef _WIN32
static PROCESS_INFORMATION started;

/* This program again, which only waits: it ends by itself, whatever becomes of this one. */
static DWORD start_process(void)
{
    STARTUPINFOA how;
    char self[MAX_PATH], line[MAX_PATH + 16];
    memset(&how, 0, sizeof how);
    how.cb = sizeof how;
    if (!GetModuleFileNameA(NULL, self, sizeof self))
        return 0;
    snprintf(line, sizeof line, "\"%s\" wait", self);
    if (!CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &how, &started))
        return 0;
    return started.dwProcessId;
}

static int wait_for_the_end(void)
{
    Sleep(10000);
    return 0;
}

static void end_process(DWORD process)
{
    (void)process;
    TerminateProcess(started.hProcess, 0);
    CloseHandle(started.hThread);
    CloseHandle(started.hProcess);
}
#else
static DWORD start_process(void)
{
    pid_t child = fork();
    if (child == 0) {
        for (;;)
            pause();
    }
    return child > 0 ? (DWORD)child : 0;
}

static int wait_for_the_end(void)
{
    return 2;
}

static void end_process(DWORD process)
{
    kill((pid_t)process, SIGKILL);
    waitpid((pid_t)process, NULL, 0);
}
#endif

/* What is refused of another process. */
static void refused(const char *what, DWORD process, HANDLE heap)
{
    char name[64], byte = 7;
    HEAPENTRY32 entry;
    SIZE_T count = 77;
    memset(&entry, 0, sizeof entry);
    entry.dwSize = sizeof entry;
    SetLastError(UNTOUCHED);
    snprintf(name, sizeof name, "%s-snapshot", what);
    EQUAL(name, CreateToolhelp32Snapshot(TH32CS_SNAPHEAPLIST, process), INVALID_HANDLE_VALUE);
    snprintf(name, sizeof name, "%s-snapshot-error", what);
    EQUAL(name, GetLastError(), ERROR_INVALID_PARAMETER);
    SetLastError(UNTOUCHED);
    snprintf(name, sizeof name, "%s-first", what);
    EQUAL(name, Heap32First(&entry, process, (ULONG_PTR)heap), FALSE);
    snprintf(name, sizeof name, "%s-first-error", what);
    EQUAL(name, GetLastError(), ERROR_INVALID_PARAMETER);
    CHECK((snprintf(name, sizeof name, "%s-own-first", what), name),
          Heap32First(&entry, GetCurrentProcessId(), (ULONG_PTR)heap));
    entry.th32ProcessID = process;
    SetLastError(UNTOUCHED);
    snprintf(name, sizeof name, "%s-next", what);
    EQUAL(name, Heap32Next(&entry), FALSE);
    snprintf(name, sizeof name, "%s-next-error", what);
    EQUAL(name, GetLastError(), ERROR_INVALID_PARAMETER);
    SetLastError(UNTOUCHED);
    snprintf(name, sizeof name, "%s-read", what);
    EQUAL(name, Toolhelp32ReadProcessMemory(process, heap, &byte, 1, &count), FALSE);
    snprintf(name, sizeof name, "%s-read-error", what);
    EQUAL(name, GetLastError(), ERROR_INVALID_PARAMETER);
    snprintf(name, sizeof name, "%s-read-nothing", what);
    CHECK(name, count == 0 && byte == 7);
}

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return wait_for_the_end();
    HEAPLIST32 list;
    HEAPENTRY32 entry;
    HANDLE heap = HeapCreate(0, 0, 0);
    memset(&list, 0, sizeof list);
    memset(&entry, 0, sizeof entry);
    SetLastError(UNTOUCHED);
    EQUAL("no-flags", CreateToolhelp32Snapshot(0, 0), INVALID_HANDLE_VALUE);
    EQUAL("no-flags-error", GetLastError(), ERROR_INVALID_PARAMETER);
    DWORD living = start_process();
    NEED("a-process", living);
    refused("no-process", 0x7ffffff1, heap);
    refused("living", living, heap);
    end_process(living);
    HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPHEAPLIST, GetCurrentProcessId());
    NEED("snapshot", snapshot != INVALID_HANDLE_VALUE);
    SetLastError(UNTOUCHED);
    EQUAL("list-unsized", Heap32ListFirst(snapshot, &list), FALSE);
    EQUAL("list-unsized-error", GetLastError(), ERROR_BAD_LENGTH);
    SetLastError(UNTOUCHED);
    EQUAL("entry-unsized", Heap32First(&entry, 0, (ULONG_PTR)heap), FALSE);
    EQUAL("entry-unsized-error", GetLastError(), ERROR_BAD_LENGTH);
    SetLastError(UNTOUCHED);
    EQUAL("list-next-unsized", Heap32ListNext(snapshot, &list), FALSE);
    EQUAL("list-next-unsized-error", GetLastError(), ERROR_BAD_LENGTH);
    SetLastError(UNTOUCHED);
    EQUAL("entry-next-unsized", Heap32Next(&entry), FALSE);
    EQUAL("entry-next-unsized-error", GetLastError(), ERROR_BAD_LENGTH);
    SetLastError(UNTOUCHED);
    EQUAL("list-null", Heap32ListFirst(snapshot, NULL), FALSE);
    EQUAL("list-null-error", GetLastError(), ERROR_INVALID_PARAMETER);
    SetLastError(UNTOUCHED);
    EQUAL("list-next-null", Heap32ListNext(snapshot, NULL), FALSE);
    EQUAL("list-next-null-error", GetLastError(), ERROR_INVALID_PARAMETER);
    SetLastError(UNTOUCHED);
    EQUAL("entry-null", Heap32First(NULL, 0, (ULONG_PTR)heap), FALSE);
    EQUAL("entry-null-error", GetLastError(), ERROR_INVALID_PARAMETER);
    SetLastError(UNTOUCHED);
    EQUAL("entry-next-null", Heap32Next(NULL), FALSE);
    EQUAL("entry-next-null-error", GetLastError(), ERROR_INVALID_PARAMETER);
    list.dwSize = sizeof list;
    /* Where no block is known yet there is none behind it. */
    entry.dwSize = sizeof entry;
    entry.th32HeapID = (ULONG_PTR)heap;
    SetLastError(UNTOUCHED);
    EQUAL("next-before-first", Heap32Next(&entry), FALSE);
    EQUAL("next-before-first-error", GetLastError(), ERROR_INVALID_DATA);

    /* A snapshot without heaps. */
    HANDLE empty = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    CHECK("empty", empty != INVALID_HANDLE_VALUE);
    SetLastError(UNTOUCHED);
    EQUAL("empty-first", Heap32ListFirst(empty, &list), FALSE);
    EQUAL("empty-first-error", GetLastError(), ERROR_NO_MORE_FILES);
    SetLastError(UNTOUCHED);
    EQUAL("empty-next", Heap32ListNext(empty, &list), FALSE);
    EQUAL("empty-next-error", GetLastError(), ERROR_NO_MORE_FILES);
    CHECK("empty-closed", CloseHandle(empty));
    SetLastError(UNTOUCHED);
    EQUAL("no-snapshot", Heap32ListFirst((HANDLE)heap, &list), FALSE);
    EQUAL("no-snapshot-error", GetLastError(), ERROR_INVALID_HANDLE);
    entry.dwSize = sizeof entry;
    SetLastError(UNTOUCHED);
    EQUAL("no-heap", Heap32First(&entry, 0, 0x12340000), FALSE);
    EQUAL("no-heap-error", GetLastError(), ERROR_INVALID_PARAMETER);

    /* The block that a walk is at goes. */
    void *block = HeapAlloc(heap, 0, 0x10000), *at = HeapAlloc(heap, 0, 0x10000);
    CHECK("allocated", block && at);
    BOOL more = Heap32First(&entry, 0, (ULONG_PTR)heap);
    while (more && entry.dwAddress != (ULONG_PTR)at)
        more = Heap32Next(&entry);
    NEED("at-the-block", more);
    CHECK("freed", HeapFree(heap, 0, block) && HeapFree(heap, 0, at));
    SetLastError(UNTOUCHED);
    EQUAL("gone", Heap32Next(&entry), FALSE);
    EQUAL("gone-error", GetLastError(), ERROR_INVALID_DATA);
    CHECK("destroyed", HeapDestroy(heap));
    SetLastError(UNTOUCHED);
    EQUAL("destroyed-heap", Heap32First(&entry, 0, (ULONG_PTR)heap), FALSE);
    EQUAL("destroyed-heap-error", GetLastError(), ERROR_INVALID_PARAMETER);
    CHECK("closed", CloseHandle(snapshot));
    return finish();
}
