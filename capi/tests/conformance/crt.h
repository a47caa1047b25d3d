/* The C runtime's functions for conformance programs: the project's, or under
 * Wine those of Visual C++ 2012's runtime, whose heap is the process heap as the
 * project's is by default. MinGW links an older one, which lacks some. */
#ifndef CONFORMANCE_CRT_H
#define CONFORMANCE_CRT_H

#include "check.h"
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#ifdef _WIN32

typedef int(__cdecl *new_handler_function)(size_t);

/* Result, name, its name in the library, arguments. */
#define RUNTIME_FUNCTIONS(X)                                                                       \
    X(void *, malloc, "malloc", (size_t))                                                          \
    X(void *, calloc, "calloc", (size_t, size_t))                                                  \
    X(void *, realloc, "realloc", (void *, size_t))                                                \
    X(void, free, "free", (void *))                                                                \
    X(size_t, _msize, "_msize", (void *))                                                          \
    X(void *, _expand, "_expand", (void *, size_t))                                                \
    X(void *, _recalloc, "_recalloc", (void *, size_t, size_t))                                    \
    X(void *, _aligned_malloc, "_aligned_malloc", (size_t, size_t))                                \
    X(void *, _aligned_realloc, "_aligned_realloc", (void *, size_t, size_t))                      \
    X(void *, _aligned_recalloc, "_aligned_recalloc", (void *, size_t, size_t, size_t))            \
    X(void *, _aligned_offset_malloc, "_aligned_offset_malloc", (size_t, size_t, size_t))          \
    X(void *, _aligned_offset_realloc, "_aligned_offset_realloc", (void *, size_t, size_t, size_t)) \
    X(void *, _aligned_offset_recalloc, "_aligned_offset_recalloc",                                \
      (void *, size_t, size_t, size_t, size_t))                                                    \
    X(size_t, _aligned_msize, "_aligned_msize", (void *, size_t, size_t))                          \
    X(void, _aligned_free, "_aligned_free", (void *))                                              \
    X(int, _heapchk, "_heapchk", (void))                                                           \
    X(int, _heapset, "_heapset", (unsigned int))                                                   \
    X(int, _heapwalk, "_heapwalk", (_HEAPINFO *))                                                  \
    X(int, _heapmin, "_heapmin", (void))                                                           \
    X(intptr_t, _get_heap_handle, "_get_heap_handle", (void))                                      \
    X(int, _set_sbh_threshold, "_set_sbh_threshold", (size_t))                                     \
    X(size_t, _get_sbh_threshold, "_get_sbh_threshold", (void))                                    \
    X(new_handler_function, _set_new_handler, "?_set_new_handler@@YAP6AH_K@ZP6AH0@Z@Z",            \
      (new_handler_function))                                                                      \
    X(new_handler_function, _query_new_handler, "?_query_new_handler@@YAP6AH_K@ZXZ", (void))       \
    X(int, _set_new_mode, "?_set_new_mode@@YAHH@Z", (int))                                         \
    X(int, _query_new_mode, "?_query_new_mode@@YAHXZ", (void))                                     \
    X(_invalid_parameter_handler, _set_invalid_parameter_handler, "_set_invalid_parameter_handler", \
      (_invalid_parameter_handler))                                                                \
    X(int *, _errno, "_errno", (void))

#define POINTER(result, name, exported, arguments)                                                 \
    HELPER result(__cdecl *runtime_##name) arguments;
RUNTIME_FUNCTIONS(POINTER)

HELPER BOOL runtime(void)
{
    HMODULE library = LoadLibraryA("msvcr110.dll");
    if (!library)
        return FALSE;
#define FIND(result, name, exported, arguments)                                                    \
    *(FARPROC *)&runtime_##name = GetProcAddress(library, exported);                               \
    if (!runtime_##name)                                                                           \
        *(FARPROC *)&runtime_##name = GetProcAddress(LoadLibraryA("msvcrt.dll"), exported);
    RUNTIME_FUNCTIONS(FIND)
    return TRUE;
}

#undef errno
#define errno (*runtime__errno())
#define malloc runtime_malloc
#define calloc runtime_calloc
#define realloc runtime_realloc
#define free runtime_free
#define _msize runtime__msize
#define _expand runtime__expand
#define _recalloc runtime__recalloc
#define _aligned_malloc runtime__aligned_malloc
#define _aligned_realloc runtime__aligned_realloc
#define _aligned_recalloc runtime__aligned_recalloc
#define _aligned_offset_malloc runtime__aligned_offset_malloc
#define _aligned_offset_realloc runtime__aligned_offset_realloc
#define _aligned_offset_recalloc runtime__aligned_offset_recalloc
#define _aligned_msize runtime__aligned_msize
#define _aligned_free runtime__aligned_free
#define _heapchk runtime__heapchk
#define _heapset runtime__heapset
#define _heapwalk runtime__heapwalk
#define _heapmin runtime__heapmin
#define _get_heap_handle runtime__get_heap_handle
#define _set_sbh_threshold runtime__set_sbh_threshold
#define _get_sbh_threshold runtime__get_sbh_threshold
#define _set_new_handler runtime__set_new_handler
#define _query_new_handler runtime__query_new_handler
#define _set_new_mode runtime__set_new_mode
#define _query_new_mode runtime__query_new_mode
#define _set_invalid_parameter_handler runtime__set_invalid_parameter_handler

#else

#include <new.h>
#define runtime() TRUE

#endif

#endif
