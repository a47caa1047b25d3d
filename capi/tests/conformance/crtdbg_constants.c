/* The numbers and layouts of crtdbg.h. */
#include "check.h"
#include <crtdbg.h>

int main(void)
{
    EQUAL("warn", _CRT_WARN, 0);
    EQUAL("error", _CRT_ERROR, 1);
    EQUAL("assert", _CRT_ASSERT, 2);
    EQUAL("errcnt", _CRT_ERRCNT, 3);
    EQUAL("mode-file", _CRTDBG_MODE_FILE, 1);
    EQUAL("mode-debug", _CRTDBG_MODE_DEBUG, 2);
    EQUAL("mode-wndw", _CRTDBG_MODE_WNDW, 4);
    EQUAL("report-mode", _CRTDBG_REPORT_MODE, -1);
    EQUAL("invalid-hfile", _CRTDBG_INVALID_HFILE, -1);
    EQUAL("hfile-error", _CRTDBG_HFILE_ERROR, -2);
    EQUAL("file-stdout", _CRTDBG_FILE_STDOUT, -4);
    EQUAL("file-stderr", _CRTDBG_FILE_STDERR, -5);
    EQUAL("report-file", _CRTDBG_REPORT_FILE, -6);
    EQUAL("install", _CRT_RPTHOOK_INSTALL, 0);
    EQUAL("remove", _CRT_RPTHOOK_REMOVE, 1);
    EQUAL("hook-alloc", _HOOK_ALLOC, 1);
    EQUAL("hook-realloc", _HOOK_REALLOC, 2);
    EQUAL("hook-free", _HOOK_FREE, 3);
    EQUAL("alloc-mem", _CRTDBG_ALLOC_MEM_DF, 0x1);
    EQUAL("delay-free-mem", _CRTDBG_DELAY_FREE_MEM_DF, 0x2);
    EQUAL("check-always", _CRTDBG_CHECK_ALWAYS_DF, 0x4);
    EQUAL("reserved", _CRTDBG_RESERVED_DF, 0x8);
    EQUAL("check-crt", _CRTDBG_CHECK_CRT_DF, 0x10);
    EQUAL("leak-check", _CRTDBG_LEAK_CHECK_DF, 0x20);
    EQUAL("every-16", _CRTDBG_CHECK_EVERY_16_DF, 0x100000);
    EQUAL("every-128", _CRTDBG_CHECK_EVERY_128_DF, 0x800000);
    EQUAL("every-1024", _CRTDBG_CHECK_EVERY_1024_DF, 0x4000000);
    EQUAL("default", _CRTDBG_CHECK_DEFAULT_DF, 0);
    EQUAL("report-flag", _CRTDBG_REPORT_FLAG, -1);
    EQUAL("free", _FREE_BLOCK, 0);
    EQUAL("normal", _NORMAL_BLOCK, 1);
    EQUAL("crt", _CRT_BLOCK, 2);
    EQUAL("ignore", _IGNORE_BLOCK, 3);
    EQUAL("client", _CLIENT_BLOCK, 4);
    EQUAL("max", _MAX_BLOCKS, 5);
    int block = _CLIENT_BLOCK | 7 << 16;
    EQUAL("type", _BLOCK_TYPE(block), 4);
    EQUAL("subtype", _BLOCK_SUBTYPE(block), 7);
    EQUAL("state-size", sizeof(_CrtMemState), 104);
    EQUAL("counts-at", offsetof(_CrtMemState, lCounts), 8);
    EQUAL("sizes-at", offsetof(_CrtMemState, lSizes), 48);
    EQUAL("highest-at", offsetof(_CrtMemState, lHighWaterCount), 88);
    EQUAL("total-at", offsetof(_CrtMemState, lTotalCount), 96);
    EQUAL("hfile-size", sizeof(_HFILE), 8);
    return finish();
}
