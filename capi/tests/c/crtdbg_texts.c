/* Texts that the debug runtime makes for its caller, in blocks and in buffers; and
 * the thread's two numbers of errors. */
#include "check.h"

#include <crtdbg.h>
#include <pthread.h>
#include <sys/stat.h>

#include "invalid.h"

/* A text of 16-bit characters that holds ASCII. */
static const WCHAR *wide(const char *text)
{
    static WCHAR all[4][4096];
    static int next;
    WCHAR *one = all[next++ % 4];
    for (int i = 0; (one[i] = (WCHAR)text[i]) != 0; i++) {
    }
    return one;
}

static int same(const WCHAR *text, const char *other)
{
    for (; *text && *text == (unsigned char)*other; text++, other++) {
    }
    return *text == (unsigned char)*other;
}

/* Whether it is a debug block of so many bytes of this file's; it is freed. */
static int is_block(void *block, unsigned int size)
{
    char *file;
    int line;
    int is = _CrtIsMemoryBlock(block, size, NULL, &file, &line) && strstr(file, "crtdbg_texts.c");
    free(block);
    return is;
}

static void where(void)
{
    char here[4096], buffer[4096];
    WCHAR units[4096];
    CHECK(getcwd(here, sizeof here));
    unsigned int length = (unsigned int)strlen(here) + 1;
    CHECK(_getcwd(buffer, sizeof buffer) == buffer && !strcmp(buffer, here));
    CHECK(_wgetcwd(units, 4096) == units && same(units, here));
    char *block = _getcwd(NULL, 0);
    CHECK(!strcmp(block, here) && is_block(block, length));
    block = _getcwd(NULL, 9000);
    CHECK(!strcmp(block, here) && is_block(block, 9000));
    WCHAR *blocks = _wgetcwd(NULL, 1);
    CHECK(same(blocks, here) && is_block(blocks, 2 * length));

    errno = 0;
    CHECK(!_getcwd(buffer, (int)length - 1) && errno == ERANGE);
    CHECK(_getcwd(buffer, (int)length));
    errno = 0;
    CHECK(!_wgetcwd(units, 1) && errno == ERANGE);
    CHECK(!_getcwd(buffer, 0) && was_invalid());
    CHECK(!_getcwd(NULL, -1) && was_invalid());
    CHECK(!_wgetcwd(units, 0) && was_invalid());
}

static void full(void)
{
    char here[4096], expected[8192];
    CHECK(getcwd(here, sizeof here));
    snprintf(expected, sizeof expected, "%s/b/c", strcmp(here, "/") ? here : "");
    char *block = _fullpath(NULL, "a/.././b//c/", 5);
    CHECK(!strcmp(block, expected) && is_block(block, (unsigned int)strlen(expected) + 1));
    WCHAR *blocks = _wfullpath(NULL, wide("a/.././b//c/"), 0);
    CHECK(same(blocks, expected) && is_block(blocks, 2 * ((unsigned int)strlen(expected) + 1)));
    static const char *const paths[][2] = {
        {"/x/../../y", "/y"}, {"/..", "/"}, {"/", "/"}, {"/a/b/..", "/a"}, {"//a", "/a"}};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char buffer[10];
        CHECK(_fullpath(buffer, paths[i][0], sizeof buffer) == buffer);
        CHECK(!strcmp(buffer, paths[i][1]));
    }
    CHECK(!strcmp(block = _fullpath(NULL, "", 0), here));
    free(block);
    CHECK(!strcmp(block = _fullpath(NULL, NULL, 0), here));
    free(block);

    char few[4];
    WCHAR units[4];
    errno = 0;
    CHECK(!_fullpath(few, "/abc", sizeof few) && errno == ERANGE);
    CHECK(_fullpath(few, "/ab", sizeof few));
    errno = 0;
    CHECK(!_wfullpath(units, wide("/abc"), 4) && errno == ERANGE);
    CHECK(!_fullpath(few, "/", 0) && was_invalid());
    static char long_name[5000];
    memset(long_name, 'x', sizeof long_name - 1);
    errno = 0;
    CHECK(!_fullpath(NULL, long_name, 0) && errno == ERANGE);
}

