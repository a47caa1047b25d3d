/* The new handler and the new mode. */
#include "crt.h"

#define TOO_MUCH ((size_t)1 << 62)

static int calls;
static size_t asked;

static int __cdecl twice(size_t size)
{
    asked = size;
    return ++calls < 2;
}

/* In mode 1: the handler was asked twice, for so many bytes at least. */
#define ASKS(name, call)                                                                           \
    do {                                                                                           \
        calls = 0, asked = 0, errno = 0;                                                           \
        EQUAL(name, call, 0);                                                                      \
        EQUAL(name "-calls", calls, 2);                                                            \
        CHECK(name "-asked", asked >= TOO_MUCH && asked < TOO_MUCH + 100);                         \
        EQUAL(name "-errno", errno, ENOMEM);                                                       \
    } while (0)

/* For what no memory could ever be enough, nobody is asked. */
#define ASKS_NOT(name, call)                                                                       \
    do {                                                                                           \
        calls = 0, errno = 0;                                                                      \
        EQUAL(name, call, 0);                                                                      \
        EQUAL(name "-calls", calls, 0);                                                            \
        EQUAL(name "-errno", errno, ENOMEM);                                                       \
    } while (0)

int main(void)
{
    NEED("runtime", runtime());
    volatile size_t size = TOO_MUCH;
    EQUAL("no-handler", (size_t)_query_new_handler(), 0);
    EQUAL("mode-at-first", _query_new_mode(), 0);
    EQUAL("none-before", (size_t)_set_new_handler(twice), 0);
    CHECK("handler", _query_new_handler() == twice);

    errno = 0;
    EQUAL("mode-0-null", malloc(size), 0);
    EQUAL("mode-0-calls", calls, 0);
    EQUAL("mode-0-errno", errno, ENOMEM);

    EQUAL("mode-before", _set_new_mode(1), 0);
    EQUAL("mode", _query_new_mode(), 1);
    errno = 0;
    EQUAL("mode-1-null", malloc(size), 0);
    EQUAL("mode-1-calls", calls, 2);
    EQUAL("mode-1-asked", asked, TOO_MUCH);
    EQUAL("mode-1-errno", errno, ENOMEM);

    /* Behind the compiler's back. */
    void *volatile block = malloc(100);
    NEED("allocated", block);
    ASKS("calloc", calloc(size / 8, 8));
    ASKS("realloc", realloc(block, size));
    ASKS("recalloc", _recalloc(block, size / 8, 8));
    ASKS("aligned", _aligned_malloc(size, 16));
    ASKS("aligned-offset", _aligned_offset_malloc(size, 64, 7));
    volatile size_t most = (size_t)_HEAP_MAXREQ;
    ASKS_NOT("over-malloc", malloc(most + 1));
    ASKS_NOT("over-calloc", calloc(most / 2, 3));
    ASKS_NOT("over-realloc", realloc(block, most + 1));
    ASKS_NOT("over-recalloc", _recalloc(block, most / 2, 3));
    ASKS_NOT("over-aligned", _aligned_malloc(most + 1, 16));
    EQUAL("kept", _msize(block), 100);
    free(block);

    EQUAL("mode-back", _set_new_mode(0), 1);
    CHECK("handler-before", _set_new_handler(NULL) == twice);
    return finish();
}
