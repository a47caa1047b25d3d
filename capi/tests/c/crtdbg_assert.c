/* The sample of "_ASSERT, _ASSERTE, _ASSERT_EXPR macros", with its reports. */
#include <stdio.h>
#include <string.h>

#include <malloc.h>
#include <crtdbg.h>

int main(void)
{
    char *p1, *p2;

    _CrtSetReportMode(_CRT_WARN, _CRTDBG_MODE_FILE);
    _CrtSetReportFile(_CRT_WARN, _CRTDBG_FILE_STDOUT);
    _CrtSetReportMode(_CRT_ERROR, _CRTDBG_MODE_FILE);
    _CrtSetReportFile(_CRT_ERROR, _CRTDBG_FILE_STDOUT);
    _CrtSetReportMode(_CRT_ASSERT, _CRTDBG_MODE_FILE);
    _CrtSetReportFile(_CRT_ASSERT, _CRTDBG_FILE_STDOUT);

    p1 = (char *)malloc(10);
    strcpy(p1, "I am p1");
    p2 = (char *)malloc(10);
    strcpy(p2, "I am p2");

#line 52 "crt_ASSERT_macro.c"
    _RPT0(_CRT_WARN, "Use the assert macros to evaluate the expression p1 == p2.\n");

    _RPTF2(_CRT_WARN, "\n Will _ASSERT find '%s' == '%s' ?\n", p1, p2);
    _ASSERT(p1 == p2);


    _RPTF2(_CRT_WARN, "\n\n Will _ASSERTE find '%s' == '%s' ?\n", p1, p2);
    _ASSERTE(p1 == p2);

    _RPT2(_CRT_ERROR, "'%s' != '%s'\n", p1, p2);

    _ASSERT(p1 != p2);
    _ASSERTE(p1 != p2);
    _ASSERT_EXPR(p1 == p2, _CRT_WIDE("they differ"));
    _RPT1(_CRT_WARN, "%d\n", 1);
    _RPT3(_CRT_WARN, "%d %g %s\n", -2, 0.5, "three");
    _RPT4(_CRT_WARN, "%c %x %I64d %p\n", '4', 0xBEEF, 1LL << 40, (void *)0x10);
    _RPT5(_CRT_WARN, "%d %d %Lf %.2e %s\n", 1, 2, (long double)2.25L, 12345.678, "five");
    _RPTF1(_CRT_ERROR, "at %s\n", "a place");
    _RPTW2(_CRT_WARN, _CRT_WIDE("%s %d\n"), _CRT_WIDE("w\u00efde"), 5);
    _RPTFW1(_CRT_WARN, _CRT_WIDE("%hs\n"), "narrow in wide");
#line 80 "all.c"
    _RPTF0(_CRT_WARN, "none %d\n");
    _RPTF3(_CRT_WARN, "%d %s %c\n", 1, "2", '3');
    _RPTF4(_CRT_WARN, "%d %s %c %x\n", 1, "2", '3', 4);
    _RPTF5(_CRT_WARN, "%d %s %c %x %.1f\n", 1, "2", '3', 4, 5.0);
    _RPTW0(_CRT_WARN, _CRT_WIDE("none %d\n"));
    _RPTW1(_CRT_WARN, _CRT_WIDE("%d\n"), 1);
    _RPTW3(_CRT_WARN, _CRT_WIDE("%d %s %c\n"), 1, _CRT_WIDE("2"), '3');
    _RPTW4(_CRT_WARN, _CRT_WIDE("%d %s %c %x\n"), 1, _CRT_WIDE("2"), '3', 4);
    _RPTW5(_CRT_WARN, _CRT_WIDE("%d %s %c %x %.1f\n"), 1, _CRT_WIDE("2"), '3', 4, 5.0);
    _RPTFW0(_CRT_WARN, _CRT_WIDE("none %d\n"));
    _RPTFW2(_CRT_WARN, _CRT_WIDE("%d %s\n"), 1, _CRT_WIDE("2"));
    _RPTFW3(_CRT_WARN, _CRT_WIDE("%d %s %c\n"), 1, _CRT_WIDE("2"), '3');
    _RPTFW4(_CRT_WARN, _CRT_WIDE("%d %s %c %x\n"), 1, _CRT_WIDE("2"), '3', 4);
    _RPTFW5(_CRT_WARN, _CRT_WIDE("%d %s %c %x %.1f\n"), 1, _CRT_WIDE("2"), '3', 4, 5.0);
    _CrtDbgReport(_CRT_WARN, NULL, 0, NULL, "%d %d %d %d %f %f %f %f %f %f %f %f %f %f %d\n", 1, 2, 3,
                  4, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 5);
    if (_CrtDbgReport(17, NULL, 0, NULL, "no kind\n") != -1)
        return 1;

    free(p2);
    free(p1);
    return 0;
}
