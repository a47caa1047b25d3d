/* The debug runtime's hooks, dumps and handlers, and what it has of malloc's rarer
 * kin. */
#include "check.h"

#include <crtdbg.h>
#include <new.h>

#define TOO_MUCH ((size_t)1 << 62)

/* What was reported since it was last looked at. */
static char told[8192];
/* Who was shown it, one after another. */
static char shown[64];

static int __cdecl tell(int kind, char *message, int *answer)
{
    CHECK(kind >= _CRT_WARN && kind <= _CRT_ASSERT);
    CHECK(strlen(told) + strlen(message) < sizeof told);
    strcat(told, message);
    strcat(shown, "t");
    *answer = 0;
    return 1;
}

static int __cdecl narrow(int kind, char *message, int *answer)
{
    CHECK(kind == _CRT_WARN && !strcmp(message, "shown\n"));
    strcat(shown, "n");
    *answer = 0;
    return 0;
}

static int __cdecl wide(int kind, WCHAR *message, int *answer)
{
    CHECK(kind == _CRT_WARN && message[0] == 's' && message[5] == '\n' && !message[6]);
    strcat(shown, "w");
    *answer = 0;
    return 0;
}

/* Whether exactly this was reported. */
static int was_told(const char *text)
{
    int was = !strcmp(told, text);
    told[0] = 0;
    return was;
}

static int handled;

static void __cdecl handler(const wchar_t *expression, const wchar_t *function,
                            const wchar_t *file, unsigned int line, uintptr_t reserved)
{
    (void)expression, (void)function, (void)file, (void)line, (void)reserved;
    handled++;
}

static int was_invalid(void)
{
    int was = handled == 1 && errno == EINVAL;
    handled = 0;
    errno = 0;
    return was;
}

static void report_hooks(void)
{
    CHECK(!_CrtGetReportHook());
    CHECK(_CrtSetReportHook2(_CRT_RPTHOOK_INSTALL, narrow) == 1);
    CHECK(_CrtSetReportHookW2(_CRT_RPTHOOK_INSTALL, wide) == 1);
    CHECK(_CrtSetReportHook2(_CRT_RPTHOOK_INSTALL, narrow) == 2);
    CHECK(!_CrtSetReportHook(tell) && _CrtGetReportHook() == tell);
    /* The last one that came is the first, and each is shown it once. */
    _RPT0(_CRT_WARN, "shown\n");
    CHECK(!strcmp(shown, "wnt") && was_told("shown\n"));
    CHECK(_CrtSetReportHook2(_CRT_RPTHOOK_REMOVE, narrow) == 1);
    CHECK(_CrtSetReportHookW2(_CRT_RPTHOOK_REMOVE, wide) == 0);
    shown[0] = 0;
    _RPT0(_CRT_WARN, "shown\n");
    CHECK(!strcmp(shown, "nt") && was_told("shown\n"));
    CHECK(_CrtSetReportHook2(_CRT_RPTHOOK_REMOVE, narrow) == 0);
    shown[0] = 0;
    _RPT0(_CRT_WARN, "other\n");
    CHECK(!strcmp(shown, "t") && was_told("other\n"));

    CHECK(!_get_invalid_parameter_handler());
    CHECK(!_set_invalid_parameter_handler(handler));
    CHECK(_get_invalid_parameter_handler() == handler);
    CHECK(_CrtSetReportHook2(_CRT_RPTHOOK_REMOVE, narrow) == -1 && was_invalid());
    CHECK(_CrtSetReportHookW2(_CRT_RPTHOOK_REMOVE, wide) == -1 && was_invalid());
    CHECK(_CrtSetReportHook2(7, narrow) == -1 && was_invalid());
    CHECK(_CrtSetReportHook2(_CRT_RPTHOOK_INSTALL, NULL) == -1 && was_invalid());
    CHECK(_CrtSetReportHookW2(_CRT_RPTHOOK_INSTALL, NULL) == -1 && was_invalid());
    shown[0] = 0;
}

