/* All of the interface, as a Windows program includes it.
 *
 * Follows "Using the Windows Headers" on Microsoft Learn. There is as much of
 * Windows here as libntheap_win32.so has: heaps, global and local
 * memory, COM's task memory, private pages, last errors and vectored exceptions. The native
 * layer is in ntrtlheap.h. */
#ifndef NTHEAP_WINDOWS_H
#define NTHEAP_WINDOWS_H

#include <minwindef.h>
#include <winbase.h>
#include <winnt.h>
#ifndef WIN32_LEAN_AND_MEAN
#include <ole2.h>
#endif

#endif
