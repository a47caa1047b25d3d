/* What the conformance programs share. Each runs twice: with the project's
 * headers and libraries, and with MinGW's under Wine.
 *
 * A program prints `ok NAME` or `FAIL NAME: what was wrong` for each check,
 * `done N` when it came to its end, and exits with 1 if a check failed. What it
 * prints goes through no heap. */
#ifndef CONFORMANCE_CHECK_H
#define CONFORMANCE_CHECK_H

/* COM in C, in C++ as well. */
#define CINTERFACE
#define COBJMACROS

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

/* The project's header serves on Windows too; the folder it is in must not be
 * searched there. */
#include "../../include/ntrtlheap.h"
#include "../../include/ntsection.h"

#ifdef _WIN32
#include <io.h>
#define write_out(bytes, length) _write(1, (bytes), (unsigned)(length))
#else
#include <pthread.h>
#include <time.h>
#include <unistd.h>
#define write_out(bytes, length) write(1, (bytes), (size_t)(length))
#endif

#define HELPER __attribute__((unused)) static

/* A last error that nothing sets. */
#define UNTOUCHED 0xDEADBEEFu

HELPER int checks_made, checks_failed;

__attribute__((unused, format(printf, 1, 2))) static void say(const char *format, ...)
{
    static char line[512];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (write_out(line, length) != length)
        checks_failed++;
}

HELPER BOOL check(const char *name, BOOL holds, const char *condition)
{
    checks_made++;
    if (holds) {
        say("ok %s\n", name);
    } else {
        checks_failed++;
        say("FAIL %s: not so: %s\n", name, condition);
    }
    return holds;
}

HELPER BOOL check_equal(const char *name, ULONG_PTR got, ULONG_PTR want)
{
    checks_made++;
    if (got == want) {
        say("ok %s\n", name);
    } else {
        checks_failed++;
        say("FAIL %s: got 0x%llx, want 0x%llx\n", name, (unsigned long long)got,
            (unsigned long long)want);
    }
    return got == want;
}

/* Says that something holds. */
#define CHECK(name, condition) check(name, (condition) ? TRUE : FALSE, #condition)
/* Says that two numbers or addresses are equal. */
#define EQUAL(name, got, want) check_equal(name, (ULONG_PTR)(got), (ULONG_PTR)(want))
/* Ends the program when what the rest of it needs does not hold. */
#define NEED(name, condition)                                                                      \
    do {                                                                                           \
        if (!CHECK(name, condition))                                                               \
            return finish();                                                                       \
    } while (0)

HELPER int finish(void)
{
    say("done %d\n", checks_made);
    return checks_failed != 0;
}

/* The path of a file that the program may make, and removes at its end. */
HELPER const char *scratch(const char *name)
{
    static char path[260];
#ifdef _WIN32
    snprintf(path, sizeof path, "%s.tmp", name);
#else
    snprintf(path, sizeof path, "/tmp/conformance-%d-%s.tmp", (int)getpid(), name);
#endif
    return path;
}

/* Makes a file of `size` bytes, which say where they are; whether it did. */
HELPER BOOL make_file(const char *path, long size)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return FALSE;
    for (long i = 0; i < size; i++)
        fputc((int)(i % 251), file);
    return fclose(file) == 0;
}

/* Opens a file with these rights, for sharing. */
HELPER HANDLE open_file(const char *path, DWORD access)
{
    return CreateFileA(path, access, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                       OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, NULL);
}

/* Makes a section of memory. */
HELPER HANDLE make_section(DWORD protect, DWORD size)
{
    return CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, protect, 0, size, NULL);
}

/* An address `bytes` behind another. */
HELPER char *behind(const void *address, SIZE_T bytes)
{
    return (char *)address + bytes;
}

HELPER SIZE_T round_up(SIZE_T value, SIZE_T unit)
{
    return (value + unit - 1) / unit * unit;
}

/* Where the reservation begins that an address is in. */
HELPER char *reservation(const void *address)
{
    MEMORY_BASIC_INFORMATION info;
    if (VirtualQuery(address, &info, sizeof info) != sizeof info)
        return NULL;
    return (char *)info.AllocationBase;
}

/* How long that reservation is. */
HELPER SIZE_T reserved(const void *address)
{
    char *base = reservation(address), *at = base;
    MEMORY_BASIC_INFORMATION info;
    while (base && VirtualQuery(at, &info, sizeof info) == sizeof info &&
           info.AllocationBase == base)
        at += info.RegionSize;
    return (SIZE_T)(at - base);
}