static struct {
    int what, use, line;
    void *block;
    size_t size;
    const unsigned char *file;
    int calls, refuses;
} asked;

static int __cdecl ask(int what, void *block, size_t size, int use, long request,
                       const unsigned char *file, int line)
{
    (void)request;
    asked.what = what, asked.block = block, asked.size = size;
    asked.use = use, asked.file = file, asked.line = line;
    asked.calls++;
    return !asked.refuses;
}

static void allocation_hook(void)
{
    static const char file[] = "hooks.c";
    CHECK(!_CrtGetAllocHook() && !_CrtSetAllocHook(ask) && _CrtGetAllocHook() == ask);
    void *block = _malloc_dbg(10, _NORMAL_BLOCK, file, 1);
    CHECK(asked.what == _HOOK_ALLOC && !asked.block && asked.size == 10);
    CHECK(asked.use == _NORMAL_BLOCK && asked.line == 1);
    CHECK((const char *)asked.file == file);
    void *old = block;
    block = _realloc_dbg(block, 500, _NORMAL_BLOCK, file, 2);
    CHECK(asked.what == _HOOK_REALLOC && asked.block == old && asked.size == 500);
    CHECK(asked.line == 2);

    asked.refuses = 1;
    errno = 0;
    CHECK(!_malloc_dbg(20, _NORMAL_BLOCK, file, 3) && errno == ENOMEM);
    CHECK(was_told("Client hook allocation failure at file hooks.c line 3.\n"));
    CHECK(!_realloc_dbg(block, 20, _NORMAL_BLOCK, NULL, 0));
    CHECK(was_told("Client hook allocation failure.\n"));
    CHECK(_msize_dbg(block, _NORMAL_BLOCK) == 500);
    asked.refuses = 0;

    _free_dbg(block, _NORMAL_BLOCK);
    CHECK(asked.what == _HOOK_FREE && asked.block == block && asked.calls == 5);
    CHECK(_CrtSetAllocHook(NULL) == ask && !_CrtGetAllocHook());
    _free_dbg(_malloc_dbg(1, _NORMAL_BLOCK, NULL, 0), _NORMAL_BLOCK);
    CHECK(asked.calls == 5 && was_told(""));
}

/* Two blocks that clients show themselves. */
static void *client[2];

static void __cdecl show(void *block, size_t size)
{
    CHECK((block == client[0] && size == 3) || (block == client[1] && size == 4));
    strcat(shown, block == client[0] ? "0" : "1");
}

static void dumps(void)
{
    char line[200], expected[1000];
    long number;
    CHECK(!_CrtDumpMemoryLeaks() && was_told(""));
    char *first = (char *)_malloc_dbg(2, _NORMAL_BLOCK, "hooks.c", 10);
    CHECK(_CrtIsMemoryBlock(first, 2, &number, NULL, NULL));
    snprintf(line, sizeof line,
             "hooks.c(10) : {%ld} normal block at 0x%016lX, 2 bytes long.\n"
             " Data: <  > CD CD \n",
             number, (unsigned long)(size_t)first);
    _CrtMemState before;
    _CrtMemCheckpoint(&before);
    char *second = (char *)_malloc_dbg(5, _NORMAL_BLOCK, "hooks.c", 11);
    memcpy(second, "hello", 5);
    CHECK(_CrtIsMemoryBlock(second, 5, &number, NULL, NULL));
    int length = snprintf(expected, sizeof expected,
                          "Dumping objects ->\n"
                          "hooks.c(11) : {%ld} normal block at 0x%016lX, 5 bytes long.\n"
                          " Data: <hello> 68 65 6C 6C 6F \n",
                          number, (unsigned long)(size_t)second);
    static const char end[] = "Object dump complete.\n";
    strcpy(expected + length, end);
    _CrtMemDumpAllObjectsSince(&before);
    CHECK(was_told(expected));
    strcat(strcpy(expected + length, line), end);
    _CrtMemDumpAllObjectsSince(NULL);
    CHECK(was_told(expected));
    CHECK(_CrtDumpMemoryLeaks() == 1);
    CHECK(!strncmp(told, "Detected memory leaks!\n", 23) && !strcmp(told + 23, expected));
    told[0] = 0;
    _free_dbg(second, _NORMAL_BLOCK);
    _free_dbg(first, _NORMAL_BLOCK);
    CHECK(!_CrtDumpMemoryLeaks() && was_told(""));

    CHECK(!_CrtGetDumpClient() && !_CrtSetDumpClient(show) && _CrtGetDumpClient() == show);
    client[0] = _malloc_dbg(3, _CLIENT_BLOCK, NULL, 0);
    client[1] = _malloc_dbg(4, _CLIENT_BLOCK | 5 << 16, NULL, 0);
    shown[0] = 0;
    _CrtMemDumpAllObjectsSince(NULL);
    /* After each line of the dump's own, which the report's hook was shown. */
    CHECK(!strcmp(shown, "tt1t0t"));
    CHECK(strstr(told, " client block at ") && strstr(told, ", subtype 5, 4 bytes long.\n"));
    told[0] = 0;
    CHECK(_CrtSetDumpClient(NULL) == show && !_CrtGetDumpClient());
    _free_dbg(client[0], _CLIENT_BLOCK);
    _free_dbg(client[1], _CLIENT_BLOCK | 5 << 16);
    CHECK(was_told(""));
}

