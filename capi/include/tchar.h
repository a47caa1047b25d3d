/* Texts that are narrow, or wide where _UNICODE is defined.
 *
 * Follows "Generic-Text Mappings in tchar.h" on Microsoft Learn; the C library's
 * functions have no such names here. */
#ifndef NTHEAP_TCHAR_H
#define NTHEAP_TCHAR_H

#include <winnt.h>

#ifdef _UNICODE
typedef WCHAR _TCHAR;
#define NTHEAP_T(text) NTHEAP_WIDE(text)
#else
typedef char _TCHAR;
#define NTHEAP_T(text) text
#endif
#define _T(text) NTHEAP_T(text)
#define _TEXT(text) NTHEAP_T(text)

#endif
