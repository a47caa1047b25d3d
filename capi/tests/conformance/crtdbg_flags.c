/* Flags, modes, files and hooks: what is set before, and what is refused. */
#include "debug_crt.h"

static int __cdecl look(int kind, char *message, int *answer)
{
    (void)kind;
    (void)message;
    *answer = 0;
    return TRUE;
}

static void __cdecl dump(void *block, size_t size)
{
    (void)block;
    (void)size;
}

int main(void)
{
    NEED("runtime", runtime());
    EQUAL("at-first", _CrtSetDbgFlag(_CRTDBG_REPORT_FLAG), _CRTDBG_ALLOC_MEM_DF);
    EQUAL("set", _CrtSetDbgFlag(_CRTDBG_ALLOC_MEM_DF | _CRTDBG_CHECK_CRT_DF), _CRTDBG_ALLOC_MEM_DF);
    EQUAL("get", _CrtSetDbgFlag(_CRTDBG_REPORT_FLAG), _CRTDBG_ALLOC_MEM_DF | _CRTDBG_CHECK_CRT_DF);
    EQUAL("reset", _CrtSetDbgFlag(_CRTDBG_ALLOC_MEM_DF),
          _CRTDBG_ALLOC_MEM_DF | _CRTDBG_CHECK_CRT_DF);
    EQUAL("sound", _CrtCheckMemory(), TRUE);
    EQUAL("no-break", _CrtSetBreakAlloc(1000000), -1);
    EQUAL("break", _CrtSetBreakAlloc(-1), 1000000);
    EQUAL("dump-client", _CrtSetDumpClient(dump), 0);
    EQUAL("dump-client-back", _CrtSetDumpClient(NULL), dump);
    EQUAL("warn-mode", _CrtSetReportMode(_CRT_WARN, _CRTDBG_REPORT_MODE), _CRTDBG_MODE_DEBUG);
    EQUAL("error-mode", _CrtSetReportMode(_CRT_ERROR, _CRTDBG_MODE_FILE), _CRTDBG_MODE_WNDW);
    EQUAL("assert-mode", _CrtSetReportMode(_CRT_ASSERT, _CRTDBG_REPORT_MODE), _CRTDBG_MODE_WNDW);
    EQUAL("file", _CrtSetReportFile(_CRT_ERROR, _CRTDBG_FILE_STDERR), _CRTDBG_INVALID_HFILE);
    EQUAL("file-back", _CrtSetReportFile(_CRT_ERROR, _CRTDBG_REPORT_FILE), _CRTDBG_FILE_STDERR);
    EQUAL("hook", _CrtSetReportHook(look), 0);
    EQUAL("hook-back", _CrtSetReportHook(NULL), look);
    errno = 0;
    EQUAL("no-kind", _CrtSetReportMode(_CRT_ERRCNT, _CRTDBG_MODE_FILE), -1);
    EQUAL("no-kind-errno", errno, EINVAL);
    return finish();
}
