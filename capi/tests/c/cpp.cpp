// C++'s operators and thread_local objects. One case a run:
//
//     cpp CASE
#include "check.h"
#include <malloc.h>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <sys/resource.h>
#include <thread>
#include <vector>

static int handled;
static volatile std::size_t huge = PTRDIFF_MAX / 2;

static void give_up_the_third_time()
{
    if (++handled == 3)
        std::set_new_handler(nullptr);
}

// Where the compiler cannot tell that nobody wants the block.
static void *volatile wanted;

template <class Allocate> static void fails(Allocate allocate)
{
    handled = 0;
    std::set_new_handler(give_up_the_third_time);
    bool thrown = false;
    try {
        wanted = allocate();
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    CHECK(thrown && handled == 3);
}

static void case_new_fails()
{
    fails([] { return ::operator new(huge); });
    fails([] { return ::operator new[](huge); });
    fails([] { return ::operator new(huge, std::align_val_t(128)); });
    std::set_new_handler(nullptr);
    CHECK(::operator new(huge, std::nothrow) == nullptr);
    CHECK(::operator new[](huge, std::nothrow) == nullptr);
    CHECK(::operator new(huge, std::align_val_t(128), std::nothrow) == nullptr);
}

static void *reserve_to_give_up;

static void give_up_reserve()
{
    CHECK(reserve_to_give_up);
    ::operator delete(reserve_to_give_up);
    reserve_to_give_up = nullptr;
    handled++;
}

// Out of address space: the handler frees something and new then succeeds;
// without a handler it throws, and the heap still works.
static void case_address_space()
{
    rlimit limit = {rlim_t(300) << 20, rlim_t(300) << 20};
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
    const std::size_t piece = std::size_t(8) << 20;
    reserve_to_give_up = ::operator new(piece);
    std::vector<void *> blocks;
    blocks.reserve(1000);
    std::set_new_handler(give_up_reserve);
    while (!handled)
        blocks.push_back(::operator new(piece));
    CHECK(handled == 1 && blocks.size() > 3);
    std::set_new_handler(nullptr);
    bool thrown = false;
    try {
        for (;;)
            blocks.push_back(::operator new(piece));
    } catch (const std::bad_alloc &) {
        thrown = true;
    }
    CHECK(thrown && ::operator new(piece, std::nothrow) == nullptr);
    for (void *block : blocks)
        ::operator delete(block);
    wanted = ::operator new(piece);
    ::operator delete(wanted);
    workload(1, 1000);
}

struct alignas(256) Aligned {
    char bytes[300];
};

static void case_containers()
{
    std::map<std::string, std::vector<int>> map;
    for (int i = 0; i < 20000; i++)
        map["key number " + std::to_string(i % 5000)].push_back(i);
    CHECK(map.size() == 5000 && map["key number 77"].size() == 4);
    auto objects = std::make_unique<Aligned[]>(50);
    for (int i = 0; i < 50; i++)
        CHECK(reinterpret_cast<std::uintptr_t>(&objects[i]) % 256 == 0);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++)
        threads.emplace_back([&map] {
            auto copy = map;
            copy.erase("key number 77");
            CHECK(copy.size() == 4999);
        });
    for (auto &thread : threads)
        thread.join();
}

// Made before or after its thread first allocates, so destroyed after or
// before the library hears of the thread's end.
struct Late {
    std::string *text;
    Late() : text(nullptr) {}
    ~Late()
    {
        workload(3, 60);
        CHECK(text && *text == "a text too long to be kept in the string itself");
        delete text;
        text = new std::string(3000, 'x');
        CHECK(text->size() == 3000);
        delete text;
    }
};

static thread_local Late early, late;

static void case_thread_locals()
{
    std::size_t used = 0;
    for (int round = 0; round < 300; round++) {
        std::thread([] {
            Late &first = early;
            first.text = new std::string("a text too long to be kept in the string itself");
            workload(4, 50);
            Late &second = late;
            second.text = new std::string("a text too long to be kept in the string itself");
        }).join();
        if (round == 20)
            used = mallinfo2().uordblks;
    }
    CHECK(mallinfo2().uordblks <= used + 64 * 1024);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    std::string name = argv[1];
    if (name == "new_fails")
        case_new_fails();
    else if (name == "address_space")
        case_address_space();
    else if (name == "containers")
        case_containers();
    else if (name == "thread_locals")
        case_thread_locals();
    else
        return 2;
    std::puts("done");
    return 0;
}
