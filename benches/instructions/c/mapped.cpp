// A program of many sizes, in C and in C++, that says which of its pages are in memory.

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>

int main()
{
    for (std::size_t size = 16; size <= 2 << 20; size += size / 2) {
        void *block = std::malloc(size);
        std::memset(block, 1, size < 4096 ? size : 4096);
        block = std::realloc(block, size * 2);
        std::free(std::calloc(2, size));
        std::free(block);
        delete[] new char[size];
    }
    std::cout << std::ifstream("/proc/self/smaps").rdbuf();
    return std::cout ? 0 : 1;
}
