/* The start of a process that does next to nothing. */
#include "bench.h"

#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

extern char **environ;

/* Starts this program again and again, which each time allocates one block. The
 * memory figures are of this process, which has allocated one too. */
static void process_start(struct run *run)
{
    char *arguments[] = {"loads", "--nothing", NULL};
    uint64_t n = scaled(run, 200);
    run->operations = n;
    drop(get(64), 64);
    begin(run);
    for (uint64_t i = 0; i < n; i++) {
        pid_t child;
        int error = posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ);
        if (error)
            fail("posix_spawn: %s", strerror(error));
        int status;
        if (waitpid(child, &status, 0) != child || status)
            fail("a started process ended with status %#x", status);
    }
    end(run);
}

const struct load start_loads[] = {
    {"process-start", "start", 1, process_start},
    {NULL, NULL, 0, NULL},
};
