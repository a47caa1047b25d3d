/* Invalid parameters: the handler is told, then errno is EINVAL. */
#include "crt.h"

static int told;

static void __cdecl handler(const wchar_t *expression, const wchar_t *function,
                            const wchar_t *file, unsigned int line, uintptr_t reserved)
{
    (void)expression, (void)function, (void)file, (void)line, (void)reserved;
    told++;
}

#define TOLD(name, call, result)                                                                   \
    do {                                                                                           \
        int before = told;                                                                         \
        errno = 0;                                                                                 \
        EQUAL(name, call, result);                                                                 \
        EQUAL(name "-told", told, before + 1);                                                     \
        EQUAL(name "-errno", errno, EINVAL);                                                       \
    } while (0)

int main(void)
{
    NEED("runtime", runtime());
    EQUAL("none-before", (uintptr_t)_set_invalid_parameter_handler(handler), 0);
    CHECK("the-one-before", _set_invalid_parameter_handler(handler) == handler);
    TOLD("aligned-3", _aligned_malloc(10, 3), 0);
    TOLD("aligned-127", _aligned_malloc(10, 127), 0);
    TOLD("aligned-size-0", _aligned_malloc(0, 16), 0);
    TOLD("offset", _aligned_offset_malloc(10, 16, 10), 0);
    TOLD("new-mode", _set_new_mode(2), -1);
    TOLD("new-mode-negative", _set_new_mode(-1), -1);
    EQUAL("new-mode-kept", _query_new_mode(), 0);

    /* The block stays what it was. */
    char *block = (char *)_aligned_malloc(100, 16);
    NEED("allocated", block);
    for (int i = 0; i < 100; i++)
        block[i] = (char)i;
    TOLD("realloc-3", _aligned_realloc(block, 50, 3), 0);
    TOLD("realloc-offset", _aligned_offset_realloc(block, 10, 16, 10), 0);
    BOOL kept = _aligned_msize(block, 16, 0) == 100;
    for (int i = 0; i < 100; i++)
        kept = kept && block[i] == (char)i;
    CHECK("realloc-kept", kept);

    TOLD("aligned-msize-null", _aligned_msize(NULL, 16, 0), -1);
    TOLD("expand-null", _expand(NULL, 10), 0);
    TOLD("heapwalk-null", _heapwalk(NULL), _HEAPBADPTR);
    TOLD("msize-null", _msize(NULL), -1);
    TOLD("recalloc-3", _aligned_recalloc(block, 5, 10, 3), 0);
    TOLD("recalloc-offset", _aligned_offset_recalloc(block, 5, 2, 16, 10), 0);
    TOLD("recalloc-null-3", _aligned_recalloc(NULL, 5, 10, 3), 0);
    kept = _aligned_msize(block, 16, 0) == 100;
    for (int i = 0; i < 100; i++)
        kept = kept && block[i] == (char)i;
    CHECK("recalloc-kept", kept);
    _aligned_free(block);

    /* Without a handler errno alone tells. */
    _set_invalid_parameter_handler(NULL);
    int before = told;
    errno = 0;
    EQUAL("silent", _aligned_malloc(10, 3), 0);
    EQUAL("silent-told", told, before);
    EQUAL("silent-errno", errno, EINVAL);
    return finish();
}
