/* NTSTATUS, what the native functions answer.
 *
 * Follows "NTSTATUS" and "Using NTSTATUS Values" on Microsoft Learn. The heap
 * functions of this layer are in ntrtlheap.h. */
#ifndef NTHEAP_WINTERNL_H
#define NTHEAP_WINTERNL_H

#include <minwindef.h>

typedef LONG NTSTATUS, *PNTSTATUS;

#define NT_SUCCESS(status) (((NTSTATUS)(status)) >= 0)

#endif
