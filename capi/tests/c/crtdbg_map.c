/* What _CRTDBG_MAP_ALLOC makes of malloc and its kin: debug blocks of the line that
 * asks for them. */
#define _CRTDBG_MAP_ALLOC
#include "check.h"

#include <crtdbg.h>

static char told[4096];

static int __cdecl tell(int kind, char *message, int *answer)
{
    (void)kind;
    CHECK(strlen(told) + strlen(message) < sizeof told);
    strcat(told, message);
    *answer = 0;
    return 1;
}

static void *last;
static _CrtMemState before;

/* Whether a dump says that a block was made on that line since the checkpoint, and
 * no other. */
static int is_of(int line)
{
    char place[64];
    snprintf(place, sizeof place, "crtdbg_map.c(%d) : {", line);
    told[0] = 0;
    _CrtMemDumpAllObjectsSince(&before);
    const char *found = strstr(told, " : {");
    return strstr(told, place) && found && !strstr(found + 1, " : {");
}

/* A call makes a block, or has it come from its own line. */
#define MAKES(call)                                                                                \
    do {                                                                                           \
        _CrtMemCheckpoint(&before);                                                                \
        last = (call);                                                                             \
        CHECK(last);                                                                               \
        CHECK(is_of(__LINE__));                                                                    \
    } while (0)

int main(void)
{
    _CrtSetReportHook(tell);

    MAKES(malloc(10));
    CHECK(_msize(last) == 10 && *(unsigned char *)last == 0xCD);
    MAKES(realloc(last, 2000));
    MAKES(_expand(last, 1000));
    CHECK(_msize(last) == 1000);
    MAKES(_recalloc(last, 1001, 2));
    CHECK(_msize(last) == 2002 && ((char *)last)[2001] == 0);
    free(last);
    MAKES(calloc(3, 5));
    CHECK(_msize(last) == 15 && *(char *)last == 0);
    free(last);

    MAKES(_aligned_malloc(100, 64));
    CHECK(_aligned_msize(last, 64, 0) == 100 && (uintptr_t)last % 64 == 0);
    MAKES(_aligned_realloc(last, 200, 128));
    CHECK(_aligned_msize(last, 128, 0) == 200 && (uintptr_t)last % 128 == 0);
    MAKES(_aligned_recalloc(last, 100, 3, 256));
    CHECK(_aligned_msize(last, 256, 0) == 300 && (uintptr_t)last % 256 == 0);
    _aligned_free(last);
    MAKES(_aligned_offset_malloc(100, 64, 7));
    CHECK(_aligned_msize(last, 64, 7) == 100 && ((uintptr_t)last + 7) % 64 == 0);
    MAKES(_aligned_offset_realloc(last, 200, 128, 9));
    CHECK(_aligned_msize(last, 128, 9) == 200 && ((uintptr_t)last + 9) % 128 == 0);
    MAKES(_aligned_offset_recalloc(last, 100, 3, 256, 11));
    CHECK(_aligned_msize(last, 256, 11) == 300 && ((uintptr_t)last + 11) % 256 == 0);
    _aligned_free(last);

    MAKES(strdup("text"));
    CHECK(!strcmp((char *)last, "text") && _msize(last) == 5);
    free(last);
    MAKES(_strdup("text"));
    CHECK(!strcmp((char *)last, "text") && _msize(last) == 5);
    free(last);
    MAKES(_mbsdup((const unsigned char *)"text"));
    CHECK(!strcmp((char *)last, "text") && _msize(last) == 5);
    free(last);
    static const WCHAR wide[] = {'t', 'e', 'x', 't', 0};
    MAKES(_wcsdup(wide));
    CHECK(!memcmp(last, wide, sizeof wide) && _msize(last) == sizeof wide);
    free(last);

    told[0] = 0;
    CHECK(!_CrtDumpMemoryLeaks() && !told[0]);
    puts("done");
    return 0;
}
