/* A stack that overflows raises STATUS_STACK_OVERFLOW, once, and a thread that asked for
 * room for its handlers has it then, and goes on elsewhere. */
#include "pages.h"
#include <stdlib.h>

#define ROOM 0x10000u

/* Where a thread goes on that has overflowed its stack. */
struct thread_state {
    void (*function)(void);
    ULONG_PTR *stack;
};

static struct thread_state *volatile running;
static volatile LONG overflows, others, at_instruction, inside_handler;
static volatile SIZE_T deepest = (SIZE_T)-1;

static LONG CALLBACK on_exception(EXCEPTION_POINTERS *exception)
{
    CONTEXT *context = exception->ContextRecord;
    volatile char room[ROOM / 2];
    if ((DWORD)exception->ExceptionRecord->ExceptionCode != (DWORD)STATUS_STACK_OVERFLOW) {
        others++;
        return EXCEPTION_CONTINUE_SEARCH;
    }
    overflows++;
    if ((ULONG_PTR)exception->ExceptionRecord->ExceptionAddress == context->Rip)
        at_instruction++;
    /* The room can be used, and the page layer called. */
    for (SIZE_T i = 0; i < sizeof room; i += 0x800)
        room[i] = 1;
    void *pages = VirtualAlloc(NULL, PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    if (pages && VirtualFree(pages, 0, MEM_RELEASE) && room[0x1000] == 1)
        inside_handler++;
    context->Rip = (ULONG_PTR)running->function;
    context->Rsp = (ULONG_PTR)running->stack;
    return EXCEPTION_CONTINUE_EXECUTION;
}

static SIZE_T go_down(SIZE_T depth)
{
    volatile char frame[512];
    frame[0] = (char)depth;
    if (depth == deepest)
        return 0;
    return go_down(depth + 1) + (SIZE_T)frame[0];
}

/* Overflows the thread's stack, and goes on in a function that does not return. */
static void overflow(struct thread_state *state, void (*function)(void))
{
    char local;
    ULONG_PTR place = ((ULONG_PTR)&local - 0x4000) & ~(ULONG_PTR)15;
    /* As a call leaves it, from nowhere. */
    state->stack = (ULONG_PTR *)(place - sizeof place);
    *state->stack = 0;
    state->function = function;
    running = state;
    go_down(0);
}

static struct thread_state of_main, of_thread;
static volatile LONG thread_asked, thread_before, thread_overflows;

static void end_thread(void)
{
    thread_overflows = overflows;
#ifdef _WIN32
    ExitThread(0);
#else
    pthread_exit(NULL);
#endif
}

static void in_thread(struct helper *helper)
{
    ULONG bytes = ROOM;
    (void)helper;
    thread_asked = SetThreadStackGuarantee(&bytes);
    thread_before = (LONG)bytes;
    overflow(&of_thread, end_thread);
}

static void end(void)
{
    EQUAL("overflows", overflows, 2);
    EQUAL("no-others", others, 0);
    EQUAL("at-the-instruction", at_instruction, 2);
    EQUAL("room-for-handlers", inside_handler, 2);
    exit(finish());
}

int main(void)
{
    ULONG bytes = 0;
    NEED("handler", AddVectoredExceptionHandler(1, on_exception));
    CHECK("asked", SetThreadStackGuarantee(&bytes));
    EQUAL("none-before", bytes, 0);
    bytes = ROOM;
    CHECK("room", SetThreadStackGuarantee(&bytes));
    EQUAL("room-before", bytes, 0);
    bytes = 0;
    CHECK("asked-again", SetThreadStackGuarantee(&bytes));
    CHECK("room-then", bytes >= ROOM);
    ULONG room = bytes;
    bytes = 0x1000;
    CHECK("less", SetThreadStackGuarantee(&bytes));
    EQUAL("less-before", bytes, room);
    bytes = 0;
    CHECK("asked-after-less", SetThreadStackGuarantee(&bytes));
    EQUAL("not-less", bytes, room);
    bytes = 0x7FFFFFFF;
    CHECK("more-than-the-stack", !SetThreadStackGuarantee(&bytes));

    struct helper thread;
    start(&thread, NULL, NULL, in_thread);
    join(&thread);
    EQUAL("thread-asked", thread_asked, TRUE);
    EQUAL("thread-none-before", thread_before, 0);
    EQUAL("thread-overflows", thread_overflows, 1);
    overflow(&of_main, end);
    return 1;
}
