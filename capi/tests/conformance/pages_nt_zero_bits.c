/* Zero bits: how far down NtAllocateVirtualMemory is to look. */
#include "pages.h"

static NTSTATUS reserve(ULONG_PTR zero_bits, void **at)
{
    PVOID base = NULL;
    SIZE_T size = PAGE;
    NTSTATUS status = NtAllocateVirtualMemory(HERE, &base, zero_bits, &size, MEM_RESERVE,
                                              PAGE_NOACCESS);
    *at = base;
    return status;
}

static void end(void *at)
{
    SIZE_T size = 0;
    NtFreeVirtualMemory(HERE, &at, &size, MEM_RELEASE);
}

int main(void)
{
    void *at;
    /* The lower half of 32 bits, then less and less. */
    for (ULONG_PTR bits = 1; bits <= 20; bits++) {
        char name[32];
        NTSTATUS status = reserve(bits, &at);
        snprintf(name, sizeof name, "%u-bits", (unsigned)bits);
        CHECK(name, status == STATUS_NO_MEMORY ||
                        (status == 0 && ((ULONG_PTR)at + PAGE - 1) >> (32 - bits) == 0));
        if (status == 0)
            end(at);
    }
    EQUAL("1-bit-found", reserve(1, &at), 0);
    end(at);
    NTSTATUS status = reserve(21, &at);
    CHECK("21-bits", status == STATUS_NO_MEMORY || status == STATUS_INVALID_PARAMETER);
    EQUAL("22-bits", reserve(22, &at), STATUS_INVALID_PARAMETER_3);
    EQUAL("31-bits", reserve(31, &at), STATUS_INVALID_PARAMETER_3);
    status = reserve(0x7FFFFFFF, &at);
    CHECK("mask", status == 0 && (ULONG_PTR)at <= 0x7FFFFFFF);
    if (status == 0)
        end(at);
    status = reserve(0x3FFFFFFFF, &at);
    CHECK("wide-mask", status == 0 && (ULONG_PTR)at <= 0x3FFFFFFFF);
    if (status == 0)
        end(at);
    return finish();
}
