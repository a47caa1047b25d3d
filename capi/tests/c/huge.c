/* Requests that nothing can serve are refused, and the next ones served. */
#include "check.h"

int main(void)
{
    for (int shift = 62; shift >= 50; shift -= 8) {
        CHECK(malloc((size_t)1 << shift) == NULL);
        CHECK(aligned_alloc((size_t)1 << 30, (size_t)1 << shift) == NULL);
    }
    for (size_t size = 1000; size < ((size_t)64 << 20); size *= 3) {
        char *block = malloc(size);
        CHECK(block);
        block[size - 1] = 1;
        CHECK(block = realloc(block, size + size / 2));
        CHECK(block[size - 1] == 1);
        free(block);
    }
    return 0;
}
