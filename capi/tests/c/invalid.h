/* Invalid parameters, counted by a handler. */
#ifndef INVALID_H
#define INVALID_H

#include <errno.h>
#include <stdint.h>
#include <wchar.h>

static int handled;

static void __cdecl handler(const wchar_t *expression, const wchar_t *function,
                            const wchar_t *file, unsigned int line, uintptr_t reserved)
{
    (void)expression, (void)function, (void)file, (void)line, (void)reserved;
    handled++;
}

/* Whether one was found since it was last asked, and EINVAL. */
static int was_invalid(void)
{
    int was = handled == 1 && errno == EINVAL;
    handled = 0;
    errno = 0;
    return was;
}

#endif
