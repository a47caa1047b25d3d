/* Task memory.
 *
 * Follows "combaseapi.h header" on Microsoft Learn. */
#ifndef NTHEAP_COMBASEAPI_H
#define NTHEAP_COMBASEAPI_H

#include <objidl.h>

#ifdef __cplusplus
extern "C" {
#endif

WINBASEAPI LPVOID WINAPI CoTaskMemAlloc(SIZE_T cb);
WINBASEAPI LPVOID WINAPI CoTaskMemRealloc(LPVOID pv, SIZE_T cb);
WINBASEAPI VOID WINAPI CoTaskMemFree(LPVOID pv);
WINBASEAPI HRESULT WINAPI CoGetMalloc(DWORD dwMemContext, LPMALLOC *ppMalloc);

#ifdef __cplusplus
}
#endif

#endif