static int is_filled(const unsigned char *bytes, int value, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != value)
            return 0;
    return 1;
}

static void kin(void)
{
    unsigned char *block = (unsigned char *)_recalloc_dbg(NULL, 3, 10, _NORMAL_BLOCK, "k.c", 1);
    CHECK(_msize_dbg(block, _NORMAL_BLOCK) == 30 && is_filled(block, 0, 30));
    memset(block, 7, 30);
    block = (unsigned char *)_recalloc_dbg(block, 50, 20, _NORMAL_BLOCK, "k.c", 2);
    CHECK(_msize_dbg(block, _NORMAL_BLOCK) == 1000);
    CHECK(is_filled(block, 7, 30) && is_filled(block + 30, 0, 970));
    errno = 0;
    CHECK(!_recalloc_dbg(block, (size_t)-1, 2, _NORMAL_BLOCK, "k.c", 3) && errno == ENOMEM);
    _free_dbg(block, _NORMAL_BLOCK);

    block = (unsigned char *)_aligned_recalloc_dbg(NULL, 5, 10, 64, "k.c", 4);
    CHECK((uintptr_t)block % 64 == 0 && _aligned_msize_dbg(block, 64, 0) == 50);
    CHECK(is_filled(block, 0, 50));
    memset(block, 7, 50);
    block = (unsigned char *)_aligned_recalloc_dbg(block, 20, 10, 128, "k.c", 5);
    CHECK((uintptr_t)block % 128 == 0 && _aligned_msize_dbg(block, 128, 0) == 200);
    CHECK(is_filled(block, 7, 50) && is_filled(block + 50, 0, 150));
    CHECK(!_aligned_recalloc_dbg(block, 5, 10, 3, "k.c", 6) && was_invalid());
    errno = 0;
    CHECK(!_aligned_recalloc_dbg(block, (size_t)-1, 2, 64, "k.c", 7) && errno == ENOMEM);
    CHECK(is_filled(block, 7, 50));
    CHECK(!_aligned_recalloc_dbg(block, 0, 10, 64, "k.c", 8));

    block = (unsigned char *)_aligned_offset_realloc_dbg(NULL, 30, 16, 7, "k.c", 9);
    CHECK(((uintptr_t)block + 7) % 16 == 0 && is_filled(block, 0xCD, 30));
    memset(block, 7, 30);
    block = (unsigned char *)_aligned_offset_realloc_dbg(block, 300, 32, 5, "k.c", 10);
    CHECK(((uintptr_t)block + 5) % 32 == 0 && _aligned_msize_dbg(block, 32, 5) == 300);
    CHECK(is_filled(block, 7, 30) && is_filled(block + 30, 0xCD, 270));
    CHECK(!_aligned_offset_realloc_dbg(block, 10, 16, 10, "k.c", 11) && was_invalid());
    block = (unsigned char *)_aligned_offset_realloc_dbg(block, 20, 32, 5, "k.c", 12);
    CHECK(is_filled(block, 7, 20) && _aligned_msize_dbg(block, 32, 5) == 20);
    errno = 77;
    _aligned_free_dbg(block);
    _aligned_free_dbg(NULL);
    CHECK(errno == 77);

    unsigned char *text = _mbsdup_dbg((const unsigned char *)"m\xc3\xa9", _CLIENT_BLOCK, "k.c", 13);
    CHECK(!strcmp((char *)text, "m\xc3\xa9") && _msize_dbg(text, _CLIENT_BLOCK) == 4);
    CHECK(!_mbsdup_dbg(NULL, _NORMAL_BLOCK, "k.c", 14));
    CHECK(was_told(""));
    /* What is no aligned block stays. */
    _aligned_free_dbg(text);
    char expected[200];
    snprintf(expected, sizeof expected,
             "The block at 0x%016lX was not allocated by _aligned routines, use free()",
             (unsigned long)(size_t)text);
    CHECK(was_told(expected));
    errno = 77;
    _free_dbg(text, _CLIENT_BLOCK);
    _free_dbg(_malloc_dbg(3000000, _NORMAL_BLOCK, NULL, 0), _NORMAL_BLOCK);
    _free_dbg(NULL, _NORMAL_BLOCK);
    CHECK(errno == 77 && was_told(""));
}

