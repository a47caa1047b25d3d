/* What a call costs when it does nothing, in a library of its own, as the
 * functions of malloc are: a move and a return where a block is returned, else
 * a return. */
#include <stddef.h>

void *allocate_nothing(size_t size)
{
    __asm__ volatile("" : : : "memory");
    return (void *)size;
}

void *allocate_zeroed_nothing(size_t count, size_t size)
{
    __asm__ volatile("" : : "r"(count) : "memory");
    return (void *)size;
}

void *allocate_aligned_nothing(size_t align, size_t size)
{
    __asm__ volatile("" : : "r"(align) : "memory");
    return (void *)size;
}

void *reallocate_nothing(void *block, size_t size)
{
    __asm__ volatile("" : : "r"(size) : "memory");
    return block;
}

void free_nothing(void *block)
{
    __asm__ volatile("" : : "r"(block) : "memory");
}

size_t size_of_nothing(void *block)
{
    __asm__ volatile("" : : : "memory");
    return (size_t)block;
}

void *allocate_in_nothing(void *heap, unsigned flags, size_t size)
{
    __asm__ volatile("" : : "r"(heap), "r"(flags) : "memory");
    return (void *)size;
}

void free_in_nothing(void *heap, unsigned flags, void *block)
{
    __asm__ volatile("" : : "r"(heap), "r"(flags), "r"(block) : "memory");
}

void *global_in_nothing(unsigned flags, size_t size)
{
    __asm__ volatile("" : : "r"(flags) : "memory");
    return (void *)size;
}

void *lock_in_nothing(void *handle)
{
    __asm__ volatile("" : : : "memory");
    return handle;
}

void unlock_in_nothing(void *handle)
{
    __asm__ volatile("" : : "r"(handle) : "memory");
}

void release_in_nothing(void *handle)
{
    __asm__ volatile("" : : "r"(handle) : "memory");
}
