/* The integer types of the interface.
 *
 * Follows "Windows Data Types" on Microsoft Learn. DWORD, LONG and ULONG have
 * 32 bits, as on Windows, where C's long has them too; here it has 64. Not
 * defined are the macros `min` and `max`, which standard C++ cannot bear. */
#ifndef NTHEAP_MINWINDEF_H
#define NTHEAP_MINWINDEF_H

#include <basetsd.h>

#ifndef NULL
#error "stddef.h defines NULL"
#endif

#define FALSE 0
#define TRUE 1

#define FAR
#define NEAR
#define CONST const
#define VOID void

/* The calling conventions of 32-bit Windows; 64-bit code has one, and here it
 * is the platform's. */
#ifndef __stdcall
#define __stdcall
#endif
#ifndef __cdecl
#define __cdecl
#endif
#define CALLBACK
#define WINAPI
#define WINAPIV
#define APIENTRY
#define NTAPI
#define WINBASEAPI
#define NTSYSAPI

typedef int BOOL, *PBOOL, *LPBOOL;
typedef unsigned char BYTE, *PBYTE, *LPBYTE;
typedef uint16_t WORD, *PWORD, *LPWORD;
typedef uint32_t DWORD, *PDWORD, *LPDWORD;
typedef int INT, *PINT, *LPINT;
typedef unsigned int UINT, *PUINT;
typedef uint16_t USHORT, *PUSHORT;
typedef uint32_t ULONG, *PULONG;
typedef unsigned char UCHAR, *PUCHAR;
typedef float FLOAT, *PFLOAT;

typedef void *LPVOID;
typedef const void *LPCVOID;
typedef INT_PTR(*FARPROC)(void);

#include <winnt.h>

#endif
