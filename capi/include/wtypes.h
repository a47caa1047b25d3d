/* COM's types.
 *
 * Follows "wtypes.h header" and "BSTR" on Microsoft Learn. */
#ifndef NTHEAP_WTYPES_H
#define NTHEAP_WTYPES_H

#include <guiddef.h>
#include <winerror.h>

#define STDMETHODCALLTYPE

typedef WCHAR OLECHAR;
typedef OLECHAR *LPOLESTR;
typedef const OLECHAR *LPCOLESTR;
typedef OLECHAR *BSTR;

typedef enum tagMEMCTX {
    MEMCTX_TASK = 1,
    MEMCTX_SHARED = 2,
    MEMCTX_MACSYSTEM = 3,
    MEMCTX_UNKNOWN = -1,
    MEMCTX_SAME = -2
} MEMCTX;

#endif
