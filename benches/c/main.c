/* Loads for malloc, one a process.
 *
 *   loads --list                 a line a load: name, tab, group
 *   loads LOAD [--scale F]       runs one and prints one line of JSON
 *
 * The timed part excludes the start of the process; memory figures are of the
 * whole process. */
#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

static const struct load *const tables[] = {
    size_loads, shape_loads, replace_loads, thread_loads,
    transfer_loads, start_loads, wave_loads,
};

#define TABLES (sizeof tables / sizeof *tables)

void fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("loads: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    _exit(1);
}

void *harness_memory(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        fail("mmap: %s", strerror(errno));
    return p;
}

static double wall_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* This process' and its ended children's. */
static double cpu_now(void)
{
    double sum = 0;
    for (int i = 0; i < 2; i++) {
        struct rusage use;
        getrusage(i ? RUSAGE_CHILDREN : RUSAGE_SELF, &use);
        sum += (double)use.ru_utime.tv_sec + (double)use.ru_utime.tv_usec / 1e6;
        sum += (double)use.ru_stime.tv_sec + (double)use.ru_stime.tv_usec / 1e6;
    }
    return sum;
}

void begin(struct run *run)
{
    run->cpu = cpu_now();
    run->wall = wall_now();
}

void end(struct run *run)
{
    run->wall = wall_now() - run->wall;
    run->cpu = cpu_now() - run->cpu;
}

pthread_t start(void *(*body)(void *), void *argument)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, body, argument);
    if (error)
        fail("pthread_create: %s", strerror(error));
    return thread;
}

void finish(pthread_t thread)
{
    int error = pthread_join(thread, NULL);
    if (error)
        fail("pthread_join: %s", strerror(error));
}

void in_threads(int n, void *(*body)(void *), void *arguments, size_t size)
{
    pthread_t threads[64];
    if (n > 64)
        fail("%d threads are too many", n);
    for (int i = 0; i < n; i++)
        threads[i] = start(body, (char *)arguments + (size_t)i * size);
    for (int i = 0; i < n; i++)
        finish(threads[i]);
}

void here_or_in_threads(int n, void *(*body)(void *), void *arguments, size_t size)
{
    if (n == 1)
        body(arguments);
    else
        in_threads(n, body, arguments, size);
}

/* A number in a file of /proc/self, after `label`; the file is read without
 * stdio, which would allocate. */
static uint64_t proc_number(const char *file, const char *label)
{
    static char text[8192];
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (length < 0)
        fail("%s: %s", file, strerror(errno));
    close(fd);
    text[length] = 0;
    const char *at = strstr(text, label);
    if (!at)
        fail("%s has no %s", file, label);
    return strtoull(at + strlen(label), NULL, 10);
}

static const struct load *find(const char *name)
{
    for (size_t t = 0; t < TABLES; t++)
        for (const struct load *load = tables[t]; load->name; load++)
            if (!strcmp(load->name, name))
                return load;
    return NULL;
}

static int usage(const char *why)
{
    fprintf(stderr, "loads: %s\nusage: loads --list | LOAD [--scale F]\n", why);
    return 2;
}

int main(int argc, char **argv)
{
    /* Left to itself stdio would take its buffer from the allocator. */
    static char buffer[4096];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);

    if (argc == 2 && !strcmp(argv[1], "--list")) {
        for (size_t t = 0; t < TABLES; t++)
            for (const struct load *load = tables[t]; load->name; load++)
                printf("%s\t%s\n", load->name, load->group);
        return 0;
    }
    /* What the load process-start starts. */
    if (argc == 2 && !strcmp(argv[1], "--nothing")) {
        drop(get(64), 64);
        return 0;
    }
    struct run run = {.scale = 1};
    const char *name = NULL;
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--scale") && i + 1 < argc) {
            char *rest;
            run.scale = strtod(argv[++i], &rest);
            if (*rest || !isfinite(run.scale) || run.scale <= 0)
                return usage("--scale takes a positive number");
        } else if (!name && argv[i][0] != '-') {
            name = argv[i];
        } else {
            return usage("unknown argument");
        }
    }
    if (!name)
        return usage("no load named");
    const struct load *load = find(name);
    if (!load)
        return usage("no such load");

    load->body(&run);

    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    /* The second number of statm: resident pages. */
    uint64_t held = proc_number("/proc/self/statm", " ") * page;
    uint64_t peak = proc_number("/proc/self/status", "VmHWM:") * 1024;
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    printf("{\"load\":\"%s\",\"operations\":%llu,\"seconds\":%.6f,\"cpu_seconds\":%.6f,"
           "\"peak_rss\":%llu,\"rss_after_drop\":%llu,\"minor_faults\":%ld,\"major_faults\":%ld,"
           "\"threads\":%d,\"requested_peak\":%llu}\n",
           load->name, (unsigned long long)run.operations, run.wall, run.cpu,
           (unsigned long long)peak, (unsigned long long)held, use.ru_minflt, use.ru_majflt,
           load->threads, (unsigned long long)run.requested_peak);
    return fflush(stdout) ? 1 : 0;
}
