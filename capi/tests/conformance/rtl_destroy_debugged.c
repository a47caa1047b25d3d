/* RtlDestroyHeap of what is no heap, with a debugger that is attached: the debugger
 * is told by a text, and then by a breakpoint; from there the call goes on, and gives
 * the handle back. */
#include "check.h"
#ifndef _WIN32
#include <fcntl.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#endif

/* What the debugger saw of the process. */
static int texts, breaks_after_text;
static DWORD status = 255;

#define GIVEN_BACK 7

/* What the process does; its status. */
static int debugged(void)
{
    static char garbage[0x1000];
    return RtlDestroyHeap((PVOID)garbage) == garbage ? GIVEN_BACK : 8;
}

#ifdef _WIN32
static BOOL debug(void)
{
    char path[MAX_PATH], line[MAX_PATH + 20];
    STARTUPINFOA start;
    PROCESS_INFORMATION process;
    DEBUG_EVENT event;
    memset(&start, 0, sizeof start);
    start.cb = sizeof start;
    GetModuleFileNameA(NULL, path, sizeof path);
    snprintf(line, sizeof line, "\"%s\" debugged", path);
    if (!CreateProcessA(NULL, line, NULL, NULL, TRUE, DEBUG_ONLY_THIS_PROCESS, NULL, NULL, &start,
                        &process))
        return FALSE;
    while (WaitForDebugEvent(&event, SOON)) {
        DWORD answer = DBG_CONTINUE;
        if (event.dwDebugEventCode == OUTPUT_DEBUG_STRING_EVENT)
            texts++;
        if (event.dwDebugEventCode == EXCEPTION_DEBUG_EVENT) {
            /* The first breakpoint is the loader's. */
            if (event.u.Exception.ExceptionRecord.ExceptionCode == EXCEPTION_BREAKPOINT)
                breaks_after_text += texts > 0;
            else
                answer = DBG_EXCEPTION_NOT_HANDLED;
        }
        if (event.dwDebugEventCode == EXIT_PROCESS_DEBUG_EVENT)
            status = event.u.ExitProcess.dwExitCode;
        ContinueDebugEvent(event.dwProcessId, event.dwThreadId, answer);
        if (event.dwDebugEventCode == EXIT_PROCESS_DEBUG_EVENT)
            break;
    }
    CloseHandle(process.hThread);
    CloseHandle(process.hProcess);
    return TRUE;
}
#else
static BOOL debug(void)
{
    int ends[2], state;
    char text[200];
    if (pipe(ends) != 0 || fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0)
        return FALSE;
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
            _exit(255);
        _exit(debugged());
    }
    while (child > 0 && waitpid(child, &state, 0) == child && WIFSTOPPED(state)) {
        if (read(ends[0], text, sizeof text) > 0)
            texts++;
        breaks_after_text += texts > 0 && WSTOPSIG(state) == SIGTRAP;
        ptrace(PTRACE_CONT, child, NULL, NULL);
    }
    if (child > 0 && WIFEXITED(state))
        status = (DWORD)WEXITSTATUS(state);
    close(ends[0]);
    close(ends[1]);
    return child > 0;
}
#endif

int main(int argc, char **argv)
{
    (void)argv;
    if (argc > 1)
        return debugged();
    NEED("started", debug());
    if (status == 255) {
        CHECK("skipped-no-process-may-be-debugged-here", TRUE);
        return finish();
    }
    EQUAL("told-by-a-text", texts, 1);
    EQUAL("and-by-a-breakpoint", breaks_after_text, 1);
    EQUAL("given-back", status, GIVEN_BACK);
    return finish();
}
