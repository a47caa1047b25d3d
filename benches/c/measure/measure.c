/* Measures a program from outside.
 *
 *   measure FILE VARIABLE=VALUE... -- PROGRAM ARGUMENT...
 *
 * Starts PROGRAM with the variables added to its environment, waits for its
 * end and writes one line of JSON to FILE: what wait4 says of it and of the
 * processes it waited for in turn. The exit status is the program's, or 128 + N
 * where signal N ended it, 127 where it could not be started, and 125 for any
 * trouble of this program itself.
 *
 * Linux counts into a process' peak of resident memory what it had before it
 * executed its program: the memory of whoever started it. This program is as
 * small as a process can be, so that little is added. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int trouble(const char *what)
{
    fprintf(stderr, "measure: %s: %s\n", what, strerror(errno));
    return 125;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

int main(int argc, char **argv)
{
    int program = 2;
    while (program < argc && strcmp(argv[program], "--"))
        program++;
    if (++program >= argc) {
        fputs("usage: measure FILE VARIABLE=VALUE... -- PROGRAM ARGUMENT...\n", stderr);
        return 125;
    }
    int file = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0)
        return trouble(argv[1]);

    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    pid_t child = fork();
    if (child < 0)
        return trouble("fork");
    if (child == 0) {
        /* Whoever ends this program means the other one. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (int i = 2; i < program - 1; i++)
            putenv(argv[i]);
        execvp(argv[program], argv + program);
        fprintf(stderr, "measure: %s: %s\n", argv[program], strerror(errno));
        _exit(127);
    }
    int status;
    struct rusage use;
    while (wait4(child, &status, 0, &use) != child)
        if (errno != EINTR)
            return trouble("wait4");
    clock_gettime(CLOCK_MONOTONIC, &after);

    double wall =
        (double)(after.tv_sec - before.tv_sec) + (double)(after.tv_nsec - before.tv_nsec) / 1e9;
    dprintf(file,
            "{\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"peak_rss\":%lld,\"minor_faults\":%ld,"
            "\"major_faults\":%ld}\n",
            wall, seconds(use.ru_utime) + seconds(use.ru_stime), (long long)use.ru_maxrss * 1024,
            use.ru_minflt, use.ru_majflt);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
