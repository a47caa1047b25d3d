/* A C runtime of a module's own, as a library has one that links the runtime
 * statically.
 *
 * One file of the library writes
 *
 *     #include <ntheap_crt.h>
 *     NTHEAP_STATIC_CRT("sausage")
 *
 * and from there on malloc, calloc, realloc, free, strdup, strndup and, in C++, all
 * forms of new and delete of that library, and of nobody else, are of a heap called
 * "sausage": HeapCreate's, made when it is first used. A block that another module
 * frees is reported. What the C library allocates for its caller (getline, asprintf,
 * realpath, aligned_alloc) is still the process's malloc's, for a module without a
 * runtime of its own to free. With
 * NTHEAP_CRT=shared or NTHEAP_CRT=process in the environment all modules are on
 * one heap. Needs libntheap.so, and gcc or clang for 64-bit Linux. */
#ifndef NTHEAP_CRT_H
#define NTHEAP_CRT_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#ifdef __cplusplus
#include <new.h>
extern "C" {
#endif

typedef struct ntheap_crt ntheap_crt;

/* A runtime, or NULL when 256 modules have one: with that all functions below fail
 * with ENOMEM, and none frees anything. `name` stays; `module` is any address in the
 * module. */
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
/* malloc and _aligned_malloc for operator new, which asks the new handler itself. */
void *ntheap_crt_new(const ntheap_crt *crt, size_t size);
void *ntheap_crt_aligned_new(const ntheap_crt *crt, size_t size, size_t alignment);
#ifdef __cplusplus
_PNH ntheap__query_new_handler();
#endif

#ifdef __cplusplus
}
#endif

/* Symbols that are seen in this module alone: the C library's own headers have
 * declared the functions otherwise. */
#define NTHEAP_OWN(symbol) __asm__(".hidden " #symbol)

#ifdef __cplusplus
#define NTHEAP_C extern "C"
#define NTHEAP_NOTHROW noexcept
#ifdef __cpp_exceptions
#define NTHEAP_UNLESS_THROWN(what)                                                                 \
    try {                                                                                          \
        what                                                                                       \
    } catch (...) {                                                                                \
        return nullptr;                                                                            \
    }
#else
#define NTHEAP_UNLESS_THROWN(what) what
#endif
#ifdef __cpp_aligned_new
#define NTHEAP_STATIC_ALIGNED_NEW                                                                  \
    NTHEAP_OWN(_ZnwmSt11align_val_t);                                                              \
    NTHEAP_OWN(_ZnamSt11align_val_t);                                                              \
    NTHEAP_OWN(_ZnwmSt11align_val_tRKSt9nothrow_t);                                                \
    NTHEAP_OWN(_ZnamSt11align_val_tRKSt9nothrow_t);                                                \
    NTHEAP_OWN(_ZdlPvSt11align_val_t);                                                             \
    NTHEAP_OWN(_ZdaPvSt11align_val_t);                                                             \
    NTHEAP_OWN(_ZdlPvmSt11align_val_t);                                                            \
    NTHEAP_OWN(_ZdaPvmSt11align_val_t);                                                            \
    NTHEAP_OWN(_ZdlPvSt11align_val_tRKSt9nothrow_t);                                               \
    NTHEAP_OWN(_ZdaPvSt11align_val_tRKSt9nothrow_t);                                               \
    void *operator new(std::size_t size, std::align_val_t alignment)                               \
    {                                                                                              \
        for (;;) {                                                                                 \
            void *block = ntheap_crt_aligned_new(ntheap_own_crt(), size, std::size_t(alignment));  \
            if (block)                                                                             \
                return block;                                                                      \
            ntheap_new_failed(ntheap__query_new_handler(), size);                                  \
        }                                                                                          \
    }                                                                                              \
    void *operator new[](std::size_t size, std::align_val_t alignment)                             \
    {                                                                                              \
        return operator new(size, alignment);                                                      \
    }                                                                                              \
    void *operator new(std::size_t size, std::align_val_t alignment,                               \
                       const std::nothrow_t &) noexcept                                            \
    {                                                                                              \
        NTHEAP_UNLESS_THROWN(return operator new(size, alignment);)                                \
    }                                                                                              \
    void *operator new[](std::size_t size, std::align_val_t alignment,                             \
                         const std::nothrow_t &how) noexcept                                       \
    {                                                                                              \
        return operator new(size, alignment, how);                                                 \
    }                                                                                              \
    void operator delete(void *block, std::align_val_t) noexcept                                   \
    {                                                                                              \
        ntheap_crt_aligned_free(ntheap_own_crt(), block);                                          \
    }                                                                                              \
    void operator delete[](void *block, std::align_val_t alignment) noexcept                       \
    {                                                                                              \
        operator delete(block, alignment);                                                         \
    }                                                                                              \
    void operator delete(void *block, std::size_t, std::align_val_t alignment) noexcept            \
    {                                                                                              \
        operator delete(block, alignment);                                                         \
    }                                                                                              \
    void operator delete[](void *block, std::size_t, std::align_val_t alignment) noexcept          \
    {                                                                                              \
        operator delete(block, alignment);                                                         \
    }                                                                                              \
    void operator delete(void *block, std::align_val_t alignment, const std::nothrow_t &) noexcept \
    {                                                                                              \
        operator delete(block, alignment);                                                         \
    }                                                                                              \
    void operator delete[](void *block, std::align_val_t alignment,                                \
                           const std::nothrow_t &) noexcept                                        \
    {                                                                                              \
        operator delete(block, alignment);                                                         \
    }
