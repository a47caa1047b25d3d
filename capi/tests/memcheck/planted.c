/* Mistakes that memcheck must see, one a run: it would otherwise know nothing of
 * the blocks. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *volatile kept;
static volatile int sink;

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    char *volatile block = malloc(40);
    if (!block)
        return 2;
    memset(block, 1, 40);
    if (!strcmp(what, "leak")) {
        /* Of many, for a heap's own memory keeps an address or two. */
        for (int i = 0; i < 1000; i++)
            kept = malloc(40);
        kept = NULL;
        block = NULL;
        return 0;
    }
    if (!strcmp(what, "overrun"))
        block[40] = 1;
    else if (!strcmp(what, "underrun")) {
        free(block);
        /* The block before it was told of. */
        char *volatile before = malloc(40);
        block = malloc(40);
        (block < before ? before : block)[-1] = 1;
        free(before);
    } else if (!strcmp(what, "after_free")) {
        free(block);
        sink = block[3];
        return 0;
    } else if (!strcmp(what, "undefined")) {
        char *volatile fresh = malloc(8);
        if (fresh[2] == 7)
            sink = 1;
        free(fresh);
    } else if (!strcmp(what, "resized")) {
        block = realloc(block, 4000);
        block[4000] = 1;
    } else if (!strcmp(what, "aligned")) {
        void *volatile aligned = NULL;
        if (posix_memalign((void **)&aligned, 256, 100))
            return 2;
        ((char *)aligned)[100] = 1;
        free(aligned);
    } else if (strcmp(what, "nothing"))
        return 2;
    free(block);
    return 0;
}
