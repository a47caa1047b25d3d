/* What programs share that need the privilege to lock memory. */
#ifndef CONFORMANCE_PRIVILEGE_H
#define CONFORMANCE_PRIVILEGE_H

#include "check.h"

/* Gives the process the privilege, or takes it away with 0; whether that was done. */
HELPER BOOL set_privilege(DWORD attributes)
{
    HANDLE token;
    TOKEN_PRIVILEGES privileges;
    privileges.PrivilegeCount = 1;
    privileges.Privileges[0].Attributes = attributes;
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_ADJUST_PRIVILEGES, &token))
        return FALSE;
    BOOL done = LookupPrivilegeValue(NULL, SE_LOCK_MEMORY_NAME, &privileges.Privileges[0].Luid) &&
                AdjustTokenPrivileges(token, FALSE, &privileges, 0, NULL, NULL) &&
                GetLastError() == ERROR_SUCCESS;
    CloseHandle(token);
    return done;
}

#endif
