/* Programs with a bug each, to be found by global flags.
 *
 *     bugs CASE|list
 *
 * Before the wrong call the addresses that its report may name go to standard
 * output, a line each: NAME ADDRESS. After it, `went on`. */
#define _GNU_SOURCE
#include "check.h"
#include <malloc.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <windows.h>

static void tell(const char *name, const void *address)
{
    char text[100];
    int length = snprintf(text, sizeof text, "%s %#zx\n", name, (size_t)address);
    CHECK(write(1, text, (size_t)length) == length);
}

/* Where the compiler does not see what is wrong with it. */
static char *hidden(const void *address)
{
    __asm__ volatile("" : "+r"(address));
    return (char *)(uintptr_t)address;
}

/* The functions that reports' stacks go through. */
static char *make(size_t size)
{
    char *block = malloc(size);
    CHECK(block);
    tell("block", block);
    return hidden(block);
}

static char *make_next(size_t size)
{
    char *block = malloc(size);
    CHECK(block);
    tell("next", block);
    return hidden(block);
}

static void drop(char *block)
{
    free(hidden(block));
}

static HANDLE heap_named(const char *name)
{
    HANDLE heap = HeapCreate(0, 0, 0);
    CHECK(heap);
    tell(name, heap);
    return heap;
}

static char *make_in(HANDLE heap, size_t size)
{
    char *block = HeapAlloc(heap, 0, size);
    CHECK(block);
    tell("block", block);
    return hidden(block);
}

static void in_thread(const char *name, void *(*body)(void *), void *argument)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, body, argument) == 0);
    (void)name;
    CHECK(pthread_join(thread, NULL) == 0);
}

/* Overruns. */
static void overrun_by_one(void)
{
    char *block = make(24);
    block[24] = 1;
    drop(block);
}
static void overrun_by_many(void)
{
    char *block = make(100);
    memset(block + 100, 'x', 40);
    drop(block);
}
static void overrun_by_a_zero(void)
{
    static const char text[] = "twelve bytes";
    char *block = make(strlen(text));
    strcpy(block, text);
    drop(block);
}
static void overrun_far(void)
{
    char *block = make(24);
    block[24 + 20] = 0x7f;
    drop(block);
}
static void overrun_of_nothing(void)
{
    char *block = make(0);
    block[0] = 1;
    drop(block);
}
static void overrun_seen_by_realloc(void)
{
    char *block = make(50);
    block[51] = 2;
    CHECK(realloc(block, 500));
}
static void overrun_after_realloc(void)
{
    char *block = realloc(malloc(10), 20);
    tell("block", block);
    hidden(block)[20] = 3;
    drop(block);
}
static void overrun_after_shrinking(void)
{
    char *block = realloc(malloc(200), 20);
    tell("block", block);
    hidden(block)[21] = 3;
    drop(block);
}
static void overrun_of_calloc(void)
{
    char *block = calloc(3, 7);
    tell("block", block);
    hidden(block)[21] = 9;
    drop(block);
}
static void overrun_of_aligned(void)
{
    void *block = NULL;
    CHECK(posix_memalign(&block, 256, 100) == 0);
    tell("block", block);
    hidden(block)[100] = 4;
    drop(block);
}
static void overrun_seen_by_size(void)
{
    HANDLE heap = heap_named("heap");
    char *block = make_in(heap, 30);
    block[30] = 5;
    HeapSize(heap, 0, block);
}
static void overrun_in_heap(void)
{
    HANDLE heap = heap_named("heap");
    char *block = make_in(heap, 30);
    block[33] = 5;
    HeapFree(heap, 0, block);
}
static void overrun_seen_by_another_call(void)
{
    char *block = make(40);
    block[40] = 6;
    make_next(8);
}
static void overrun_of_a_megabyte(void)
{
    char *block = make(900000);
    block[900000] = 6;
    drop(block);
}

/* Underruns. */
static void underrun_by_one(void)
{
    make_next(24);
    char *block = make(24);
    block[-1] = 1;
    drop(block);
}
static void underrun_by_eight(void)
{
    make_next(24);
    char *block = make(24);
    memset(block - 8, 0x55, 8);
    drop(block);
}
static void underrun_seen_by_realloc(void)
{
    make_next(24);
    char *block = make(64);
    block[-3] = 1;
    CHECK(realloc(block, 6400));
}
static void underrun_into_a_free_block(void)
{
    char *before = make_next(100);
    char *block = make(64);
    free(before);
    block[-2] = 1;
    drop(block);
}

