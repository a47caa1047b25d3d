/* What programs about the task allocator share: a spy that notes its calls. */
#ifndef CONFORMANCE_SPY_H
#define CONFORMANCE_SPY_H

#include "check.h"

#ifdef __cplusplus
#define IDENTIFIER(iid) (iid)
#else
#define IDENTIFIER(iid) (&(iid))
#endif

/* The calls since the last look: names, and what they were told. */
HELPER char calls[1024];

__attribute__((unused, format(printf, 1, 2))) static void note(const char *format, ...)
{
    va_list arguments;
    size_t used = strlen(calls);
    va_start(arguments, format);
    vsnprintf(calls + used, sizeof calls - used, format, arguments);
    va_end(arguments);
}

/* Whether exactly these calls came; forgets them. */
HELPER BOOL came(const char *name, const char *expected)
{
    BOOL same = strcmp(calls, expected) == 0;
    if (!same)
        say("FAIL %s-calls: %s\n", name, calls);
    else
        say("ok %s-calls\n", name);
    checks_made++;
    checks_failed += !same;
    calls[0] = 0;
    return same;
}

/* Bytes that the spy puts before each block, and the size that it refuses. */
HELPER SIZE_T before, refused;

HELPER HRESULT STDMETHODCALLTYPE spy_query(IMallocSpy *spy, REFIID riid, void **object)
{
    BOOL known = IsEqualIID(riid, IDENTIFIER(IID_IMallocSpy));
    *object = known ? spy : NULL;
    return known ? S_OK : E_NOINTERFACE;
}

HELPER ULONG STDMETHODCALLTYPE spy_add(IMallocSpy *spy)
{
    (void)spy;
    return 2;
}

HELPER ULONG STDMETHODCALLTYPE spy_release(IMallocSpy *spy)
{
    (void)spy;
    note("Release ");
    return 1;
}

HELPER SIZE_T STDMETHODCALLTYPE spy_pre_alloc(IMallocSpy *spy, SIZE_T bytes)
{
    (void)spy;
    note("PreAlloc(%u) ", (unsigned)bytes);
    return refused && bytes == refused ? 0 : bytes + before;
}

HELPER void *STDMETHODCALLTYPE spy_post_alloc(IMallocSpy *spy, void *block)
{
    (void)spy;
    note("PostAlloc ");
    return block ? (char *)block + before : NULL;
}

HELPER void *STDMETHODCALLTYPE spy_pre_free(IMallocSpy *spy, void *block, BOOL spied)
{
    (void)spy;
    note("PreFree(%d) ", spied);
    return spied ? (char *)block - before : block;
}

HELPER void STDMETHODCALLTYPE spy_post_free(IMallocSpy *spy, BOOL spied)
{
    (void)spy;
    note("PostFree(%d) ", spied);
}

HELPER SIZE_T STDMETHODCALLTYPE spy_pre_realloc(IMallocSpy *spy, void *block, SIZE_T bytes,
                                                void **request, BOOL spied)
{
    (void)spy;
    note("PreRealloc(%s,%u,%d) ", block ? "block" : "null", (unsigned)bytes, spied);
    *request = spied && block ? (char *)block - before : block;
    if (refused && bytes == refused)
        return 0;
    return spied && bytes ? bytes + before : bytes;
}

HELPER void *STDMETHODCALLTYPE spy_post_realloc(IMallocSpy *spy, void *block, BOOL spied)
{
    (void)spy;
    note("PostRealloc ");
    return block && spied ? (char *)block + before : block;
}

HELPER void *STDMETHODCALLTYPE spy_pre_size(IMallocSpy *spy, void *block, BOOL spied)
{
    (void)spy;
    note("PreGetSize(%d) ", spied);
    return spied ? (char *)block - before : block;
}

HELPER SIZE_T STDMETHODCALLTYPE spy_post_size(IMallocSpy *spy, SIZE_T bytes, BOOL spied)
{
    (void)spy;
    note("PostGetSize(%u,%d) ", (unsigned)bytes, spied);
    return spied ? bytes - before : bytes;
}

HELPER void *STDMETHODCALLTYPE spy_pre_did(IMallocSpy *spy, void *block, BOOL spied)
{
    (void)spy;
    note("PreDidAlloc(%d) ", spied);
    return spied ? (char *)block - before : block;
}

HELPER int STDMETHODCALLTYPE spy_post_did(IMallocSpy *spy, void *block, BOOL spied, int answer)
{
    (void)spy;
    (void)block;
    note("PostDidAlloc(%d,%d) ", spied, answer);
    return answer;
}

HELPER void STDMETHODCALLTYPE spy_pre_minimize(IMallocSpy *spy)
{
    (void)spy;
    note("PreHeapMinimize ");
}

HELPER void STDMETHODCALLTYPE spy_post_minimize(IMallocSpy *spy)
{
    (void)spy;
    note("PostHeapMinimize ");
}

HELPER IMallocSpyVtbl spy_methods = {
    spy_query,       spy_add,          spy_release,  spy_pre_alloc, spy_post_alloc,
    spy_pre_free,    spy_post_free,    spy_pre_realloc, spy_post_realloc, spy_pre_size,
    spy_post_size,   spy_pre_did,      spy_post_did, spy_pre_minimize, spy_post_minimize,
};
HELPER IMallocSpy the_spy = {&spy_methods};

HELPER IMalloc *task_allocator(void)
{
    IMalloc *allocator = NULL;
    return CoGetMalloc(MEMCTX_TASK, &allocator) == S_OK ? allocator : NULL;
}

#endif
