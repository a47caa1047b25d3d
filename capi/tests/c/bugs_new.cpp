/* Bugs of C++ programs, to be found by global flags.
 *
 *     bugs_new CASE|list
 *
 * As bugs.c. */
#include "check.h"
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <windows.h>

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
    CASE(delete_of_a_part), CASE(delete_of_a_local), CASE(deleted_and_freed),
    CASE(negative_length), CASE(nothing),
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
