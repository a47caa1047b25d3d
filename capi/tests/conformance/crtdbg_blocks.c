/* Debug blocks: sizes, contents, what surrounds them, what is known of them. */
#include "debug_crt.h"

static BOOL filled(const char *bytes, size_t from, size_t to, int value)
{
    BOOL all = TRUE;
    for (size_t i = from; i < to; i++)
        all = all && (unsigned char)bytes[i] == value;
    return all;
}

int main(void)
{
    NEED("runtime", runtime());
    char *block = (char *)_malloc_dbg(40, _NORMAL_BLOCK, __FILE__, 10);
    NEED("malloc", block);
    EQUAL("msize", _msize_dbg(block, _NORMAL_BLOCK), 40);
    CHECK("aligned", (size_t)block % 16 == 0);
    CHECK("is-new", filled(block, 0, 40, 0xCD));
    CHECK("fence-before", filled(block - 4, 0, 4, 0xFD));
    CHECK("fence-behind", filled(block, 40, 44, 0xFD));
    memset(block, 'x', 40);
    block = (char *)_realloc_dbg(block, 80, _NORMAL_BLOCK, __FILE__, 20);
    NEED("realloc", block);
    EQUAL("realloc-msize", _msize_dbg(block, _NORMAL_BLOCK), 80);
    CHECK("realloc-keeps", filled(block, 0, 40, 'x'));
    CHECK("realloc-is-new", filled(block, 40, 80, 0xCD));
    char *same = (char *)_expand_dbg(block, 60, _NORMAL_BLOCK, __FILE__, 30);
    EQUAL("expand", same, block);
    EQUAL("expand-msize", _msize_dbg(block, _NORMAL_BLOCK), 60);
    CHECK("expand-fence", filled(block, 60, 64, 0xFD));
    _free_dbg(block, _NORMAL_BLOCK);
    block = (char *)_calloc_dbg(7, 9, _CLIENT_BLOCK, __FILE__, 40);
    NEED("calloc", block);
    CHECK("calloc-zero", filled(block, 0, 63, 0));
    EQUAL("calloc-msize", _msize_dbg(block, _CLIENT_BLOCK), 63);
    _free_dbg(block, _CLIENT_BLOCK);
    block = (char *)_realloc_dbg(NULL, 10, _NORMAL_BLOCK, NULL, 0);
    CHECK("realloc-null", block);
    EQUAL("realloc-0", _realloc_dbg(block, 0, _NORMAL_BLOCK, NULL, 0), 0);
    block = (char *)_malloc_dbg(0, _NORMAL_BLOCK, NULL, 0);
    CHECK("malloc-0", block);
    EQUAL("malloc-0-msize", _msize_dbg(block, _NORMAL_BLOCK), 0);
    _free_dbg(block, _NORMAL_BLOCK);
    _free_dbg(NULL, _NORMAL_BLOCK);
    volatile size_t huge = (size_t)-1 / 2 + 2;
    errno = 0;
    EQUAL("calloc-overflow", _calloc_dbg(huge, 2, _NORMAL_BLOCK, NULL, 0), 0);
    EQUAL("calloc-overflow-errno", errno, ENOMEM);
    errno = 0;
    EQUAL("msize-null", _msize_dbg(NULL, _NORMAL_BLOCK), (size_t)-1);
    EQUAL("msize-null-errno", errno, EINVAL);
    return finish();
}
