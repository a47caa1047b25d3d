/* States of the debug heap, and how they differ. */
#include "debug_crt.h"

int main(void)
{
    NEED("runtime", runtime());
    _CrtMemState first, second, third, difference;
    memset(&first, 1, sizeof first);
    _CrtMemCheckpoint(&first);
    char *normal = (char *)_malloc_dbg(100, _NORMAL_BLOCK, __FILE__, __LINE__);
    char *client = (char *)_malloc_dbg(50, _CLIENT_BLOCK | 1 << 16, __FILE__, __LINE__);
    _CrtMemCheckpoint(&second);
    EQUAL("normal-count", second.lCounts[_NORMAL_BLOCK], first.lCounts[_NORMAL_BLOCK] + 1);
    EQUAL("normal-size", second.lSizes[_NORMAL_BLOCK], first.lSizes[_NORMAL_BLOCK] + 100);
    EQUAL("client-count", second.lCounts[_CLIENT_BLOCK], first.lCounts[_CLIENT_BLOCK] + 1);
    EQUAL("client-size", second.lSizes[_CLIENT_BLOCK], first.lSizes[_CLIENT_BLOCK] + 50);
    EQUAL("total", second.lTotalCount, first.lTotalCount + 150);
    EQUAL("newest", (char *)second.pBlockHeader + 48, client);
    EQUAL("differs", _CrtMemDifference(&difference, &first, &second), TRUE);
    EQUAL("difference-normal", difference.lSizes[_NORMAL_BLOCK], 100);
    EQUAL("difference-client", difference.lCounts[_CLIENT_BLOCK], 1);
    EQUAL("difference-total", difference.lTotalCount, 150);
    EQUAL("same", _CrtMemDifference(&difference, &second, &second), FALSE);
    _free_dbg(client, _CLIENT_BLOCK | 1 << 16);
    _free_dbg(normal, _NORMAL_BLOCK);
    _CrtMemCheckpoint(&third);
    EQUAL("back", _CrtMemDifference(&difference, &first, &third), FALSE);
    EQUAL("back-normal", third.lSizes[_NORMAL_BLOCK], first.lSizes[_NORMAL_BLOCK]);
    CHECK("high-water", third.lHighWaterCount >= 150);
    return finish();
}
