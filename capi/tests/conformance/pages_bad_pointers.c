/* IsBadReadPtr and its kin. */
#include "pages.h"

int main(void)
{
    DWORD old;
    EQUAL("read-null-0", IsBadReadPtr(NULL, 0), FALSE);
    EQUAL("read-null-1", IsBadReadPtr(NULL, 1), TRUE);
    EQUAL("write-null-0", IsBadWritePtr(NULL, 0), FALSE);
    EQUAL("write-null-1", IsBadWritePtr(NULL, 1), TRUE);
    EQUAL("huge-read-null-0", IsBadHugeReadPtr(NULL, 0), FALSE);
    EQUAL("huge-read-null-1", IsBadHugeReadPtr(NULL, 1), TRUE);
    EQUAL("huge-write-null-0", IsBadHugeWritePtr(NULL, 0), FALSE);
    EQUAL("huge-write-null-1", IsBadHugeWritePtr(NULL, 1), TRUE);
    EQUAL("code-null", IsBadCodePtr(NULL), TRUE);
    EQUAL("code", IsBadCodePtr((FARPROC)(void (*)(void))finish), FALSE);
    EQUAL("text-null", IsBadStringPtrA(NULL, 1), TRUE);
    char *base = (char *)VirtualAlloc(NULL, 4 * PAGE, MEM_RESERVE, PAGE_NOACCESS);
    NEED("reserved", base);
    EQUAL("reserved-read", IsBadReadPtr(base, 1), TRUE);
    EQUAL("reserved-write", IsBadWritePtr(base, 1), TRUE);
    EQUAL("reserved-0", IsBadReadPtr(base, 0), FALSE);
    NEED("committed", VirtualAlloc(base, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE));
    memset(base, 'x', 2 * PAGE);
    EQUAL("read", IsBadReadPtr(base, 2 * PAGE), FALSE);
    EQUAL("write", IsBadWritePtr(base, 2 * PAGE), FALSE);
    EQUAL("read-too-much", IsBadReadPtr(base, 2 * PAGE + 1), TRUE);
    EQUAL("write-too-much", IsBadWritePtr(base + PAGE, PAGE + 1), TRUE);
    EQUAL("text-without-end", IsBadStringPtrA(base, 3 * PAGE), TRUE);
    EQUAL("text-short", IsBadStringPtrA(base, 2 * PAGE), FALSE);
    base[2 * PAGE - 1] = 0;
    EQUAL("text", IsBadStringPtrA(base, 3 * PAGE), FALSE);
    EQUAL("wide-text", IsBadStringPtrW((LPCWSTR)(void *)base, 3 * PAGE), TRUE);
    base[2 * PAGE - 2] = 0;
    EQUAL("wide-text-ended", IsBadStringPtrW((LPCWSTR)(void *)base, 3 * PAGE), FALSE);
    CHECK("read-only", VirtualProtect(base + PAGE, PAGE, PAGE_READONLY, &old));
    EQUAL("read-only-read", IsBadReadPtr(base, 2 * PAGE), FALSE);
    EQUAL("read-only-write", IsBadWritePtr(base, 2 * PAGE), TRUE);
    EQUAL("huge-read", IsBadHugeReadPtr(base, 2 * PAGE), FALSE);
    EQUAL("huge-write", IsBadHugeWritePtr(base, 2 * PAGE), TRUE);
    EQUAL("kept", base[0], 'x');
    CHECK("released", VirtualFree(base, 0, MEM_RELEASE));
    return finish();
}
