/* A new handler that frees something, by each function that asks it, below a commit limit of
 * 16 MiB: who is refused a block has one once the handler has given some back. With ALONE there
 * is C++'s own handler, which operator new alone asks. */
#include "check.h"

#include <new>
#include <stdlib.h>
#ifndef ALONE
#include <new.h>
#include <windows.h>
#endif

#define MIB (1024 * 1024)

static const size_t large = 5 * MIB;
static const size_t half = large / 2;
#ifndef ALONE
static const size_t too_much = 20 * (size_t)MIB;
#endif

struct Blocks {
    void *at[8192];
    size_t count;

    void fill(size_t size)
    {
        while (count < sizeof at / sizeof *at && (at[count] = malloc(size)))
            count++;
        CHECK(count < sizeof at / sizeof *at);
    }

    void empty()
    {
        while (count)
            free(at[--count]);
    }
};

/* What the handler frees, one block a call, and what it does not. */
static Blocks spare, rest;
static int calls;

/* The handler of _set_new_handler. */
static int frees(size_t)
{
    calls++;
    if (spare.count == 0)
        return 0;
    free(spare.at[--spare.count]);
    return 1;
}

/* C++'s own. */
static void standard()
{
    if (!frees(0))
        throw std::bad_alloc();
}

/* Has malloc ask the handler, or not. */
static void set_mode(int mode)
{
#ifdef ALONE
    (void)mode;
#else
    CHECK(_set_new_mode(mode) == !mode);
#endif
}

/* Takes all that there is in blocks of `filler` bytes, so that there are none of `size`. */
static void fill(size_t filler, size_t size)
{
    set_mode(0);
    spare.fill(filler);
    CHECK(spare.count > 1);
    rest.fill(size);
    set_mode(1);
    calls = 0;
}

static void empty()
{
    spare.empty();
    rest.empty();
}

static void mark(void *block, size_t size)
{
    CHECK(block);
    memset(block, 0x5a, size);
}

typedef void *Way(size_t size);

static void *by_new(size_t size)
{
    return operator new(size);
}

static void *by_quiet_new(size_t size)
{
    return operator new(size, std::nothrow);
}

static void *by_aligned_new(size_t size)
{
    return operator new(size, std::align_val_t(64));
}

#ifndef ALONE
static void *by_malloc(size_t size)
{
    return malloc(size);
}

static void *by_calloc(size_t size)
{
    return calloc(size, 1);
}

static void check_marked(void *block, size_t size)
{
    const unsigned char *bytes = static_cast<unsigned char *>(block);
    for (size_t i = 0; i < size; i++)
        CHECK(bytes[i] == 0x5a);
}

/* Of a block that was there before: its contents move along. */
static void *kept;
static size_t kept_size;

static void *by_realloc(size_t size)
{
    void *block = realloc(kept, size);
    CHECK(block);
    check_marked(block, kept_size);
    return block;
}
#endif

/* A block of `size` bytes is had once the handler has freed those of `filler` bytes that it
 * needs, and it is asked no more often than there are such. */
static void is_had(Way *way, size_t size, size_t filler)
{
    fill(filler, size);
    size_t before = spare.count;
    void *block = way(size);
    CHECK(block && calls > 0 && spare.count == before - static_cast<size_t>(calls));
    mark(block, size);
    free(block);
    empty();
}

static void is_had_of_any_size(Way *way)
{
    is_had(way, 100, 5000);
    is_had(way, 20000, 5000);
    is_had(way, large, 100000);
    is_had(way, large, half);
}

#ifndef ALONE
/* The same of a block that has `size` bytes already and wants `more`. */
static void is_resized(size_t size, size_t more, size_t filler)
{
    kept_size = size;
    kept = malloc(size);
    mark(kept, size);
    is_had(by_realloc, more, filler);
}

static void by_all_functions()
{
    _set_new_handler(frees);
    CHECK(_set_new_mode(1) == 0);
    static Way *const ways[] = {by_new, by_quiet_new, by_aligned_new, by_malloc, by_calloc};
    for (Way *way : ways)
        is_had_of_any_size(way);
    is_resized(100, 3000, 20000);
    is_resized(5000, 200000, 20000);
    is_resized(half, large, half);
    is_resized(half, large, 100000);

    /* Whom nothing helps gets nothing, once all is freed, and what it had stays. */
    fill(half, large);
    CHECK(malloc(too_much) == nullptr && spare.count == 0 && calls > 1);
    empty();
    kept_size = half;
    kept = malloc(half);
    mark(kept, half);
    fill(half, large);
    CHECK(realloc(kept, too_much) == nullptr && spare.count == 0 && calls > 1);
    check_marked(kept, half);
    free(kept);
    empty();
    _set_new_handler(nullptr);
}
#endif

int main()
{
#ifndef ALONE
    by_all_functions();
#endif
    std::set_new_handler(standard);
    is_had_of_any_size(by_new);
    is_had_of_any_size(by_quiet_new);
    is_had_of_any_size(by_aligned_new);
    puts("done");
    return 0;
}
