/* What C, POSIX and glibc say of each function. One case a run:
 *
 *     functions CASE
 */
#define _GNU_SOURCE
#include "check.h"
#include <malloc.h>
#include <sys/resource.h>

#define MIB ((size_t)1 << 20)

/* C23's, which the C library may not have; the preloaded library does. */
void free_sized(void *block, size_t size) __attribute__((weak));
void free_aligned_sized(void *block, size_t align, size_t size) __attribute__((weak));

/* Sizes of every kind of block, and of both sides of each border. */
static const size_t sizes[] = {
    1,         8,         15,        16,        17,          100,          1000,    1008,
    1009,      1024,      1025,      5000,      16383,       16384,        16385,   40960,
    65536,     65537,     100000,    524288,    MIB - 1,     MIB,          MIB + 1, 3 * MIB,
    3 * MIB + 8, 10 * MIB,
};
#define SIZES (sizeof sizes / sizeof sizes[0])

/* Sizes that no system has. Volatile, so that the compiler does not warn. */
static volatile size_t too_large[] = {
    SIZE_MAX, SIZE_MAX - 4095, SIZE_MAX - 65536, SIZE_MAX / 2 + 1, SIZE_MAX / 2, (size_t)1 << 62,
    (size_t)1 << 48,
};
#define TOO_LARGE (sizeof too_large / sizeof too_large[0])

static void fill(void *block, size_t size, unsigned seed)
{
    unsigned char *bytes = block;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(i * 7 + (i >> 8) + seed);
}

static int is_filled(const void *block, size_t size, unsigned seed)
{
    const unsigned char *bytes = block;
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != (unsigned char)(i * 7 + (i >> 8) + seed))
            return 0;
    return 1;
}

static int is_aligned(const void *block, size_t align)
{
    return (uintptr_t)block % align == 0;
}

static void case_malloc(void)
{
    void *blocks[SIZES];
    for (size_t i = 0; i < SIZES; i++) {
        blocks[i] = malloc(sizes[i]);
        CHECK(blocks[i] && is_aligned(blocks[i], 16));
        fill(blocks[i], sizes[i], (unsigned)i);
    }
    for (size_t i = 0; i < SIZES; i++) {
        CHECK(is_filled(blocks[i], sizes[i], (unsigned)i));
        free(blocks[i]);
    }
    for (size_t size = 0; size < 3000; size++) {
        void *block = malloc(size);
        CHECK(block && is_aligned(block, 16) && malloc_usable_size(block) >= size);
        memset(block, 0xa5, size);
        free(block);
    }
    void *none = malloc(0), *other = malloc(0);
    CHECK(none && other && none != other);
    free(none);
    free(other);
    for (size_t i = 0; i < TOO_LARGE; i++) {
        errno = 0;
        CHECK(malloc(too_large[i]) == NULL && errno == ENOMEM);
    }
    workload(1, 20000);
}

