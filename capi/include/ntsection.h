/* The native layer of sections.
 *
 * Follows "NtCreateSection", "ZwMapViewOfSection", "ZwUnmapViewOfSection" and
 * "NtClose" of ntifs.h, wdm.h and winternl.h on Microsoft Learn. NtQuerySection has
 * no page; its shape is the one that ntdll.dll is generally known to have.
 *
 * The same file serves on Windows, where no header for programs declares all of
 * this; a program there links with ntdll. */
#ifndef NTHEAP_NTSECTION_H
#define NTHEAP_NTSECTION_H

#ifdef _WIN32
#include <windows.h>
#endif
#include <winternl.h>

#ifdef __cplusplus
extern "C" {
#endif

/* MinGW's ntdef.h and winternl.h have some of these. */
#ifndef __MINGW32__
typedef enum _SECTION_INHERIT { ViewShare = 1, ViewUnmap = 2 } SECTION_INHERIT;
#else
typedef int SECTION_INHERIT;
#define ViewShare 1
#define ViewUnmap 2
#endif

typedef enum _SECTION_INFORMATION_CLASS {
    SectionBasicInformation = 0,
    SectionImageInformation = 1
} SECTION_INFORMATION_CLASS;

typedef struct _SECTION_BASIC_INFORMATION {
    PVOID BaseAddress;
    ULONG AllocationAttributes;
    LARGE_INTEGER MaximumSize;
} SECTION_BASIC_INFORMATION, *PSECTION_BASIC_INFORMATION;

NTSYSAPI NTSTATUS NTAPI NtCreateSection(PHANDLE SectionHandle, ACCESS_MASK DesiredAccess,
                                        POBJECT_ATTRIBUTES ObjectAttributes,
                                        PLARGE_INTEGER MaximumSize, ULONG SectionPageProtection,
                                        ULONG AllocationAttributes, HANDLE FileHandle);
NTSYSAPI NTSTATUS NTAPI NtMapViewOfSection(HANDLE SectionHandle, HANDLE ProcessHandle,
                                           PVOID *BaseAddress, ULONG_PTR ZeroBits,
                                           SIZE_T CommitSize, PLARGE_INTEGER SectionOffset,
                                           PSIZE_T ViewSize, SECTION_INHERIT InheritDisposition,
                                           ULONG AllocationType, ULONG Win32Protect);
NTSYSAPI NTSTATUS NTAPI NtUnmapViewOfSection(HANDLE ProcessHandle, PVOID BaseAddress);
NTSYSAPI NTSTATUS NTAPI NtQuerySection(HANDLE SectionHandle,
                                       SECTION_INFORMATION_CLASS SectionInformationClass,
                                       PVOID SectionInformation, SIZE_T SectionInformationLength,
                                       PSIZE_T ReturnLength);

#ifdef __cplusplus
}
#endif

#endif
