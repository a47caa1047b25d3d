/* LocalReAlloc of fixed blocks: as GlobalReAlloc's. */
#include "local.h"

#include "global_realloc_fixed.c"
