/* Faults with a fill in a register, by instructions that are written down.
 *
 *     fills CASE
 *
 * Where the heap's fill has led to the fault it is told; where it is merely near, it is not. */
#define _GNU_SOURCE
#include "check.h"
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>

static uint64_t fresh(void)
{
    uint64_t *block = malloc(64);
    CHECK(block);
    __asm__ volatile("" : "+r"(block));
    return block[2];
}

static char text[64];

/* The fill is the address. */
static void as_base(void)
{
    __asm__ volatile("mov %0, %%r14\n\tmov 0x40(%%r14), %%eax" ::"r"(fresh()) : "r14", "rax");
}

/* As whoever has no frame pointer uses that register. */
static void as_frame(void)
{
    __asm__ volatile("mov %0, %%rbp\n\tmov 8(%%rbp), %%eax" ::"r"(fresh()) : "rax");
}

static void as_index(void)
{
    __asm__ volatile("mov %0, %%r9\n\tmov (%1,%%r9,2), %%al" ::"r"(fresh()), "r"(text) : "r9", "rax");
}

static void as_vector(void)
{
    __asm__ volatile("mov %0, %%rsi\n\tmovdqu (%%rsi), %%xmm0" ::"r"(fresh()) : "rsi", "xmm0");
}

static void as_target_of_a_copy(void)
{
    __asm__ volatile("mov %0, %%rdi\n\tmov %1, %%rsi\n\tmov $8, %%ecx\n\trep movsb" ::"r"(fresh()),
                     "r"(text)
                     : "rdi", "rsi", "rcx", "memory");
}

/* By code that lies in no module, with something else than a return address on the stack. */
static void in_mapped_code(void)
{
    /* push $0x1234; mov (%rdi), %rax; pop %rcx; ret */
    static const unsigned char code[] = {0x68, 0x34, 0x12, 0, 0, 0x48, 0x8b, 0x07, 0x59, 0xc3};
    void *place = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(place != MAP_FAILED);
    memcpy(place, code, sizeof code);
    CHECK(mprotect(place, 4096, PROT_READ | PROT_EXEC) == 0);
    printf("%p\n", place);
    fflush(stdout);
    __asm__ volatile("mov %0, %%rdi\n\tcall *%1" ::"r"(fresh()), "r"(place)
                     : "rdi", "rax", "rcx", "memory");
}

/* A call of a fill of four bytes, where the program has mapped memory that is no code, and that
 * could be read as an instruction which follows another register. */
static void as_function_that_is_data(void)
{
    static const unsigned char data[] = {0x48, 0x8b, 0x03}; /* mov (%rbx), %rax */
    uint32_t value = (uint32_t)fresh();
    char *page = (char *)((uintptr_t)value & ~(uintptr_t)4095);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    CHECK(mmap(page, 4096, PROT_READ | PROT_WRITE, flags, -1, 0) == page);
    memcpy((char *)(uintptr_t)value, data, sizeof data);
    __asm__ volatile("xor %%ebx, %%ebx\n\tcall *%0" ::"r"((uintptr_t)value) : "rbx", "memory");
}

/* A push of what lies at a fill, where there is something, and no room on the stack: that is
 * what failed. */
static void beside_a_full_stack(void)
{
    uint32_t value = (uint32_t)fresh();
    char *page = (char *)((uintptr_t)value & ~(uintptr_t)4095);
    int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    CHECK(mmap(page, 4096, PROT_READ | PROT_WRITE, flags, -1, 0) == page);
    char *none = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(none != MAP_FAILED && mprotect(none + 4096, 4096, PROT_READ | PROT_WRITE) == 0);
    static char stack[65536];
    stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    CHECK(sigaltstack(&other, NULL) == 0);
    __asm__ volatile("mov %0, %%rbx\n\tmov %1, %%rsp\n\tpushq (%%rbx)" ::"r"((uintptr_t)value),
                     "r"(none + 4096)
                     : "rbx", "memory");
}

static void as_function_in_memory(void)
{
    uint64_t value = fresh();
    __asm__ volatile("mov %0, %%rbx\n\tcall *(%%rbx)" ::"r"(&value) : "rbx", "memory");
}

/* It is in other registers only. */
static void beside_a_null(void)
{
    uint64_t value = fresh();
    __asm__ volatile("mov %0, %%r12\n\tmov %0, %%rbx\n\txor %%eax, %%eax\n\tmov 8(%%rax), %%ecx" ::"r"(
                         value)
                     : "r12", "rbx", "rax", "rcx");
}

static void beside_another_wild_one(void)
{
    uint64_t value = fresh();
    __asm__ volatile("mov %0, %%r12\n\tmovabs $0x1234567812345678, %%rax\n\tmov (%%rax), %%ecx" ::"r"(
                         value)
                     : "r12", "rax", "rcx");
}

static void stored_by_a_null(void)
{
    uint64_t value = fresh();
    __asm__ volatile("xor %%eax, %%eax\n\tmov %0, (%%rax)" ::"r"(value) : "rax");
}

/* The values of fills that no flag has written. */
static void of_no_flag(void)
{
    __asm__ volatile("movabs $0xc0c0c0c0c0c0c0c0, %%rax\n\tmov (%%rax), %%ecx" ::: "rax", "rcx");
}

/* A handler that was set before the heap's is asked afterwards, and goes on. */
static sigjmp_buf again;

static void on_fault(int signal, siginfo_t *info, void *context)
{
    (void)signal;
    (void)info;
    (void)context;
    siglongjmp(again, 1);
}

static void set_first(int argc, char **argv)
{
    if (argc != 2 || strcmp(argv[1], "caught") != 0)
        return;
    struct sigaction action = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
    CHECK(sigaction(SIGSEGV, &action, NULL) == 0);
}

/* Before any library's own, the heap's among them. */
__attribute__((section(".preinit_array"), used)) static void (*first)(int, char **) = set_first;

static void caught(void)
{
    for (volatile int i = 0; i < 3; i++)
        if (!sigsetjmp(again, 1))
            as_base();
    if (!sigsetjmp(again, 1))
        beside_a_null();
    CHECK(write(1, "went on\n", 8) == 8);
}

#define CASE(name) {#name, name}
static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    CASE(as_base), CASE(as_frame), CASE(as_index), CASE(as_vector), CASE(as_target_of_a_copy),
    CASE(as_function_in_memory), CASE(as_function_that_is_data), CASE(in_mapped_code),
    CASE(beside_a_full_stack), CASE(beside_a_null), CASE(beside_another_wild_one),
    CASE(stored_by_a_null), CASE(of_no_flag), CASE(caught),
};

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run();
            return 0;
        }
    }
    CHECK(!"a case of this name");
}
