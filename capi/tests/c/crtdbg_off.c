/* Without _DEBUG all of it is gone: blocks are malloc's, reports are nothing, and
 * nothing of it is evaluated. */
#include "check.h"
#include <string.h>

#include <malloc.h>
#include <crtdbg.h>

static int calls;

__attribute__((unused)) static int called(void)
{
    return ++calls;
}

int main(void)
{
    _CrtMemState state = {0};
    char *block = (char *)_malloc_dbg(10, _NORMAL_BLOCK, __FILE__, __LINE__);
    CHECK(block != NULL && _msize(block) == 10);
    block = (char *)_realloc_dbg(block, 20, _CLIENT_BLOCK, __FILE__, __LINE__);
    CHECK(_msize_dbg(block, _NORMAL_BLOCK) == 20);
    _free_dbg(block, _NORMAL_BLOCK);
    block = (char *)_aligned_malloc_dbg(10, 64, __FILE__, __LINE__);
    CHECK(block != NULL && (size_t)block % 64 == 0);
    _aligned_free_dbg(block);
    _ASSERT(called());
    _ASSERTE(called());
    _RPT1(_CRT_WARN, "%d\n", called());
    _RPTF0(_CRT_ERROR, "nothing\n");
    _CrtMemCheckpoint(&state);
    CHECK(state.lTotalCount == 0);
    CHECK(_CrtSetDbgFlag(_CRTDBG_REPORT_FLAG) == 0);
    CHECK(_CrtCheckMemory() == 1);
    CHECK(_CrtDumpMemoryLeaks() == 0);
    CHECK(calls == 0);
    CHECK(write(1, "done\n", 5) == 5);
    return 0;
}
