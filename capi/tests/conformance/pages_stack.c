/* The stack of the first thread: reserved below, then guard pages, then what is
 * committed; and arrays on it are in one region. */
#include "pages.h"

static SIZE_T deeper(void)
{
    volatile char array[100000];
    array[0] = 1;
    array[sizeof array - 1] = 1;
    MEMORY_BASIC_INFORMATION info = query((const void *)array);
    return info.State == MEM_COMMIT ? (SIZE_T)info.AllocationBase : 0;
}

static MEMORY_BASIC_INFORMATION thread_here, thread_lowest;

/* What a thread's own stack is told to be. */
static void look(struct helper *helper)
{
    (void)helper;
    char local = 0;
    thread_here = query(&local);
    thread_lowest = query(thread_here.AllocationBase);
}

int main(void)
{
    char local = 0;
    MEMORY_BASIC_INFORMATION here = query(&local);
    char *base = (char *)here.AllocationBase;
    EQUAL("here", here.State, MEM_COMMIT);
    EQUAL("here-protection", here.Protect, PAGE_READWRITE);
    EQUAL("here-first-protection", here.AllocationProtect, PAGE_READWRITE);
    EQUAL("here-type", here.Type, MEM_PRIVATE);
    NEED("base", base);
    MEMORY_BASIC_INFORMATION info = query(base);
    EQUAL("lowest", info.State, MEM_RESERVE);
    EQUAL("lowest-reservation", info.AllocationBase, base);
    char *guard = base + info.RegionSize;
    info = query(guard);
    EQUAL("guard", info.Protect, PAGE_READWRITE | PAGE_GUARD);
    EQUAL("guard-state", info.State, MEM_COMMIT);
    EQUAL("guard-reservation", info.AllocationBase, base);
    char *committed = guard + info.RegionSize;
    info = query(committed);
    EQUAL("committed", info.Protect, PAGE_READWRITE);
    CHECK("here-inside", &local >= committed && &local < committed + info.RegionSize);
    CHECK("a-megabyte", (SIZE_T)(committed + info.RegionSize - base) >= 0x100000);
    EQUAL("deeper", deeper(), base);

    struct helper thread;
    start(&thread, NULL, NULL, look);
    join(&thread);
    EQUAL("thread", thread_here.State, MEM_COMMIT);
    EQUAL("thread-protection", thread_here.Protect, PAGE_READWRITE);
    EQUAL("thread-type", thread_here.Type, MEM_PRIVATE);
    CHECK("thread-own", thread_here.AllocationBase && thread_here.AllocationBase != base);
    EQUAL("thread-lowest", thread_lowest.State, MEM_RESERVE);
    EQUAL("thread-lowest-reservation", thread_lowest.AllocationBase, thread_here.AllocationBase);
    return finish();
}
