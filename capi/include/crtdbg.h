/* The debug C runtime.
 *
 * Follows "Debug routines", "CRT debug heap details" and the pages of crtdbg.h
 * on Microsoft Learn. As there, _DEBUG turns it on: without it all of it is
 * gone, and the blocks are malloc's.
 *
 * With _DEBUG:
 * - The functions below are those of libntheap_win32.so.
 * - _CRTDBG_MAP_ALLOC has malloc and its kin be their debug versions, with file
 *   and line. Without it malloc is malloc: what _malloc_dbg gave must be freed by
 *   _free_dbg, not by free, which reports it.
 * - In C++, new and delete are on the debug heap, and new(type, file, line) says
 *   who asks. NTHEAP_NO_DEBUG_NEW leaves out the former.
 *
 * C's long has 64 bits here; _CrtMemBlockHeader has Windows' layout all the
 * same. */
#ifndef NTHEAP_CRTDBG_H
#define NTHEAP_CRTDBG_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/* malloc's Windows kin, which macros here lead to. */
#include <malloc.h>

#include <winnt.h>

#ifndef _CRTIMP
#define _CRTIMP
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef void *_HFILE;

/* Kinds of reports. */
#define _CRT_WARN 0
#define _CRT_ERROR 1
#define _CRT_ASSERT 2
#define _CRT_ERRCNT 3

/* Where they go. */
#define _CRTDBG_MODE_FILE 0x1
#define _CRTDBG_MODE_DEBUG 0x2
#define _CRTDBG_MODE_WNDW 0x4
#define _CRTDBG_REPORT_MODE -1

/* Files: a descriptor, as in (_HFILE)(intptr_t)open(...), or one of these. */
#define _CRTDBG_INVALID_HFILE ((_HFILE)(intptr_t)-1)
#define _CRTDBG_HFILE_ERROR ((_HFILE)(intptr_t)-2)
#define _CRTDBG_FILE_STDOUT ((_HFILE)(intptr_t)-4)
#define _CRTDBG_FILE_STDERR ((_HFILE)(intptr_t)-5)
#define _CRTDBG_REPORT_FILE ((_HFILE)(intptr_t)-6)

typedef int(__cdecl *_CRT_REPORT_HOOK)(int, char *, int *);
typedef int(__cdecl *_CRT_REPORT_HOOKW)(int, WCHAR *, int *);

#define _CRT_RPTHOOK_INSTALL 0
#define _CRT_RPTHOOK_REMOVE 1

/* What an allocation hook is told of. */
#define _HOOK_ALLOC 1
#define _HOOK_REALLOC 2
#define _HOOK_FREE 3

typedef int(__cdecl *_CRT_ALLOC_HOOK)(int, void *, size_t, int, long, const unsigned char *, int);

/* Flags of the debug heap. */
#define _CRTDBG_ALLOC_MEM_DF 0x01
#define _CRTDBG_DELAY_FREE_MEM_DF 0x02
#define _CRTDBG_CHECK_ALWAYS_DF 0x04
#define _CRTDBG_RESERVED_DF 0x08
#define _CRTDBG_CHECK_CRT_DF 0x10
#define _CRTDBG_LEAK_CHECK_DF 0x20
#define _CRTDBG_CHECK_EVERY_16_DF 0x00100000
#define _CRTDBG_CHECK_EVERY_128_DF 0x00800000
#define _CRTDBG_CHECK_EVERY_1024_DF 0x04000000
#define _CRTDBG_CHECK_DEFAULT_DF 0
#define _CRTDBG_REPORT_FLAG -1

/* Types of blocks; subtypes are in the upper half. */
#define _FREE_BLOCK 0
#define _NORMAL_BLOCK 1
#define _CRT_BLOCK 2
#define _IGNORE_BLOCK 3
#define _CLIENT_BLOCK 4
#define _MAX_BLOCKS 5
#define _UNKNOWN_BLOCK (-1)
#define _BLOCK_TYPE(block) ((block) & 0xFFFF)
#define _BLOCK_SUBTYPE(block) ((block) >> 16 & 0xFFFF)

