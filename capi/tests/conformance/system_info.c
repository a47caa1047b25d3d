/* What machine this is. */
#include "check.h"

int main(void)
{
    SYSTEM_INFO info, native;
    memset(&info, 0x55, sizeof info);
    memset(&native, 0x55, sizeof native);
    GetSystemInfo(&info);
    GetNativeSystemInfo(&native);
    EQUAL("page", info.dwPageSize, 0x1000);
    EQUAL("granularity", info.dwAllocationGranularity, 0x10000);
    EQUAL("lowest", info.lpMinimumApplicationAddress, 0x10000);
    EQUAL("highest", info.lpMaximumApplicationAddress, 0x7FFFFFFEFFFFu);
    EQUAL("architecture", info.wProcessorArchitecture, PROCESSOR_ARCHITECTURE_AMD64);
    EQUAL("type", info.dwProcessorType, PROCESSOR_AMD_X8664);
    CHECK("processors", info.dwNumberOfProcessors >= 1);
    DWORD_PTR mask = info.dwActiveProcessorMask;
    DWORD bits = 0;
    for (; mask; mask &= mask - 1)
        bits++;
    EQUAL("mask", bits, info.dwNumberOfProcessors < 64 ? info.dwNumberOfProcessors : 64);
    CHECK("level", info.wProcessorLevel != 0);
    CHECK("native", memcmp(&info, &native, sizeof info) == 0);
    ULONGLONG installed = 0;
    MEMORYSTATUSEX status;
    status.dwLength = sizeof status;
    CHECK("installed", GetPhysicallyInstalledSystemMemory(&installed));
    CHECK("status", GlobalMemoryStatusEx(&status));
    CHECK("installed-fits", installed >= status.ullTotalPhys / 1024);
    SetLastError(UNTOUCHED);
    CHECK("installed-null", !GetPhysicallyInstalledSystemMemory(NULL));
    EQUAL("installed-null-error", GetLastError(), ERROR_INVALID_PARAMETER);
    SIZE_T large = GetLargePageMinimum();
    CHECK("large-page", large == 0 || (large > 0x10000 && (large & (large - 1)) == 0));
    return finish();
}
