// Counts how many of a thousand operators new fail, by exception and without.

#include <cstdio>
#include <new>

int main() {
    int thrown = 0, null = 0;
    for (int at = 0; at < 1000; ++at) {
        try {
            int *volatile block = new int(at);
            delete block;
        } catch (const std::bad_alloc &) {
            ++thrown;
        }
        int *volatile quiet = new (std::nothrow) int(at);
        null += quiet == nullptr;
        delete quiet;
    }
    char line[64];
    const int length = snprintf(line, sizeof line, "%d %d\n", thrown, null);
    fwrite(line, 1, static_cast<size_t>(length), stdout);
    return 0;
}