typedef void(__cdecl *_CRT_DUMP_CLIENT)(void *, size_t);
typedef void(__cdecl *_CrtClientVisitor)(void *, void *);

/* What lies in front of a block's bytes; behind them is a fence as well. */
typedef struct _CrtMemBlockHeader {
    struct _CrtMemBlockHeader *_block_header_next;
    struct _CrtMemBlockHeader *_block_header_prev;
    const char *_file_name;
    int _line_number;
    int _block_use;
    size_t _data_size;
    LONG _request_number;
    unsigned char _gap[4];
} _CrtMemBlockHeader;

typedef struct _CrtMemState {
    struct _CrtMemBlockHeader *pBlockHeader;
    size_t lCounts[_MAX_BLOCKS];
    size_t lSizes[_MAX_BLOCKS];
    size_t lHighWaterCount;
    size_t lTotalCount;
} _CrtMemState;

_CRTIMP void *__cdecl _malloc_dbg(size_t size, int blockType, const char *filename, int linenumber);
_CRTIMP void *__cdecl _calloc_dbg(size_t num, size_t size, int blockType, const char *filename,
                                  int linenumber);
_CRTIMP void *__cdecl _realloc_dbg(void *userData, size_t newSize, int blockType,
                                   const char *filename, int linenumber);
_CRTIMP void *__cdecl _recalloc_dbg(void *userData, size_t num, size_t size, int blockType,
                                    const char *filename, int linenumber);
_CRTIMP void *__cdecl _expand_dbg(void *userData, size_t newSize, int blockType,
                                  const char *filename, int linenumber);
_CRTIMP void __cdecl _free_dbg(void *userData, int blockType);
_CRTIMP size_t __cdecl _msize_dbg(void *userData, int blockType);

_CRTIMP void *__cdecl _aligned_malloc_dbg(size_t size, size_t alignment, const char *filename,
                                          int linenumber);
_CRTIMP void *__cdecl _aligned_realloc_dbg(void *memblock, size_t size, size_t alignment,
                                           const char *filename, int linenumber);
_CRTIMP void *__cdecl _aligned_recalloc_dbg(void *memblock, size_t num, size_t size,
                                            size_t alignment, const char *filename,
                                            int linenumber);
_CRTIMP void *__cdecl _aligned_offset_malloc_dbg(size_t size, size_t alignment, size_t offset,
                                                 const char *filename, int linenumber);
_CRTIMP void *__cdecl _aligned_offset_realloc_dbg(void *memblock, size_t size, size_t alignment,
                                                  size_t offset, const char *filename,
                                                  int linenumber);
_CRTIMP void *__cdecl _aligned_offset_recalloc_dbg(void *memblock, size_t num, size_t size,
                                                   size_t alignment, size_t offset,
                                                   const char *filename, int linenumber);
_CRTIMP size_t __cdecl _aligned_msize_dbg(void *memblock, size_t alignment, size_t offset);
_CRTIMP void __cdecl _aligned_free_dbg(void *memblock);

_CRTIMP char *__cdecl _strdup_dbg(const char *strSource, int blockType, const char *filename,
                                  int linenumber);
_CRTIMP unsigned char *__cdecl _mbsdup_dbg(const unsigned char *strSource, int blockType,
                                           const char *filename, int linenumber);
_CRTIMP WCHAR *__cdecl _wcsdup_dbg(const WCHAR *strSource, int blockType, const char *filename,
                                   int linenumber);

/* Texts that are made for the caller, without a buffer in a block. They are here with
 * _DEBUG and without, and only here: _fullpath and its like are no functions of the
 * heap's. There are no drives, and so no _getdcwd_dbg. */
_CRTIMP char *__cdecl _getcwd_dbg(char *buffer, int maxlen, int blockType, const char *filename,
                                  int linenumber);
_CRTIMP WCHAR *__cdecl _wgetcwd_dbg(WCHAR *buffer, int maxlen, int blockType, const char *filename,
                                    int linenumber);
_CRTIMP char *__cdecl _fullpath_dbg(char *absPath, const char *relPath, size_t maxLength,
                                    int blockType, const char *filename, int linenumber);
