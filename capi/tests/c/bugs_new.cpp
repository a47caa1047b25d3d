/* Bugs of C++ programs, to be found by global flags.
 *
 *     bugs_new CASE|list
 *
 * As bugs.c. */
#include "check.h"
#include <map>
#include <memory>
#include <new>
#include <string>
#include <thread>
#include <vector>

#include <windows.h>

#ifdef OWN_OPERATORS
/* A program may say that its objects are malloc's. */
void *operator new(size_t size)
{
    void *block = malloc(size);
    CHECK(block);
    return block;
}

void operator delete(void *block) noexcept
{
    free(block);
}

void operator delete(void *block, size_t) noexcept
{
    free(block);
}
#endif

namespace {

void tell(const char *name, const void *address)
{
    char text[100];
    int length = snprintf(text, sizeof text, "%s %#zx\n", name, reinterpret_cast<size_t>(address));
    CHECK(write(1, text, static_cast<size_t>(length)) == length);
}

/* Where the compiler does not see what is wrong with it. */
template <typename T> T *hidden(T *address)
{
    __asm__ volatile("" : "+r"(address));
    return address;
}

struct Account {
    long number;
    char owner[20];
};

Account *open_account()
{
    Account *account = new Account();
    tell("block", account);
    return account;
}

void close_account(Account *account)
{
    delete hidden(account);
}

void overrun_of_an_object()
{
    Account *account = open_account();
    hidden(account->owner)[sizeof(Account) - sizeof(long)] = 1;
    close_account(account);
}

void overrun_of_an_array()
{
    int *numbers = new int[10];
    tell("block", numbers);
    for (int i = 0; i <= 10; i++)
        hidden(numbers)[i] = i;
    delete[] hidden(numbers);
}

void underrun_of_an_array()
{
    tell("next", new int[10]);
    int *numbers = new int[10];
    tell("block", numbers);
    hidden(numbers)[-1] = 1;
    delete[] hidden(numbers);
}

void deleted_twice()
{
    Account *account = open_account();
    close_account(account);
    close_account(account);
}

void owned_twice()
{
    Account *account = open_account();
    std::unique_ptr<Account> first(account), second(hidden(account));
}

void use_of_deleted()
{
    Account *account = open_account();
    close_account(account);
    hidden(account)->owner[12] = 'x';
    tell("next", new Account());
}

void use_after_the_vector_grew()
{
    std::vector<long> numbers(10, 1);
    long *first = numbers.data();
    tell("block", first);
    numbers.push_back(2);
    hidden(first)[5] = 3;
    std::vector<long> more(10, 1);
    tell("next", more.data());
}

void read_of_deleted()
{
    Account *account = open_account();
    close_account(account);
    CHECK(hidden(account)->number != 1);
}

/* What a read of a member finds that no constructor set. */
void member_without_a_value()
{
    struct Point {
        Point() : first(1) {}
        int first, second;
    };
    Point *point = hidden(new Point());
    CHECK(static_cast<unsigned>(point->second) == 0xBAADF00D);
}

/* Members that no constructor set, and what they lead to. */
struct Shape {
    virtual ~Shape() {}
    virtual int corners() = 0;
};

struct Picture {
    Picture() : width(1) {}
    int width;
    Shape *shape;
    Picture *next;
};

Picture *open_picture()
{
    Picture *picture = new Picture();
    tell("block", picture);
    return hidden(picture);
}

void member_pointer_never_set()
{
    CHECK(open_picture()->next->width != 7);
}

void virtual_call_by_a_member_never_set()
{
    CHECK(open_picture()->shape->corners() != 7);
}

void delete_of_a_member_never_set()
{
    delete open_picture()->next;
}

/* The list's end is looked for in what was deleted before. */
void next_of_a_deleted_one()
{
    Picture *first = open_picture();
    first->next = nullptr;
    for (Picture *at = first; at; at = hidden(at)->next)
        delete at;
}

void deleted_twice_later()
{
    Account *account = open_account();
    close_account(account);
    for (int i = 0; i < 100; i++)
        delete[] hidden(new char[1000]);
    close_account(account);
}

void delete_of_a_part()
{
    Account *account = open_account();
    delete hidden(reinterpret_cast<char *>(account) + 8);
}

void delete_of_a_local()
{
    Account account = {};
    tell("local", &account);
    close_account(&account);
}

void delete_of_a_static()
{
    static Account account;
    tell("static", &account);
    close_account(&account);
}

void delete_of_a_heaps_block()
{
    HANDLE heap = HeapCreate(0, 0, 0);
    tell("heap", heap);
    void *block = HeapAlloc(heap, 0, sizeof(Account));
    tell("block", block);
    close_account(static_cast<Account *>(block));
}

void deleted_and_freed()
{
    Account *account = open_account();
    close_account(account);
    free(hidden(account));
}

void negative_length()
{
    volatile long length = -8;
    CHECK(!new (std::nothrow) char[static_cast<size_t>(length)]);
}

/* Blocks that go back by another function than they came from. */

void *from_malloc()
{
    void *block = malloc(24);
    tell("block", block);
    return block;
}

void malloc_and_delete()
{
    delete hidden(static_cast<Account *>(from_malloc()));
}

void malloc_and_delete_array()
{
    delete[] hidden(static_cast<char *>(from_malloc()));
}

void strdup_and_delete()
{
    char *name = strdup("somebody's name");
    tell("block", name);
    delete[] hidden(name);
}

void new_and_free()
{
    free(hidden(open_account()));
}

void new_and_realloc()
{
    void *larger = realloc(hidden(open_account()), 100);
    free(hidden(larger));
}

void new_and_delete_array()
{
    delete[] hidden(open_account());
}

int *open_array()
{
    int *numbers = new (std::nothrow) int[10];
    tell("block", numbers);
    return numbers;
}

void array_and_delete()
{
    delete hidden(open_array());
}

void array_and_free()
{
    free(hidden(open_array()));
}

struct alignas(64) Line {
    char bytes[64];
};

Line *open_line()
{
    Line *line = new Line();
    tell("block", line);
    return line;
}

void aligned_and_plain_delete()
{
    ::operator delete(hidden(open_line()));
}

void aligned_and_delete_array()
{
    delete[] hidden(open_line());
}

void plain_and_aligned_delete()
{
    ::operator delete(hidden(open_account()), std::align_val_t(64));
}

void aligned_array_and_delete()
{
    Line *lines = new Line[2];
    tell("block", lines);
    delete hidden(lines);
}

/* Heaps as members of objects. */
struct Pool {
    explicit Pool(DWORD options) : heap(HeapCreate(options, 0, 0))
    {
        CHECK(heap);
        tell("heap", heap);
    }
    ~Pool() { HeapDestroy(heap); }
    void *get(size_t size) { return HeapAlloc(heap, 0, size); }
    void put(void *block) { HeapFree(heap, 0, block); }
    HANDLE heap;
};

/* The object's memory is still there, and its heap is not. */
void pool_used_after_its_end()
{
    alignas(Pool) char place[sizeof(Pool)];
    Pool *pool = hidden(new (place) Pool(0));
    pool->~Pool();
    CHECK(!pool->get(24));
}

void block_given_back_after_the_pools_end()
{
    struct Session {
        Pool *pool;
        void *block;
        ~Session() { pool->put(block); }
    };
    alignas(Pool) char place[sizeof(Pool)];
    Session session = {hidden(new (place) Pool(0)), nullptr};
    session.block = session.pool->get(24);
    tell("block", session.block);
    session.pool->~Pool();
}

void race_of_two_threads()
{
    Pool *pool = new Pool(HEAP_NO_SERIALIZE);
    auto work = [pool] {
        for (;;)
            CHECK(pool->get(20));
    };
    std::thread first(work), second(work);
    first.join();
    second.join();
}

/* Nothing wrong: each form of new with a form of delete that belongs to it. */
void all_operators()
{
    typedef std::align_val_t Align;
    const std::nothrow_t &quiet = std::nothrow;
    for (size_t size : {0, 24, 5000, 200000}) {
        ::operator delete(hidden(::operator new(size)));
        ::operator delete(hidden(::operator new(size)), size);
        ::operator delete(hidden(::operator new(size, quiet)), quiet);
        ::operator delete[](hidden(::operator new[](size)));
        ::operator delete[](hidden(::operator new[](size)), size);
        ::operator delete[](hidden(::operator new[](size, quiet)), quiet);
        ::operator delete[](hidden(::operator new[](size, quiet)));
        ::operator delete(hidden(::operator new(size, Align(64))), Align(64));
        ::operator delete(hidden(::operator new(size, Align(64))), size, Align(64));
        ::operator delete(hidden(::operator new(size, Align(64), quiet)), Align(64), quiet);
        ::operator delete[](hidden(::operator new[](size, Align(64))), Align(64));
        ::operator delete[](hidden(::operator new[](size, Align(64))), size, Align(64));
        ::operator delete[](hidden(::operator new[](size, Align(64), quiet)), Align(64), quiet);
        free(hidden(realloc(hidden(malloc(size)), size + 100)));
        free(hidden(calloc(size, 1)));
        free(hidden(aligned_alloc(64, size)));
    }
    ::operator delete(nullptr);
    ::operator delete[](nullptr);
}

/* Nothing wrong. */
void nothing()
{
    std::map<int, std::string> words;
    for (int i = 0; i < 2000; i++) {
        words[i * 7919 % 1000] += std::to_string(i);
        if (i % 3 == 0)
            words.erase(i % 1000);
    }
    std::vector<std::string> all;
    for (auto &word : words)
        all.push_back(word.second + word.second);
    CHECK(!all.empty());
}

#define CASE(name) {#name, name}
const struct {
    const char *name;
    void (*run)();
} cases[] = {
    CASE(overrun_of_an_object), CASE(overrun_of_an_array), CASE(underrun_of_an_array),
    CASE(deleted_twice), CASE(owned_twice), CASE(use_of_deleted), CASE(use_after_the_vector_grew),
    CASE(read_of_deleted), CASE(member_without_a_value), CASE(member_pointer_never_set),
    CASE(virtual_call_by_a_member_never_set), CASE(delete_of_a_member_never_set),
    CASE(next_of_a_deleted_one), CASE(deleted_twice_later),
    CASE(delete_of_a_part), CASE(delete_of_a_local), CASE(delete_of_a_static),
    CASE(delete_of_a_heaps_block), CASE(deleted_and_freed),
    CASE(negative_length), CASE(pool_used_after_its_end),
    CASE(block_given_back_after_the_pools_end), CASE(race_of_two_threads), CASE(malloc_and_delete), CASE(malloc_and_delete_array),
    CASE(strdup_and_delete), CASE(new_and_free), CASE(new_and_realloc), CASE(new_and_delete_array),
    CASE(array_and_delete), CASE(array_and_free), CASE(aligned_and_plain_delete),
    CASE(aligned_and_delete_array), CASE(plain_and_aligned_delete),
    CASE(aligned_array_and_delete), CASE(all_operators), CASE(nothing),
};

} // namespace

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    std::string name = argv[1];
    for (auto &bug : cases) {
        if (name == "list") {
            CHECK(write(1, bug.name, strlen(bug.name)) > 0 && write(1, "\n", 1) == 1);
        } else if (name == bug.name) {
            tell("process", GetProcessHeap());
            bug.run();
            CHECK(write(1, "went on\n", 8) == 8);
            return 0;
        }
    }
    CHECK(name == "list");
    return 0;
}
