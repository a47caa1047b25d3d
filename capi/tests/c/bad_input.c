/* Gives the heap what it must not be given. One case a run:
 *
 *     bad_input CASE|all|list
 *
 * Before the wrong call, the addresses that its report may name go to standard
 * output, a line each: NAME ADDRESS. After it, `went on`.
 */
#define _GNU_SOURCE
#include "check.h"
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sys/mman.h>

#define MIB ((size_t)1 << 20)

static void say(const char *name, const void *address)
{
    char text[100];
    int length = snprintf(text, sizeof text, "%s %#zx\n", name, (size_t)address);
    CHECK(write(1, text, (size_t)length) == length);
}

/* Where the compiler does not see what is wrong with it. */
static void *hidden(uintptr_t address)
{
    __asm__ volatile("" : "+r"(address));
    return (void *)address;
}

static void free_at(const char *name, uintptr_t address)
{
    say(name, hidden(address));
    free(hidden(address));
}

static uintptr_t block_of(size_t size)
{
    unsigned char *block = malloc(size);
    CHECK(block);
    memset(block, 0x5a, size);
    say("block", block);
    return (uintptr_t)block;
}

/* Something else of the same size stays, so that the block's neighbours do
 * not all go. */
static uintptr_t block_with_neighbour(size_t size)
{
    void *volatile neighbour = malloc(size);
    CHECK(neighbour);
    return block_of(size);
}

static void case_foreign_mapping(void)
{
    void *mapping = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mapping != MAP_FAILED);
    free_at("mapping", (uintptr_t)mapping);
}

static void case_foreign_static(void)
{
    static char text[4096];
    free_at("static", (uintptr_t)text);
}

static void case_foreign_stack(void)
{
    char text[64];
    free_at("stack", (uintptr_t)text & ~(uintptr_t)15);
}

static void case_foreign_misaligned(void)
{
    static char text[4096] __attribute__((aligned(64)));
    free_at("static", (uintptr_t)text + 1);
}

static void case_foreign_code(void)
{
    free_at("code", (uintptr_t)case_foreign_code);
}

static void case_never_mapped(void)
{
    void *mapping = mmap(NULL, MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mapping != MAP_FAILED && munmap(mapping, MIB) == 0);
    free_at("unmapped", (uintptr_t)mapping);
}

static void case_non_canonical(void)
{
    free_at("wild", 0xdeadbeefcafef00d);
}

static void case_address_one(void)
{
    free_at("one", 1);
}

static void case_address_last(void)
{
    free_at("last", UINTPTR_MAX);
}

static void case_interior_small(void)
{
    uintptr_t block = block_of(64);
    free_at("inside", block + 16);
}

static void case_interior_by_one(void)
{
    uintptr_t block = block_of(64);
    free_at("inside", block + 1);
}

static void case_interior_odd_size(void)
{
    uintptr_t block = block_of(1000);
    free_at("inside", block + 992);
}

static void case_interior_run(void)
{
    uintptr_t block = block_of(40 * 1024);
    free_at("inside", block + 4096);
}

static void case_interior_run_slice(void)
{
    uintptr_t block = block_of(900 * 1024);
    free_at("inside", block + 2 * 65536);
}

static void case_interior_large(void)
{
    uintptr_t block = block_of(3 * MIB + 8);
    free_at("inside", block + 8);
}

static void case_interior_large_page(void)
{
    uintptr_t block = block_of(3 * MIB + 8);
    free_at("inside", block + MIB);
}

static void case_one_past_small(void)
{
    uintptr_t block = block_with_neighbour(64);
    /* The next block was never handed out: the first one of a subsegment is
     * given out first. */
    uintptr_t past = block + malloc_usable_size((void *)block);
    free_at("past", past);
}