static void case_calloc(void)
{
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < SIZES; i++) {
            unsigned char *block = calloc(1, sizes[i]);
            CHECK(block && is_aligned(block, 16));
            for (size_t at = 0; at < sizes[i]; at++)
                CHECK(block[at] == 0);
            /* The next one of this size gets a dirty block. */
            memset(block, 0xff, malloc_usable_size(block));
            free(block);
        }
    }
    unsigned char *block = calloc(100, 30);
    CHECK(block && malloc_usable_size(block) >= 3000);
    free(block);
    void *none = calloc(0, 5), *other = calloc(5, 0);
    CHECK(none && other && none != other);
    free(none);
    free(other);
    volatile size_t half = (size_t)1 << 32;
    errno = 0;
    CHECK(calloc(half, half) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(calloc(half + 1, half) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(calloc(too_large[0], 2) == NULL && errno == ENOMEM);
    for (size_t i = 0; i < TOO_LARGE; i++) {
        errno = 0;
        CHECK(calloc(too_large[i], 1) == NULL && errno == ENOMEM);
        errno = 0;
        CHECK(calloc(1, too_large[i]) == NULL && errno == ENOMEM);
    }
    workload(2, 5000);
}

static void case_realloc(void)
{
    for (size_t from = 0; from < SIZES; from++) {
        for (size_t to = 0; to < SIZES; to++) {
            void *block = malloc(sizes[from]);
            CHECK(block);
            fill(block, sizes[from], (unsigned)to);
            void *moved = realloc(block, sizes[to]);
            CHECK(moved && is_aligned(moved, 16) && malloc_usable_size(moved) >= sizes[to]);
            size_t kept = sizes[from] < sizes[to] ? sizes[from] : sizes[to];
            CHECK(is_filled(moved, kept, (unsigned)to));
            memset(moved, 1, sizes[to]);
            free(moved);
        }
    }
    size_t size = 1;
    unsigned char *grown = realloc(NULL, size);
    CHECK(grown);
    fill(grown, size, 3);
    while (size < 20 * MIB) {
        size_t larger = size + size / 2 + 1;
        grown = realloc(grown, larger);
        CHECK(grown && is_filled(grown, size, 3));
        fill(grown, larger, 3);
        size = larger;
    }
    while (size > 1) {
        size = size * 2 / 3;
        grown = realloc(grown, size ? size : 1);
        CHECK(grown && is_filled(grown, size, 3));
    }
    /* Programs look at errno after getline and its like, which resize what they read into. */
    for (size = 1; size < 200 * MIB; size += size / 2 + 1) {
        errno = EDOM;
        grown = realloc(grown, size);
        CHECK(grown && errno == EDOM);
        char *zeroed = calloc(size, 1);
        CHECK(zeroed && errno == EDOM);
        free(zeroed);
    }
    grown = realloc(grown, 1);
    size_t before = mallinfo2().uordblks;
    CHECK(realloc(grown, 0) == NULL);
    CHECK(mallinfo2().uordblks < before);
    for (size_t i = 0; i < SIZES; i++) {
        void *block = malloc(sizes[i]);
        CHECK(block);
        fill(block, sizes[i], 4);
        for (size_t large = 0; large < TOO_LARGE; large++) {
            errno = 0;
            CHECK(realloc(block, too_large[large]) == NULL && errno == ENOMEM);
        }
        CHECK(is_filled(block, sizes[i], 4));
        free(block);
    }
    /* A block of a large alignment is resized like any other. */
    for (size_t align = 32; align <= 2 * MIB; align *= 4) {
        for (size_t i = 0; i < SIZES; i++) {
            void *block = aligned_alloc(align, sizes[i]);
            CHECK(block);
            fill(block, sizes[i], 5);
            block = realloc(block, 2 * sizes[i]);
            CHECK(block && is_filled(block, sizes[i], 5));
            block = realloc(block, (sizes[i] + 1) / 2);
            CHECK(block && is_filled(block, (sizes[i] + 1) / 2, 5));
            free(block);
        }
    }
    workload(3, 20000);
}

static void case_reallocarray(void)
{
    unsigned char *block = reallocarray(NULL, 100, 30);
    CHECK(block && malloc_usable_size(block) >= 3000);
    fill(block, 3000, 6);
    block = reallocarray(block, 70000, 30);
    CHECK(block && malloc_usable_size(block) >= 2100000 && is_filled(block, 3000, 6));
    volatile size_t half = (size_t)1 << 32;
    errno = 0;
    CHECK(reallocarray(block, half, half) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(reallocarray(block, 2, too_large[0]) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(reallocarray(NULL, half, half + 7) == NULL && errno == ENOMEM);
    CHECK(is_filled(block, 3000, 6));
    CHECK(reallocarray(block, 0, 30) == NULL);
}

enum { FREE, FREE_SIZED, FREE_ALIGNED_SIZED };

/* Every free leaves errno alone, also one that calls into the system. */
static void frees(int which)
{
    enum { BLOCKS = 5000 };
    static void *blocks[BLOCKS];
    size_t before = mallinfo2().uordblks;
    for (size_t i = 0; i <= SIZES; i++) {
        size_t size = i < SIZES ? sizes[i] : 0;
        int count = size > 20000 ? 8 : BLOCKS;
        for (int k = 0; k < count; k++) {
            blocks[k] = which == FREE_ALIGNED_SIZED ? aligned_alloc(64, size) : malloc(size);
            CHECK(blocks[k]);
        }
        for (int k = 0; k < count; k++) {
            errno = 7777;
            switch (which) {
            case FREE:
                free(blocks[k]);
                break;
            case FREE_SIZED:
                free_sized(blocks[k], size);
                break;
            default:
                free_aligned_sized(blocks[k], 64, size);
            }
            CHECK(errno == 7777);
        }
    }
    errno = 7777;
    switch (which) {
    case FREE:
        free(NULL);
        break;
    case FREE_SIZED:
        free_sized(NULL, 0);
        free_sized(NULL, 100);
        break;
    default:
        free_aligned_sized(NULL, 64, 0);
        free_aligned_sized(NULL, 64, 100);
    }
    CHECK(errno == 7777);
    CHECK(mallinfo2().uordblks == before);
}

static void case_free(void)
{
    frees(FREE);
}

static void case_free_sized(void)
{
    CHECK(free_sized);
    frees(FREE_SIZED);
}

static void case_free_aligned_sized(void)
{
    CHECK(free_aligned_sized);
    frees(FREE_ALIGNED_SIZED);
}

/* Every alignment with every size, through one of the functions. */
static void alignments(void *(*allocate)(size_t, size_t), size_t least)
{
    for (size_t align = least; align <= 4 * MIB; align *= 2) {
        void *blocks[SIZES];
        for (size_t i = 0; i < SIZES; i++) {
            blocks[i] = allocate(align, sizes[i]);
            CHECK(blocks[i] && is_aligned(blocks[i], align));
            CHECK(malloc_usable_size(blocks[i]) >= sizes[i]);
            memset(blocks[i], (int)i, sizes[i] < 70000 ? sizes[i] : 70000);
        }
        for (size_t i = 0; i < SIZES; i++) {
            unsigned char *bytes = blocks[i];
            CHECK(bytes[0] == i && bytes[(sizes[i] < 70000 ? sizes[i] : 70000) - 1] == i);
            free(blocks[i]);
        }
        void *none = allocate(align, 0), *other = allocate(align, 0);
        CHECK(none && other && none != other);
        CHECK(is_aligned(none, align) && is_aligned(other, align));
        free(none);
        free(other);
    }
}

static void case_aligned_alloc(void)
{
    alignments(aligned_alloc, 1);
    static volatile size_t bad[] = {0, 3, 24, 48, 4097, SIZE_MAX};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        errno = 0;
        CHECK(aligned_alloc(bad[i], 100) == NULL && errno == EINVAL);
    }
    for (size_t i = 0; i < TOO_LARGE; i++) {
        for (size_t align = 1; align <= MIB; align *= 32) {
            errno = 0;
            CHECK(aligned_alloc(align, too_large[i]) == NULL && errno == ENOMEM);
        }
    }
    volatile size_t largest = (size_t)1 << 63;
    errno = 0;
    CHECK(aligned_alloc(largest, 1) == NULL && errno == ENOMEM);
}

static void case_memalign(void)
{
    alignments(memalign, 1);
    static volatile size_t odd[] = {0, 3, 24, 100, 4097, 70000};
    static const size_t rounded[] = {1, 4, 32, 128, 8192, 131072};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        void *block = memalign(odd[i], 100);
        CHECK(block && is_aligned(block, rounded[i]) && is_aligned(block, 16));
        free(block);
    }
    errno = 0;
    CHECK(memalign(too_large[0], 1) == NULL && errno == EINVAL);
    errno = 0;
    CHECK(memalign(64, too_large[0]) == NULL && errno == ENOMEM);
}

static void *by_posix_memalign(size_t align, size_t size)
{
    void *block = NULL;
    errno = 7777;
    CHECK(posix_memalign(&block, align, size) == 0 && errno == 7777);
    return block;
}

static void case_posix_memalign(void)
{
    alignments(by_posix_memalign, sizeof(void *));
    static volatile size_t bad[] = {0, 1, 2, 4, 3, 12, 24, 4097, SIZE_MAX};
    void *untouched = &untouched;
    errno = 7777;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        CHECK(posix_memalign(&untouched, bad[i], 100) == EINVAL);
    for (size_t i = 0; i < TOO_LARGE; i++)
        for (size_t align = 8; align <= MIB; align *= 32)
            CHECK(posix_memalign(&untouched, align, too_large[i]) == ENOMEM);
    CHECK(posix_memalign(&untouched, (size_t)1 << 63, 1) == ENOMEM);
    CHECK(untouched == (void *)&untouched && errno == 7777);
}

static void case_valloc(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < SIZES; i++) {
        void *block = valloc(sizes[i]);
        CHECK(block && is_aligned(block, page) && malloc_usable_size(block) >= sizes[i]);
        memset(block, 1, sizes[i]);
        free(block);
    }
    errno = 0;
    CHECK(valloc(too_large[0]) == NULL && errno == ENOMEM);
}