_CRTIMP WCHAR *__cdecl _wfullpath_dbg(WCHAR *absPath, const WCHAR *relPath, size_t maxLength,
                                      int blockType, const char *filename, int linenumber);
_CRTIMP char *__cdecl _tempnam_dbg(const char *dir, const char *prefix, int blockType,
                                   const char *filename, int linenumber);
_CRTIMP WCHAR *__cdecl _wtempnam_dbg(const WCHAR *dir, const WCHAR *prefix, int blockType,
                                     const char *filename, int linenumber);
_CRTIMP errno_t __cdecl _dupenv_s_dbg(char **buffer, size_t *numberOfElements,
                                      const char *varname, int blockType, const char *filename,
                                      int linenumber);
_CRTIMP errno_t __cdecl _wdupenv_s_dbg(WCHAR **buffer, size_t *numberOfElements,
                                       const WCHAR *varname, int blockType, const char *filename,
                                       int linenumber);

_CRTIMP int __cdecl _CrtSetDbgFlag(int newFlag);
_CRTIMP int *__cdecl __p__crtDbgFlag(void);
_CRTIMP long __cdecl _CrtSetBreakAlloc(long lBreakAlloc);
_CRTIMP long *__cdecl __p__crtBreakAlloc(void);
_CRTIMP _CRT_ALLOC_HOOK __cdecl _CrtSetAllocHook(_CRT_ALLOC_HOOK allocHook);
_CRTIMP _CRT_ALLOC_HOOK __cdecl _CrtGetAllocHook(void);
_CRTIMP _CRT_DUMP_CLIENT __cdecl _CrtSetDumpClient(_CRT_DUMP_CLIENT dumpClient);
_CRTIMP _CRT_DUMP_CLIENT __cdecl _CrtGetDumpClient(void);

_CRTIMP int __cdecl _CrtCheckMemory(void);
_CRTIMP void __cdecl _CrtMemCheckpoint(_CrtMemState *state);
_CRTIMP int __cdecl _CrtMemDifference(_CrtMemState *stateDiff, const _CrtMemState *oldState,
                                      const _CrtMemState *newState);
_CRTIMP void __cdecl _CrtMemDumpStatistics(const _CrtMemState *state);
_CRTIMP void __cdecl _CrtMemDumpAllObjectsSince(const _CrtMemState *state);
_CRTIMP int __cdecl _CrtDumpMemoryLeaks(void);
_CRTIMP void __cdecl _CrtDoForAllClientObjects(_CrtClientVisitor pfn, void *context);

_CRTIMP int __cdecl _CrtIsValidPointer(const void *address, unsigned int size, int access);
_CRTIMP int __cdecl _CrtIsValidHeapPointer(const void *userData);
_CRTIMP int __cdecl _CrtIsMemoryBlock(const void *userData, unsigned int size, long *requestNumber,
                                      char **filename, int *linenumber);
_CRTIMP int __cdecl _CrtReportBlockType(const void *pBlock);

_CRTIMP int __cdecl _CrtSetReportMode(int reportType, int reportMode);
_CRTIMP _HFILE __cdecl _CrtSetReportFile(int reportType, _HFILE reportFile);
_CRTIMP _CRT_REPORT_HOOK __cdecl _CrtSetReportHook(_CRT_REPORT_HOOK reportHook);
_CRTIMP _CRT_REPORT_HOOK __cdecl _CrtGetReportHook(void);
_CRTIMP int __cdecl _CrtSetReportHook2(int mode, _CRT_REPORT_HOOK pfnNewHook);
_CRTIMP int __cdecl _CrtSetReportHookW2(int mode, _CRT_REPORT_HOOKW pfnNewHook);
_CRTIMP void __cdecl _CrtDbgBreak(void);

/* Reports by a format of printf's. On x86-64 only. */
_CRTIMP int WINAPIV _CrtDbgReport(int reportType, const char *filename, int linenumber,
                                  const char *moduleName, const char *format, ...);
_CRTIMP int WINAPIV _CrtDbgReportW(int reportType, const WCHAR *filename, int linenumber,
                                   const WCHAR *moduleName, const WCHAR *format, ...);

