/* The calling process and its token, and its threads' stacks.
 *
 * Follows "processthreadsapi.h header" on Microsoft Learn. */
#ifndef NTHEAP_PROCESSTHREADSAPI_H
#define NTHEAP_PROCESSTHREADSAPI_H

#include <minwindef.h>

#ifdef __cplusplus
extern "C" {
#endif

WINBASEAPI HANDLE WINAPI GetCurrentProcess(void);
WINBASEAPI DWORD WINAPI GetCurrentProcessId(void);
WINBASEAPI BOOL WINAPI SetThreadStackGuarantee(PULONG StackSizeInBytes);
WINBASEAPI BOOL WINAPI OpenProcessToken(HANDLE ProcessHandle, DWORD DesiredAccess,
                                        PHANDLE TokenHandle);

#ifdef __cplusplus
}
#endif

#endif
