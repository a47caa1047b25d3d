/* Has a program about global memory, included after this, be about local memory. */
#ifndef CONFORMANCE_LOCAL_H
#define CONFORMANCE_LOCAL_H

#include "moveable.h"

#undef GMEM_DISCARDABLE
#define GMEM_DISCARDABLE LMEM_DISCARDABLE
#define GlobalAlloc LocalAlloc
#define GlobalReAlloc LocalReAlloc
#define GlobalFree LocalFree
#define GlobalLock LocalLock
#define GlobalUnlock LocalUnlock
#define GlobalSize LocalSize
#define GlobalFlags LocalFlags
#define GlobalHandle LocalHandle

#endif
