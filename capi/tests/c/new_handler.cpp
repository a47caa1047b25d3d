/* operator new: the handler of _set_new_handler, C++'s own where there is none,
 * what is thrown, and through which frames. */
#include "check.h"

#include <malloc.h>
#include <new.h>
#include <new>
#include <stdlib.h>
#include <windows.h>

static const size_t too_much = (size_t)1 << 62;

static int calls;
static size_t asked;

static int three_times(size_t size)
{
    asked = size;
    return ++calls < 3;
}

static int throws(size_t)
{
    throw 17;
}

static void standard()
{
    if (++calls == 2)
        std::set_new_handler(nullptr);
}

/* What `new` throws: 1 for bad_alloc, the number for a number, 0 for nothing. */
static int thrown(size_t size)
{
    try {
        void *volatile block = operator new(size);
        operator delete(block);
    } catch (const std::bad_alloc &) {
        return 1;
    } catch (int number) {
        return number;
    }
    return 0;
}

/* Has something to clean up between the throw and the catch. */
struct Guard {
    int &count;
    explicit Guard(int &counter) : count(counter) {}
    ~Guard() { count++; }
};

static int thrown_past(int &cleaned)
{
    try {
        Guard guard(cleaned);
        void *volatile block = operator new[](too_much);
        operator delete[](block);
    } catch (const std::bad_alloc &) {
        return 1;
    }
    return 0;
}

int main(int count, char **)
{
    CHECK(thrown(100) == 0);
    void *block = operator new(0);
    CHECK(block && _msize(block) == 0);
    operator delete(block);

    CHECK(thrown(too_much) == 1);
    int cleaned = 0;
    CHECK(thrown_past(cleaned) == 1 && cleaned == 1);
    CHECK(operator new(too_much, std::nothrow) == nullptr);

    _set_new_handler(three_times);
    CHECK(thrown(too_much) == 1 && calls == 3 && asked == too_much);
    /* Not malloc, unless the mode says so. */
    calls = 0;
    volatile size_t size = too_much;
    CHECK(malloc(size) == nullptr && calls == 0);
    CHECK(_set_new_mode(1) == 0);
    CHECK(malloc(size) == nullptr && calls == 3);
    calls = 0;
    CHECK(calloc(size, 1) == nullptr && calls == 3);
    CHECK(_set_new_mode(0) == 1);

    _set_new_handler(throws);
    CHECK(thrown(too_much) == 17);
    /* By new, from a frame that what is thrown may pass; malloc has not asked. */
    CHECK(_set_new_mode(1) == 0);
    CHECK(thrown(too_much) == 17);
    if (count > 1) {
        /* malloc asks, and is none of the functions that throw. */
        puts("ends");
        fflush(stdout);
        try {
            CHECK(malloc(size) == nullptr);
        } catch (int) {
            puts("caught");
        }
        return 1;
    }
    calls = 0;
    _set_new_handler(three_times);
    CHECK(thrown(too_much) == 1 && calls == 3);
    CHECK(_set_new_mode(0) == 1);
    _set_new_handler(nullptr);

    calls = 0;
    std::set_new_handler(standard);
    CHECK(thrown(too_much) == 1 && calls == 2);
    puts("done");
    return 0;
}