static void case_pvalloc(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < SIZES; i++) {
        size_t pages = (sizes[i] + page - 1) / page * page;
        void *block = pvalloc(sizes[i]);
        CHECK(block && is_aligned(block, page) && malloc_usable_size(block) >= pages);
        memset(block, 1, pages);
        free(block);
    }
    void *none = pvalloc(0);
    CHECK(none && is_aligned(none, page));
    free(none);
    for (size_t i = 0; i < TOO_LARGE; i++) {
        errno = 0;
        CHECK(pvalloc(too_large[i]) == NULL && errno == ENOMEM);
    }
}

static void case_malloc_usable_size(void)
{
    errno = 7777;
    CHECK(malloc_usable_size(NULL) == 0);
    CHECK(errno == 7777);
    /* All of it may be used: neighbours keep what they hold. */
    enum { BLOCKS = 50 };
    for (size_t i = 0; i < SIZES; i++) {
        void *blocks[BLOCKS];
        int count = sizes[i] > 20000 ? 3 : BLOCKS;
        for (int k = 0; k < count; k++) {
            blocks[k] = malloc(sizes[i]);
            CHECK(blocks[k] && malloc_usable_size(blocks[k]) >= sizes[i]);
            fill(blocks[k], malloc_usable_size(blocks[k]), (unsigned)k);
        }
        for (int k = 0; k < count; k++)
            CHECK(is_filled(blocks[k], malloc_usable_size(blocks[k]), (unsigned)k));
        for (int k = 0; k < count; k++)
            free(blocks[k]);
    }
}

