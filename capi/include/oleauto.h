/* Strings of Automation.
 *
 * Follows "oleauto.h header" and "String Manipulation Functions" on Microsoft Learn. */
#ifndef NTHEAP_OLEAUTO_H
#define NTHEAP_OLEAUTO_H

#include <wtypes.h>

#ifdef __cplusplus
extern "C" {
#endif

WINBASEAPI BSTR WINAPI SysAllocString(LPCOLESTR psz);
WINBASEAPI BSTR WINAPI SysAllocStringLen(LPCOLESTR strIn, UINT ui);
WINBASEAPI BSTR WINAPI SysAllocStringByteLen(LPCSTR psz, UINT len);
WINBASEAPI INT WINAPI SysReAllocString(BSTR *pbstr, LPCOLESTR psz);
WINBASEAPI INT WINAPI SysReAllocStringLen(BSTR *pbstr, LPCOLESTR psz, UINT len);
WINBASEAPI VOID WINAPI SysFreeString(BSTR bstrString);
WINBASEAPI UINT WINAPI SysStringLen(BSTR pbstr);
WINBASEAPI UINT WINAPI SysStringByteLen(BSTR bstr);
WINBASEAPI VOID WINAPI SetOaNoCache(VOID);

#ifdef __cplusplus
}
#endif

#endif
