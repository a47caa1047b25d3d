/* COM and Automation.
 *
 * Follows "ole2.h header" on Microsoft Learn. */
#ifndef NTHEAP_OLE2_H
#define NTHEAP_OLE2_H

#include <objbase.h>
#include <oleauto.h>

#endif
