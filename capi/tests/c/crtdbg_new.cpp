/* new and delete on the debug heap: with a place and without one, of arrays, that
 * fail, of objects whose constructors throw; a leak; and static objects whose
 * destructors run before leaks are told. */
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <vector>

#include <crtdbg.h>

#define DBG_NEW new (_NORMAL_BLOCK, __FILE__, __LINE__)

struct Pod {
    int x;
};

struct Thrower {
    int filler[100];
    Thrower() { throw 7; }
};

static std::vector<std::string> global;

static int handler_calls;

static void handler()
{
    if (++handler_calls == 2)
        std::set_new_handler(nullptr);
}

static int sized_calls;

/* Has it tried again once, and throws then how often it was asked. */
static int sized_handler(std::size_t)
{
    if (++sized_calls % 2 == 0)
        throw sized_calls;
    return 1;
}

static bool is_debug(const void *block)
{
    return _CrtIsValidHeapPointer(block) != 0;
}

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            std::printf("not so: %s\n", #condition);                                               \
            std::abort();                                                                          \
        }                                                                                          \
    } while (0)

int main()
{
    _CrtSetDbgFlag(_CrtSetDbgFlag(_CRTDBG_REPORT_FLAG) | _CRTDBG_LEAK_CHECK_DF);
    _CrtMemState before, after, difference;
    for (int i = 0; i < 100; i++)
        global.push_back(std::string(100, 'x'));
    CHECK(is_debug(global[0].data()));

    _CrtMemCheckpoint(&before);
    {
        std::unique_ptr<int> one(new int(5));
        std::unique_ptr<int[]> array(new int[50]);
        std::shared_ptr<std::string> shared = std::make_shared<std::string>(500, 'y');
        CHECK(is_debug(one.get()) && is_debug(array.get()) && is_debug(shared->data()));
        CHECK(_CrtReportBlockType(one.get()) == _NORMAL_BLOCK);
        char *client = new (_CLIENT_BLOCK | 6 << 16, "client.cpp", 9) char[40];
        CHECK(_BLOCK_SUBTYPE(_CrtReportBlockType(client)) == 6);
        delete[] client;
        try {
            DBG_NEW Thrower;
            CHECK(false);
        } catch (int thrown) {
            CHECK(thrown == 7);
        }
        try {
            new Thrower[3];
            CHECK(false);
        } catch (int thrown) {
            CHECK(thrown == 7);
        }
        volatile std::size_t much = (std::size_t)1 << 60;
        CHECK(!new (std::nothrow) char[much]);
        std::set_new_handler(handler);
        bool caught = false;
        try {
            char *never = DBG_NEW char[much];
            std::printf("%p\n", (void *)never);
        } catch (const std::bad_alloc &) {
            caught = true;
        }
        CHECK(caught && handler_calls == 2);
        _set_new_handler(sized_handler);
        for (int mode = 0; mode < 2; mode++) {
            CHECK(_set_new_mode(mode) == 0);
            int thrown = 0;
            try {
                char *never = DBG_NEW char[much];
                std::printf("%p\n", (void *)never);
            } catch (int number) {
                thrown = number;
            }
            CHECK(thrown == 2 * mode + 2);
        }
        CHECK(_set_new_mode(0) == 1);
        _set_new_handler(nullptr);
    }
    _CrtMemCheckpoint(&after);
    CHECK(!_CrtMemDifference(&difference, &before, &after));

#line 19 "debug_new.cpp"
    Pod *pPod = DBG_NEW Pod;
    pPod = DBG_NEW Pod;
    delete pPod;
    std::puts("done");
    return 0;
}
