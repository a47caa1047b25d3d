/* Identifiers of 128 bits.
 *
 * Follows "GUID structure (guiddef.h)" on Microsoft Learn. The identifiers themselves
 * are constants in each file that includes their header, so that no library need have
 * them. */
#ifndef NTHEAP_GUIDDEF_H
#define NTHEAP_GUIDDEF_H

#include <minwindef.h>

typedef struct _GUID {
    DWORD Data1;
    WORD Data2;
    WORD Data3;
    BYTE Data4[8];
} GUID, IID, CLSID;

#ifdef __cplusplus
#define REFGUID const GUID &
#define REFIID const IID &
#else
#define REFGUID const GUID *
#define REFIID const IID *
#endif

#if defined(__GNUC__)
#define NTHEAP_CONSTANT __attribute__((unused)) static const
#else
#define NTHEAP_CONSTANT static const
#endif

#ifdef __cplusplus
inline bool IsEqualGUID(REFGUID a, REFGUID b)
{
    return __builtin_memcmp(&a, &b, sizeof(GUID)) == 0;
}

inline bool operator==(REFGUID a, REFGUID b)
{
    return IsEqualGUID(a, b);
}

inline bool operator!=(REFGUID a, REFGUID b)
{
    return !IsEqualGUID(a, b);
}

#define IsEqualIID(a, b) IsEqualGUID(a, b)
#else
#define IsEqualGUID(a, b) (!__builtin_memcmp((a), (b), sizeof(GUID)))
#define IsEqualIID(a, b) IsEqualGUID(a, b)
#endif

#endif
