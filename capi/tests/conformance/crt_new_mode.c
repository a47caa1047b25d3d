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

    EQUAL("mode-back", _set_new_mode(0), 1);
    CHECK("handler-before", _set_new_handler(NULL) == twice);
    return finish();
}
