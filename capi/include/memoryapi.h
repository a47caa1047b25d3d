/* Reserving, committing and asking about pages.
 *
 * Follows "Virtual Memory Functions" and the pages of memoryapi.h on Microsoft
 * Learn. */
#ifndef NTHEAP_MEMORYAPI_H
#define NTHEAP_MEMORYAPI_H

#include <minwindef.h>

#ifdef __cplusplus
extern "C" {
#endif

WINBASEAPI LPVOID WINAPI VirtualAlloc(LPVOID lpAddress, SIZE_T dwSize, DWORD flAllocationType,
                                      DWORD flProtect);
WINBASEAPI BOOL WINAPI VirtualFree(LPVOID lpAddress, SIZE_T dwSize, DWORD dwFreeType);
WINBASEAPI SIZE_T WINAPI VirtualQuery(LPCVOID lpAddress, PMEMORY_BASIC_INFORMATION lpBuffer,
                                      SIZE_T dwLength);

#ifdef __cplusplus
}
#endif

#endif
