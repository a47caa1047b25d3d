/* A library that allocates when it is opened, when it is closed, and when asked. */
#include <stdlib.h>
#include <string.h>

static char *own;
static __thread char *of_thread;

__attribute__((constructor)) static void opened(void)
{
    own = malloc(5000);
    if (!own)
        abort();
    memset(own, 3, 5000);
}

__attribute__((destructor)) static void closed(void)
{
    if (own[4999] != 3)
        abort();
    free(own);
    free(of_thread);
    free(malloc(100));
}

void *plugin_give(size_t size);

void *plugin_give(size_t size)
{
    free(of_thread);
    of_thread = malloc(40);
    void *block = malloc(size);
    if (block)
        memset(block, 7, size);
    return block;
}
