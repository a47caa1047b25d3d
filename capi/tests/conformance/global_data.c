/* The data of a moveable handle is a block of the process heap, of exactly the size,
 * whose settable value is the handle. */
#include "moveable.h"

static void look_at(const char *what, SIZE_T size)
{
    HANDLE heap = GetProcessHeap();
    char name[64];
    PVOID value = NULL;
    ULONG flags = 0;
    HGLOBAL handle = GlobalAlloc(GMEM_MOVEABLE, size);
    void *data = data_of(handle);
    EQUAL(NAMED("heap-size"), HeapSize(heap, 0, data), size);
    EQUAL(NAMED("valid"), HeapValidate(heap, 0, data), TRUE);
    EQUAL(NAMED("info"), RtlGetUserInfoHeap(heap, 0, data, &value, &flags), TRUE);
    EQUAL(NAMED("value"), value, handle);
    EQUAL(NAMED("flags"), flags, 0x200);
    EQUAL(NAMED("handle"), GlobalHandle(data), handle);
    EQUAL(NAMED("local-handle"), LocalHandle(data), handle);
    EQUAL(NAMED("set"), RtlSetUserValueHeap(heap, 0, data, (PVOID)(ULONG_PTR)0x12345678), TRUE);
    EQUAL(NAMED("handle-follows"), GlobalHandle(data), 0x12345678);
    EQUAL(NAMED("flags-set"), RtlSetUserFlagsHeap(heap, 0, data, 0x200, 0x400), TRUE);
    RtlGetUserInfoHeap(heap, 0, data, &value, &flags);
    EQUAL(NAMED("flags-now"), flags, 0x400);
    EQUAL(NAMED("size-still"), HeapSize(heap, 0, data), size);
    EQUAL(NAMED("freed"), GlobalFree(handle), 0);
}

int main(void)
{
    look_at("cold", 37);
    make_hot(37);
    look_at("hot", 37);
    look_at("hot-exact", 32);
    look_at("medium", 5000);
    look_at("large", 0x200000);
    void *plain = HeapAlloc(GetProcessHeap(), 0, 100);
    EQUAL("plain-block", GlobalHandle(plain), plain);
    EQUAL("local-plain-block", LocalHandle(plain), plain);
    CHECK("plain-freed", HeapFree(GetProcessHeap(), 0, plain));
    return finish();
}