/* Writes to freed blocks. */
static void late_write(void)
{
    char *block = make(48);
    drop(block);
    block[20] = 7;
    make_next(48);
}
static void late_write_of_many(void)
{
    char *block = make(128);
    drop(block);
    memset(block + 32, 'y', 64);
    make_next(128);
}
static void late_write_by_another_size(void)
{
    char *block = make(200);
    drop(block);
    block[40] = 7;
    make_next(60);
}
static void late_write_seen_by_any_call(void)
{
    char *block = make(500), *other = make_next(10);
    drop(block);
    block[300] = 8;
    free(other);
}
static void late_write_after_moving(void)
{
    char *block = make(48);
    CHECK(malloc(16));
    CHECK(realloc(block, 4000) != block);
    block[17] = 9;
    make_next(48);
}
static void late_write_in_heap(void)
{
    HANDLE heap = heap_named("heap");
    char *block = make_in(heap, 64);
    CHECK(HeapFree(heap, 0, block));
    block[16] = 1;
    CHECK(HeapAlloc(heap, 0, 64));
}

/* And a read of one. */
static void read_after_free(void)
{
    char *block = make(64);
    drop(block);
    CHECK(block[10] != 1);
}

/* Frees of what is free. */
static void freed_twice(void)
{
    char *block = make(24);
    drop(block);
    drop(block);
}
static void freed_twice_later(void)
{
    char *block = make(24);
    drop(block);
    for (int i = 0; i < 100; i++)
        drop(malloc(1000));
    drop(block);
}
static void *free_here(void *block)
{
    pthread_setname_np(pthread_self(), "other");
    drop(block);
    return NULL;
}
static void freed_twice_by_two_threads(void)
{
    char *block = make(24);
    in_thread("other", free_here, block);
    drop(block);
}
static void freed_twice_of_large(void)
{
    char *block = make(3000000);
    drop(block);
    drop(block);
}
static void freed_twice_in_heap(void)
{
    HANDLE heap = heap_named("heap");
    char *block = make_in(heap, 30);
    CHECK(HeapFree(heap, 0, block));
    HeapFree(heap, 0, block);
}
static void freed_twice_by_realloc(void)
{
    char *block = make(24);
    CHECK(!realloc(block, 0));
    drop(block);
}
static void realloc_of_freed(void)
{
    char *block = make(24);
    drop(block);
    CHECK(!realloc(block, 50));
}
static void size_of_freed(void)
{
    char *block = make(24);
    drop(block);
    CHECK(malloc_usable_size(block) == 0);
}
static void heap_size_of_freed(void)
{
    HANDLE heap = heap_named("heap");
    char *block = make_in(heap, 30);
    CHECK(HeapFree(heap, 0, block));
    HeapSize(heap, 0, block);
}

/* Frees of what is no block. */
static void free_of_inside(void)
{
    drop(make(100) + 16);
}
static void free_of_inside_by_one(void)
{
    drop(make(100) + 1);
}
static void free_of_the_end(void)
{
    drop(make(96) + 96);
}
static void free_of_static(void)
{
    static char bytes[64];
    tell("static", bytes);
    drop(bytes + 16);
}
static void free_of_stack(void)
{
    char bytes[64] = "";
    tell("stack", bytes);
    drop(bytes);
}
static void realloc_of_inside(void)
{
    CHECK(!realloc(make(100) + 32, 200));
}
static void realloc_of_static(void)
{
    static char bytes[64];
    tell("static", bytes);
    CHECK(!realloc(hidden(bytes), 200));
}
static void free_of_inside_large(void)
{
    drop(make(3000000) + 4096);
}

