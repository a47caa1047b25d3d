/* _recalloc: as realloc, with what is new zeroed. */
#include "check.h"
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#ifdef _WIN32
/* The oldest runtime that MinGW links has none. */
typedef void *(__cdecl *recalloc_function)(void *, size_t, size_t);
typedef size_t(__cdecl *msize_function)(void *);
static recalloc_function recalloc_there;
static msize_function msize_there;
static errno_t(__cdecl *get_errno_there)(int *);
static errno_t(__cdecl *set_errno_there)(int);
static int errno_got;
#define _recalloc recalloc_there
#define _msize msize_there
#undef errno
#define errno (get_errno_there(&errno_got), errno_got)
static BOOL loaded(void)
{
    HMODULE runtime = LoadLibraryA("msvcr110.dll");
    if (!runtime)
        return FALSE;
    *(FARPROC *)&recalloc_there = GetProcAddress(runtime, "_recalloc");
    *(FARPROC *)&msize_there = GetProcAddress(runtime, "_msize");
    *(FARPROC *)&get_errno_there = GetProcAddress(runtime, "_get_errno");
    *(FARPROC *)&set_errno_there = GetProcAddress(runtime, "_set_errno");
    return recalloc_there && msize_there && get_errno_there && set_errno_there;
}
#define CLEAR_ERRNO() set_errno_there(0)
#else
#define loaded() TRUE
#define CLEAR_ERRNO() (errno = 0)
#endif

/* Whether all of [from, to) is `value`. */
static BOOL all(const char *block, size_t from, size_t to, char value)
{
    for (size_t i = from; i < to; i++)
        if (block[i] != value)
            return FALSE;
    return TRUE;
}

int main(void)
{
    NEED("runtime", loaded());
    char *block = (char *)_recalloc(NULL, 10, 7);
    NEED("null", block);
    EQUAL("size", _msize(block), 70);
    CHECK("zero", all(block, 0, 70, 0));
    memset(block, 1, 70);
    block = (char *)_recalloc(block, 100, 30);
    NEED("grown", block);
    EQUAL("grown-size", _msize(block), 3000);
    CHECK("kept", all(block, 0, 70, 1));
    CHECK("growth-zero", all(block, 70, 3000, 0));
    memset(block, 2, 3000);
    block = (char *)_recalloc(block, 5, 7);
    NEED("shrunk", block);
    EQUAL("shrunk-size", _msize(block), 35);
    CHECK("shrunk-kept", all(block, 0, 35, 2));

    volatile size_t huge = (size_t)-1 / 2 + 2;
    CLEAR_ERRNO();
    EQUAL("overflow", _recalloc(block, huge, 2), 0);
    EQUAL("overflow-errno", errno, ENOMEM);
    CHECK("overflow-kept", all(block, 0, 35, 2));
    EQUAL("zero-frees", _recalloc(block, 0, 7), 0);
    return finish();
}
