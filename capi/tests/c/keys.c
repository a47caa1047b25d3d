/* A program with more keys of threads' data than fit into a thread's record: the
 * first key past those that a thread sets is kept in memory that the C library
 * allocates, wherever the thread is then. Here that is in malloc, the first time
 * that a thread uses a bucket of the heap that serves it. */
#include "check.h"

#include <pthread.h>

enum { KEYS = 40, SIZES = 40, BUSY = 17 };

static pthread_key_t keys[KEYS];

static void *first_in_its_bucket(void *size)
{
    void *block = malloc(*(size_t *)size);
    CHECK(block);
    free(block);
    return block;
}

int main(void)
{
    for (int i = 0; i < KEYS; i++)
        CHECK(pthread_key_create(&keys[i], NULL) == 0);
    /* As many blocks of a size as make the heap use a bucket for the next one. */
    for (size_t i = 0; i < SIZES; i++) {
        size_t size = 200 + 16 * i;
        void *blocks[BUSY];
        for (int j = 0; j < BUSY; j++)
            CHECK((blocks[j] = malloc(size)));
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, first_in_its_bucket, &size) == 0);
        CHECK(pthread_join(thread, NULL) == 0);
        for (int j = 0; j < BUSY; j++)
            free(blocks[j]);
    }
    puts("done");
    return 0;
}
