/* LocalReAlloc of moveable blocks that are locked: as GlobalReAlloc's. */
#include "local.h"

#include "global_realloc_locked.c"
