/* Handles of any kind, and the calling process.
 *
 * Follows "CloseHandle", "DuplicateHandle" and "GetCurrentProcess" on Microsoft
 * Learn. A forked process has all handles, a program that is started none. */
#ifndef NTHEAP_HANDLEAPI_H
#define NTHEAP_HANDLEAPI_H

#include <minwindef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define INVALID_HANDLE_VALUE ((HANDLE)(LONG_PTR)-1)

WINBASEAPI BOOL WINAPI CloseHandle(HANDLE hObject);
WINBASEAPI BOOL WINAPI DuplicateHandle(HANDLE hSourceProcessHandle, HANDLE hSourceHandle,
                                       HANDLE hTargetProcessHandle, LPHANDLE lpTargetHandle,
                                       DWORD dwDesiredAccess, BOOL bInheritHandle,
                                       DWORD dwOptions);

#ifdef __cplusplus
}
#endif

#endif
