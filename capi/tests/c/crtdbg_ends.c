/* One thing that goes wrong, by the program's argument, with reports as they are
 * at first. */
#include <stdio.h>
#include <string.h>

#include <malloc.h>
#include <crtdbg.h>

/* The library's free, whatever macros say. */
static void (*const release_free)(void *) = (free);
static void *(*const release_malloc)(size_t) = (malloc);

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    volatile char *block = (char *)_malloc_dbg(24, _NORMAL_BLOCK, "ends.c", 1);
    if (strcmp(what, "overrun") == 0) {
        block[24] = 0;
        _free_dbg((void *)block, _NORMAL_BLOCK);
    } else if (strcmp(what, "underrun") == 0) {
        block[-1] = 0;
        _free_dbg((void *)block, _NORMAL_BLOCK);
    } else if (strcmp(what, "twice") == 0) {
        _free_dbg((void *)block, _NORMAL_BLOCK);
        _free_dbg((void *)block, _NORMAL_BLOCK);
    } else if (strcmp(what, "assert") == 0) {
#line 100 "ends.c"
        _ASSERTE(block == NULL);
    } else if (strcmp(what, "break") == 0) {
        _crtBreakAlloc = 2;
        _malloc_dbg(1, _NORMAL_BLOCK, NULL, 0);
    } else if (strcmp(what, "release-free") == 0) {
        release_free((void *)block);
    } else if (strcmp(what, "debug-free") == 0) {
        _free_dbg(release_malloc(24), _NORMAL_BLOCK);
    } else if (strcmp(what, "aligned-free") == 0) {
        release_free(_aligned_malloc_dbg(24, 64, "ends.c", 2));
    } else if (strcmp(what, "leak") == 0) {
        _CrtSetDbgFlag(_CRTDBG_ALLOC_MEM_DF | _CRTDBG_LEAK_CHECK_DF);
    } else {
        return 2;
    }
    puts("went on");
    return 0;
}
