/* Calls one function before any constructor has run, the library's own among
 * them, and with that as the first user of the heap.
 *
 *     first_call FUNCTION [some-keys|all-keys]
 *
 * With some keys, the program has so many thread-specific keys by then that to
 * use the next one costs glibc an allocation; with all, there is none left.
 */
#define _GNU_SOURCE
#include "check.h"
#include <limits.h>
#include <malloc.h>
#include <pthread.h>

void free_sized(void *block, size_t size) __attribute__((weak));
void free_aligned_sized(void *block, size_t align, size_t size) __attribute__((weak));

static int tried;
static pthread_t worker;

static void *work(void *unused)
{
    (void)unused;
    workload(1, 200);
    return NULL;
}

static void call(const char *name)
{
    tried = 1;
    errno = 7777;
    if (strcmp(name, "malloc") == 0) {
        unsigned char *block = malloc(100);
        CHECK(block);
        memset(block, 1, 100);
        free(block);
    } else if (strcmp(name, "calloc") == 0) {
        unsigned char *block = calloc(10, 10);
        CHECK(block && block[0] == 0 && block[99] == 0);
        free(block);
    } else if (strcmp(name, "realloc") == 0) {
        unsigned char *block = realloc(NULL, 100);
        CHECK(block);
        memset(block, 1, 100);
        free(block);
    } else if (strcmp(name, "reallocarray") == 0) {
        unsigned char *block = reallocarray(NULL, 10, 10);
        CHECK(block);
        memset(block, 1, 100);
        free(block);
    } else if (strcmp(name, "large") == 0) {
        unsigned char *block = malloc(5 << 20);
        CHECK(block);
        memset(block, 1, 5 << 20);
        free(block);
    } else if (strcmp(name, "free") == 0) {
        free(NULL);
    } else if (strcmp(name, "free_sized") == 0) {
        CHECK(free_sized);
        free_sized(NULL, 0);
    } else if (strcmp(name, "free_aligned_sized") == 0) {
        CHECK(free_aligned_sized);
        free_aligned_sized(NULL, 16, 0);
    } else if (strcmp(name, "aligned_alloc") == 0) {
        void *block = aligned_alloc(256, 100);
        CHECK(block && (uintptr_t)block % 256 == 0);
        free(block);
    } else if (strcmp(name, "posix_memalign") == 0) {
        void *block = NULL;
        CHECK(posix_memalign(&block, 256, 100) == 0 && (uintptr_t)block % 256 == 0);
        free(block);
    } else if (strcmp(name, "memalign") == 0) {
        void *block = memalign(256, 100);
        CHECK(block && (uintptr_t)block % 256 == 0);
        free(block);
    } else if (strcmp(name, "valloc") == 0) {
        void *block = valloc(100);
        CHECK(block && (uintptr_t)block % 4096 == 0);
        free(block);
    } else if (strcmp(name, "pvalloc") == 0) {
        void *block = pvalloc(100);
        CHECK(block && (uintptr_t)block % 4096 == 0);
        free(block);
    } else if (strcmp(name, "malloc_usable_size") == 0) {
        CHECK(malloc_usable_size(NULL) == 0);
    } else if (strcmp(name, "malloc_trim") == 0) {
        CHECK(malloc_trim(0) == 0);
    } else if (strcmp(name, "mallinfo2") == 0) {
        /* Whoever else had called would show here. */
        struct mallinfo2 info = mallinfo2();
        CHECK(info.arena == 0 && info.uordblks == 0 && info.hblks == 0);
    } else if (strcmp(name, "thread") == 0) {
        CHECK(pthread_create(&worker, NULL, work, NULL) == 0);
        CHECK(pthread_join(worker, NULL) == 0);
        return;
    } else {
        CHECK(!"a case");
    }
    CHECK(errno == 7777);
    workload(1, 200);
}

static void before_constructors(int argc, char **argv, char **environment)
{
    (void)environment;
    CHECK(argc >= 2);
    if (argc > 2) {
        int most = strcmp(argv[2], "some-keys") == 0 ? 200 : PTHREAD_KEYS_MAX;
        pthread_key_t key;
        for (int i = 0; i < most; i++)
            if (pthread_key_create(&key, NULL) != 0)
                break;
    }
    call(argv[1]);
}

__attribute__((section(".preinit_array"), used)) static void (*const first)(int, char **, char **) =
    before_constructors;

int main(void)
{
    CHECK(tried);
    workload(2, 2000);
    CHECK(pthread_create(&worker, NULL, work, NULL) == 0);
    CHECK(pthread_join(worker, NULL) == 0);
    puts("done");
    return 0;
}
