/* A shared object whose destructor allocates: preloaded beside the library it
 * runs before the library's own, or after it. */
#include "check.h"

static void *kept;

__attribute__((constructor)) static void begin(void)
{
    kept = malloc(5000);
    memset(kept, 7, 5000);
}

__attribute__((destructor)) static void end(void)
{
    CHECK(((unsigned char *)kept)[4999] == 7);
    free(kept);
    workload(11, 500);
    ssize_t ignored = write(1, "after\n", 6);
    (void)ignored;
}
