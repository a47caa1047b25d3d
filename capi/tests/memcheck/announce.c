/* Tells memcheck of each block that the next library's malloc and its kin hand
 * out, by client requests. Loaded before libntheap.so, whose own functions run
 * as they are: memcheck then knows where each block ends, whether it lives, and
 * what in it was written.
 *
 * A heap may touch a block's bytes only in calloc and realloc. Anywhere else
 * memcheck reports what the heap itself does to freed or unannounced bytes. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <valgrind/memcheck.h>

#define NEXT(name) ((__typeof__(&name))next(#name))

static void *next(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    return found;
}

extern void *memalign(size_t, size_t);
extern void *pvalloc(size_t);
extern size_t malloc_usable_size(void *);

/* Asked for beyond each block, so that what is behind it is nobody's. */
enum { BEHIND = 16 };

/* What is asked of the heap for a block of `size` bytes. */
static size_t with_room(size_t size)
{
    return size > SIZE_MAX - BEHIND ? size : size + BEHIND;
}

static size_t taken(void *block)
{
    static __typeof__(&malloc_usable_size) own;
    if (!own)
        own = NEXT(malloc_usable_size);
    return own(block);
}

static void *announced(char *block, size_t size, int is_zeroed)
{
    if (block) {
        VALGRIND_MALLOCLIKE_BLOCK(block, size, 0, is_zeroed);
        VALGRIND_MAKE_MEM_NOACCESS(block + size, taken(block) - size);
    }
    return block;
}

size_t malloc_usable_size(void *block)
{
    return block ? taken(block) - BEHIND : 0;
}

void *malloc(size_t size)
{
    static __typeof__(&malloc) own;
    if (!own)
        own = NEXT(malloc);
    return announced(own(with_room(size)), size, 0);
}

void *calloc(size_t count, size_t size)
{
    static __typeof__(&calloc) own;
    if (!own)
        own = NEXT(calloc);
    VALGRIND_DISABLE_ERROR_REPORTING;
    size_t bytes;
    void *block = __builtin_mul_overflow(count, size, &bytes) ? own(count, size) : own(1, with_room(bytes));
    VALGRIND_ENABLE_ERROR_REPORTING;
    return announced(block, count * size, 1);
}

void free(void *block)
{
    static __typeof__(&free) own;
    if (!own)
        own = NEXT(free);
    if (block)
        VALGRIND_FREELIKE_BLOCK(block, 0);
    own(block);
}

/* C23's, which may be defined beside the C library's own. */
void free_sized(void *block, size_t size)
{
    static void (*own)(void *, size_t);
    if (!own)
        own = next("free_sized");
    if (block)
        VALGRIND_FREELIKE_BLOCK(block, 0);
    own(block, with_room(size));
}

void free_aligned_sized(void *block, size_t alignment, size_t size)
{
    static void (*own)(void *, size_t, size_t);
    if (!own)
        own = next("free_aligned_sized");
    if (block)
        VALGRIND_FREELIKE_BLOCK(block, 0);
    own(block, alignment, with_room(size));
}

void *realloc(void *block, size_t size)
{
    static __typeof__(&realloc) own;
    if (!own)
        own = NEXT(realloc);
    if (!block)
        return malloc(size);
    size_t had = taken(block);
    /* Before it is free: another thread may have it, and announce it, at once then. */
    VALGRIND_FREELIKE_BLOCK(block, 0);
    VALGRIND_DISABLE_ERROR_REPORTING;
    void *moved = own(block, size ? with_room(size) : 0);
    VALGRIND_ENABLE_ERROR_REPORTING;
    if (!moved && size) {
        announced(block, had - BEHIND, 0);
        VALGRIND_MAKE_MEM_DEFINED(block, had - BEHIND);
        return NULL;
    }
    announced(moved, size, 0);
    if (moved)
        VALGRIND_MAKE_MEM_DEFINED(moved, had < size ? had : size);
    return moved;
}

void *reallocarray(void *block, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NEXT(reallocarray)(block, count, size);
    return realloc(block, bytes);
}

void *memalign(size_t alignment, size_t size)
{
    return announced(NEXT(memalign)(alignment, with_room(size)), size, 0);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return announced(NEXT(aligned_alloc)(alignment, with_room(size)), size, 0);
}

void *valloc(size_t size)
{
    return announced(NEXT(valloc)(with_room(size)), size, 0);
}

void *pvalloc(size_t size)
{
    return announced(NEXT(pvalloc)(with_room(size)), size, 0);
}

int posix_memalign(void **place, size_t alignment, size_t size)
{
    int error = NEXT(posix_memalign)(place, alignment, with_room(size));
    if (!error)
        announced(*place, size, 0);
    return error;
}
