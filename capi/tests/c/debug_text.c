/* Text for the debugger, of characters of both widths. */
#include <tchar.h>
#include <windows.h>

int main(void)
{
    OutputDebugStringA("narrow\n");
    OutputDebugStringW(L"wide \u00e4\n");
    OutputDebugString(_T("either\n"));
    return 0;
}
