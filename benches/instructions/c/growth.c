/* Many live blocks, many threads, blocks of any size: what an operation costs
 * then, and what memory the blocks take, for whatever malloc the process has.
 * The same as `loops/src/bin/growth.rs`, which says what is done.
 *
 *     growth LOAD LIVE MIN MAX THREADS TURNS TOUCH
 *
 * Prints the object that malloc lies in, and lines of TOML.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SIZES 4096
#define KEEP(value) __asm__ volatile("" : "+r"(value) : : "memory")

/* nothing.c */
void *allocate_nothing(size_t size);
void free_nothing(void *block);

typedef _Atomic uint64_t place;

static size_t sizes[SIZES], live, threads, turns;
static enum { NONE, FIRST, ALL } touch;
static place *blocks;
static pthread_barrier_t barrier;

__attribute__((noinline)) void mark(void)
{
    __asm__ volatile("" ::: "memory");
}

static inline uint64_t next(uint64_t state)
{
    state ^= state << 13;
    state ^= state >> 7;
    return state ^ state << 17;
}

static inline uint64_t packed(void *block, size_t size, size_t bytes)
{
    if (!block)
        abort();
    if (touch == FIRST)
        *(volatile uint64_t *)block = 1;
    else if (touch == ALL)
        memset(block, 1, bytes);
    return (uint64_t)(uintptr_t)block << 16 | size;
}

/* The same turns over malloc's functions and over those that do nothing. A
 * turn chooses a size, and the place of a block among `count`. */
#define TURN(name, ...)                                                         \
    static void name(place *table, size_t count, uint64_t random)               \
    {                                                                           \
        size_t size = random >> 52;                                             \
        place *at = &table[(random & 0xffffffff) * count >> 32];                \
        (void)at;                                                               \
        __VA_ARGS__                                                             \
    }
#define TURNS(prefix, allocate, release)                                        \
    static uint64_t prefix##new(size_t size)                                    \
    {                                                                           \
        size_t bytes = sizes[size];                                             \
        return packed(allocate(bytes), size, bytes);                            \
    }                                                                           \
    static void prefix##end(uint64_t block)                                     \
    {                                                                           \
        release((void *)(uintptr_t)(block >> 16));                              \
    }                                                                           \
    TURN(prefix##pair, {                                                        \
        uint64_t block = prefix##new(size);                                     \
        KEEP(block);                                                            \
        prefix##end(block);                                                     \
    })                                                                          \
    TURN(prefix##replace, {                                                     \
        prefix##end(atomic_load_explicit(at, memory_order_relaxed));            \
        atomic_store_explicit(at, prefix##new(size), memory_order_relaxed);     \
    })                                                                          \
    TURN(prefix##exchange, {                                                    \
        uint64_t block = prefix##new(size);                                     \
        prefix##end(atomic_exchange_explicit(at, block, memory_order_acq_rel)); \
    })

TURNS(, malloc, free)
TURNS(no_, allocate_nothing, free_nothing)

static const struct {
    const char *name;
    void (*turn)(place *table, size_t count, uint64_t random);
    uint64_t (*fill)(size_t size);
    int is_shared;
} loads[] = {
#define LOAD(name, is_shared)                                                   \
    {#name, name, new, is_shared}, {"no_" #name, no_##name, no_new, is_shared}
    LOAD(pair, 0), LOAD(replace, 0), LOAD(exchange, 1),
};
static size_t load;

static void *thread(void *argument)
{
    size_t number = (uintptr_t)argument;
    place *own = &blocks[number * live];
    place *table = loads[load].is_shared ? blocks : own;
    size_t count = loads[load].is_shared ? threads * live : live;
    uint64_t state = 0x9e3779b97f4a7c15 ^ (uint64_t)(number + 1) << 20;
    for (size_t i = 0; i < live; i++) {
        state = next(state);
        atomic_store_explicit(&own[i], loads[load].fill(state >> 52), memory_order_relaxed);
    }
    pthread_barrier_wait(&barrier);
    size_t phases[3] = {turns > live ? turns : live, turns, 2 * turns};
    for (int phase = 0; phase < 3; phase++) {
        pthread_barrier_wait(&barrier);
        void (*turn)(place *, size_t, uint64_t) = loads[load].turn;
        for (size_t i = 0; i < phases[phase]; i++) {
            state = next(state);
            turn(table, count, state);
        }
        pthread_barrier_wait(&barrier);
    }
    pthread_barrier_wait(&barrier);
    return NULL;
}

/* A field of the process's status, in bytes. */
static size_t status(const char *field)
{
    static char text[8192];
    int file = open("/proc/self/status", O_RDONLY);
    ssize_t length = file < 0 ? 0 : read(file, text, sizeof text - 1);
    if (file >= 0)
        close(file);
    text[length < 0 ? 0 : length] = 0;
    const char *line = strstr(text, field);
    return line ? strtoull(line + strlen(field), NULL, 10) * 1024 : 0;
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static double cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

static double wall_seconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static size_t requested(void)
{
    size_t sum = 0;
    for (size_t i = 0; i < threads * live; i++)
        sum += sizes[atomic_load(&blocks[i]) % SIZES];
    return sum;
}

int main(int argc, char **argv)
{
    if (argc != 8)
        return 2;
    while (load < sizeof loads / sizeof *loads && strcmp(argv[1], loads[load].name))
        load++;
    live = strtoul(argv[2], NULL, 10);
    double min = atof(argv[3]), max = atof(argv[4]);
    threads = strtoul(argv[5], NULL, 10);
    turns = strtoul(argv[6], NULL, 10);
    touch = strcmp(argv[7], "all") == 0 ? ALL : strcmp(argv[7], "first") == 0 ? FIRST : NONE;
    Dl_info object;
    if (load == sizeof loads / sizeof *loads || min < 8 || max < min || !live || !threads ||
        threads > 1024 || !dladdr((void *)malloc, &object))
        return 2;
    for (size_t i = 0; i < SIZES; i++)
        sizes[i] = (size_t)(min * pow(max / min, (double)i / (SIZES - 1)));
    /* The table is not in the heap that is looked at, and touched at once. */
    blocks = mmap(NULL, threads * live * sizeof *blocks, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (blocks == MAP_FAILED || pthread_barrier_init(&barrier, NULL, (unsigned)threads + 1))
        return 2;
    size_t base = status("VmRSS:");
    pthread_t started[1024];
    for (size_t i = 0; i < threads; i++)
        if (pthread_create(&started[i], NULL, thread, (void *)(uintptr_t)i))
            return 2;
    pthread_barrier_wait(&barrier);
    size_t filled[2] = {requested(), status("VmRSS:") - base};
    double wall = 0, cpu = 0;
    for (int phase = 0; phase < 3; phase++) {
        cpu = -cpu_seconds();
        wall = -wall_seconds();
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        wall += wall_seconds();
        cpu += cpu_seconds();
        mark();
    }
    size_t replaced[2] = {requested(), status("VmRSS:") - base};
    size_t peak = status("VmHWM:");
    printf("%s\n", object.dli_fname);
    printf("operations = %zu\nseconds = %.9f\ncpu_seconds = %.9f\npeak_rss = %zu\n",
           2 * turns * threads, wall, cpu, peak);
    printf("[filled]\nrequested = %zu\nrss = %zu\n", filled[0], filled[1]);
    printf("[replaced]\nrequested = %zu\nrss = %zu\n", replaced[0], replaced[1]);
    pthread_barrier_wait(&barrier);
    for (size_t i = 0; i < threads; i++)
        pthread_join(started[i], NULL);
    return 0;
}