#ifdef __cplusplus
}
#endif

#ifdef _DEBUG

/* Variables that debuggers and programs set. */
#define _crtDbgFlag (*__p__crtDbgFlag())
#define _crtBreakAlloc (*__p__crtBreakAlloc())

/* __FILE__ and texts in 16-bit characters. */
#define NTHEAP_CRT_WIDE(text) NTHEAP_WIDE(text)
#define _CRT_WIDE(text) NTHEAP_CRT_WIDE(text)

#define NTHEAP_CRT_REPORT(arguments)                                                               \
    ((void)((1 != _CrtDbgReport arguments) || (_CrtDbgBreak(), 0)))
#define NTHEAP_CRT_REPORTW(arguments)                                                              \
    ((void)((1 != _CrtDbgReportW arguments) || (_CrtDbgBreak(), 0)))

#ifndef _ASSERT_EXPR
#define _ASSERT_EXPR(expr, msg)                                                                    \
    ((void)(!!(expr) ||                                                                            \
            (1 != _CrtDbgReportW(_CRT_ASSERT, _CRT_WIDE(__FILE__), __LINE__, NULL,                 \
                                 _CRT_WIDE("%s"), (msg))) ||                                       \
            (_CrtDbgBreak(), 0)))
#endif
/* By the narrow function, which C of 1999 has texts for; the message is the same. */
#ifndef _ASSERT
#define _ASSERT(expr)                                                                              \
    ((void)(!!(expr) || (1 != _CrtDbgReport(_CRT_ASSERT, __FILE__, __LINE__, NULL, NULL)) ||       \
            (_CrtDbgBreak(), 0)))
