// What programs do wrong with memory, one mistake a process: which of them an
// allocator notices is a table (attacks.txt).
//
//   attacks            writes the names of all attacks, one a line
//   attacks NAME       commits the one of that name
//
// An attack that goes through writes what became of it: "missed", or "harmless"
// where the program could neither learn what dead memory had held nor change what
// others have. One that is noticed ends the process before.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <new>
#include <sys/mman.h>
#include <thread>
#include <utility>

namespace {

const size_t SIZES[] = {8, 4096, 256 * 1024};
const char *const SIZE_NAMES[] = {"8B", "4K", "256K"};

// Fills of blocks: a secret, a neighbour's, a later owner's, and what is written
// where nothing may be.
const unsigned char SECRET = 0x5a, NEIGHBOUR = 0x11, LATER = 0x77, WRONG = 0x41;

const int BLOCKS = 8;

unsigned char *make(size_t size, int fill) {
    unsigned char *block = static_cast<unsigned char *>(malloc(size));
    if (block == nullptr) {
        abort();
    }
    memset(block, fill, size);
    return block;
}

// Blocks of one size, the attacked one among its neighbours.
struct Blocks {
    size_t size;
    unsigned char *all[BLOCKS];

    explicit Blocks(size_t bytes) : size(bytes) {
        for (unsigned char *&block : all) {
            block = make(bytes, NEIGHBOUR);
        }
        // A small one is to have neighbours in its page, whatever lies beyond.
        for (unsigned char *&block : all) {
            const uintptr_t offset = reinterpret_cast<uintptr_t>(block) % 4096;
            if (bytes < 4096 && offset >= 128 && offset < 4096 - 256) {
                std::swap(block, all[BLOCKS / 2]);
                break;
            }
        }
    }
    unsigned char *middle() { return all[BLOCKS / 2]; }
};

// Goes on as a program does: allocates and frees of the same size, and of
// others.
void go_on(size_t size) {
    const int count = size > 65536 ? 32 : size > 1024 ? 256 : 2048;
    unsigned char **kept = static_cast<unsigned char **>(calloc(count, sizeof *kept));
    for (int round = 0; round < 2; ++round) {
        for (int at = 0; at < count; ++at) {
            kept[at] = make(size, 0x22);
        }
        for (int at = 0; at < count; ++at) {
            free(kept[at]);
        }
    }
    free(kept);
}

void end(const char *outcome) {
    printf("%s\n", outcome);
    fflush(stdout);
    _Exit(0);
}

// The program's orderly rest: everything is freed, and it goes on.
void finish(Blocks &blocks, const char *outcome) {
    for (unsigned char *block : blocks.all) {
        free(block);
    }
    go_on(blocks.size);
    end(outcome);
}

void put(unsigned char *at, size_t count) {
    volatile unsigned char *place = at;
    for (size_t i = 0; i < count; ++i) {
        place[i] = WRONG;
    }
}

volatile unsigned char seen;

void get(unsigned char *at, size_t count) {
    volatile unsigned char *place = at;
    for (size_t i = 0; i < count; ++i) {
        seen = place[i];
    }
}

// 1. Beyond a block's end, and before its start: 1 byte, 8, 64, and one byte a
// page away.
struct Reach {
    const char *name;
    size_t from, count;
};
const Reach REACHES[] = {{"1", 0, 1}, {"8", 0, 8}, {"64", 0, 64}, {"page", 4096, 1}};

void beyond(size_t size, const Reach &reach, bool writes, bool before) {
    Blocks blocks(size);
    unsigned char *at = before ? blocks.middle() - reach.from - reach.count
                               : blocks.middle() + size + reach.from;
    writes ? put(at, reach.count) : get(at, reach.count);
    finish(blocks, "missed");
}

// 2. Frees of what is free already.
void double_free(size_t size, int kind) {
    Blocks blocks(size);
    unsigned char *block = blocks.middle();
    blocks.all[BLOCKS / 2] = make(size, NEIGHBOUR);
    free(block);
    unsigned char *later[4] = {};
    switch (kind) {
    case 1:
        free(make(size, SECRET));
        break;
    case 2: {
        unsigned char *more[200];
        const int count = size > 65536 ? 20 : 200;
        for (int at = 0; at < count; ++at) {
            more[at] = make(size, SECRET);
        }
        for (int at = 0; at < count; ++at) {
            free(more[at]);
        }
        break;
    }
    case 3:
        for (unsigned char *&other : later) {
            other = make(size, LATER);
        }
        break;
    case 4: {
        void *larger = realloc(block, size * 2);
        free(larger);
        finish(blocks, "missed");
        return;
    }
    case 5:
        std::thread([block] { free(block); }).join();
        finish(blocks, "missed");
        return;
    }
    free(block);
    // Whoever owns what was freed under it frees it, too, some time.
    for (unsigned char *other : later) {
        free(other);
    }
    finish(blocks, "missed");
}
const char *const DOUBLE_FREES[] = {"at-once",          "after-another",    "after-many",
                                    "after-its-reuse", "by-realloc", "by-another-thread"};

// 3. Frees of what is no block's start.
void invalid_free(size_t size, size_t offset) {
    Blocks blocks(size);
    free(blocks.middle() + offset);
    finish(blocks, "missed");
}

// A chunk as the C library's own malloc would have it, of 64 bytes.
struct Crafted {
    size_t previous, size;
    unsigned char data[48];
    size_t next_previous, next_size;
};

Crafted in_data __attribute__((aligned(16))) = {0, 0x41, {}, 0, 0x41};

void invalid_free_of(int kind) {
    Blocks blocks(48);
    Crafted on_stack __attribute__((aligned(16))) = {0, 0x41, {}, 0, 0x41};
    switch (kind) {
    case 0:
        free(&on_stack.data);
        break;
    case 1:
        free(&in_data.data);
        break;
    case 2:
        free(reinterpret_cast<void *>(reinterpret_cast<uintptr_t>(&end) & ~uintptr_t(15)));
        break;
    case 3:
        free(reinterpret_cast<void *>(uintptr_t(0x12345670)));
        break;
    case 4: {
        void *pages = mmap(nullptr, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        free(static_cast<char *>(pages) + 16);
        break;
    }
    case 5: {
        // Inside a block: what a program can write to, as a chunk.
        Crafted *chunk = static_cast<Crafted *>(malloc(sizeof(Crafted)));
        *chunk = in_data;
        free(&chunk->data);
        break;
    }
    }
    finish(blocks, "missed");
}
const char *const INVALID_FREES[] = {"stack", "data", "code", "unmapped", "mapped", "crafted"};

// 4. Uses of freed blocks, at their start and at their end.
void after_free(size_t size, bool writes, bool at_end, bool reused) {
    Blocks blocks(size);
    unsigned char *block = make(size, SECRET), *before = make(size, NEIGHBOUR);
    unsigned char *at = at_end ? block + size - 1 : block;
    // A block is seldom the only one of its size that is free.
    free(before);
    free(block);
    unsigned char *later[4] = {};
    if (reused) {
        for (unsigned char *&other : later) {
            other = make(size, LATER);
        }
    }
    const char *outcome = "missed";
    if (writes) {
        put(at, 1);
        if (reused) {
            outcome = "harmless";
            for (unsigned char *other : later) {
                if (other[0] != LATER || other[size - 1] != LATER) {
                    outcome = "missed";
                }
            }
        }
    } else {
        get(at, 1);
        outcome = seen == 0 ? "harmless" : "missed";
    }
    for (unsigned char *other : later) {
        free(other);
    }
    finish(blocks, outcome);
}

// 5. Blocks of no bytes.
void no_bytes(int kind) {
    Blocks blocks(8);
    unsigned char *block = static_cast<unsigned char *>(malloc(0));
    switch (kind) {
    case 0:
        get(block, 1);
        break;
    case 1:
        put(block, 1);
        break;
    case 2:
        put(block, 16);
        break;
    case 3:
        put(block + 64, 1);
        break;
    case 4:
        free(block);
        break;
    }
    free(block);
    finish(blocks, "missed");
}
const char *const NO_BYTES[] = {"read", "write", "write-16", "write-far", "double-free"};

// 6. delete as of another type than was made.
void mismatched(size_t size, bool larger) {
    Blocks blocks(48);
    void *block = operator new(size);
    operator delete(block, larger ? size * 4 : size / 4);
    finish(blocks, "missed");
}

// 7. What steers a heap that keeps its records in and beside blocks: links in freed
// blocks, a block's size before its start. "missed" if the heap then hands out what is
// not its own, or what somebody has.
Crafted target __attribute__((aligned(16))) = {0, 0x41, {}, 0, 0x41};

void records(size_t size, int kind) {
    const int count = size > 65536 ? 8 : 64;
    unsigned char *block[64];
    for (int at = 0; at < count; ++at) {
        block[at] = make(size, NEIGHBOUR);
    }
    // What is before a block's start and behind its end, as others' heaps have it.
    const size_t wrong_size = (size + 16) * 8 + 1;
    switch (kind) {
    case 0: // The link of each freed block leads to a place of the attacker's.
        for (int at = 0; at < count; at += 2) {
            free(block[at]);
            uintptr_t links[] = {reinterpret_cast<uintptr_t>(&target.data),
                                 reinterpret_cast<uintptr_t>(&target.data)};
            memcpy(block[at], links, size < sizeof links ? size : sizeof links);
        }
        break;
    case 1: // All links lead to one block that somebody has.
        for (int at = 0; at < count; at += 2) {
            free(block[at]);
            memcpy(block[at], &block[1], sizeof block[1]);
        }
        break;
    case 2: // A block's size says that it reaches over its neighbours.
        for (int at = 1; at < count - 1; at += 2) {
            // Before a page's first small block there may be a guard page.
            if (size >= 4096 || reinterpret_cast<uintptr_t>(block[at]) % 4096 != 0) {
                memcpy(block[at] - sizeof wrong_size, &wrong_size, sizeof wrong_size);
            }
        }
        for (int at = 1; at < count - 1; at += 2) {
            free(block[at]);
            block[at] = nullptr;
        }
        break;
    }
    const char *outcome = "harmless";
    unsigned char *later[128];
    for (int at = 0; at < 2 * count; ++at) {
        later[at] = make(kind == 2 && at % 2 == 0 ? size * 2 : size, LATER);
        const unsigned char *end = later[at] + size;
        if (later[at] < target.data + sizeof target.data && end > target.data) {
            outcome = "missed";
        }
        for (int other = kind == 2 ? 0 : 1; other < count; other += 2) {
            if (block[other] != nullptr && later[at] < block[other] + size && end > block[other]) {
                outcome = "missed";
            }
        }
    }
    for (int at = 0; at < 2 * count; ++at) {
        free(later[at]);
    }
    Blocks blocks(size);
    finish(blocks, outcome);
}
const char *const RECORDS[] = {"links-to-data", "links-to-a-block", "size-before-a-block"};

// Names the attack, or commits it if it is the one that is wanted.
struct Runner {
    const char *wanted;
    bool found = false;

    template <class Attack> void attack(const char *name, Attack commit) {
        if (wanted == nullptr) {
            printf("%s\n", name);
        } else if (strcmp(name, wanted) == 0) {
            found = true;
            commit();
        }
    }
};

} // namespace

int main(int count, char **arguments) {
    Runner runner{count > 1 ? arguments[1] : nullptr};
    char name[80];
    for (bool before : {false, true}) {
        for (bool writes : {true, false}) {
            for (int s = 0; s < 3; ++s) {
                for (const Reach &reach : REACHES) {
                    snprintf(name, sizeof name, "%s-%s-%s-%s", before ? "underflow" : "overflow",
                             writes ? "write" : "read", SIZE_NAMES[s], reach.name);
                    runner.attack(name, [&] { beyond(SIZES[s], reach, writes, before); });
                }
            }
        }
    }
    for (int s = 0; s < 3; ++s) {
        for (int kind = 0; kind < 6; ++kind) {
            snprintf(name, sizeof name, "double-free-%s-%s", SIZE_NAMES[s], DOUBLE_FREES[kind]);
            runner.attack(name, [&] { double_free(SIZES[s], kind); });
        }
    }
    for (int s = 0; s < 3; ++s) {
        const size_t offsets[] = {1, SIZES[s] == 8 ? size_t(8) : size_t(16), SIZES[s]};
        const char *const places[] = {"unaligned", "inside", "end"};
        for (int at = 0; at < 3; ++at) {
            snprintf(name, sizeof name, "invalid-free-%s-%s", SIZE_NAMES[s], places[at]);
            runner.attack(name, [&] { invalid_free(SIZES[s], offsets[at]); });
        }
    }
    for (int kind = 0; kind < 6; ++kind) {
        snprintf(name, sizeof name, "invalid-free-%s", INVALID_FREES[kind]);
        runner.attack(name, [&] { invalid_free_of(kind); });
    }
    for (bool writes : {true, false}) {
        for (bool reused : {false, true}) {
            for (int s = 0; s < 3; ++s) {
                for (bool at_end : {false, true}) {
                    snprintf(name, sizeof name, "%s-after-%s-%s-%s", writes ? "write" : "read",
                             reused ? "reuse" : "free", SIZE_NAMES[s], at_end ? "end" : "start");
                    runner.attack(name, [&] { after_free(SIZES[s], writes, at_end, reused); });
                }
            }
        }
    }
    for (int kind = 0; kind < 5; ++kind) {
        snprintf(name, sizeof name, "no-bytes-%s", NO_BYTES[kind]);
        runner.attack(name, [&] { no_bytes(kind); });
    }
    for (int s = 0; s < 3; ++s) {
        for (bool larger : {true, false}) {
            snprintf(name, sizeof name, "delete-%s-as-%s", SIZE_NAMES[s],
                     larger ? "larger" : "smaller");
            runner.attack(name, [&] { mismatched(SIZES[s], larger); });
        }
    }
    for (int s = 0; s < 3; ++s) {
        for (int kind = 0; kind < 3; ++kind) {
            snprintf(name, sizeof name, "records-%s-%s", SIZE_NAMES[s], RECORDS[kind]);
            runner.attack(name, [&] { records(SIZES[s], kind); });
        }
    }
    return runner.wanted == nullptr || runner.found ? 0 : 2;
}