static int new_calls;
static size_t new_size;

static int __cdecl twice(size_t size)
{
    new_size = size;
    return ++new_calls < 2;
}

/* Whether the call failed for want of memory, after the handler was asked so often. */
static int failed(void *block, int calls)
{
    int is = !block && errno == ENOMEM && new_calls == calls;
    new_calls = 0;
    errno = 0;
    return is;
}

static void new_handler(void)
{
    CHECK(_callnewh(5) == 0 && new_calls == 0);
    _set_new_handler(twice);
    CHECK(_callnewh(5) == 1 && new_calls == 1 && new_size == 5);
    CHECK(_callnewh(6) == 0 && new_calls == 2 && new_size == 6);
    new_calls = 0;
    errno = 0;
    CHECK(failed(_malloc_dbg(TOO_MUCH, _NORMAL_BLOCK, NULL, 0), 0));
    _set_new_mode(1);
    void *block = _malloc_dbg(8, _NORMAL_BLOCK, NULL, 0);
    CHECK(failed(_malloc_dbg(TOO_MUCH, _NORMAL_BLOCK, NULL, 0), 2) && new_size == TOO_MUCH);
    CHECK(failed(_calloc_dbg(TOO_MUCH / 2, 2, _NORMAL_BLOCK, NULL, 0), 2));
    CHECK(failed(_realloc_dbg(block, TOO_MUCH, _NORMAL_BLOCK, NULL, 0), 2));
    CHECK(failed(_recalloc_dbg(block, TOO_MUCH / 2, 2, _NORMAL_BLOCK, NULL, 0), 2));
    CHECK(failed(_aligned_malloc_dbg(TOO_MUCH, 64, NULL, 0), 2) && new_size >= TOO_MUCH);
    CHECK(was_told(""));
    CHECK(failed(_malloc_dbg(_HEAP_MAXREQ, _NORMAL_BLOCK, NULL, 0), 0));
    CHECK(was_told("Invalid allocation size: 18446744073709551584 bytes.\n"));
    CHECK(_msize_dbg(block, _NORMAL_BLOCK) == 8);
    _free_dbg(block, _NORMAL_BLOCK);
    _set_new_mode(0);
    _set_new_handler(NULL);
}

int main(void)
{
    report_hooks();
    allocation_hook();
    dumps();
    kin();
    new_handler();
    CHECK(!_CrtDumpMemoryLeaks() && was_told(""));
    puts("done");
    return 0;
}