#endif
#ifndef _ASSERTE
#define _ASSERTE(expr)                                                                             \
    ((void)(!!(expr) ||                                                                            \
            (1 != _CrtDbgReport(_CRT_ASSERT, __FILE__, __LINE__, NULL, "%s", #expr)) ||            \
            (_CrtDbgBreak(), 0)))
#endif

#define _RPT0(kind, msg) NTHEAP_CRT_REPORT((kind, NULL, 0, NULL, "%s", msg))
#define _RPT1(kind, msg, a) NTHEAP_CRT_REPORT((kind, NULL, 0, NULL, msg, a))
#define _RPT2(kind, msg, a, b) NTHEAP_CRT_REPORT((kind, NULL, 0, NULL, msg, a, b))
#define _RPT3(kind, msg, a, b, c) NTHEAP_CRT_REPORT((kind, NULL, 0, NULL, msg, a, b, c))
#define _RPT4(kind, msg, a, b, c, d) NTHEAP_CRT_REPORT((kind, NULL, 0, NULL, msg, a, b, c, d))
#define _RPT5(kind, msg, a, b, c, d, e) NTHEAP_CRT_REPORT((kind, NULL, 0, NULL, msg, a, b, c, d, e))

#define _RPTF0(kind, msg) NTHEAP_CRT_REPORT((kind, __FILE__, __LINE__, NULL, "%s", msg))
#define _RPTF1(kind, msg, a) NTHEAP_CRT_REPORT((kind, __FILE__, __LINE__, NULL, msg, a))
#define _RPTF2(kind, msg, a, b) NTHEAP_CRT_REPORT((kind, __FILE__, __LINE__, NULL, msg, a, b))
#define _RPTF3(kind, msg, a, b, c) NTHEAP_CRT_REPORT((kind, __FILE__, __LINE__, NULL, msg, a, b, c))
#define _RPTF4(kind, msg, a, b, c, d)                                                              \
    NTHEAP_CRT_REPORT((kind, __FILE__, __LINE__, NULL, msg, a, b, c, d))
#define _RPTF5(kind, msg, a, b, c, d, e)                                                           \
    NTHEAP_CRT_REPORT((kind, __FILE__, __LINE__, NULL, msg, a, b, c, d, e))

#define _RPTW0(kind, msg) NTHEAP_CRT_REPORTW((kind, NULL, 0, NULL, _CRT_WIDE("%s"), msg))
#define _RPTW1(kind, msg, a) NTHEAP_CRT_REPORTW((kind, NULL, 0, NULL, msg, a))
#define _RPTW2(kind, msg, a, b) NTHEAP_CRT_REPORTW((kind, NULL, 0, NULL, msg, a, b))
#define _RPTW3(kind, msg, a, b, c) NTHEAP_CRT_REPORTW((kind, NULL, 0, NULL, msg, a, b, c))
#define _RPTW4(kind, msg, a, b, c, d) NTHEAP_CRT_REPORTW((kind, NULL, 0, NULL, msg, a, b, c, d))
#define _RPTW5(kind, msg, a, b, c, d, e)                                                           \
    NTHEAP_CRT_REPORTW((kind, NULL, 0, NULL, msg, a, b, c, d, e))

#define NTHEAP_CRT_HERE _CRT_WIDE(__FILE__), __LINE__
#define _RPTFW0(kind, msg) NTHEAP_CRT_REPORTW((kind, NTHEAP_CRT_HERE, NULL, _CRT_WIDE("%s"), msg))
#define _RPTFW1(kind, msg, a) NTHEAP_CRT_REPORTW((kind, NTHEAP_CRT_HERE, NULL, msg, a))
#define _RPTFW2(kind, msg, a, b) NTHEAP_CRT_REPORTW((kind, NTHEAP_CRT_HERE, NULL, msg, a, b))
#define _RPTFW3(kind, msg, a, b, c) NTHEAP_CRT_REPORTW((kind, NTHEAP_CRT_HERE, NULL, msg, a, b, c))
#define _RPTFW4(kind, msg, a, b, c, d)                                                             \
    NTHEAP_CRT_REPORTW((kind, NTHEAP_CRT_HERE, NULL, msg, a, b, c, d))
#define _RPTFW5(kind, msg, a, b, c, d, e)                                                          \
    NTHEAP_CRT_REPORTW((kind, NTHEAP_CRT_HERE, NULL, msg, a, b, c, d, e))

#ifdef _CRTDBG_MAP_ALLOC
#define malloc(s) _malloc_dbg(s, _NORMAL_BLOCK, __FILE__, __LINE__)
#define calloc(c, s) _calloc_dbg(c, s, _NORMAL_BLOCK, __FILE__, __LINE__)
#define realloc(p, s) _realloc_dbg(p, s, _NORMAL_BLOCK, __FILE__, __LINE__)
#define free(p) _free_dbg(p, _NORMAL_BLOCK)
#undef _recalloc
#define _recalloc(p, c, s) _recalloc_dbg(p, c, s, _NORMAL_BLOCK, __FILE__, __LINE__)
#undef _expand
#define _expand(p, s) _expand_dbg(p, s, _NORMAL_BLOCK, __FILE__, __LINE__)
#undef _msize
#define _msize(p) _msize_dbg(p, _NORMAL_BLOCK)
#undef _aligned_malloc
#define _aligned_malloc(s, a) _aligned_malloc_dbg(s, a, __FILE__, __LINE__)
#undef _aligned_realloc
#define _aligned_realloc(p, s, a) _aligned_realloc_dbg(p, s, a, __FILE__, __LINE__)
#undef _aligned_recalloc
#define _aligned_recalloc(p, c, s, a) _aligned_recalloc_dbg(p, c, s, a, __FILE__, __LINE__)
#undef _aligned_offset_malloc
#define _aligned_offset_malloc(s, a, o) _aligned_offset_malloc_dbg(s, a, o, __FILE__, __LINE__)
#undef _aligned_offset_realloc
#define _aligned_offset_realloc(p, s, a, o)                                                        \
    _aligned_offset_realloc_dbg(p, s, a, o, __FILE__, __LINE__)
#undef _aligned_offset_recalloc
#define _aligned_offset_recalloc(p, c, s, a, o)                                                    \
    _aligned_offset_recalloc_dbg(p, c, s, a, o, __FILE__, __LINE__)
#undef _aligned_msize
#define _aligned_msize(p, a, o) _aligned_msize_dbg(p, a, o)
#undef _aligned_free
#define _aligned_free(p) _aligned_free_dbg(p)
#undef strdup
#define strdup(s) _strdup_dbg(s, _NORMAL_BLOCK, __FILE__, __LINE__)
#undef _strdup
#define _strdup(s) _strdup_dbg(s, _NORMAL_BLOCK, __FILE__, __LINE__)
#define _getcwd(b, n) _getcwd_dbg(b, n, _NORMAL_BLOCK, __FILE__, __LINE__)
#define _wgetcwd(b, n) _wgetcwd_dbg(b, n, _NORMAL_BLOCK, __FILE__, __LINE__)
#define _fullpath(b, p, n) _fullpath_dbg(b, p, n, _NORMAL_BLOCK, __FILE__, __LINE__)
#define _wfullpath(b, p, n) _wfullpath_dbg(b, p, n, _NORMAL_BLOCK, __FILE__, __LINE__)
#define _tempnam(d, p) _tempnam_dbg(d, p, _NORMAL_BLOCK, __FILE__, __LINE__)
#define _wtempnam(d, p) _wtempnam_dbg(d, p, _NORMAL_BLOCK, __FILE__, __LINE__)
#define _dupenv_s(b, n, v) _dupenv_s_dbg(b, n, v, _NORMAL_BLOCK, __FILE__, __LINE__)
#define _wdupenv_s(b, n, v) _wdupenv_s_dbg(b, n, v, _NORMAL_BLOCK, __FILE__, __LINE__)
#undef _mbsdup
#define _mbsdup(s) _mbsdup_dbg(s, _NORMAL_BLOCK, __FILE__, __LINE__)
#undef _wcsdup
#define _wcsdup(s) _wcsdup_dbg(s, _NORMAL_BLOCK, __FILE__, __LINE__)
#endif

#ifdef __cplusplus
#include <new.h>

/* _malloc_dbg that leaves it to the caller to ask the new handler. */
extern "C" void *ntheap_crt_debug_new(size_t size, int type, const char *file, int line);

/* Memory for new, as new is documented to find it: the new handler is asked, and
 * without one an exception raised. */
inline void *ntheap_debug_new(size_t size, int type, const char *file, int line)
{
    for (;;) {
        void *block = ntheap_crt_debug_new(size, type, file, line);
        if (block)
            return block;
        ntheap_new_failed(_query_new_handler(), size);
    }
}

inline void *operator new(size_t size, int type, const char *file, int line)
{
    return ntheap_debug_new(size, type, file, line);
}
inline void *operator new[](size_t size, int type, const char *file, int line)
{
    return ntheap_debug_new(size, type, file, line);
}
/* For constructors that throw. */
inline void operator delete(void *block, int, const char *, int)
{
    _free_dbg(block, _UNKNOWN_BLOCK);
}
inline void operator delete[](void *block, int, const char *, int)
{
    _free_dbg(block, _UNKNOWN_BLOCK);
}

#ifndef NTHEAP_NO_DEBUG_NEW
/* The program's new and delete: the others of the C++ library lead to these. A
 * program that has its own keeps them. */
__attribute__((weak)) void *operator new(size_t size)
{
    return ntheap_debug_new(size, _NORMAL_BLOCK, NULL, 0);
}
__attribute__((weak)) void operator delete(void *block) noexcept
{
    _free_dbg(block, _UNKNOWN_BLOCK);
}
#if __cplusplus >= 201402L
__attribute__((weak)) void operator delete(void *block, size_t) noexcept
{
    _free_dbg(block, _UNKNOWN_BLOCK);
}
#endif
#endif
#endif

#else

#define _ASSERT(expr) ((void)0)
#define _ASSERTE(expr) ((void)0)
#ifndef _ASSERT_EXPR
#define _ASSERT_EXPR(expr, msg) ((void)0)
#endif

#define _RPT0(kind, msg)
#define _RPT1(kind, msg, a)
#define _RPT2(kind, msg, a, b)
#define _RPT3(kind, msg, a, b, c)
#define _RPT4(kind, msg, a, b, c, d)
#define _RPT5(kind, msg, a, b, c, d, e)
#define _RPTF0(kind, msg)
#define _RPTF1(kind, msg, a)
#define _RPTF2(kind, msg, a, b)
#define _RPTF3(kind, msg, a, b, c)
#define _RPTF4(kind, msg, a, b, c, d)
#define _RPTF5(kind, msg, a, b, c, d, e)
#define _RPTW0(kind, msg)
#define _RPTW1(kind, msg, a)
#define _RPTW2(kind, msg, a, b)
#define _RPTW3(kind, msg, a, b, c)
#define _RPTW4(kind, msg, a, b, c, d)
#define _RPTW5(kind, msg, a, b, c, d, e)
#define _RPTFW0(kind, msg)
#define _RPTFW1(kind, msg, a)
#define _RPTFW2(kind, msg, a, b)
#define _RPTFW3(kind, msg, a, b, c)
#define _RPTFW4(kind, msg, a, b, c, d)
#define _RPTFW5(kind, msg, a, b, c, d, e)

#define _malloc_dbg(s, t, f, l) malloc(s)
#define _calloc_dbg(c, s, t, f, l) calloc(c, s)
#define _realloc_dbg(p, s, t, f, l) realloc(p, s)
#define _recalloc_dbg(p, c, s, t, f, l) _recalloc(p, c, s)
#define _expand_dbg(p, s, t, f, l) _expand(p, s)
#define _free_dbg(p, t) free(p)
#define _msize_dbg(p, t) _msize(p)
#define _aligned_malloc_dbg(s, a, f, l) _aligned_malloc(s, a)
#define _aligned_realloc_dbg(p, s, a, f, l) _aligned_realloc(p, s, a)
#define _aligned_recalloc_dbg(p, c, s, a, f, l) _aligned_recalloc(p, c, s, a)
#define _aligned_offset_malloc_dbg(s, a, o, f, l) _aligned_offset_malloc(s, a, o)
#define _aligned_offset_realloc_dbg(p, s, a, o, f, l) _aligned_offset_realloc(p, s, a, o)
#define _aligned_offset_recalloc_dbg(p, c, s, a, o, f, l) _aligned_offset_recalloc(p, c, s, a, o)
#define _aligned_msize_dbg(p, a, o) _aligned_msize(p, a, o)
#define _aligned_free_dbg(p) _aligned_free(p)
#define _strdup_dbg(s, t, f, l) strdup(s)

#define _CrtSetReportHook(f) ((_CRT_REPORT_HOOK)0)
#define _CrtGetReportHook() ((_CRT_REPORT_HOOK)0)
#define _CrtSetReportHook2(t, f) ((int)0)
#define _CrtSetReportHookW2(t, f) ((int)0)
#define _CrtSetReportMode(t, f) ((int)0)
#define _CrtSetReportFile(t, f) ((_HFILE)0)
#define _CrtDbgBreak() ((void)0)
#define _CrtSetBreakAlloc(a) ((long)0)
#define _CrtSetAllocHook(f) ((_CRT_ALLOC_HOOK)0)
#define _CrtGetAllocHook() ((_CRT_ALLOC_HOOK)0)
#define _CrtCheckMemory() ((int)1)
#define _CrtSetDbgFlag(f) ((int)0)
#define _CrtDoForAllClientObjects(f, c) ((void)0)
#define _CrtIsValidPointer(p, n, r) ((int)1)
#define _CrtIsValidHeapPointer(p) ((int)1)
#define _CrtIsMemoryBlock(p, t, r, f, l) ((int)1)
#define _CrtReportBlockType(p) ((int)-1)
#define _CrtSetDumpClient(f) ((_CRT_DUMP_CLIENT)0)
#define _CrtGetDumpClient() ((_CRT_DUMP_CLIENT)0)
#define _CrtMemCheckpoint(s) ((void)0)
#define _CrtMemDifference(s1, s2, s3) ((int)0)
#define _CrtMemDumpAllObjectsSince(s) ((void)0)
#define _CrtMemDumpStatistics(s) ((void)0)
#define _CrtDumpMemoryLeaks() ((int)0)

#endif

#endif
