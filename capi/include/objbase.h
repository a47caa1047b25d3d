/* COM, as much of it as is about memory.
 *
 * Follows "objbase.h header" on Microsoft Learn. */
#ifndef NTHEAP_OBJBASE_H
#define NTHEAP_OBJBASE_H

#include <combaseapi.h>

#ifdef __cplusplus
extern "C" {
#endif

WINBASEAPI HRESULT WINAPI CoRegisterMallocSpy(LPMALLOCSPY pMallocSpy);
WINBASEAPI HRESULT WINAPI CoRevokeMallocSpy(VOID);

#ifdef __cplusplus
}
#endif

#endif
