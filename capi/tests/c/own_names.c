/* A program with functions of its own that have Windows' names, as Mono's and
 * Wine's programs do. With libntheap.so preloaded they stay its own, for it and
 * for whoever looks them up; names that it has not are not there. */
#define _GNU_SOURCE
#include "check.h"
#include <dlfcn.h>

void *HeapAlloc(int a, int b);
int CloseHandle(int handle);

static int calls;

void *HeapAlloc(int a, int b)
{
    calls++;
    return a == 1 && b == 2 ? &calls : NULL;
}

int CloseHandle(int handle)
{
    calls++;
    return handle + 1;
}

int main(int argc, char **argv)
{
    CHECK(HeapAlloc(1, 2) == &calls && CloseHandle(41) == 42 && calls == 2);
    CHECK(dlsym(RTLD_DEFAULT, "HeapAlloc") == (void *)HeapAlloc);
    CHECK(dlsym(RTLD_DEFAULT, "CloseHandle") == (void *)CloseHandle);
    /* The other names of the list, which the test passes. */
    CHECK(argc > 10);
    for (int i = 1; i < argc; i++) {
        void *found = dlsym(RTLD_DEFAULT, argv[i]);
        CHECK(!found || strcmp(argv[i], "HeapAlloc") == 0 || strcmp(argv[i], "CloseHandle") == 0);
    }
    /* It runs on the library's malloc all the same. */
    CHECK(dlsym(RTLD_DEFAULT, "ntheap_GetLastError"));
    void *block = malloc(100);
    CHECK(block);
    free(block);
    puts("done");
    return 0;
}
