/* Descriptors as handles, and handles as descriptors. */
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "check.h"
#include <errno.h>
#include <fcntl.h>
#ifdef _WIN32
#define descriptor_of _fileno
#else
#include "../../include/io.h"
#define descriptor_of fileno
#endif

int main(void)
{
    const char *path = scratch("descriptors");
    NEED("file", make_file(path, 0x1000));
    FILE *stream = fopen(path, "r+b");
    NEED("stream", stream);
    HANDLE handle = (HANDLE)_get_osfhandle(descriptor_of(stream));
    NEED("handle", handle != INVALID_HANDLE_VALUE);
    EQUAL("same-again", (HANDLE)_get_osfhandle(descriptor_of(stream)), handle);
    HANDLE section = CreateFileMappingA(handle, NULL, PAGE_READWRITE, 0, 0, NULL);
    NEED("section", section);
    char *view = (char *)MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    NEED("view", view);
    EQUAL("contents", (BYTE)view[300], 300 % 251);
    view[300] = 'h';
    CHECK("unmapped", UnmapViewOfFile(view));
    CloseHandle(section);
    fseek(stream, 300, SEEK_SET);
    EQUAL("written", fgetc(stream), 'h');
    fclose(stream);

    /* The handle of a descriptor that was closed is none of the next file with its number. */
    HANDLE file = open_file(path, GENERIC_READ);
    NEED("opened", file != INVALID_HANDLE_VALUE);
    int descriptor = _open_osfhandle((intptr_t)file, O_RDONLY);
    CHECK("descriptor", descriptor >= 0);
    EQUAL("leads-back", (HANDLE)_get_osfhandle(descriptor), file);
    char bytes[4];
    EQUAL("read", read(descriptor, bytes, 4), 4);
    EQUAL("read-byte", bytes[3], 3);
    EQUAL("closed", close(descriptor), 0);
    errno = 0;
    EQUAL("of-no-descriptor", _get_osfhandle(9999), -1);
    EQUAL("of-no-descriptor-errno", errno, EBADF);
    errno = 0;
    EQUAL("of-a-negative-one", _get_osfhandle(-5), -1);
    EQUAL("of-a-negative-one-errno", errno, EBADF);
    EQUAL("of-a-closed-one", _get_osfhandle(descriptor), -1);
    HANDLE closed = open_file(path, GENERIC_READ);
    CHECK("closed-handle", closed != INVALID_HANDLE_VALUE && CloseHandle(closed));
    EQUAL("of-a-closed-handle", _open_osfhandle((intptr_t)closed, O_RDONLY), -1);
    EQUAL("of-garbage", _open_osfhandle((intptr_t)0xDEADBEE8, O_RDONLY), -1);
    remove(path);
    return finish();
}
