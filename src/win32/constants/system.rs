//! Constants about the machine.

use super::super::types::DWORD;

constants! { DWORD:
    /// A processor for 64-bit code of AMD's and Intel's.
    PROCESSOR_ARCHITECTURE_AMD64 = 9;
    /// A processor for 64-bit code of ARM's.
    PROCESSOR_ARCHITECTURE_ARM64 = 12;
    /// Another processor.
    PROCESSOR_ARCHITECTURE_UNKNOWN = 0xFFFF;
    /// A processor for 64-bit code of AMD's and Intel's, in the obsolete member.
    PROCESSOR_AMD_X8664 = 8664;
}