/* Bytes of the process's memory that are resident. */
static size_t resident(void)
{
    char text[128] = {0};
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fgets(text, sizeof text, file));
    fclose(file);
    char *at = text;
    strtoul(at, &at, 10);
    return strtoul(at, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

static void case_malloc_trim(void)
{
    enum { BLOCKS = 200000 };
    static void *blocks[BLOCKS];
    memset(blocks, 0xff, sizeof blocks);
    size_t before = resident();
    for (int i = 0; i < BLOCKS; i++) {
        blocks[i] = malloc(300);
        CHECK(blocks[i]);
        memset(blocks[i], 1, 300);
    }
    CHECK(resident() > before + 300 * BLOCKS);
    for (int i = 0; i < BLOCKS; i++)
        free(blocks[i]);
    errno = 7777;
    CHECK(malloc_trim(0) == 1);
    CHECK(malloc_trim(0) == 0);
    CHECK(malloc_trim(MIB) == 0);
    CHECK(errno == 7777);
    CHECK(resident() < before + 3 * MIB);
    workload(4, 2000);
}

static void case_mallinfo2(void)
{
    void *blocks[1000];
    struct mallinfo2 empty = mallinfo2();
    for (int i = 0; i < 1000; i++)
        CHECK(blocks[i] = malloc(1000));
    struct mallinfo2 small = mallinfo2();
    CHECK(small.uordblks >= empty.uordblks + 1000 * 1000);
    CHECK(small.uordblks <= empty.uordblks + 1000 * 1100);
    CHECK(small.arena >= empty.arena + 900 * 1000 && small.hblkhd == empty.hblkhd);
    void *large = malloc(5 * MIB);
    CHECK(large);
    struct mallinfo2 with_large = mallinfo2();
    CHECK(with_large.hblks == small.hblks + 1);
    CHECK(with_large.hblkhd >= small.hblkhd + 5 * MIB);
    CHECK(with_large.uordblks == small.uordblks);
    free(large);
    for (int i = 0; i < 1000; i++)
        free(blocks[i]);
    struct mallinfo2 freed = mallinfo2();
    CHECK(freed.uordblks == empty.uordblks && freed.hblkhd == empty.hblkhd);
    CHECK(freed.hblks == empty.hblks);
    /* Blocks of no bytes come and go without a trace in the sums. */
    for (int i = 0; i < 100000; i++)
        free(malloc(0));
    CHECK(mallinfo2().uordblks == empty.uordblks);
}

/* Until nothing is left, which is most of the limit whatever the size was
 * before; then everything works again. */
static void exhaust(size_t size, size_t limit)
{
    void **newest = NULL;
    size_t count = 0;
    for (;;) {
        errno = 0;
        void **block = malloc(size);
        if (!block)
            break;
        *block = newest;
        newest = block;
        CHECK(++count < 100000000);
    }
    CHECK(errno == ENOMEM && count * size > limit * 6 / 10);
    errno = 0;
    CHECK(calloc(1, size) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(realloc(newest, 64 * MIB) == NULL && errno == ENOMEM);
    errno = 0;
    CHECK(aligned_alloc(64 * 1024, 64 * MIB) == NULL && errno == ENOMEM);
    size_t freed = 0;
    while (newest) {
        void **next = *newest;
        errno = 7777;
        free(newest);
        CHECK(errno == 7777);
        newest = next;
        freed++;
    }
    CHECK(freed == count);
}

static void exhaust_by_all_sizes(size_t limit)
{
    workload(5, 3000);
    for (int round = 0; round < 2; round++) {
        exhaust(64, limit);
        exhaust(5000, limit);
        exhaust(100000, limit);
        exhaust(2 * MIB, limit);
    }
    workload(6, 3000);
}

static void case_commit_limit(void)
{
    const char *limit = getenv("NTHEAP_COMMIT_LIMIT");
    CHECK(limit && strcmp(limit, "48M") == 0);
    exhaust_by_all_sizes(48 * MIB);
}

static void case_address_space(void)
{
    struct rlimit limit = {(rlim_t)400 * MIB, (rlim_t)400 * MIB};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    exhaust_by_all_sizes(400 * MIB);
}

int main(int argc, char **argv)
{
#define CASE(name) {#name, case_##name}
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {
        CASE(malloc),         CASE(calloc),      CASE(realloc),
        CASE(reallocarray),   CASE(free),        CASE(free_sized),
        CASE(free_aligned_sized), CASE(aligned_alloc), CASE(posix_memalign),
        CASE(memalign),       CASE(valloc),      CASE(pvalloc),
        CASE(malloc_usable_size), CASE(malloc_trim), CASE(mallinfo2),
        CASE(commit_limit),        CASE(address_space),
    };
    CHECK(argc == 2);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run();
            return write(1, "done\n", 5) != 5;
        }
    }
    fprintf(stderr, "no case %s\n", argv[1]);
    return 2;
}