/* Heaps that are not the block's, and such as are none. */
static void other_heap(void)
{
    HANDLE first = heap_named("first"), second = heap_named("second");
    HeapFree(second, 0, make_in(first, 40));
}
static void other_heap_resizes(void)
{
    HANDLE first = heap_named("first"), second = heap_named("second");
    CHECK(!HeapReAlloc(second, 0, make_in(first, 40), 50));
}
static void heap_block_to_free(void)
{
    HANDLE first = heap_named("first");
    drop(make_in(first, 40));
}
static void malloc_block_to_heap(void)
{
    HANDLE first = heap_named("first");
    HeapFree(first, 0, make(40));
}
static void destroyed_heap_allocates(void)
{
    HANDLE heap = heap_named("heap");
    CHECK(HeapDestroy(heap));
    CHECK(!HeapAlloc(heap, 0, 10));
}
static void destroyed_heap_frees(void)
{
    HANDLE heap = heap_named("heap");
    char *block = make_in(heap, 10);
    CHECK(HeapDestroy(heap));
    HeapFree(heap, 0, block);
}
static void destroyed_twice(void)
{
    HANDLE heap = heap_named("heap");
    CHECK(HeapDestroy(heap));
    HeapDestroy(heap);
}
static void block_of_destroyed_heap(void)
{
    HANDLE heap = heap_named("heap");
    char *block = make_in(heap, 10);
    CHECK(HeapDestroy(heap));
    drop(block);
}
static void handle_of_nothing(void)
{
    static char garbage[64];
    tell("garbage", garbage);
    CHECK(!HeapAlloc(garbage, 0, 10));
}
static void process_heap_destroyed(void)
{
    HeapDestroy(GetProcessHeap());
}

/* Sizes that nobody means. */
static void negative_size(void)
{
    volatile int length = -5;
    CHECK(!malloc((size_t)length));
}
static void negative_size_in_heap(void)
{
    HANDLE heap = heap_named("heap");
    CHECK(!HeapAlloc(heap, 0, (size_t)-100));
}

/* Two threads in a heap for one. */
static HANDLE shared;
static void *use_shared(void *argument)
{
    pthread_setname_np(pthread_self(), argument);
    for (;;)
        CHECK(HeapAlloc(shared, 0, 20));
    return NULL;
}
static void race(void)
{
    pthread_t first, second;
    static char one[] = "one", two[] = "two";
    shared = HeapCreate(HEAP_NO_SERIALIZE, 0, 0);
    tell("heap", shared);
    CHECK(pthread_create(&first, NULL, use_shared, one) == 0);
    CHECK(pthread_create(&second, NULL, use_shared, two) == 0);
    CHECK(pthread_join(first, NULL) == 0);
}

/* What a read of uninitialised memory finds. */
static void uninitialised_read(void)
{
    unsigned *block = (unsigned *)(void *)make(24);
    CHECK(block[3] == 0xBAADF00D);
}

/* Pointers that nobody wrote. */
struct node {
    long number;
    void (*run)(void);
    struct node *next;
    unsigned index;
    unsigned short_pointer;
};

static struct node *make_node(void)
{
    struct node *node = (struct node *)(void *)make(sizeof *node);
    node->number = 1;
    return node;
}

static void pointer_never_set(void)
{
    struct node *node = make_node();
    CHECK(node->next->number != 7);
}

static void pointer_never_set_for_a_write(void)
{
    struct node *node = make_node();
    node->next->index = 7;
}

static void index_never_set(void)
{
    static long table[4];
    struct node *node = make_node();
    CHECK(table[node->index] != 7);
}

static void short_pointer_never_set(void)
{
    struct node *node = make_node();
    CHECK(*(char *)(uintptr_t)node->short_pointer != 7);
}

static void function_never_set(void)
{
    struct node *node = make_node();
    node->run();
}

static void free_of_a_pointer_never_set(void)
{
    struct node *node = make_node();
    drop((char *)node->next);
}

static void pointer_in_a_freed_block(void)
{
    struct node *node = make_node();
    node->next = node;
    drop((char *)node);
    CHECK(node->next->number != 7);
}

static void pointer_past_the_end(void)
{
    struct node **nodes = (struct node **)(void *)make(2 * sizeof *nodes);
    nodes[0] = nodes[1] = NULL;
    CHECK(nodes[2]->number != 7);
}

/* A thread that ends by the system call: nothing that was to run at its end does. */
static void *ends_at_once(void *unused)
{
    pthread_setname_np(pthread_self(), "hasty");
    make(100);
    free(make_next(200));
    syscall(SYS_exit, 0);
    return unused;
}

static void thread_without_exit_hooks(void)
{
    in_thread("hasty", ends_at_once, NULL);
}

/* And one that ends as it should. */
static void *ends_well(void *unused)
{
    make(100);
    return unused;
}

static void thread_with_exit_hooks(void)
{
    int i;
    for (i = 0; i < 20; i++)
        in_thread("well", ends_well, NULL);
    if (fork() == 0)
        exit(0);
    CHECK(wait(NULL) > 0);
}

