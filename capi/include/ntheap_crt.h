/* A C runtime of a module's own, as a library has one that links the runtime
 * statically.
 *
 * One file of the library writes
 *
 *     #include <ntheap_crt.h>
 *     NTHEAP_STATIC_CRT("sausage")
 *
 * and from there on malloc, calloc, realloc, free and, in C++, new and delete of
 * that library, and of nobody else, are of a heap called "sausage": HeapCreate's,
 * made when it is first used. A block that another module frees is reported. With
 * NTHEAP_CRT=shared or NTHEAP_CRT=process in the environment all modules are on
 * one heap. Needs libntheap.so, and gcc or clang for 64-bit Linux. */
#ifndef NTHEAP_CRT_H
#define NTHEAP_CRT_H

#include <stddef.h>
#include <stdlib.h>
#ifdef __cplusplus
#include <new>
extern "C" {
#endif

typedef struct ntheap_crt ntheap_crt;

/* A runtime, or NULL when 256 modules have one. `name` stays; `module` is any
 * address in the module. */
ntheap_crt *ntheap_crt_open(const char *name, const void *module);
/* What a static runtime does when its module is unloaded: its heap is destroyed.
 * Blocks in use are reported as leaked; how many there were. */
size_t ntheap_crt_close(ntheap_crt *crt);
void *ntheap_crt_malloc(const ntheap_crt *crt, size_t size);
void *ntheap_crt_calloc(const ntheap_crt *crt, size_t count, size_t size);
void *ntheap_crt_realloc(const ntheap_crt *crt, void *block, size_t size);
void ntheap_crt_free(const ntheap_crt *crt, void *block);
size_t ntheap_crt_msize(const ntheap_crt *crt, void *block);
void *ntheap_crt_aligned_malloc(const ntheap_crt *crt, size_t size, size_t alignment);
void ntheap_crt_aligned_free(const ntheap_crt *crt, void *block);

#ifdef __cplusplus
}
#endif

/* Symbols that are seen in this module alone: the C library's own headers have
 * declared the functions otherwise. */
#define NTHEAP_OWN(symbol) __asm__(".hidden " #symbol)

#ifdef __cplusplus
#define NTHEAP_C extern "C"
#define NTHEAP_NOTHROW noexcept
#define NTHEAP_STATIC_NEW                                                                          \
    NTHEAP_OWN(_Znwm);                                                                             \
    NTHEAP_OWN(_Znam);                                                                             \
    NTHEAP_OWN(_ZdlPv);                                                                            \
    NTHEAP_OWN(_ZdaPv);                                                                            \
    NTHEAP_OWN(_ZdlPvm);                                                                           \
    NTHEAP_OWN(_ZdaPvm);                                                                           \
    void *operator new(std::size_t size)                                                           \
    {                                                                                              \
        for (;;) {                                                                                 \
            void *block = ntheap_crt_malloc(ntheap_own_crt(), size);                               \
            if (block)                                                                             \
                return block;                                                                      \
            std::new_handler handler = std::get_new_handler();                                     \
            if (!handler)                                                                          \
                throw std::bad_alloc();                                                            \
            handler();                                                                             \
        }                                                                                          \
    }                                                                                              \
    void *operator new[](std::size_t size) { return operator new(size); }                          \
    void operator delete(void *block) noexcept                                                     \
    {                                                                                              \
        ntheap_crt_free(ntheap_own_crt(), block);                                                  \
    }                                                                                              \
    void operator delete[](void *block) noexcept                                                   \
    {                                                                                              \
        ntheap_crt_free(ntheap_own_crt(), block);                                                  \
    }                                                                                              \
    void operator delete(void *block, std::size_t) noexcept                                        \
    {                                                                                              \
        ntheap_crt_free(ntheap_own_crt(), block);                                                  \
    }                                                                                              \
    void operator delete[](void *block, std::size_t) noexcept                                      \
    {                                                                                              \
        ntheap_crt_free(ntheap_own_crt(), block);                                                  \
    }
#else
#define NTHEAP_C
#define NTHEAP_NOTHROW
#define NTHEAP_STATIC_NEW
#endif

/* The runtime is opened by whichever thread comes first; the others wait. */
#define NTHEAP_STATIC_CRT(name)                                                                    \
    NTHEAP_OWN(ntheap_own_crt);                                                                    \
    NTHEAP_OWN(malloc);                                                                            \
    NTHEAP_OWN(calloc);                                                                            \
    NTHEAP_OWN(realloc);                                                                           \
    NTHEAP_OWN(free);                                                                              \
    NTHEAP_C ntheap_crt *ntheap_own_crt(void)                                                      \
    {                                                                                              \
        static ntheap_crt *crt;                                                                    \
        static int state;                                                                          \
        int fresh = 0;                                                                             \
        while (__atomic_load_n(&state, __ATOMIC_ACQUIRE) != 2) {                                   \
            fresh = 0;                                                                             \
            if (__atomic_compare_exchange_n(&state, &fresh, 1, 0, __ATOMIC_ACQUIRE,                \
                                            __ATOMIC_ACQUIRE)) {                                   \
                crt = ntheap_crt_open(name, &state);                                               \
                __atomic_store_n(&state, 2, __ATOMIC_RELEASE);                                     \
            }                                                                                      \
        }                                                                                          \
        return crt;                                                                                \
    }                                                                                              \
    NTHEAP_C void *malloc(size_t size) NTHEAP_NOTHROW                                              \
    {                                                                                              \
        return ntheap_crt_malloc(ntheap_own_crt(), size);                                          \
    }                                                                                              \
    NTHEAP_C void *calloc(size_t count, size_t size) NTHEAP_NOTHROW                                \
    {                                                                                              \
        return ntheap_crt_calloc(ntheap_own_crt(), count, size);                                   \
    }                                                                                              \
    NTHEAP_C void *realloc(void *block, size_t size) NTHEAP_NOTHROW                                \
    {                                                                                              \
        return ntheap_crt_realloc(ntheap_own_crt(), block, size);                                  \
    }                                                                                              \
    NTHEAP_C void free(void *block) NTHEAP_NOTHROW                                                 \
    {                                                                                              \
        ntheap_crt_free(ntheap_own_crt(), block);                                                  \
    }                                                                                              \
    NTHEAP_STATIC_NEW

#endif
