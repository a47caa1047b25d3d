/* Statistics in Prometheus' format: whole, cut, and with nothing allocated. */
#include <ntheap_debug.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIZE = 10000000 };

static char texts[2][1 << 17];

static long long allocated(const char *text)
{
    const char *at = strstr(text, "\nntheap_allocated_bytes ");
    return at ? atoll(strchr(at, ' ')) : -1;
}

int main(void)
{
    char cut[10];
    size_t length, cut_length;
    void *volatile block;
    setbuf(stdout, NULL);
    ntheap_stats_prometheus(texts[0], sizeof texts[0]);
    length = ntheap_stats_prometheus(texts[1], sizeof texts[1]);
    if (length != strlen(texts[1]) || strcmp(texts[0], texts[1]) != 0)
        return 2;
    cut_length = ntheap_stats_prometheus(cut, sizeof cut);
    if (cut_length != length || ntheap_stats_prometheus(NULL, 0) != length)
        return 3;
    if (strlen(cut) != sizeof cut - 1 || strncmp(cut, texts[1], sizeof cut - 1) != 0)
        return 4;
    block = malloc(SIZE);
    ntheap_stats_prometheus(texts[1], sizeof texts[1]);
    printf("%d\n", allocated(texts[1]) - allocated(texts[0]) >= SIZE);
    free(block);
    ntheap_stats_prometheus(texts[1], sizeof texts[1]);
    printf("%d\n", allocated(texts[1]) == allocated(texts[0]));
    fputs(texts[1], stdout);
    return 0;
}
