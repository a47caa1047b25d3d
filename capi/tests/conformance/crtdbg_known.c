/* What is known of an address. */
#include "debug_crt.h"

int main(void)
{
    NEED("runtime", runtime());
    static char file[] = "known.c", fixed[100];
    long request = 99;
    char *name = file;
    int line = 99;
    char *block = (char *)_malloc_dbg(10, _NORMAL_BLOCK, file, 17);
    NEED("malloc", block);
    EQUAL("valid-heap-pointer", _CrtIsValidHeapPointer(block), TRUE);
    EQUAL("valid-pointer", _CrtIsValidPointer(block, 10, TRUE), TRUE);
    EQUAL("valid-pointer-null", _CrtIsValidPointer(NULL, 10, TRUE), FALSE);
    EQUAL("memory-block", _CrtIsMemoryBlock(block, 10, &request, &name, &line), TRUE);
    CHECK("request", request > 0 && request < 1000000);
    EQUAL("file", name, file);
    EQUAL("line", line, 17);
    EQUAL("other-size", _CrtIsMemoryBlock(block, 11, &request, &name, &line), FALSE);
    EQUAL("no-request", request, 0);
    EQUAL("no-file", name, 0);
    EQUAL("no-line", line, 0);
    EQUAL("static", _CrtIsValidHeapPointer(fixed + 64), FALSE);
    EQUAL("static-block", _CrtIsMemoryBlock(fixed + 64, 10, NULL, NULL, NULL), FALSE);
    long first, second;
    char *next = (char *)_malloc_dbg(10, _NORMAL_BLOCK, file, 18);
    _CrtIsMemoryBlock(block, 10, &first, NULL, NULL);
    _CrtIsMemoryBlock(next, 10, &second, NULL, NULL);
    EQUAL("numbered", second, first + 1);
    _free_dbg(next, _NORMAL_BLOCK);
    _free_dbg(block, _NORMAL_BLOCK);
    return finish();
}
