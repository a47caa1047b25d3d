// Maps a file of 1 GB and tells what memory there is after each step.
//
//     mapped_file FILE
//
// From the fourth part of an article on Windows' memory of 2009, written for 32-bit
// Windows. One source for Windows and for ntheap: docs/porting.md has the commands.
// The differences to what was published:
//
// Demanded by 64 bits
// - Addresses are printed by %p, and differences of memory with their sign.
//
// Demanded by standard C++
// - There are a main function, headers, and the ends of lines that the page lost.
//
// Everything else
// - The texts are translated.
// - The file was D:\1G.rmvb: it is the program's argument, is made if it is not there,
//   sparse, and is removed at the end. Names are narrow.
// - fopen opens it: 64-bit systems have no such limit.
// - Bytes at both ends of the view are written and read, and all is given back.

#include <cstdio>
#include <iostream>
#include <windows.h>

using std::cout;
using std::endl;

static const long LENGTH = 1024L * 1024 * 1024;

static MEMORYSTATUS status()
{
    MEMORYSTATUS memStatus;
    GlobalMemoryStatus(&memStatus);
    return memStatus;
}

static void less(const MEMORYSTATUS &from, const MEMORYSTATUS &to)
{
    cout << "less physical=" << static_cast<long long>(from.dwAvailPhys - to.dwAvailPhys) << endl;
    cout << "less page file="
         << static_cast<long long>(from.dwAvailPageFile - to.dwAvailPageFile) << endl;
    cout << "less address space="
         << static_cast<long long>(from.dwAvailVirtual - to.dwAvailVirtual) << endl;
}

static bool make(const char *path)
{
    std::FILE *file = std::fopen(path, "wb");
    if (file == NULL)
        return false;
    bool made = std::fseek(file, LENGTH - 1, SEEK_SET) == 0 && std::fputc(0, file) == 0;
    return std::fclose(file) == 0 && made;
}

int main(int count, char **arguments)
{
    if (count != 2 || !make(arguments[1])) {
        cout << "There is no file!" << endl;
        return 1;
    }
    MEMORYSTATUS memStatus = status();
    HANDLE hn = CreateFileA(arguments[1], GENERIC_READ | GENERIC_WRITE,
                            FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING,
                            FILE_ATTRIBUTE_NORMAL, NULL);
    if (hn == INVALID_HANDLE_VALUE) {
        cout << "Opening the file failed!" << endl;
        return 1;
    }
    std::FILE *p = std::fopen(arguments[1], "rb");
    if (p == NULL)
        cout << "fopen cannot open large files!" << endl;
    MEMORYSTATUS memStatus2 = status();
    cout << "File opened:" << endl;
    less(memStatus, memStatus2);

    HANDLE hmap = CreateFileMappingA(hn, NULL, PAGE_READWRITE, 0, 0, "Yeming-Map");
    if (hmap == NULL) {
        cout << "Making the mapping object failed!" << endl;
        return 1;
    }
    MEMORYSTATUS memStatus3 = status();
    cout << "Mapping object made:" << endl;
    less(memStatus2, memStatus3);

    LPVOID pMAP = MapViewOfFile(hmap, FILE_MAP_WRITE, 0, 0, 0);
    cout << "File mapped:" << endl;
    if (pMAP == NULL) {
        cout << "Mapping failed!" << endl;
        return 1;
    }
    std::printf("address=%p\n", pMAP);
    std::fflush(stdout);
    MEMORYSTATUS memStatus4 = status();
    less(memStatus3, memStatus4);

    char *bytes = static_cast<char *>(pMAP);
    bytes[0] = 'a';
    bytes[LENGTH - 1] = 'z';
    cout << "first=" << bytes[0] << " last=" << bytes[LENGTH - 1] << endl;
    UnmapViewOfFile(pMAP);
    CloseHandle(hmap);
    if (p != NULL)
        std::fclose(p);
    CloseHandle(hn);
    std::remove(arguments[1]);
    return 0;
}
