/* The process's token and the privilege to lock memory. */
#include "check.h"

int main(void)
{
    HANDLE token = NULL;
    LUID number;
    SetLastError(UNTOUCHED);
    CHECK("no-process", !OpenProcessToken(NULL, TOKEN_QUERY, &token));
    EQUAL("no-process-error", GetLastError(), ERROR_INVALID_HANDLE);
    NEED("opened", OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token));
    NEED("looked-up", LookupPrivilegeValueA(NULL, "SeLockMemoryPrivilege", &number));
    EQUAL("number", number.LowPart, 4);
    EQUAL("number-high", number.HighPart, 0);
    SetLastError(UNTOUCHED);
    CHECK("unknown", !LookupPrivilegeValueA(NULL, "SeNoSuchPrivilege", &number));
    EQUAL("unknown-error", GetLastError(), ERROR_NO_SUCH_PRIVILEGE);

    TOKEN_PRIVILEGES privileges, before;
    DWORD length = 0;
    privileges.PrivilegeCount = 1;
    privileges.Privileges[0].Luid.LowPart = 4;
    privileges.Privileges[0].Luid.HighPart = 0;
    privileges.Privileges[0].Attributes = SE_PRIVILEGE_ENABLED;
    SetLastError(UNTOUCHED);
    CHECK("right-missing", !AdjustTokenPrivileges(token, FALSE, &privileges, 0, NULL, NULL));
    EQUAL("right-missing-error", GetLastError(), ERROR_ACCESS_DENIED);
    CloseHandle(token);
    NEED("opened-again", OpenProcessToken(GetCurrentProcess(),
                                          TOKEN_QUERY | TOKEN_ADJUST_PRIVILEGES, &token));
    CHECK("adjusted", AdjustTokenPrivileges(token, FALSE, &privileges, sizeof before, &before,
                                            &length));
    EQUAL("adjusted-error", GetLastError(), ERROR_SUCCESS);
    EQUAL("changed", before.PrivilegeCount, 1);
    CHECK("disabled-all", AdjustTokenPrivileges(token, TRUE, NULL, 0, NULL, NULL));
    privileges.Privileges[0].Luid.LowPart = 0x7FFF;
    CHECK("not-held", AdjustTokenPrivileges(token, FALSE, &privileges, 0, NULL, NULL));
    EQUAL("not-held-error", GetLastError(), ERROR_NOT_ALL_ASSIGNED);
    CloseHandle(token);
    SetLastError(UNTOUCHED);
    CHECK("closed", !AdjustTokenPrivileges(token, FALSE, &privileges, 0, NULL, NULL));
    EQUAL("closed-error", GetLastError(), ERROR_INVALID_HANDLE);
    return finish();
}
