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

#ifdef __cplusplus
extern "C" {
#endif

WINBASEAPI BOOL WINAPI IsBadReadPtr(const void *lp, UINT_PTR ucb);
WINBASEAPI BOOL WINAPI IsBadHugeReadPtr(const void *lp, UINT_PTR ucb);
WINBASEAPI BOOL WINAPI IsBadWritePtr(LPVOID lp, UINT_PTR ucb);
WINBASEAPI BOOL WINAPI IsBadHugeWritePtr(LPVOID lp, UINT_PTR ucb);
WINBASEAPI BOOL WINAPI IsBadCodePtr(FARPROC lpfn);
WINBASEAPI BOOL WINAPI IsBadStringPtrA(LPCSTR lpsz, UINT_PTR ucchMax);
WINBASEAPI BOOL WINAPI IsBadStringPtrW(LPCWSTR lpsz, UINT_PTR ucchMax);

/* "FlushInstructionCache". */
WINBASEAPI BOOL WINAPI FlushInstructionCache(HANDLE hProcess, LPCVOID lpBaseAddress,
                                             SIZE_T dwSize);

#ifdef UNICODE
#define IsBadStringPtr IsBadStringPtrW
#else
#define IsBadStringPtr IsBadStringPtrA
#endif

#ifdef __cplusplus
}
#endif

#endif
