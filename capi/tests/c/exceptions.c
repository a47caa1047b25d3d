/* Handlers of exceptions that leave by longjmp, over and over, from several
 * threads at a time: no lock stays taken, no heap is harmed, and the handlers
 * stay what they were. */
#include "check.h"
#include <pthread.h>
#include <setjmp.h>
#include <windows.h>

#include "../../include/ntrtlheap.h"

#define ROUNDS 20000

static __thread jmp_buf out;
static __thread DWORD code;
static __thread int continued;

static LONG NTAPI leaving(EXCEPTION_POINTERS *pointers)
{
    EXCEPTION_RECORD *record = pointers->ExceptionRecord;
    if (record->ExceptionCode == 0xE0000001)
        return EXCEPTION_CONTINUE_SEARCH;
    code = record->ExceptionCode;
    longjmp(out, 1);
}

static LONG NTAPI going_on(EXCEPTION_POINTERS *pointers)
{
    CHECK(pointers->ExceptionRecord->ExceptionCode == 0xE0000001);
    CHECK(pointers->ExceptionRecord->NumberParameters == 2);
    CHECK(pointers->ExceptionRecord->ExceptionInformation[1] == 22);
    continued++;
    return EXCEPTION_CONTINUE_EXECUTION;
}

static HANDLE shared;

/* Each way to raise; the code that it must raise. */
static DWORD raise_one(int way, HANDLE own, void *block)
{
    PVOID array[3];
    static const ULONG_PTR numbers[2] = {11, 22};
    switch (way) {
    case 0:
        HeapAlloc(shared, HEAP_GENERATE_EXCEPTIONS, ~(SIZE_T)0);
        break;
    case 1:
        HeapAlloc(own, 0, ~(SIZE_T)0 / 2);
        break;
    case 2:
        HeapReAlloc(own, 0, block, ~(SIZE_T)0);
        break;
    case 3:
        RtlMultipleAllocateHeap(own, 0, ~(SIZE_T)0, 3, array);
        break;
    case 4:
        HeapAlloc(NULL, HEAP_GENERATE_EXCEPTIONS, 10);
        break;
    case 5:
        HeapReAlloc(own, 0, (char *)block + 8, 10);
        break;
    case 6:
        RaiseException(0xC1234567, EXCEPTION_NONCONTINUABLE, 0, NULL);
        break;
    default:
        RaiseException(0xE0000001, 0, 2, numbers);
        return 0;
    }
    _exit(98); /* None of these returns. */
}

static const DWORD codes[] = {0xC0000017, 0xC0000017, 0xC0000017, 0xC0000017,
                              0xC0000005, 0xC0000005, 0xC1234567, 0};

static void *raising(void *argument)
{
    HANDLE own = HeapCreate(HEAP_GENERATE_EXCEPTIONS, 0, 0);
    char *volatile block = HeapAlloc(own, 0, 100);
    CHECK(own && block);
    memset(block, 5, 100);
    for (volatile int round = 0; round < ROUNDS; round++) {
        int way = round % 8;
        code = 0;
        if (!setjmp(out))
            CHECK(raise_one(way, own, block) == 0);
        CHECK(code == codes[round % 8]);
        CHECK(HeapFree(shared, 0, HeapAlloc(shared, 0, 64)));
        if (round % 64 == 0) {
            CHECK(HeapSize(own, 0, block) == 100 && block[99] == 5);
            CHECK(HeapValidate(own, 0, NULL) && HeapLock(own) && HeapUnlock(own));
        }
    }
    CHECK(continued == ROUNDS / 8);
    CHECK(HeapDestroy(own));
    return argument;
}

int main(void)
{
    shared = HeapCreate(0, 0, 0);
    CHECK(shared);
    PVOID last = AddVectoredExceptionHandler(0, going_on);
    PVOID first = AddVectoredExceptionHandler(1, leaving);
    CHECK(first && last);
    pthread_t threads[3];
    for (int i = 0; i < 3; i++)
        CHECK(pthread_create(&threads[i], NULL, raising, NULL) == 0);
    for (int i = 0; i < 3; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    CHECK(HeapValidate(shared, 0, NULL) && HeapDestroy(shared));
    CHECK(RemoveVectoredExceptionHandler(first) && RemoveVectoredExceptionHandler(last));
    CHECK(write(1, "done\n", 5) == 5);
    return 0;
}
