/* As many modules as can have a runtime have one; what a further one gets is NULL,
 * and what it does with that is refused and harms nothing. What keeps errno. */
#include "check.h"
#include <ntheap_crt.h>

enum { RUNTIMES = 256 };

#define REFUSED(call, result)                                                                      \
    do {                                                                                           \
        errno = 0;                                                                                 \
        CHECK((call) == (result));                                                                 \
        CHECK(errno == ENOMEM);                                                                    \
    } while (0)

int main(void)
{
    static ntheap_crt *open[RUNTIMES];
    int there = 0;
    for (; there < RUNTIMES; there++) {
        open[there] = ntheap_crt_open("one of many", &there);
        CHECK(open[there]);
    }
    ntheap_crt *none = ntheap_crt_open("one too many", &there);
    CHECK(!none);
    REFUSED(ntheap_crt_malloc(none, 10), NULL);
    REFUSED(ntheap_crt_calloc(none, 10, 10), NULL);
    REFUSED(ntheap_crt_realloc(none, NULL, 10), NULL);
    REFUSED(ntheap_crt_aligned_malloc(none, 10, 64), NULL);
    REFUSED(ntheap_crt_new(none, 10), NULL);
    REFUSED(ntheap_crt_aligned_new(none, 10, 64), NULL);
    REFUSED(ntheap_crt_msize(none, &there), (size_t)-1);
    /* Blocks of others stay theirs. */
    void *block = ntheap_crt_malloc(open[0], 100);
    void *aligned = ntheap_crt_aligned_malloc(open[0], 100, 64);
    CHECK(block && aligned && (uintptr_t)aligned % 64 == 0);
    REFUSED(ntheap_crt_realloc(none, block, 10), NULL);
    errno = 77;
    ntheap_crt_free(none, block);
    ntheap_crt_free(none, NULL);
    ntheap_crt_aligned_free(none, aligned);
    ntheap_crt_aligned_free(none, NULL);
    CHECK(ntheap_crt_close(none) == 0);
    CHECK(ntheap_crt_msize(open[0], block) == 100);
    ntheap_crt_free(open[0], NULL);
    ntheap_crt_aligned_free(open[0], NULL);
    ntheap_crt_free(open[0], block);
    ntheap_crt_aligned_free(open[0], aligned);
    CHECK(errno == 77);
    for (int i = 0; i < RUNTIMES; i++)
        CHECK(ntheap_crt_close(open[i]) == 0);
    /* There is room again. */
    CHECK(ntheap_crt_open("one more", &there));
    puts("done");
    return 0;
}
