/* A program that takes malloc's address. In one that is not position
 * independent the address is that of the program's own jump to malloc. With
 * OWN it has a malloc of its own; with SHARED only that is compiled. */
#include <stddef.h>
#include <stdio.h>

#if defined OWN || defined SHARED
static _Alignas(16) char pool[1 << 22];
static size_t used;

void *malloc(size_t size)
{
    void *block = pool + used;
    used += (size + 31) / 16 * 16;
    return used <= sizeof pool ? block : NULL;
}

void *calloc(size_t count, size_t size)
{
    return malloc(count * size);
}

void *realloc(void *block, size_t size)
{
    char *from = block, *to = malloc(size);
    for (size_t i = 0; from && to && i < size && from + i < pool + sizeof pool; i++)
        to[i] = from[i];
    return to;
}

void free(void *block)
{
    (void)block;
}
#else
#include <stdlib.h>
#endif

#ifndef SHARED
int main(void)
{
    void *(*volatile allocate)(size_t) = malloc;
    return allocate(10) == NULL;
}
#endif
