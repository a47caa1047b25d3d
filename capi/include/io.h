/* Descriptors and handles.
 *
 * Follows "_get_osfhandle" and "_open_osfhandle" on Microsoft Learn. */
#ifndef NTHEAP_IO_H
#define NTHEAP_IO_H

#include <minwindef.h>

#ifdef __cplusplus
extern "C" {
#endif

INT_PTR __cdecl _get_osfhandle(INT fd);
INT __cdecl _open_osfhandle(INT_PTR osfhandle, INT flags);

#ifdef __cplusplus
}
#endif

#endif
