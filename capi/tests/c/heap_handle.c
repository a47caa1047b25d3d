/* The heap that malloc's blocks come from, by its handle; and that errno stays as it
 * was when they are freed. The argument says whether it is the process heap. */
#include "check.h"

#include <malloc.h>
#include <ntheap_crt.h>
#include <windows.h>

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    HANDLE heap = (HANDLE)_get_heap_handle();
    CHECK(heap && (heap == GetProcessHeap()) == !strcmp(argv[1], "process"));
    ntheap_crt *own = ntheap_crt_open("own", &argc);
    CHECK(own);
    static const size_t sizes[] = {1, 100, 20000, 3000000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *block = malloc(sizes[i]);
        CHECK(HeapSize(heap, 0, block) == sizes[i] && _msize(block) == sizes[i]);
        CHECK(HeapValidate(heap, 0, block));
        void *aligned = _aligned_malloc(sizes[i], 64);
        void *other = ntheap_crt_malloc(own, sizes[i]);
        void *other_aligned = ntheap_crt_aligned_malloc(own, sizes[i], 64);
        CHECK(aligned && other && other_aligned);
        errno = 77;
        free(block);
        _aligned_free(aligned);
        ntheap_crt_free(own, other);
        ntheap_crt_aligned_free(own, other_aligned);
        CHECK(errno == 77);
    }
    CHECK(ntheap_crt_close(own) == 0);
    CHECK(_heapchk() == _HEAPOK);
    puts("done");
    return 0;
}
