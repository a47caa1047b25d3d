/* A program linked with both libraries has one heap: malloc's heap is the
 * process heap, and a block of either is freed by the other's function. */
#define _GNU_SOURCE
#include "check.h"
#include <dlfcn.h>
#include <malloc.h>
#include <windows.h>

/* The object that a function lies in. */
static const char *object_of(void *function)
{
    Dl_info object;
    CHECK(dladdr(function, &object) && object.dli_fname);
    const char *name = strrchr(object.dli_fname, '/');
    return name ? name + 1 : object.dli_fname;
}

static void mallocs_blocks_are_the_process_heaps(void)
{
    HANDLE heap = GetProcessHeap();
    CHECK(heap);
    static const size_t sizes[] = {0, 1, 24, 100, 1000, 5000, 20000, 300000, 3000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *block = malloc(sizes[i]);
        CHECK(block && HeapValidate(heap, 0, block));
        SIZE_T size = HeapSize(heap, 0, block);
        CHECK(size != (SIZE_T)-1 && size >= sizes[i] && size == malloc_usable_size(block));
        memset(block, 7, sizes[i]);
        block = HeapReAlloc(heap, HEAP_ZERO_MEMORY, block, sizes[i] + 1000);
        CHECK(block);
        for (size_t at = 0; at < sizes[i]; at++)
            CHECK(block[at] == 7);
        CHECK(HeapSize(heap, 0, block) >= sizes[i] + 1000);
        CHECK(HeapFree(heap, 0, block));
        CHECK(!HeapValidate(heap, 0, block));

        block = malloc(sizes[i]);
        CHECK(HeapFree(heap, 0, block) && !HeapFree(heap, 0, block));
        CHECK(!HeapValidate(heap, 0, block));
    }
    /* Not of another heap. */
    HANDLE other = HeapCreate(0, 0, 0);
    char *block = malloc(100);
    CHECK(!HeapFree(other, 0, block) && !HeapValidate(other, 0, block));
    CHECK(HeapSize(other, 0, block) == (SIZE_T)-1);
    free(block);
    CHECK(HeapDestroy(other));
}

static void the_process_heaps_blocks_are_mallocs(void)
{
    HANDLE heap = GetProcessHeap();
    /* Often enough for the low-fragmentation heap to serve some. */
    static char *blocks[64];
    for (int i = 0; i < 64; i++) {
        blocks[i] = HeapAlloc(heap, 0, 40);
        CHECK(blocks[i]);
        memset(blocks[i], i, 40);
    }
    for (int i = 0; i < 64; i++) {
        CHECK(malloc_usable_size(blocks[i]) >= 40);
        blocks[i] = realloc(blocks[i], 80);
        CHECK(blocks[i] && blocks[i][39] == i);
        free(blocks[i]);
    }
    for (size_t size = 0; size < 3000000; size = size * 3 + 1) {
        char *block = HeapAlloc(heap, HEAP_ZERO_MEMORY, size);
        CHECK(block && HeapSize(heap, 0, block) == size);
        free(block);
        CHECK(!HeapValidate(heap, 0, block));
        block = HeapAlloc(heap, 0, size);
        CHECK(block && malloc_usable_size(block) >= size);
        memset(block, 9, size);
        block = realloc(block, 2 * size + 1);
        CHECK(block);
        for (size_t at = 0; at < size; at++)
            CHECK(block[at] == 9);
        free(block);
    }
}

int main(void)
{
    CHECK(strcmp(object_of((void *)HeapAlloc), "libntheap_win32.so") == 0);
    CHECK(strcmp(object_of((void *)malloc), "libntheap.so") == 0);
    HANDLE heaps[8];
    CHECK(GetProcessHeaps(8, heaps) == 1 && heaps[0] == GetProcessHeap());
    mallocs_blocks_are_the_process_heaps();
    the_process_heaps_blocks_are_mallocs();
    CHECK(HeapValidate(GetProcessHeap(), 0, NULL));
    CHECK(write(1, "done\n", 5) == 5);
    return 0;
}
