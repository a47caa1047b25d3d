/* The C library's stdlib.h, and with it what Windows' stdlib.h has of the heap
 * and of invalid parameters. */
#pragma GCC system_header
#include_next <stdlib.h>

#ifndef NTHEAP_STDLIB_H
#define NTHEAP_STDLIB_H

#include <corecrt_malloc.h>
#include <wchar.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Told of an argument that is not allowed. The texts are null here, as in the
 * release versions of the runtime, and of 16-bit characters on Windows. */
typedef void(__cdecl *_invalid_parameter_handler)(const wchar_t *expression,
                                                  const wchar_t *function, const wchar_t *file,
                                                  unsigned int line, uintptr_t reserved);
_CRTIMP _invalid_parameter_handler __cdecl _set_invalid_parameter_handler(
    _invalid_parameter_handler handler);
_CRTIMP _invalid_parameter_handler __cdecl _get_invalid_parameter_handler(void);

#ifdef __cplusplus
}
#endif

#endif
