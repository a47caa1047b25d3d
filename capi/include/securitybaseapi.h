/* The privileges of a token: one is known, SE_LOCK_MEMORY_NAME.
 *
 * Follows "AdjustTokenPrivileges" on Microsoft Learn. */
#ifndef NTHEAP_SECURITYBASEAPI_H
#define NTHEAP_SECURITYBASEAPI_H

#include <minwindef.h>

#ifdef __cplusplus
extern "C" {
#endif

WINBASEAPI BOOL WINAPI AdjustTokenPrivileges(HANDLE TokenHandle, BOOL DisableAllPrivileges,
                                             PTOKEN_PRIVILEGES NewState, DWORD BufferLength,
                                             PTOKEN_PRIVILEGES PreviousState, PDWORD ReturnLength);

#ifdef __cplusplus
}
#endif

#endif