/* Nothing wrong: blocks with tags of their calls', and one of the program's. */
static void tagged(void)
{
    char *block;
    int i;
    for (i = 0; i < 3; i++)
        CHECK(HeapAlloc(GetProcessHeap(), 5 << 18, 100));
    block = HeapReAlloc(GetProcessHeap(), 0, HeapAlloc(GetProcessHeap(), 7 << 18, 16), 4000);
    CHECK(block);
    drop(malloc(10));
    CHECK(make(1000));
}

/* Nothing wrong. */
static void nothing(void)
{
    HANDLE heap = heap_named("heap"), one = HeapCreate(HEAP_NO_SERIALIZE, 0, 0);
    uint64_t state = 1;
    static char *blocks[64];
    for (int i = 0; i < 20000; i++) {
        uint32_t pick = next_random(&state) % 64;
        HANDLE of = pick % 2 ? heap : one;
        size_t size = next_random(&state) % 3000;
        if (blocks[pick] && i % 3) {
            CHECK(HeapFree(of, 0, blocks[pick]));
            blocks[pick] = NULL;
        } else if (blocks[pick]) {
            blocks[pick] = HeapReAlloc(of, 0, blocks[pick], size);
            CHECK(blocks[pick]);
            memset(blocks[pick], 1, size);
        } else {
            blocks[pick] = HeapAlloc(of, i % 5 ? 0 : HEAP_ZERO_MEMORY, size);
            CHECK(blocks[pick]);
            memset(blocks[pick], 2, size);
        }
    }
    CHECK(HeapValidate(heap, 0, NULL) && HeapValidate(one, 0, NULL));
}

#define CASE(name) {#name, name}
static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    CASE(overrun_by_one), CASE(overrun_by_many), CASE(overrun_by_a_zero), CASE(overrun_far),
    CASE(overrun_of_nothing), CASE(overrun_seen_by_realloc), CASE(overrun_after_realloc),
    CASE(overrun_after_shrinking), CASE(overrun_of_calloc), CASE(overrun_of_aligned),
    CASE(overrun_seen_by_size), CASE(overrun_in_heap), CASE(overrun_seen_by_another_call),
    CASE(overrun_of_a_megabyte), CASE(underrun_by_one), CASE(underrun_by_eight),
    CASE(underrun_seen_by_realloc), CASE(underrun_into_a_free_block), CASE(late_write),
    CASE(late_write_of_many), CASE(late_write_by_another_size), CASE(late_write_seen_by_any_call),
    CASE(late_write_after_moving), CASE(late_write_in_heap), CASE(read_after_free), CASE(freed_twice),
    CASE(freed_twice_later), CASE(freed_twice_by_two_threads), CASE(freed_twice_of_large),
    CASE(freed_twice_in_heap), CASE(freed_twice_by_realloc), CASE(realloc_of_freed),
    CASE(size_of_freed), CASE(heap_size_of_freed), CASE(free_of_inside),
    CASE(free_of_inside_by_one), CASE(free_of_the_end), CASE(free_of_static), CASE(free_of_stack),
    CASE(realloc_of_inside), CASE(realloc_of_static), CASE(free_of_inside_large), CASE(other_heap),
    CASE(other_heap_resizes), CASE(heap_block_to_free), CASE(malloc_block_to_heap),
    CASE(destroyed_heap_allocates), CASE(destroyed_heap_frees), CASE(destroyed_twice),
    CASE(block_of_destroyed_heap), CASE(handle_of_nothing), CASE(process_heap_destroyed),
    CASE(negative_size), CASE(negative_size_in_heap), CASE(race), CASE(uninitialised_read),
    CASE(pointer_never_set), CASE(pointer_never_set_for_a_write), CASE(index_never_set),
    CASE(short_pointer_never_set), CASE(function_never_set), CASE(free_of_a_pointer_never_set),
    CASE(pointer_in_a_freed_block), CASE(pointer_past_the_end),
    CASE(thread_without_exit_hooks), CASE(thread_with_exit_hooks), CASE(tagged),
    CASE(nothing),
};

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    size_t count = sizeof cases / sizeof *cases;
    if (strcmp(argv[1], "list") == 0) {
        for (size_t i = 0; i < count; i++)
            CHECK(write(1, cases[i].name, strlen(cases[i].name)) > 0 && write(1, "\n", 1) == 1);
        return 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(argv[1], cases[i].name) == 0) {
            tell("process", GetProcessHeap());
            cases[i].run();
            CHECK(write(1, "went on\n", 8) == 8);
            return 0;
        }
    }
    CHECK(!"a case of this name");
    return 1;
}
