/* Bugs in blocks with guard pages, one each. The name of the case is the first
   argument; what the report will name is said on standard output before. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <malloc.h>
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
    CASE("underrun_read")
    {
        block = block_of(64);
        announce(block, block - 1);
        read_at(block - 1);
        free(block);
    }
    CASE("overrun_far")
    {
        block = block_of(60);
        announce(block, block + 4000);
        write_at(block + 4000);
        free(block);
    }
    CASE("overrun_inside_alignment")
        overrun(61, 1);
    CASE("write_after_free_pushed_out")
    {
        block = block_of(64);
        free(block);
        announce(block, block + 10);
        write_at(block + 10);
        for (i = 0; i < 100; i++)
            free(block_of(1000));
    }
    CASE("header_after_free")
    {
        block = block_of(64);
        free(block);
        announce(block, block - 4);
        write_at(block - 2);
        for (i = 0; i < 100; i++)
            free(block_of(1000));
    }
    CASE("realloc_of_overrun")
    {
        block = block_of(60);
        announce(block, block + 60);
        write_at(block + 60);
        block = realloc(block, 200);
        free(block);
    }
    CASE("wild")
    {
        block = block_of(64);
        announce(block, (char *)64);
        write_at((char *)64);
    }
    CASE("bytes")
    {
        /* What a block holds before anybody wrote to it. */
        unsigned char *bytes = (unsigned char *)block_of(37);
        announce((char *)bytes, (char *)bytes);
        printf("%02x %02x %02x\n", bytes[0], bytes[36], bytes[37]);
        printf("%08x %08x\n", *(unsigned *)(bytes - 64), *(unsigned *)(bytes - 4));
        printf("%zu %zu\n", malloc_usable_size(bytes), (size_t)bytes % 4096);
        free(bytes);
    }
    CASE("map_lines")
    {
        /* How many mappings many blocks make. */
        char line[512];
        int lines = 0, blocks = atoi(arguments[2]);
        FILE *file;
        char **kept = malloc(blocks * sizeof *kept);
        for (i = 0; i < blocks; i++) {
            kept[i] = block_of(100);
            kept[i][99] = 1;
        }
        file = fopen("/proc/self/maps", "r");
        while (fgets(line, sizeof line, file))
            lines++;
        fclose(file);
        printf("%d\n", lines);
        if (arguments[3]) {
            block = kept[blocks - 1];
            block[100] = 1;
            announce(block, block);
            fflush(stdout);
        }
        for (i = blocks; i-- > 0;)
            free(kept[i]);
        free(kept);
    }
    CASE("private_heap")
    {
        /* By the names of the library, of which nothing is known here. */
        void *(*create)(unsigned, size_t, size_t) =
            (void *(*)(unsigned, size_t, size_t))dlsym(RTLD_DEFAULT, "ntheap_HeapCreate");
        void *(*allocate)(void *, unsigned, size_t) =
            (void *(*)(void *, unsigned, size_t))dlsym(RTLD_DEFAULT, "ntheap_HeapAlloc");
        int (*release)(void *, unsigned, void *) =
            (int (*)(void *, unsigned, void *))dlsym(RTLD_DEFAULT, "ntheap_HeapFree");
        int (*validate)(void *, unsigned, void *) =
            (int (*)(void *, unsigned, void *))dlsym(RTLD_DEFAULT, "ntheap_HeapValidate");
        size_t (*size_of)(void *, unsigned, void *) =
            (size_t(*)(void *, unsigned, void *))dlsym(RTLD_DEFAULT, "ntheap_HeapSize");
        int (*destroy)(void *) = (int (*)(void *))dlsym(RTLD_DEFAULT, "ntheap_HeapDestroy");
        unsigned char *heap = create(0, 0, 0);
        char *second;
        block = allocate(heap, 0, 60);
        second = allocate(heap, 8, 1 << 20);
        announce(block, block);
        printf("%02x %02x %02x\n", heap[0], heap[0x10], heap[0x70]);
        printf("%zu %zu %d\n", size_of(heap, 0, block), size_of(heap, 0, second), second[99]);
        printf("%d ", validate(heap, 0, NULL));
        block[61] = 1;
        printf("%d ", validate(heap, 0, NULL));
        /* What it was: 0xD0 with guards, 0xA0 without. */
        block[61] = block[60];
        printf("%d ", validate(heap, 0, NULL));
        printf("%d ", release(heap, 0, second));
        printf("%d\n", destroy(heap));
        fflush(stdout);
        write_at(block);
    }
    else
        return 2;
    return 0;
}
