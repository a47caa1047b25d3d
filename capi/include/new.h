/* The new handler and the new mode of the C runtime.
 *
 * Follows "_set_new_handler" and "_set_new_mode" of the C runtime library
 * reference on Microsoft Learn. */
#ifndef NTHEAP_NEW_H
#define NTHEAP_NEW_H

#ifdef __cplusplus
#include <new>
#endif

#include <crtdefs.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Told how many bytes there is no memory for: 0 gives up, anything else tries
 * again. */
typedef int(__cdecl *_PNH)(size_t size);

_CRTIMP _PNH __cdecl _set_new_handler(_PNH handler);
_CRTIMP _PNH __cdecl _query_new_handler(void);
_CRTIMP int __cdecl _set_new_mode(int mode);
_CRTIMP int __cdecl _query_new_mode(void);

#ifdef __cplusplus
}

/* What operator new does where there is no memory: asks the runtime's handler, or,
 * where there is none, C++'s own, and returns to try again; else throws. */
inline void ntheap_new_failed(_PNH handler, size_t size)
{
    if (handler) {
        if (handler(size))
            return;
    } else {
        std::new_handler own = std::get_new_handler();
        if (own) {
            own();
            return;
        }
    }
#ifdef __cpp_exceptions
    throw std::bad_alloc();
#else
    __builtin_abort();
#endif
}
#endif

#endif
