/* Blocks by the module that asks for them. As a library (-DLIBRARY): a function that asks.
 * As a program: "faults", or the paths of two libraries, the second of which is loaded
 * when the first is gone. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef LIBRARY
void *ask(void)
{
    void *volatile block = malloc(37);
    return block;
}
#else
/* The first byte of a block that the library asks for, and where the library lies. */
static void *look(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        exit(2);
    }
    void *(*ask)(void) = (void *(*)(void))dlsym(library, "ask");
    Dl_info info;
    if (!dladdr((void *)ask, &info))
        exit(3);
    for (int round = 0; round < 3; round++) {
        unsigned char *block = ask();
        printf("%s%02x", round ? " " : "", block[0]);
        free(block);
    }
    puts("");
    if (dlclose(library))
        exit(4);
    return info.dli_fbase;
}

int main(int count, char **arguments)
{
    setbuf(stdout, NULL);
    if (count == 2 && strcmp(arguments[1], "faults") == 0) {
        int failed = 0;
        for (int round = 0; round < 1000; round++) {
            errno = 0;
            void *block = malloc(37);
            if (!block && errno == ENOMEM)
                failed++;
            free(block);
        }
        printf("%d\n", failed);
        return 0;
    }
    if (count != 3)
        return 1;
    void *first = look(arguments[1]);
    void *second = look(arguments[2]);
    puts(first == second ? "same place" : "other place");
    return 0;
}
#endif
