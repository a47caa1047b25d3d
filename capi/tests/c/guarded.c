/* Bugs in blocks with guard pages, one each. The name of the case is the first
   argument; what the report will name is said on standard output before. */

#include <malloc.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Accesses that the compiler must make. */
static void write_at(void *address)
{
    *(volatile char *)address = 1;
}

static char read_at(void *address)
{
    return *(volatile char *)address;
}

static void announce(char *block, char *address)
{
    printf("%d %ld %zu %zu\n", (int)getpid(), syscall(SYS_gettid), (size_t)block,
           (size_t)address);
    fflush(stdout);
}

/* The block that the case is about. */
static char *block_of(size_t size)
{
    char *block = malloc(size);
    if (!block)
        exit(3);
    return block;
}

static void overrun(size_t size, size_t by)
{
    char *block = block_of(size);
    announce(block, block + size - 1 + by);
    write_at(block + size - 1 + by);
    free(block);
}

static sigjmp_buf after;

static void on_signal(int signal)
{
    (void)signal;
    siglongjmp(after, 1);
}

int main(int count, char **arguments)
{
    const char *name = count > 1 ? arguments[1] : "";
    char *block, *other;
    int i;
#define CASE(is) else if (!strcmp(name, is))
    if (!strcmp(name, "nothing")) {
        block = block_of(100);
        memset(block, 1, 100);
        block = realloc(block, 300);
        memset(block + 100, 2, 200);
        announce(block, block);
        if (malloc_usable_size(block) < 300)
            return 1;
        for (i = 0; i < 300; i++)
            if (block[i] != (i < 100 ? 1 : 2))
                return 1;
        other = calloc(10, 30);
        for (i = 0; i < 300; i++)
            if (other[i])
                return 1;
        free(block);
        free(other);
        other = aligned_alloc(256, 512);
        if ((uintptr_t)other % 256)
            return 1;
        free(other);
    }
    CASE("overrun_by_one")
        overrun(64, 1);
    CASE("overrun_by_many")
        overrun(64, 100);
    CASE("overrun_read")
    {
        block = block_of(48);
        announce(block, block + 48);
        read_at(block + 48);
        free(block);
    }
    CASE("overrun_in_the_rest")
        overrun(60, 1);
    CASE("overrun_of_a_page")
        overrun(8192, 1);
    CASE("underrun_stamp")
    {
        block = block_of(64);
        announce(block, block - 4);
        write_at(block - 1);
        free(block);
    }
    CASE("underrun_start_stamp")
    {
        block = block_of(64);
        announce(block, block - 64);
        memset(block - 64, 0, 4);
        free(block);
    }
    CASE("underrun_by_many")
    {
        block = block_of(64);
        announce(block, block - 100);
        write_at(block - 100);
        free(block);
    }
    CASE("write_after_free")
    {
        block = block_of(64);
        free(block);
        announce(block, block + 10);
        write_at(block + 10);
    }
    CASE("read_after_free")
    {
        block = block_of(64);
        free(block);
        announce(block, block);
        read_at(block);
    }
    CASE("read_after_many_frees")
    {
        block = block_of(64);
        free(block);
        for (i = 0; i < 100; i++)
            free(block_of(64));
        announce(block, block + 63);
        read_at(block + 63);
    }
    CASE("write_after_realloc")
    {
        block = block_of(64);
        other = realloc(block, 65);
        announce(block, block + 3);
        write_at(block + 3);
        free(other);
    }
    CASE("double_free")
    {
        block = block_of(64);
        free(block);
        announce(block, block);
        free(block);
    }
    CASE("double_free_later")
    {
        block = block_of(64);
        free(block);
        for (i = 0; i < 100; i++)
            free(block_of(64));
        announce(block, block);
        free(block);
    }
    CASE("free_of_interior")
    {
        block = block_of(64);
        announce(block, block + 16);
        free(block + 16);
    }
    CASE("free_of_guard")
    {
        block = block_of(64);
        announce(block, block + 64);
        free(block + 64);
    }
    CASE("realloc_of_freed")
    {
        block = block_of(64);
        free(block);
        announce(block, block);
        if (realloc(block, 100))
            return 1;
    }
    CASE("size_of_freed")
    {
        block = block_of(64);
        free(block);
        announce(block, block);
        if (malloc_usable_size(block))
            return 1;
    }
    CASE("handled")
    {
        /* A handler of the program's own, which was there before. */
        block = block_of(64);
        free(block);
        announce(block, block + 7);
        if (!sigsetjmp(after, 1))
            write_at(block + 7);
        else
            _exit(7);
    }
    else
        return 2;
    return 0;
}

/* Before the heap's first use, so that this handler is the one before the heap's. */
__attribute__((constructor)) static void handle_first(void)
{
}

void set_handler(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    sigaction(SIGSEGV, &action, NULL);
}