/* Walks a heap into `entries`; how many there are, also when `limit` of them do
 * not hold all. The last error is what the walk ended with. */
HELPER SIZE_T walk(HANDLE heap, PROCESS_HEAP_ENTRY *entries, SIZE_T limit)
{
    PROCESS_HEAP_ENTRY entry;
    SIZE_T count = 0;
    memset(&entry, 0, sizeof entry);
    SetLastError(UNTOUCHED);
    for (; HeapWalk(heap, &entry); count++) {
        if (count < limit)
            entries[count] = entry;
        if (count > 1000000)
            break;
    }
    return count;
}

/* The entry of a walk for a block, or NULL. A region may start with one. */
HELPER PROCESS_HEAP_ENTRY *entry_of(PROCESS_HEAP_ENTRY *entries, SIZE_T count, const void *block)
{
    for (SIZE_T i = 0; i < count; i++) {
        if (entries[i].lpData == block && !(entries[i].wFlags & PROCESS_HEAP_REGION))
            return &entries[i];
    }
    return NULL;
}

/* HeapCompatibilityInformation, or 0xFFFFFFFF. */
HELPER ULONG compatibility(HANDLE heap)
{
    ULONG value = 0xFFFFFFFFu;
    if (!HeapQueryInformation(heap, HeapCompatibilityInformation, &value, sizeof value, NULL))
        return 0xFFFFFFFFu;
    return value;
}

/* Allocates `count` blocks of a size, at most 256, and frees them in that order. */
HELPER BOOL allocate_and_free(HANDLE heap, SIZE_T size, int count)
{
    void *blocks[256];
    BOOL all = TRUE;
    for (int i = 0; i < count; i++)
        all = all && (blocks[i] = HeapAlloc(heap, 0, size)) != NULL;
    for (int i = 0; all && i < count; i++)
        all = HeapFree(heap, 0, blocks[i]);
    return all;
}

HELPER void pause_ms(unsigned milliseconds)
{
#ifdef _WIN32
    Sleep(milliseconds);
#else
    struct timespec time = {milliseconds / 1000, (long)(milliseconds % 1000) * 1000000};
    nanosleep(&time, NULL);
#endif
}

/* A thread that does one thing to a heap; `ended` is set when it has done it. */
struct helper {
    void (*act)(struct helper *helper);
    HANDLE heap;
    void *block;
    int go_on, ended;
#ifdef _WIN32
    HANDLE thread;
#else
    pthread_t thread;
#endif
};

HELPER void set(int *flag)
{
    __atomic_store_n(flag, 1, __ATOMIC_SEQ_CST);
}

/* Waits until a flag is set, for `milliseconds`; whether it is. */
HELPER BOOL is_set_within(int *flag, unsigned milliseconds)
{
    for (unsigned waited = 0; !__atomic_load_n(flag, __ATOMIC_SEQ_CST); waited++) {
        if (waited >= milliseconds)
            return FALSE;
        pause_ms(1);
    }
    return TRUE;
}

/* Long enough for what is to happen, and for seeing that something does not. */
#define SOON 10000
#define WHILE 200

#ifdef _WIN32
HELPER DWORD WINAPI helper_thread(void *argument)
#else
HELPER void *helper_thread(void *argument)
#endif
{
    struct helper *helper = (struct helper *)argument;
    helper->act(helper);
    set(&helper->ended);
    return 0;
}

HELPER void start(struct helper *helper, HANDLE heap, void *block, void (*act)(struct helper *))
{
    memset(helper, 0, sizeof *helper);
    helper->act = act;
    helper->heap = heap;
    helper->block = block;
#ifdef _WIN32
    helper->thread = CreateThread(NULL, 0, helper_thread, helper, 0, NULL);
    if (!helper->thread)
        CHECK("thread-started", FALSE);
#else
    if (pthread_create(&helper->thread, NULL, helper_thread, helper) != 0)
        CHECK("thread-started", FALSE);
#endif
}

/* Waits for the end of a thread that is known to come to it. */
HELPER void join(struct helper *helper)
{
#ifdef _WIN32
    WaitForSingleObject(helper->thread, INFINITE);
    CloseHandle(helper->thread);
#else
    pthread_join(helper->thread, NULL);
#endif
}

#endif
