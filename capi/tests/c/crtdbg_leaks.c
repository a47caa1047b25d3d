/* A thousand planted leaks among ten thousand blocks, from three lines. Prints
 * what a dump must say of them, newest first; the dump comes at the end. */
#include <stdio.h>
#include <string.h>

#include <crtdbg.h>

#define BLOCKS 10000

static char *blocks[BLOCKS];
static size_t sizes[BLOCKS];
static int lines[BLOCKS];

int main(void)
{
    unsigned random = 12345;
    _CrtSetDbgFlag(_CRTDBG_ALLOC_MEM_DF | _CRTDBG_LEAK_CHECK_DF);
    for (int i = 0; i < BLOCKS; i++) {
        random = random * 1664525u + 1013904223u;
        size_t size = random >> 23;
        sizes[i] = size;
        switch (i % 3) {
        case 0:
            blocks[i] = malloc(size), lines[i] = __LINE__;
            break;
        case 1:
            blocks[i] = calloc(size, 1), lines[i] = __LINE__;
            break;
        default:
            blocks[i] = realloc(NULL, size), lines[i] = __LINE__;
        }
        memset(blocks[i], 'A' + i % 26, size);
    }
    for (int i = 0; i < BLOCKS; i++) {
        int at = i * 7919 % BLOCKS;
        if (at % 10 != 3)
            free(blocks[at]);
    }
    puts("Detected memory leaks!\nDumping objects ->");
    for (int i = BLOCKS - 1; i >= 0; i--) {
        if (i % 10 != 3)
            continue;
        printf("%s(%d) : {%d} normal block at 0x%016lX, %zu bytes long.\n Data: <", __FILE__,
               lines[i], i + 1, (unsigned long)(size_t)blocks[i], sizes[i]);
        int shown = sizes[i] < 16 ? (int)sizes[i] : 16;
        for (int j = 0; j < shown; j++)
            putchar('A' + i % 26);
        fputs("> ", stdout);
        for (int j = 0; j < shown; j++)
            printf("%02X ", 'A' + i % 26);
        putchar('\n');
    }
    puts("Object dump complete.");
    return 0;
}