static void case_one_past_large(void)
{
    /* The heap has no other block yet that could start there, and the memory right below
     * what it has is nobody's block either: the system maps from the top down. */
    CHECK(mmap(NULL, 4 * MIB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);
    uintptr_t block = block_of(3 * MIB + 8);
    free_at("past", block + malloc_usable_size((void *)block));
}

static void case_never_handed_out(void)
{
    uintptr_t block = block_of(5000);
    free_at("past", block + malloc_usable_size((void *)block));
}

/* The words of the heap's root record, the one place where it can be found
 * from outside. */
static const uintptr_t *root_record(void)
{
    static const char magic[] = "ntheap\0root\0\x1f\xf1\xee\xff";
    char line[512];
    FILE *maps = fopen("/proc/self/maps", "r");
    int memory = open("/proc/self/mem", O_RDONLY);
    CHECK(maps && memory >= 0);
    const uintptr_t *found = NULL;
    while (!found && fgets(line, sizeof line, maps)) {
        char rights[8];
        uintptr_t begin, end;
        CHECK(sscanf(line, "%zx-%zx %7s", &begin, &end, rights) == 3);
        /* A page that may be read can be a guard page all the same. */
        char bytes[16] = "";
        if (strcmp(rights, "rw-p") == 0 && begin % 65536 == 0 &&
            pread(memory, bytes, sizeof bytes, (off_t)begin) == sizeof bytes &&
            memcmp(bytes, magic, 16) == 0)
            found = (const uintptr_t *)begin;
    }
    close(memory);
    fclose(maps);
    CHECK(found);
    return found;
}

/* Anchors follow the magic, two 32-bit numbers and the record's address. */
static uintptr_t anchor(int number)
{
    uintptr_t value = root_record()[4 + number];
    CHECK(value);
    return value;
}

static void case_metadata_root(void)
{
    void *volatile used = malloc(10);
    CHECK(used);
    free_at("root", (uintptr_t)root_record());
}

static void case_metadata_heap(void)
{
    void *volatile used = malloc(10);
    CHECK(used);
    free_at("heap", anchor(0));
}

static void case_metadata_segment(void)
{
    void *volatile used = malloc(10);
    CHECK(used);
    free_at("segment", anchor(1));
}

static void case_metadata_descriptor(void)
{
    block_of(3 * MIB);
    free_at("descriptor", anchor(2));
}

static void case_metadata_table(void)
{
    void *volatile used = malloc(10);
    CHECK(used);
    free_at("table", anchor(3));
}

static void free_twice(uintptr_t block)
{
    free(hidden(block));
    free(hidden(block));
}

static void case_twice_small(void)
{
    free_twice(block_of(64));
}

static void case_twice_tiny(void)
{
    free_twice(block_of(1));
}

static void case_twice_kilobytes(void)
{
    free_twice(block_of(5000));
}

static void case_twice_run(void)
{
    free_twice(block_of(40 * 1024));
}

static void case_twice_aligned(void)
{
    unsigned char *block = aligned_alloc(4096, 5000);
    CHECK(block);
    say("block", block);
    free_twice((uintptr_t)block);
}

static void case_twice_with_another_between(void)
{
    uintptr_t block = block_of(64), other = (uintptr_t)malloc(64);
    free(hidden(block));
    free(hidden(other));
    free(hidden(block));
}

/* So many others of the size are freed meanwhile that the block has left
 * every cache. */
static void case_twice_much_later(void)
{
    enum { OTHERS = 100000 };
    static void *others[OTHERS];
    uintptr_t block = block_with_neighbour(64);
    for (int i = 0; i < OTHERS; i++)
        CHECK(others[i] = malloc(64));
    free(hidden(block));
    for (int i = 0; i < OTHERS; i++)
        free(others[i]);
    malloc_trim(0);
    free(hidden(block));
}

/* Here nothing of the size is left, and the subsegment is gone too. */
static void case_twice_after_all_was_freed(void)
{
    enum { OTHERS = 100000 };
    static void *others[OTHERS];
    for (int i = 0; i < OTHERS; i++)
        CHECK(others[i] = malloc(64));
    uintptr_t block = (uintptr_t)others[OTHERS / 2];
    say("block", (void *)block);
    for (int i = 0; i < OTHERS; i++)
        free(others[i]);
    malloc_trim(0);
    free(hidden(block));
}

static void case_twice_run_gone(void)
{
    uintptr_t block = block_of(900 * 1024);
    free(hidden(block));
    malloc_trim(0);
    free(hidden(block));
}

static void case_twice_large(void)
{
    free_twice(block_of(MIB + MIB / 2));
}

static void case_twice_large_gone(void)
{
    uintptr_t block = block_of(20 * MIB);
    free(hidden(block));
    malloc_trim(0);
    unsigned char resident;
    CHECK(mincore(hidden(block), 4096, &resident) == -1 && errno == ENOMEM);
    free(hidden(block));
}

static void *free_in_thread(void *block)
{
    free(block);
    return NULL;
}

static void case_twice_by_two_threads(void)
{
    uintptr_t block = block_with_neighbour(64);
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, free_in_thread, hidden(block)) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
    free(hidden(block));
}

