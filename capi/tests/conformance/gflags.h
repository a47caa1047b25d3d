/* Programs that run under global flags: each runs itself once more for every
 * flag, since a process has the flags that it was started with. */
#ifndef CONFORMANCE_GFLAGS_H
#define CONFORMANCE_GFLAGS_H

#include "check.h"
#include <stdlib.h>

#ifndef _WIN32
#include <sys/wait.h>
#endif

#define FLG_TAIL 0x10u
#define FLG_FREE 0x20u
#define FLG_PARAMETERS 0x40u
#define FLG_ALL 0x80u
#define FLG_APART 0x200000u

#ifdef _WIN32
/* GlobalFlag in the image's options, which its next processes have. */
HELPER BOOL set_image_flags(DWORD flags)
{
    char path[MAX_PATH], key[400];
    HKEY opened;
    GetModuleFileNameA(NULL, path, sizeof path);
    const char *name = strrchr(path, '\\');
    snprintf(key, sizeof key,
             "SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Image File Execution Options\\%s",
             name ? name + 1 : path);
    if (RegCreateKeyA(HKEY_LOCAL_MACHINE, key, &opened) != ERROR_SUCCESS)
        return FALSE;
    BOOL done = RegSetValueExA(opened, "GlobalFlag", 0, REG_DWORD, (const BYTE *)&flags,
                               sizeof flags) == ERROR_SUCCESS;
    RegCloseKey(opened);
    return done;
}

HELPER int run_itself(DWORD flags)
{
    char path[MAX_PATH], command[MAX_PATH + 20];
    STARTUPINFOA start;
    PROCESS_INFORMATION process;
    DWORD status = 255;
    memset(&start, 0, sizeof start);
    start.cb = sizeof start;
    GetModuleFileNameA(NULL, path, sizeof path);
    snprintf(command, sizeof command, "\"%s\" %lx", path, flags);
    if (!set_image_flags(flags) ||
        !CreateProcessA(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &start, &process))
        return 255;
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &status);
    CloseHandle(process.hThread);
    CloseHandle(process.hProcess);
    set_image_flags(0);
    return (int)status;
}
#else
HELPER int run_itself(DWORD flags)
{
    char number[20];
    snprintf(number, sizeof number, "0x%x", (unsigned)flags);
    pid_t child = fork();
    if (child == 0) {
        /* What is found is reported, and the call goes on as Windows' does. */
        setenv("NTHEAP_ON_CORRUPTION", "continue", 1);
        setenv("NTHEAP_GFLAGS", number, 1);
        execl("/proc/self/exe", "child", number, (char *)NULL);
        _exit(255);
    }
    int status;
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return 255;
    return WEXITSTATUS(status);
}
#endif

/* What a process adds to the number of its checks when one of them fails. */
#define SOME_FAILED 100

/* Runs `body` in a process with each of the flags, which end with 0. Its checks'
 * names begin with the flags' number. */
HELPER int under_flags(int argc, char **argv, const DWORD *flags, void (*body)(DWORD flags))
{
    if (argc > 1) {
        body((DWORD)strtoul(argv[1], NULL, 16));
        return checks_made + (checks_failed ? SOME_FAILED : 0);
    }
    for (; *flags; flags++) {
        char name[40];
        int made = run_itself(*flags);
        snprintf(name, sizeof name, "ran-under-%x", (unsigned)*flags);
        CHECK(name, made > 0 && made < 2 * SOME_FAILED);
        if (made < 2 * SOME_FAILED)
            checks_made += made % SOME_FAILED;
        checks_failed += made >= SOME_FAILED;
    }
    return finish();
}

/* The name of a check under flags. */
HELPER const char *named(DWORD flags, const char *what)
{
    static char names[128][48];
    static int next;
    char *name = names[next++ % 128];
    snprintf(name, sizeof names[0], "%x-%s", (unsigned)flags, what);
    return name;
}

/* A number in what an address leads to. */
HELPER ULONG at(const void *address, SIZE_T offset)
{
    ULONG value;
    memcpy(&value, (const char *)address + offset, sizeof value);
    return value;
}

/* Whether so many bytes from an address on are all the same. */
HELPER BOOL all_are(const void *address, SIZE_T length, unsigned char byte)
{
    const unsigned char *bytes = (const unsigned char *)address;
    for (SIZE_T i = 0; i < length; i++) {
        if (bytes[i] != byte)
            return FALSE;
    }
    return TRUE;
}

#endif
