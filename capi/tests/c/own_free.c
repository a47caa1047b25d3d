/* A program with a free and a realloc of its own, which go on to the library's: they see
 * what the program calls, and nothing that the library's functions do among themselves. */
#include "check.h"
#include <dlfcn.h>

void free_sized(void *block, size_t size) __attribute__((weak));
void free_aligned_sized(void *block, size_t alignment, size_t size) __attribute__((weak));

static int frees, reallocs;

void free(void *block)
{
    static void (*next)(void *);
    if (!next)
        next = (void (*)(void *))dlsym(RTLD_NEXT, "free");
    frees++;
    next(block);
}

void *realloc(void *block, size_t size)
{
    static void *(*next)(void *, size_t);
    if (!next)
        next = (void *(*)(void *, size_t))dlsym(RTLD_NEXT, "realloc");
    reallocs++;
    return next(block, size);
}

int main(void)
{
    free(realloc(NULL, 10));
    CHECK(frees == 1 && reallocs == 1);
    void *volatile block = realloc(malloc(100), 100000);
    CHECK(block && frees == 1 && reallocs == 2);
    CHECK(realloc(block, 0) == NULL && frees == 1 && reallocs == 3);
    block = reallocarray(malloc(100), 10, 1000);
    CHECK(block && frees == 1 && reallocs == 3);
    free_sized(block, 10000);
    free_aligned_sized(aligned_alloc(64, 128), 64, 128);
    CHECK(frees == 1 && reallocs == 3);
    return 0;
}
