/* NTSTATUS, what the native functions answer.
 *
 * Follows "NTSTATUS" and "Using NTSTATUS Values" on Microsoft Learn. The heap
 * functions of this layer are in ntrtlheap.h. */
#ifndef NTHEAP_WINTERNL_H
#define NTHEAP_WINTERNL_H

#include <minwindef.h>

typedef LONG NTSTATUS, *PNTSTATUS;

typedef struct _UNICODE_STRING {
    USHORT Length;
    USHORT MaximumLength;
    PWSTR Buffer;
} UNICODE_STRING, *PUNICODE_STRING;

typedef struct _OBJECT_ATTRIBUTES {
    ULONG Length;
    HANDLE RootDirectory;
    PUNICODE_STRING ObjectName;
    ULONG Attributes;
    PVOID SecurityDescriptor;
    PVOID SecurityQualityOfService;
} OBJECT_ATTRIBUTES, *POBJECT_ATTRIBUTES;

#define OBJ_CASE_INSENSITIVE 0x00000040
#define OBJ_OPENIF 0x00000080

#define InitializeObjectAttributes(p, n, a, r, s)                                                  \
    do {                                                                                           \
        (p)->Length = sizeof(OBJECT_ATTRIBUTES);                                                   \
        (p)->RootDirectory = (r);                                                                  \
        (p)->Attributes = (a);                                                                     \
        (p)->ObjectName = (n);                                                                     \
        (p)->SecurityDescriptor = (s);                                                             \
        (p)->SecurityQualityOfService = NULL;                                                      \
    } while (0)

#ifdef __cplusplus
extern "C" {
#endif

NTSYSAPI NTSTATUS NTAPI NtClose(HANDLE Handle);

#ifdef __cplusplus
}
#endif

#define NT_SUCCESS(status) (((NTSTATUS)(status)) >= 0)

#endif
