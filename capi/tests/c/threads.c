/* Threads and forks. One case a run:
 *
 *     threads CASE
 */
#define _GNU_SOURCE
#include "check.h"
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>

enum { THREADS = 8 };

static atomic_int stop;
static atomic_size_t turns;
static void *_Atomic handed[1024];

static size_t resident(void)
{
    char text[128] = {0};
    FILE *file = fopen("/proc/self/statm", "r");
    CHECK(file && fgets(text, sizeof text, file));
    fclose(file);
    char *at = text;
    strtoul(at, &at, 10);
    return strtoul(at, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE);
}

/* Allocates and frees until told to stop, much of it across threads. */
static void *churn(void *argument)
{
    uint64_t state = (uint64_t)(uintptr_t)argument + 1;
    while (!stop) {
        size_t size = random_size(&state);
        unsigned char *block = malloc(size);
        CHECK(block);
        block[0] = 1;
        block[size - 1] = 1;
        free(atomic_exchange(&handed[next_random(&state) % 1024], block));
        turns++;
    }
    return NULL;
}

static void start(pthread_t *threads)
{
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_create(&threads[i], NULL, churn, (void *)i) == 0);
    while (turns < 10000)
        usleep(1000);
}

static void join(pthread_t *threads)
{
    stop = 1;
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

static void *work(void *seed)
{
    workload((uint64_t)(uintptr_t)seed, 300);
    return NULL;
}

/* What a child does: frees its parent's blocks, the other threads' among
 * them, allocates, and has threads of its own. */
static void in_child(int number)
{
    stop = 0;
    for (int i = 0; i < 1024; i++)
        free(atomic_exchange(&handed[i], NULL));
    workload((uint64_t)number, 1000);
    if (number % 8 == 0) {
        pthread_t threads[3];
        for (size_t i = 0; i < 3; i++)
            CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
        for (int i = 0; i < 3; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
    }
    if (number % 16 == 0) {
        pid_t grandchild = fork();
        if (grandchild == 0) {
            workload((uint64_t)number, 500);
            _exit(0);
        }
        int status;
        CHECK(waitpid(grandchild, &status, 0) == grandchild && status == 0);
    }
}

static void case_fork(void)
{
    pthread_t threads[THREADS];
    start(threads);
    for (int number = 0; number < 100; number++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            /* A child that waits for a lock nobody holds is ended. */
            alarm(60);
            in_child(number);
            if (number % 2)
                _exit(0);
            exit(0);
        }
        int status;
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    join(threads);
}

static void *allocate_and_leave(void *kept)
{
    void **block = malloc(100);
    CHECK(block);
    *(void **)kept = block;
    for (size_t size = 16; size < 40000; size *= 2) {
        void *blocks[20];
        for (int i = 0; i < 20; i++)
            CHECK(blocks[i] = malloc(size));
        for (int i = 0; i < 20; i++)
            free(blocks[i]);
    }
    return NULL;
}

static void case_short_threads(void)
{
    void *kept[50];
    for (int i = 0; i < 50; i++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, allocate_and_leave, &kept[i]) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        free(kept[i]);
    }
    malloc_trim(0);
    size_t used = mallinfo2().uordblks, before = resident();
    for (int round = 0; round < 10000 / 4; round++) {
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            CHECK(pthread_create(&threads[i], NULL, allocate_and_leave, &kept[i]) == 0);
        for (int i = 0; i < 4; i++) {
            CHECK(pthread_join(threads[i], NULL) == 0);
            free(kept[i]);
        }
    }
    /* Nothing of 10,000 threads is left but what four at a time need. */
    CHECK(mallinfo2().uordblks <= used + 64 * 1024);
    malloc_trim(0);
    CHECK(resident() < before + ((size_t)4 << 20));
}

static pthread_key_t keys[60];
static atomic_size_t destroyed;

static void destructor(void *value)
{
    /* Frees what the thread allocated, allocates, and asks to be called
     * again: the last rounds are after every other destructor. */
    size_t *left = value;
    workload(*left, 60);
    size_t again = *left - 1;
    free(left);
    destroyed++;
    if (again) {
        size_t *next = malloc(sizeof *next);
        CHECK(next);
        *next = again;
        CHECK(pthread_setspecific(keys[again % 60], next) == 0);
    }
}

static void *with_keys(void *unused)
{
    (void)unused;
    for (int i = 0; i < 60; i += 20) {
        size_t *value = malloc(sizeof *value);
        CHECK(value);
        *value = 3;
        CHECK(pthread_setspecific(keys[i], value) == 0);
    }
    workload(9, 200);
    return NULL;
}

static void case_key_destructors(void)
{
    for (int i = 0; i < 60; i++)
        CHECK(pthread_key_create(&keys[i], destructor) == 0);
    size_t used = 0;
    for (int round = 0; round < 200; round++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, with_keys, NULL) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        if (round == 10)
            used = mallinfo2().uordblks;
    }
    CHECK(destroyed >= 200 * 3);
    CHECK(mallinfo2().uordblks <= used + 64 * 1024);
}

/* Every key is taken: no thread can be told of its end. */
static void case_no_keys_left(void)
{
    pthread_key_t key;
    while (pthread_key_create(&key, NULL) == 0) {
    }
    pthread_t threads[THREADS];
    for (int round = 0; round < 100; round++) {
        for (size_t i = 0; i < THREADS; i++)
            CHECK(pthread_create(&threads[i], NULL, work, (void *)i) == 0);
        for (int i = 0; i < THREADS; i++)
            CHECK(pthread_join(threads[i], NULL) == 0);
    }
}

static void late(void)
{
    workload(10, 1000);
    char *text = strdup("allocated late");
    CHECK(text && strcmp(text, "allocated late") == 0);
    free(text);
}

static char *kept_text;

__attribute__((destructor(101))) static void last_destructor(void)
{
    late();
    if (kept_text) {
        CHECK(strcmp(kept_text, "from main") == 0);
        free(kept_text);
    }
}

static void case_exit_handlers(void)
{
    kept_text = strdup("from main");
    for (int i = 0; i < 40; i++)
        CHECK(atexit(late) == 0);
}

static void case_exit_while_others_allocate(void)
{
    pthread_t threads[THREADS];
    start(threads);
    puts("done");
    exit(0);
}

int main(int argc, char **argv)
{
#define CASE(name) {#name, case_##name}
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {
        CASE(fork),         CASE(short_threads), CASE(key_destructors),
        CASE(no_keys_left), CASE(exit_handlers), CASE(exit_while_others_allocate),
    };
    CHECK(argc == 2);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run();
            puts("done");
            return 0;
        }
    }
    fprintf(stderr, "no case %s\n", argv[1]);
    return 2;
}
