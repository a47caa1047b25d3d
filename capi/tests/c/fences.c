/* Fills so many MiB with blocks of 64 bytes and writes behind a block of a page. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int count, char **arguments) {
    size_t bytes = count > 1 ? strtoul(arguments[1], NULL, 10) << 20 : 0;
    for (size_t filled = 0; filled < bytes; filled += 64) {
        char *block = malloc(64);
        if (!block)
            return 2;
        memset(block, 1, 64);
    }
    volatile char *page = malloc(4096);
    if (!page)
        return 2;
    page[4096] = 1;
    puts("went on");
    return 0;
}
