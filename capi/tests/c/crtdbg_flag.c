/* The sample of "_CrtSetDbgFlag": blocks that are kept when freed, blocks of a
 * type, and a leak that is told at the end. */
#include <malloc.h>
#include <string.h>

#include <crtdbg.h>

int main(void)
{
    char *p1, *p2;
    int tmpDbgFlag;
    _CrtMemState state;

    _CrtSetReportMode(_CRT_WARN, _CRTDBG_MODE_FILE);
    _CrtSetReportFile(_CRT_WARN, _CRTDBG_FILE_STDERR);
    _CrtSetReportMode(_CRT_ERROR, _CRTDBG_MODE_FILE);
    _CrtSetReportFile(_CRT_ERROR, _CRTDBG_FILE_STDERR);

    tmpDbgFlag = _CrtSetDbgFlag(_CRTDBG_REPORT_FLAG);
    tmpDbgFlag |= _CRTDBG_DELAY_FREE_MEM_DF;
    tmpDbgFlag |= _CRTDBG_LEAK_CHECK_DF;
    _CrtSetDbgFlag(tmpDbgFlag);

    p1 = (char *)malloc(40);
    p2 = (char *)malloc(40);
    strcpy(p1, "p1 points to a Normal allocation block");
    strcpy(p2, "p2 points to a Client allocation block");
    free(p2);
    free(p1);

    tmpDbgFlag = _CrtSetDbgFlag(_CRTDBG_REPORT_FLAG);
    tmpDbgFlag |= _CRTDBG_ALLOC_MEM_DF;
    tmpDbgFlag &= ~_CRTDBG_DELAY_FREE_MEM_DF;
    _CrtSetDbgFlag(tmpDbgFlag);
    if (_crtDbgFlag != tmpDbgFlag || _crtBreakAlloc != -1)
        return 1;

    p1 = (char *)_malloc_dbg(40, _NORMAL_BLOCK, __FILE__, __LINE__);
    p2 = (char *)_malloc_dbg(40, _CLIENT_BLOCK, __FILE__, __LINE__);
    strcpy(p1, "p1 points to a Normal allocation block");
    strcpy(p2, "p2 points to a Client allocation block");
    _CrtMemCheckpoint(&state);
    _CrtMemDumpStatistics(&state);
    _free_dbg(p2, _CLIENT_BLOCK);
    free(p1);

#line 100 "crt_crtsetdflag.c"
    p1 = (char *)malloc(10);
    return _CrtCheckMemory() && p1 ? 0 : 2;
}