#else
#define NTHEAP_STATIC_ALIGNED_NEW
#endif
#define NTHEAP_STATIC_NEW                                                                          \
    NTHEAP_OWN(_Znwm);                                                                             \
    NTHEAP_OWN(_Znam);                                                                             \
    NTHEAP_OWN(_ZnwmRKSt9nothrow_t);                                                               \
    NTHEAP_OWN(_ZnamRKSt9nothrow_t);                                                               \
    NTHEAP_OWN(_ZdlPv);                                                                            \
    NTHEAP_OWN(_ZdaPv);                                                                            \
    NTHEAP_OWN(_ZdlPvm);                                                                           \
    NTHEAP_OWN(_ZdaPvm);                                                                           \
    NTHEAP_OWN(_ZdlPvRKSt9nothrow_t);                                                              \
    NTHEAP_OWN(_ZdaPvRKSt9nothrow_t);                                                              \
    void *operator new(std::size_t size)                                                           \
    {                                                                                              \
        for (;;) {                                                                                 \
            void *block = ntheap_crt_new(ntheap_own_crt(), size);                                  \
            if (block)                                                                             \
                return block;                                                                      \
            ntheap_new_failed(ntheap__query_new_handler(), size);                                  \
        }                                                                                          \
    }                                                                                              \
    void *operator new[](std::size_t size) { return operator new(size); }                          \
    void *operator new(std::size_t size, const std::nothrow_t &) noexcept                          \
    {                                                                                              \
        NTHEAP_UNLESS_THROWN(return operator new(size);)                                           \
    }                                                                                              \
    void *operator new[](std::size_t size, const std::nothrow_t &how) noexcept                     \
    {                                                                                              \
        return operator new(size, how);                                                            \
    }                                                                                              \
    void operator delete(void *block) noexcept                                                     \
    {                                                                                              \
        ntheap_crt_free(ntheap_own_crt(), block);                                                  \
    }                                                                                              \
    void operator delete[](void *block) noexcept { operator delete(block); }                       \
    void operator delete(void *block, std::size_t) noexcept { operator delete(block); }            \
    void operator delete[](void *block, std::size_t) noexcept { operator delete(block); }          \
    void operator delete(void *block, const std::nothrow_t &) noexcept { operator delete(block); } \
    void operator delete[](void *block, const std::nothrow_t &) noexcept                           \
    {                                                                                              \
        operator delete(block);                                                                    \
    }                                                                                              \
    NTHEAP_STATIC_ALIGNED_NEW
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
    NTHEAP_OWN(strdup);                                                                            \
    NTHEAP_OWN(strndup);                                                                           \
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
    NTHEAP_C char *strndup(const char *text, size_t most) NTHEAP_NOTHROW                           \
    {                                                                                              \
        size_t length = 0;                                                                         \
        char *copy;                                                                                \
        while (length < most && text[length])                                                      \
            length++;                                                                              \
        copy = (char *)ntheap_crt_malloc(ntheap_own_crt(), length + 1);                            \
        if (copy) {                                                                                \
            memcpy(copy, text, length);                                                            \
            copy[length] = 0;                                                                      \
        }                                                                                          \
        return copy;                                                                               \
    }                                                                                              \
    NTHEAP_C char *strdup(const char *text) NTHEAP_NOTHROW { return strndup(text, strlen(text)); } \
    NTHEAP_STATIC_NEW

#endif
