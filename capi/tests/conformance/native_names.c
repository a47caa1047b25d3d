/* Names of the native layer are those of the other. */
#include "check.h"

static const WCHAR PATH[] = {'\\', 'B', 'a', 's', 'e', 'N', 'a', 'm', 'e', 'd', 'O', 'b', 'j', 'e',
                             'c', 't', 's', '\\', 'n', 't', 'h', 'e', 'a', 'p', '-', 'n', 'a', 't',
                             'i', 'v', 'e', 0};

int main(void)
{
    UNICODE_STRING name;
    OBJECT_ATTRIBUTES attributes;
    LARGE_INTEGER size;
    HANDLE first = NULL, second = NULL;
    name.Buffer = (PWSTR)PATH;
    name.Length = sizeof PATH - sizeof *PATH;
    name.MaximumLength = sizeof PATH;
    size.QuadPart = 0x1000;
    InitializeObjectAttributes(&attributes, &name, OBJ_OPENIF, NULL, NULL);
    EQUAL("first", (ULONG)NtCreateSection(&first, SECTION_ALL_ACCESS, &attributes, &size,
                                          PAGE_READWRITE, SEC_COMMIT, NULL),
          0);
    EQUAL("second", (ULONG)NtCreateSection(&second, SECTION_ALL_ACCESS, &attributes, &size,
                                           PAGE_READWRITE, SEC_COMMIT, NULL),
          0x40000000u);
    CHECK("second-handle", second && second != first);
    NtClose(second);
    second = NULL;
    attributes.Attributes = 0;
    EQUAL("collision", (ULONG)NtCreateSection(&second, SECTION_ALL_ACCESS, &attributes, &size,
                                              PAGE_READWRITE, SEC_COMMIT, NULL),
          0xC0000035u);
    HANDLE opened = OpenFileMappingA(FILE_MAP_READ, FALSE, "Global\\ntheap-native");
    CHECK("opened", opened != NULL);
    CloseHandle(opened);
    NtClose(first);
    return finish();
}
