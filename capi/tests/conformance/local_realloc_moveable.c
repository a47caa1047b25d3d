/* LocalReAlloc of moveable blocks that are not locked: as GlobalReAlloc's. */
#include "local.h"

#include "global_realloc_moveable.c"
