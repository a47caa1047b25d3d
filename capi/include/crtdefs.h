/* What the C runtime's headers share.
 *
 * Follows "Predefined types and values" of the C runtime library reference on
 * Microsoft Learn. */
#ifndef NTHEAP_CRTDEFS_H
#define NTHEAP_CRTDEFS_H

#include <stddef.h>
#include <stdint.h>

/* What errno can be. */
typedef int errno_t;

#ifndef __cdecl
#define __cdecl
#endif
#ifndef _CRTIMP
#define _CRTIMP
#endif

#endif
