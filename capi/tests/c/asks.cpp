/* A block by each way that C++ has to ask for one: asks CASE. */
#include "check.h"
#include <new>

struct alignas(64) Line {
    char bytes[300];
};

template <typename T> static T *volatile kept;

int main(int count, char **arguments)
{
    CHECK(count == 2);
    const char *way = arguments[1];
    const std::nothrow_t &quiet = std::nothrow;
    typedef std::align_val_t Align;
    for (int i = 0; i < 100; i++) {
        void *block = nullptr;
        if (!strcmp(way, "plain"))
            block = ::operator new(300);
        else if (!strcmp(way, "array"))
            block = ::operator new[](300);
        else if (!strcmp(way, "quiet"))
            block = ::operator new(300, quiet);
        else if (!strcmp(way, "quiet-array"))
            block = ::operator new[](300, quiet);
        else if (!strcmp(way, "aligned"))
            block = ::operator new(300, Align(64));
        else if (!strcmp(way, "aligned-array"))
            block = ::operator new[](300, Align(64));
        else if (!strcmp(way, "quiet-aligned"))
            block = ::operator new(300, Align(64), quiet);
        else if (!strcmp(way, "quiet-aligned-array"))
            block = ::operator new[](300, Align(64), quiet);
        else if (!strcmp(way, "malloc"))
            block = malloc(300);
        CHECK(block);
        kept<void> = block;
        if (i == 0)
            printf("%02x\n", *static_cast<unsigned char *>(block));
    }
    return 0;
}