static void temporary(void)
{
    CHECK(!unsetenv("TMP"));
    char folder[] = "/tmp/ntheap-texts-XXXXXX";
    CHECK(mkdtemp(folder));
    char *one = _tempnam(folder, "pre"), *two = _tempnam(folder, "pre");
    size_t length = strlen(folder);
    CHECK(strcmp(one, two) && !strncmp(one, folder, length) && !strncmp(one + length, "/pre", 4));
    CHECK(access(one, F_OK) && access(two, F_OK));
    CHECK(is_block(one, (unsigned int)strlen(one) + 1));
    free(two);
    WCHAR *units = _wtempnam(wide(folder), wide("w"));
    char start[64];
    snprintf(start, sizeof start, "%s/w", folder);
    units[strlen(start)] = 0;
    CHECK(same(units, start));
    free(units);
    /* The variable is stronger, if it names a folder. */
    CHECK(!setenv("TMP", folder, 1));
    CHECK(!strncmp(one = _tempnam("/", NULL), folder, length));
    free(one);
    CHECK(!setenv("TMP", "/no/such/folder", 1));
    errno = 0;
    CHECK(!strncmp(one = _tempnam(folder, NULL), folder, length) && errno == 0);
    free(one);
    /* What names a file is none. */
    CHECK(!setenv("TMP", "/etc/passwd", 1) && !access("/etc/passwd", F_OK));
    CHECK(!strncmp(one = _tempnam(folder, NULL), folder, length) && one[length] == '/');
    free(one);
    CHECK(!setenv("TMP", "/no/such/folder", 1));
    char here[4096];
    CHECK(getcwd(here, sizeof here));
    CHECK(!strncmp(one = _tempnam("/no/such", "q"), here, strlen(here)));
    free(one);
    CHECK(!strncmp(one = _tempnam("/etc/passwd", "q"), here, strlen(here)));
    free(one);
    CHECK(!rmdir(folder));
}

static void variables(void)
{
    char *value;
    WCHAR *units;
    size_t letters;
    CHECK(!setenv("NTHEAP_TEXT", "four", 1) && !setenv("NTHEAP_TEXT_2", "no", 1));
    CHECK(_dupenv_s(&value, &letters, "NTHEAP_TEXT") == 0);
    CHECK(!strcmp(value, "four") && letters == 5 && is_block(value, 5));
    CHECK(_wdupenv_s(&units, NULL, wide("NTHEAP_TEXT")) == 0);
    CHECK(same(units, "four") && is_block(units, 10));
    CHECK(_dupenv_s(&value, &letters, "NTHEAP_TEX") == 0 && !value && !letters);
    CHECK(_dupenv_s(&value, &letters, "") == 0 && !value && !letters);
    letters = 9;
    CHECK(_dupenv_s(NULL, &letters, "PATH") == EINVAL && !letters && was_invalid());
    CHECK(_wdupenv_s(&units, &letters, NULL) == EINVAL && !units && was_invalid());
}

static void *errors(void *unused)
{
    uintptr_t system = 1;
    int own = 0;
    CHECK(_doserrno == 0 && _get_doserrno(&system) == 0 && system == 0);
    CHECK(_set_doserrno(123) == 0 && _doserrno == 123);
    _doserrno = 124;
    CHECK(_get_doserrno(&system) == 0 && system == 124);
    CHECK(_set_errno(ERANGE) == 0 && errno == ERANGE);
    errno = 5;
    CHECK(_get_errno(&own) == 0 && own == 5);
    CHECK(_get_doserrno(NULL) == EINVAL && was_invalid());
    CHECK(_get_errno(NULL) == EINVAL && was_invalid());
    CHECK(_doserrno == 124);
    return unused;
}

int main(void)
{
    _set_invalid_parameter_handler(handler);
    _CrtMemState before, after, difference;
    _CrtMemCheckpoint(&before);
    where();
    full();
    temporary();
    variables();
    _CrtMemCheckpoint(&after);
    CHECK(!_CrtMemDifference(&difference, &before, &after));
    errors(NULL);
    /* Each thread has its own. */
    pthread_t thread;
    CHECK(!pthread_create(&thread, NULL, errors, NULL) && !pthread_join(thread, NULL));
    CHECK(_doserrno == 124);
    puts("done");
    return 0;
}
