/* A program that has the system's calls of its own, all of which fail. The library makes its own
 * and tells errors as ever. */
#define _GNU_SOURCE
#include "check.h"
#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>

#define MIB ((size_t)1 << 20)

#pragma GCC diagnostic ignored "-Wunused-parameter"

static int calls;

#define OWN(result, name, arguments, failure)                                                      \
    result name arguments                                                                          \
    {                                                                                              \
        calls++;                                                                                   \
        errno = ENOSYS;                                                                            \
        return failure;                                                                            \
    }

OWN(void *, mmap, (void *a, size_t b, int c, int d, int e, off_t f), MAP_FAILED)
OWN(void *, mremap, (void *a, size_t b, size_t c, int d, ...), MAP_FAILED)
OWN(int, munmap, (void *a, size_t b), -1)
OWN(int, mprotect, (void *a, size_t b, int c), -1)
OWN(int, madvise, (void *a, size_t b, int c), -1)
OWN(int, getrlimit, (__rlimit_resource_t a, struct rlimit *b), -1)
OWN(long, syscall, (long a, ...), -1)

int main(void)
{
    char *small = malloc(100);
    char *large = malloc(3 * MIB);
    CHECK(small && large);
    memset(large, 1, 3 * MIB);
    large = realloc(large, 90 * MIB);
    CHECK(large && large[0] == 1 && large[3 * MIB - 1] == 1);
    CHECK(malloc_usable_size(large) >= 90 * MIB);
    free(large);
    malloc_trim(0);

    /* No more address space than there is: the system refuses. */
    struct rlimit limit = {64 * MIB, 64 * MIB};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    errno = 0;
    void *volatile none = malloc(512 * MIB);
    CHECK(!none && errno == ENOMEM);
    free(small);

    CHECK(calls == 0);
    CHECK(mmap(NULL, 1, 0, 0, 0, 0) == MAP_FAILED && errno == ENOSYS && calls == 1);
    puts("done");
    return 0;
}
