/* A program with the C library's malloc opens the library when it runs.
 *
 *     opened_late LIBRARY
 */
#define _GNU_SOURCE
#include "check.h"
#include <dlfcn.h>
#include <pthread.h>
#include <sys/wait.h>

static void *(*late_malloc)(size_t);
static void *(*late_realloc)(void *, size_t);
static size_t (*late_usable_size)(void *);
static void (*late_free)(void *);
static void *library;

static void *symbol(const char *name)
{
    void *found = dlsym(library, name);
    CHECK(found);
    return found;
}

static void use(void)
{
    enum { BLOCKS = 3000 };
    unsigned char *blocks[BLOCKS];
    for (int i = 0; i < BLOCKS; i++) {
        size_t size = 1 + (size_t)(i * 37) % 5000;
        blocks[i] = late_malloc(size);
        CHECK(blocks[i] && late_usable_size(blocks[i]) >= size);
        memset(blocks[i], i, size);
    }
    for (int i = 0; i < BLOCKS; i++) {
        CHECK(blocks[i][0] == (unsigned char)i);
        blocks[i] = late_realloc(blocks[i], 6000);
        CHECK(blocks[i] && blocks[i][0] == (unsigned char)i);
        late_free(blocks[i]);
    }
    void *large = late_malloc(5 << 20);
    CHECK(large);
    late_free(large);
}

static void *work(void *gate)
{
    use();
    if (gate) {
        pthread_barrier_wait(gate); /* The library is closed between these. */
        pthread_barrier_wait(gate);
    }
    return NULL;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        return 1;
    }
    late_malloc = (void *(*)(size_t))symbol("malloc");
    late_realloc = (void *(*)(void *, size_t))symbol("realloc");
    late_usable_size = (size_t(*)(void *))symbol("malloc_usable_size");
    late_free = (void (*)(void *))symbol("free");
    CHECK(late_malloc != malloc && late_free != free);
    /* The program's own malloc goes on beside it. */
    void *own = malloc(1000);
    use();
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        CHECK(pthread_create(&threads[i], NULL, work, NULL) == 0);
    for (int i = 0; i < 8; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    pid_t child = fork();
    if (child == 0) {
        use();
        _exit(0);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    /* A thread that used the library ends after it was closed, and the
     * process forks and ends after that. */
    pthread_barrier_t gate;
    pthread_barrier_init(&gate, NULL, 2);
    CHECK(pthread_create(&threads[0], NULL, work, &gate) == 0);
    pthread_barrier_wait(&gate);
    CHECK(dlclose(library) == 0);
    pthread_barrier_wait(&gate);
    CHECK(pthread_join(threads[0], NULL) == 0);
    child = fork();
    if (child == 0)
        exit(0);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    free(own);
    puts("done");
    return 0;
}
