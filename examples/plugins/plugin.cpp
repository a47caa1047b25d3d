/* A plugin in C++ whose C runtime is its own: a library that links the runtime
 * statically. Two libraries are made of this file, each with another NAME:
 *
 *     g++ -shared -fPIC -O1 -DNAME='"sausage"' -I capi/include plugin.cpp
 *         -o libsausage.so -lntheap_win32 -lntheap
 */
#include <ntheap_crt.h>

#include <cstdio>
#include <cstring>
#include <windows.h>

NTHEAP_STATIC_CRT(NAME)

/* Of the debug runtime: crtdbg.h would make release builds call malloc, and debug
 * builds have an operator new of its own. */
extern "C" void *_malloc_dbg(size_t size, int use, const char *file, int line);

/* An object of this module's. */
struct Message {
    char text[200];
};

extern "C" Message *plugin_new()
{
    Message *message = new Message;
    std::snprintf(message->text, sizeof message->text, "hello from %s", NAME);
    return message;
}

/* The bug, if another module made it. */
extern "C" void plugin_delete(Message *message)
{
    delete message;
}

extern "C" void *plugin_malloc(size_t size)
{
    return malloc(size);
}

extern "C" void plugin_free(void *block)
{
    free(block);
}

/* The bug, unless the runtime is on the process heap: 1 if it worked. */
extern "C" int plugin_heap_free(void *block)
{
    return HeapFree(GetProcessHeap(), 0, block);
}

extern "C" void *plugin_aligned_malloc(size_t size, size_t alignment)
{
    return ntheap_crt_aligned_malloc(ntheap_own_crt(), size, alignment);
}

extern "C" void plugin_aligned_free(void *block)
{
    ntheap_crt_aligned_free(ntheap_own_crt(), block);
}

/* A block of the debug runtime. */
extern "C" void *plugin_debug_malloc(size_t size)
{
    return _malloc_dbg(size, 1, __FILE__, __LINE__);
}

/* What the runtime of a library does when the library is unloaded. */
extern "C" size_t plugin_detach()
{
    return ntheap_crt_close(ntheap_own_crt());
}
