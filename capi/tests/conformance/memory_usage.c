/* Who uses the memory. */
#include "check.h"
#ifdef _WIN32
#define PSAPI_VERSION 2
#endif
#include <psapi.h>

#define MIB ((SIZE_T)1 << 20)

int main(void)
{
    HANDLE self = GetCurrentProcess();
    PERFORMANCE_INFORMATION all;
    memset(&all, 0x55, sizeof all);
    NEED("performance", GetPerformanceInfo(&all, sizeof all));
    EQUAL("cb", all.cb, sizeof all);
    EQUAL("page", all.PageSize, 0x1000);
    CHECK("physical", all.PhysicalTotal > 0 && all.PhysicalAvailable <= all.PhysicalTotal);
    CHECK("commit", all.CommitLimit > 0 && all.CommitTotal <= all.CommitLimit);
    CHECK("counts", all.ProcessCount >= 1 && all.ThreadCount >= all.ProcessCount);
    EQUAL("kernel", all.KernelPaged + all.KernelNonpaged, all.KernelTotal);
    SetLastError(UNTOUCHED);
    CHECK("performance-short", !GetPerformanceInfo(&all, sizeof all - 1));
    EQUAL("performance-short-error", GetLastError(), ERROR_BAD_LENGTH);

    PROCESS_MEMORY_COUNTERS before, after;
    PROCESS_MEMORY_COUNTERS_EX more;
    NEED("process", GetProcessMemoryInfo(self, &before, sizeof before));
    EQUAL("process-cb", before.cb, sizeof before);
    CHECK("working-set", before.WorkingSetSize > 0 &&
                             before.PeakWorkingSetSize >= before.WorkingSetSize);
    char *pages = (char *)VirtualAlloc(NULL, 64 * MIB, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    NEED("pages", pages);
    NEED("process-then", GetProcessMemoryInfo(self, &after, sizeof after));
    CHECK("committing-takes-no-memory", after.WorkingSetSize < before.WorkingSetSize + 32 * MIB);
    memset(pages, 1, 64 * MIB);
    NEED("process-again", GetProcessMemoryInfo(self, &after, sizeof after));
    CHECK("working-set-grows", after.WorkingSetSize - before.WorkingSetSize >= 60 * MIB);
    CHECK("faults-grow", after.PageFaultCount > before.PageFaultCount);
    CHECK("commit-grows", after.PagefileUsage - before.PagefileUsage >= 60 * MIB);
    NEED("decommitted", VirtualFree(pages, 64 * MIB, MEM_DECOMMIT));
    NEED("process-after", GetProcessMemoryInfo(self, &before, sizeof before));
    CHECK("decommitting-gives-memory", before.WorkingSetSize + 60 * MIB <= after.WorkingSetSize);
    VirtualFree(pages, 0, MEM_RELEASE);
    NEED("process-more", GetProcessMemoryInfo(self, (PROCESS_MEMORY_COUNTERS *)&more, sizeof more));
    EQUAL("private", more.PrivateUsage, more.PagefileUsage);
    SetLastError(UNTOUCHED);
    CHECK("process-short", !GetProcessMemoryInfo(self, &before, sizeof before - 1));
    EQUAL("process-short-error", GetLastError(), ERROR_INSUFFICIENT_BUFFER);
    SetLastError(UNTOUCHED);
    CHECK("no-process", !GetProcessMemoryInfo(NULL, &before, sizeof before));
    EQUAL("no-process-error", GetLastError(), ERROR_INVALID_HANDLE);
    return finish();
}