static void case_twice_by_realloc_to_zero(void)
{
    uintptr_t block = block_of(64);
    void *volatile nothing = realloc(hidden(block), 0);
    CHECK(!nothing);
    free(hidden(block));
}

static void case_twice_after_realloc_moved(void)
{
    uintptr_t block = block_of(64);
    void *moved = realloc(hidden(block), 5000);
    CHECK(moved && moved != hidden(block));
    free(hidden(block));
}

static void case_realloc_of_freed(void)
{
    uintptr_t block = block_of(64);
    free(hidden(block));
    errno = 0;
    void *moved = realloc(hidden(block), 5000);
    CHECK(!moved && errno == ENOMEM);
}

static void case_realloc_of_foreign(void)
{
    static char text[4096];
    say("static", text);
    errno = 0;
    void *moved = realloc(hidden((uintptr_t)text), 5000);
    CHECK(!moved && errno == ENOMEM);
}

static void case_realloc_of_interior(void)
{
    uintptr_t block = block_of(5000);
    say("inside", hidden(block + 8));
    void *moved = realloc(hidden(block + 8), 50);
    CHECK(!moved);
}

static void case_usable_size_of_foreign(void)
{
    static char text[4096];
    say("static", text);
    CHECK(malloc_usable_size(hidden((uintptr_t)text)) == 0);
}

static void case_usable_size_of_freed(void)
{
    uintptr_t block = block_of(64);
    free(hidden(block));
    CHECK(malloc_usable_size(hidden(block)) == 0);
}

static void case_null(void)
{
    for (int i = 0; i < 1000; i++)
        free(NULL);
    CHECK(malloc_usable_size(NULL) == 0);
}

int main(int argc, char **argv)
{
#define CASE(name) {#name, case_##name}
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {
        /* The first three need neighbours that nobody had before. */
        CASE(one_past_large), CASE(one_past_small), CASE(never_handed_out), CASE(foreign_mapping),
        CASE(foreign_static), CASE(foreign_stack), CASE(foreign_misaligned), CASE(foreign_code),
        CASE(never_mapped), CASE(non_canonical), CASE(address_one), CASE(address_last),
        CASE(interior_small), CASE(interior_by_one), CASE(interior_odd_size), CASE(interior_run),
        CASE(interior_run_slice), CASE(interior_large), CASE(interior_large_page),
        CASE(metadata_root), CASE(metadata_heap), CASE(metadata_segment),
        CASE(metadata_descriptor), CASE(metadata_table), CASE(twice_small), CASE(twice_tiny),
        CASE(twice_kilobytes), CASE(twice_run), CASE(twice_aligned),
        CASE(twice_with_another_between), CASE(twice_much_later), CASE(twice_after_all_was_freed),
        CASE(twice_run_gone), CASE(twice_large), CASE(twice_large_gone),
        CASE(twice_by_two_threads), CASE(twice_by_realloc_to_zero),
        CASE(twice_after_realloc_moved), CASE(realloc_of_freed), CASE(realloc_of_foreign),
        CASE(realloc_of_interior), CASE(usable_size_of_foreign), CASE(usable_size_of_freed),
        CASE(null),
    };
    enum { CASES = sizeof cases / sizeof cases[0] };
    CHECK(argc == 2);
    if (strcmp(argv[1], "list") == 0) {
        for (size_t i = 0; i < CASES; i++)
            puts(cases[i].name);
        return 0;
    }
    /* All of them, each followed by work whose contents are checked. */
    int all = strcmp(argv[1], "all") == 0, found = 0;
    for (size_t i = 0; i < CASES; i++) {
        if (all || strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run();
            if (all)
                workload(i, 2000);
            found = 1;
        }
    }
    CHECK(found);
    size_t large = mallinfo2().hblks;
    workload(77, 20000);
    CHECK(mallinfo2().hblks == large);
    CHECK(write(1, "went on\n", 8) == 8);
    return 0;
}
