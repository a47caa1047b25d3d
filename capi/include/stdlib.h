/* The C library's stdlib.h, and with it what Windows' stdlib.h has of the heap, of
 * invalid parameters and of errors' numbers. */
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

/* The system's number of an error, beside errno; a uintptr_t is an unsigned long. */
_CRTIMP uintptr_t *__cdecl __doserrno(void);
#define _doserrno (*__doserrno())
_CRTIMP errno_t __cdecl _get_doserrno(uintptr_t *value);
_CRTIMP errno_t __cdecl _set_doserrno(uintptr_t value);
_CRTIMP errno_t __cdecl _get_errno(int *value);
_CRTIMP errno_t __cdecl _set_errno(int value);

#ifdef __cplusplus
}
#endif

#endif
