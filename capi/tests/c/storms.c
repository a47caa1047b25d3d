/* Storms: what processes go through under load. One case a run, so many times:
 *
 *     storms CASE COUNT [PLUGIN]
 */
#define _GNU_SOURCE
#include "check.h"
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

enum { THREADS = 16, KEPT = 64 };

static atomic_int stop;
static atomic_size_t turns;
static const char *program;

/* Allocates, resizes and frees with the contents checked, until told to stop. */
static void *churn(void *seed)
{
    uint64_t state = (uint64_t)(uintptr_t)seed + 1;
    while (!stop) {
        workload(next_random(&state), 20);
        turns++;
    }
    return NULL;
}

static void start(pthread_t *threads, int count)
{
    for (int i = 0; i < count; i++)
        CHECK(pthread_create(&threads[i], NULL, churn, (void *)(intptr_t)i) == 0);
    while (turns < (size_t)count)
        usleep(500);
}

static void join(pthread_t *threads, int count)
{
    stop = 1;
    for (int i = 0; i < count; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

/* Signals to threads that are inside the allocator, whose handler does not allocate
 * but wakes one that does; and signals to a thread that waits outside, whose handler
 * allocates while the others hold any lock. */
static int wakes[2];
static atomic_size_t arrived, handled;

static void wake(int number)
{
    (void)number;
    int before = errno;
    char byte = 1;
    CHECK(write(wakes[1], &byte, 1) == 1);
    arrived++;
    errno = before;
}

static void allocate_in_handler(int number)
{
    (void)number;
    int before = errno;
    workload(arrived, 40);
    handled++;
    errno = before;
}

static void *awake(void *unused)
{
    (void)unused;
    char byte;
    while (read(wakes[0], &byte, 1) == 1)
        workload(byte, 20);
    return NULL;
}

static void *outside(void *unused)
{
    (void)unused;
    sigset_t all_but_one;
    sigfillset(&all_but_one);
    sigdelset(&all_but_one, SIGUSR2);
    while (!stop)
        sigsuspend(&all_but_one);
    return NULL;
}

static void case_signals(int count)
{
    enum { BUSY = 4 };
    pthread_t busy[BUSY], waiting, woken;
    sigset_t usr2;
    struct sigaction action = {.sa_handler = wake, .sa_flags = SA_RESTART};
    sigfillset(&action.sa_mask);
    CHECK(pipe(wakes) == 0 && sigaction(SIGUSR1, &action, NULL) == 0);
    action.sa_handler = allocate_in_handler;
    CHECK(sigaction(SIGUSR2, &action, NULL) == 0);
    /* Nowhere but where a thread waits for it. */
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    CHECK(pthread_sigmask(SIG_BLOCK, &usr2, NULL) == 0);
    start(busy, BUSY);
    CHECK(pthread_create(&waiting, NULL, outside, NULL) == 0);
    CHECK(pthread_create(&woken, NULL, awake, NULL) == 0);
    uint64_t state = 7;
    /* Those that are still to arrive are one with the next of their thread. */
    while (arrived < (size_t)count || handled < (size_t)count / 8) {
        CHECK(pthread_kill(busy[next_random(&state) % BUSY], SIGUSR1) == 0);
        CHECK(pthread_kill(waiting, SIGUSR2) == 0);
        usleep(next_random(&state) % 64);
    }
    join(busy, BUSY);
    CHECK(pthread_kill(waiting, SIGUSR2) == 0 && pthread_join(waiting, NULL) == 0);
    close(wakes[1]);
    CHECK(pthread_join(woken, NULL) == 0);
}

/* Each of 16 threads allocates and forks; the children allocate, and run a program
 * that does, or fork again. */
static int forks_each;

static void await(pid_t child)
{
    int status;
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

__attribute__((noreturn)) static void in_child(int number, void **kept)
{
    alarm(120);
    for (int i = 0; i < KEPT; i++)
        free(kept[i]);
    workload((uint64_t)number, 200);
    if (number % 4 == 0) {
        execl(program, program, "child", "100", (char *)NULL);
        _exit(98);
    }
    if (number % 4 == 1) {
        pid_t grandchild = fork();
        CHECK(grandchild >= 0);
        if (grandchild == 0) {
            workload((uint64_t)number, 200);
            if (number % 8 == 1)
                execl(program, program, "child", "50", (char *)NULL);
            _exit(0);
        }
        await(grandchild);
    }
    if (number % 4 == 2)
        exit(0);
    _exit(0);
}

static void *forks(void *seed)
{
    uint64_t state = (uint64_t)(uintptr_t)seed + 1;
    for (int i = 0; i < forks_each; i++) {
        void *kept[KEPT];
        for (int j = 0; j < KEPT; j++)
            CHECK(kept[j] = malloc(random_size(&state)));
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0)
            in_child(i, kept);
        workload(next_random(&state), 100);
        await(child);
        for (int j = 0; j < KEPT; j++)
            free(kept[j]);
    }
    return NULL;
}

static void case_forks(int count)
{
    pthread_t threads[THREADS];
    forks_each = (count + THREADS - 1) / THREADS;
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, forks, (void *)(intptr_t)i) == 0);
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void case_child(int count)
{
    workload(1, count);
    exit(0);
}

/* Threads born and dead, each with something allocated by its values' destructors. */
static pthread_key_t key;

static void at_end(void *value)
{
    free(value);
    void *block = malloc(300);
    CHECK(block);
    free(block);
}

static void *live(void *seed)
{
    void *value = malloc(100);
    CHECK(value && pthread_setspecific(key, value) == 0);
    void *blocks[8];
    for (int i = 0; i < 8; i++)
        CHECK(blocks[i] = malloc(16u << ((uintptr_t)seed + (unsigned)i) % 12));
    for (int i = 0; i < 8; i++)
        free(blocks[i]);
    return NULL;
}

static void case_births(int count)
{
    CHECK(pthread_key_create(&key, at_end) == 0);
    size_t used = 0;
    for (int born = 0; born < count; born += THREADS) {
        pthread_t threads[THREADS];
        for (int i = 0; i < THREADS; i++)
            CHECK(pthread_create(&threads[i], NULL, live, (void *)(intptr_t)(born + i)) == 0);
        for (int i = 0; i < THREADS; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
        if (born == 10 * THREADS)
            used = mallinfo2().uordblks;
    }
    CHECK(mallinfo2().uordblks <= used + 64 * 1024);
}

/* A library that allocates, opened and closed while others allocate. */
static void case_opened(int count, const char *plugin)
{
    pthread_t threads[2];
    start(threads, 2);
    size_t used = 0;
    for (int i = 0; i < count; i++) {
        void *opened = dlopen(plugin, RTLD_NOW | RTLD_LOCAL);
        CHECK(opened);
        void *(*give)(size_t) = (void *(*)(size_t))dlsym(opened, "plugin_give");
        CHECK(give);
        unsigned char *block = give(200);
        CHECK(block && block[199] == 7);
        CHECK(dlclose(opened) == 0);
        /* It outlives its maker. */
        CHECK(block[0] == 7);
        free(block);
        if (i == count / 2)
            used = mallinfo2().uordblks;
    }
    join(threads, 2);
    CHECK(mallinfo2().uordblks <= used + ((size_t)32 << 20));
}

/* The end of the process while others allocate. */
static void late(void)
{
    workload(11, 200);
}

static void case_quick_exit(int count)
{
    pthread_t threads[8];
    CHECK(at_quick_exit(late) == 0);
    start(threads, 8);
    usleep((useconds_t)(count * 37 % 3000));
    puts("done");
    fflush(stdout);
    quick_exit(0);
}

static void case_exit(int count)
{
    pthread_t threads[8];
    CHECK(atexit(late) == 0);
    start(threads, 8);
    usleep((useconds_t)(count * 37 % 3000));
    puts("done");
    exit(0);
}

int main(int argc, char **argv)
{
    CHECK(argc >= 3);
    program = argv[0];
    int count = atoi(argv[2]);
#define CASE(name) {#name, case_##name}
    static const struct {
        const char *name;
        void (*run)(int);
    } cases[] = {CASE(signals), CASE(forks),      CASE(child),
                 CASE(births),  CASE(quick_exit), CASE(exit)};
    if (strcmp(argv[1], "opened") == 0) {
        CHECK(argc == 4);
        case_opened(count, argv[3]);
        puts("done");
        return 0;
    }
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run(count);
            puts("done");
            return 0;
        }
    }
    return 2;
}
