/* Runs the programs named on standard input, one a line, one after the other,
 * each with its output in NAME.out, and prints `NAME STATUS`. Starting Wine
 * takes longer than all of them do. */
#include <stdio.h>
#include <string.h>
#include <windows.h>

/* Milliseconds that any program may take: one that waits for what Wine never does takes
 * them all. */
#define LIMIT 12000

static DWORD run(const char *name)
{
    char command[300], file[300];
    snprintf(command, sizeof command, "%s.exe", name);
    snprintf(file, sizeof file, "%s.out", name);
    SECURITY_ATTRIBUTES inherited = {sizeof inherited, NULL, TRUE};
    HANDLE out = CreateFileA(file, GENERIC_WRITE, FILE_SHARE_READ, &inherited, CREATE_ALWAYS, 0, NULL);
    if (out == INVALID_HANDLE_VALUE)
        return 254;
    STARTUPINFOA start;
    PROCESS_INFORMATION process;
    memset(&start, 0, sizeof start);
    start.cb = sizeof start;
    start.dwFlags = STARTF_USESTDHANDLES;
    start.hStdOutput = out;
    start.hStdError = out;
    DWORD status = 255;
    if (CreateProcessA(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &start, &process)) {
        if (WaitForSingleObject(process.hProcess, LIMIT) != WAIT_OBJECT_0)
            TerminateProcess(process.hProcess, 253);
        WaitForSingleObject(process.hProcess, LIMIT);
        GetExitCodeProcess(process.hProcess, &status);
        CloseHandle(process.hThread);
        CloseHandle(process.hProcess);
    }
    CloseHandle(out);
    return status;
}

int main(void)
{
    char name[200];
    while (fgets(name, sizeof name, stdin)) {
        name[strcspn(name, "\r\n")] = 0;
        if (name[0])
            printf("%s %lu\n", name, run(name));
    }
    return 0;
}
