/* The C library's malloc.h, and with it what Windows' malloc.h has. */
#pragma GCC system_header
#include_next <malloc.h>

#ifndef NTHEAP_MALLOC_H
#define NTHEAP_MALLOC_H

#include <corecrt_malloc.h>

#endif
