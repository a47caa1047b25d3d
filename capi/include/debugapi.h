/* Text for a debugger.
 *
 * Follows "Debugging Functions" and the pages of debugapi.h on Microsoft
 * Learn. */
#ifndef NTHEAP_DEBUGAPI_H
#define NTHEAP_DEBUGAPI_H

#include <minwindef.h>

#ifdef __cplusplus
extern "C" {
#endif

WINBASEAPI VOID WINAPI OutputDebugStringA(LPCSTR lpOutputString);
WINBASEAPI VOID WINAPI OutputDebugStringW(LPCWSTR lpOutputString);
#ifdef UNICODE
#define OutputDebugString OutputDebugStringW
#else
#define OutputDebugString OutputDebugStringA
#endif

#ifdef __cplusplus
}
#endif

#endif
