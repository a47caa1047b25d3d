/* The functions of the base services, from their own headers.
 *
 * Follows "winbase.h header" on Microsoft Learn. */
#ifndef NTHEAP_WINBASE_H
#define NTHEAP_WINBASE_H

#include <debugapi.h>
#include <errhandlingapi.h>
#include <heapapi.h>
#include <memoryapi.h>
#include <minwinbase.h>
#include <winerror.h>

#endif
