/* The C runtime's heap functions.
 *
 * Follows "malloc.h" and the pages of the functions in the C runtime library
 * reference on Microsoft Learn. malloc, calloc, realloc and free are in the C
 * library's own headers, and are this heap's. */
#ifndef NTHEAP_CORECRT_MALLOC_H
#define NTHEAP_CORECRT_MALLOC_H

#include <crtdefs.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The largest request. */
#define _HEAP_MAXREQ 0xFFFFFFFFFFFFFFE0

/* What _heapchk, _heapset and _heapwalk say. */
#define _HEAPEMPTY (-1)
#define _HEAPOK (-2)
#define _HEAPBADBEGIN (-3)
#define _HEAPBADNODE (-4)
#define _HEAPEND (-5)
#define _HEAPBADPTR (-6)

/* An entry of a walk; a null _pentry starts one. */
#define _FREEENTRY 0
#define _USEDENTRY 1
typedef struct _heapinfo {
    int *_pentry;
    size_t _size;
    int _useflag;
} _HEAPINFO;

_CRTIMP size_t __cdecl _msize(void *block);
_CRTIMP void *__cdecl _expand(void *block, size_t size);
_CRTIMP void *__cdecl _recalloc(void *block, size_t count, size_t size);

_CRTIMP void *__cdecl _aligned_malloc(size_t size, size_t alignment);
_CRTIMP void *__cdecl _aligned_realloc(void *block, size_t size, size_t alignment);
_CRTIMP void *__cdecl _aligned_recalloc(void *block, size_t count, size_t size, size_t alignment);
_CRTIMP void *__cdecl _aligned_offset_malloc(size_t size, size_t alignment, size_t offset);
_CRTIMP void *__cdecl _aligned_offset_realloc(void *block, size_t size, size_t alignment,
                                              size_t offset);
_CRTIMP void *__cdecl _aligned_offset_recalloc(void *block, size_t count, size_t size,
                                               size_t alignment, size_t offset);
_CRTIMP size_t __cdecl _aligned_msize(void *block, size_t alignment, size_t offset);
_CRTIMP void __cdecl _aligned_free(void *block);

_CRTIMP int __cdecl _heapchk(void);
_CRTIMP int __cdecl _heapset(unsigned int fill);
_CRTIMP int __cdecl _heapwalk(_HEAPINFO *entry);
_CRTIMP int __cdecl _heapmin(void);
_CRTIMP intptr_t __cdecl _get_heap_handle(void);
_CRTIMP int __cdecl _set_sbh_threshold(size_t size);
_CRTIMP size_t __cdecl _get_sbh_threshold(void);

_CRTIMP int __cdecl _callnewh(size_t size);

#ifdef __cplusplus
}
#endif

#endif
