/* The debug C runtime's functions for conformance programs: the project's, or
 * under Wine those of msvcrtd.dll, the debug version of the system's own runtime.
 * MinGW has no debug runtime: its crtdbg.h is what is left without one. */
#ifndef CONFORMANCE_DEBUG_CRT_H
#define CONFORMANCE_DEBUG_CRT_H

#include "check.h"
#include <errno.h>

#ifdef _WIN32

#include <crtdbg.h>
#include <malloc.h>

/* Result, name, arguments. */
#define RUNTIME_FUNCTIONS(X)                                                                       \
    X(void *, _malloc_dbg, (size_t, int, const char *, int))                                       \
    X(void *, _calloc_dbg, (size_t, size_t, int, const char *, int))                               \
    X(void *, _realloc_dbg, (void *, size_t, int, const char *, int))                              \
    X(void *, _expand_dbg, (void *, size_t, int, const char *, int))                               \
    X(void, _free_dbg, (void *, int))                                                              \
    X(size_t, _msize_dbg, (void *, int))                                                           \
    X(int, _CrtSetDbgFlag, (int))                                                                  \
    X(int, _CrtCheckMemory, (void))                                                                \
    X(int, _CrtIsValidHeapPointer, (const void *))                                                 \
    X(int, _CrtIsValidPointer, (const void *, unsigned int, int))                                  \
    X(int, _CrtIsMemoryBlock, (const void *, unsigned int, long *, char **, int *))                \
    X(void, _CrtMemCheckpoint, (_CrtMemState *))                                                   \
    X(int, _CrtMemDifference, (_CrtMemState *, const _CrtMemState *, const _CrtMemState *))        \
    X(long, _CrtSetBreakAlloc, (long))                                                             \
    X(int, _CrtSetReportMode, (int, int))                                                          \
    X(_HFILE, _CrtSetReportFile, (int, _HFILE))                                                    \
    X(_CRT_REPORT_HOOK, _CrtSetReportHook, (_CRT_REPORT_HOOK))                                     \
    X(_CRT_ALLOC_HOOK, _CrtSetAllocHook, (_CRT_ALLOC_HOOK))                                        \
    X(_CRT_DUMP_CLIENT, _CrtSetDumpClient, (_CRT_DUMP_CLIENT))                                     \
    X(int *, _errno, (void))

#define POINTER(result, name, arguments) HELPER result(__cdecl *runtime_##name) arguments;
RUNTIME_FUNCTIONS(POINTER)

HELPER BOOL runtime(void)
{
    HMODULE library = LoadLibraryA("msvcrtd.dll");
    if (!library)
        return FALSE;
#define FIND(result, name, arguments)                                                              \
    *(FARPROC *)&runtime_##name = GetProcAddress(library, #name);
    RUNTIME_FUNCTIONS(FIND)
    return TRUE;
}

#undef _malloc_dbg
#undef _calloc_dbg
#undef _realloc_dbg
#undef _expand_dbg
#undef _free_dbg
#undef _msize_dbg
#undef _CrtSetDbgFlag
#undef _CrtCheckMemory
#undef _CrtIsValidHeapPointer
#undef _CrtIsValidPointer
#undef _CrtIsMemoryBlock
#undef _CrtMemCheckpoint
#undef _CrtMemDifference
#undef _CrtSetBreakAlloc
#undef _CrtSetReportMode
#undef _CrtSetReportFile
#undef _CrtSetReportHook
#undef _CrtSetAllocHook
#undef _CrtSetDumpClient
#undef errno
#define _malloc_dbg runtime__malloc_dbg
#define _calloc_dbg runtime__calloc_dbg
#define _realloc_dbg runtime__realloc_dbg
#define _expand_dbg runtime__expand_dbg
#define _free_dbg runtime__free_dbg
#define _msize_dbg runtime__msize_dbg
#define _CrtSetDbgFlag runtime__CrtSetDbgFlag
#define _CrtCheckMemory runtime__CrtCheckMemory
#define _CrtIsValidHeapPointer runtime__CrtIsValidHeapPointer
#define _CrtIsValidPointer runtime__CrtIsValidPointer
#define _CrtIsMemoryBlock runtime__CrtIsMemoryBlock
#define _CrtMemCheckpoint runtime__CrtMemCheckpoint
#define _CrtMemDifference runtime__CrtMemDifference
#define _CrtSetBreakAlloc runtime__CrtSetBreakAlloc
#define _CrtSetReportMode runtime__CrtSetReportMode
#define _CrtSetReportFile runtime__CrtSetReportFile
#define _CrtSetReportHook runtime__CrtSetReportHook
#define _CrtSetAllocHook runtime__CrtSetAllocHook
#define _CrtSetDumpClient runtime__CrtSetDumpClient
#define errno (*runtime__errno())

#else

#define _DEBUG
#include <crtdbg.h>
#define runtime() TRUE

#endif

#endif
