/* A module with a runtime of its own: each form of new and delete, strdup and
 * strndup are on its heap, and what new asks when there is no memory. */
#include "check.h"

#include <ntheap_crt.h>

#include <new.h>
#include <stdlib.h>

NTHEAP_STATIC_CRT("own")

static const size_t too_much = (size_t)1 << 62;

static int calls;

static int three_times(size_t)
{
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

/* Whether a block is the module's heap's, of that size. */
static bool is_own(void *block, size_t size)
{
    return ntheap_crt_msize(ntheap_own_crt(), block) == size;
}

struct alignas(256) Wide {
    char bytes[256];
};

int main()
{
    char *one = new char, *many = new char[30];
    CHECK(is_own(one, 1) && is_own(many, 30));
    delete one;
    delete[] many;
    one = new (std::nothrow) char;
    many = new (std::nothrow) char[30];
    CHECK(is_own(one, 1) && is_own(many, 30));
    operator delete(one, std::nothrow);
    operator delete[](many, std::nothrow);
    volatile size_t size = too_much;
    CHECK(!operator new(size, std::nothrow) && !operator new[](size, std::nothrow));

#ifdef __cpp_aligned_new
    Wide *wide = new Wide, *wides = new Wide[3], *sure = new (std::nothrow) Wide;
    CHECK((size_t)wide % 256 == 0 && (size_t)wides % 256 == 0 && (size_t)sure % 256 == 0);
    delete wide;
    delete[] wides;
    delete sure;
    CHECK(!operator new(size, std::align_val_t(64), std::nothrow));
#endif

    char *copy = strdup("sausage"), *part = strndup("sausage", 3);
    CHECK(is_own(copy, 8) && is_own(part, 4));
    CHECK(!strcmp(copy, "sausage") && !strcmp(part, "sau"));
    free(copy);
    free(part);

    for (int mode = 0; mode < 2; mode++) {
        CHECK(_set_new_mode(mode) == 0);
        calls = 0;
        _set_new_handler(three_times);
        CHECK(thrown(too_much) == 1 && calls == 3);
        _set_new_handler(throws);
        CHECK(thrown(too_much) == 17);
        CHECK(!operator new(size, std::nothrow));
        _set_new_handler(nullptr);
        calls = 0;
        std::set_new_handler(standard);
        CHECK(thrown(too_much) == 1 && calls == 2);
    }
    CHECK(_set_new_mode(0) == 1);
    CHECK(ntheap_crt_close(ntheap_own_crt()) == 0);
    puts("done");
    return 0;
}
