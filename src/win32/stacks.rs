//! Room for handlers on stacks that overflow.

use super::answers::told;
use super::constants::{
    ERROR_INVALID_PARAMETER, ERROR_NOACCESS, ERROR_NOT_ENOUGH_MEMORY, ERROR_NOT_SUPPORTED,
};
use super::pages::leads_nowhere;
use super::types::{BOOL, PULONG, ULONG};
use crate::vm::guarantee::{self, NoGuarantee};

/// Has at least `*bytes` of stack, rounded up to pages, for those who handle an overflow of
/// the calling thread's stack; what was guaranteed before goes to `*bytes`, in bytes. 0
/// asks only, and less than before does no more than to take the stack back into use where
/// another took its place.
///
/// From the first such call on an overflow of the thread's stack raises
/// STATUS_STACK_OVERFLOW to the handlers of
/// [`AddVectoredExceptionHandler`](super::AddVectoredExceptionHandler); in a thread without
/// a guarantee it ends the process, for signals are handled on the thread's own stack
/// unless it has another. The bytes are a stack of their own, with a page below that
/// faults; the thread's own stack is no smaller for it, and there is no guard page to set
/// again: a thread that went back overflows as often as it likes. It takes 64 KiB more than
/// was asked for until the thread ends, in place of an alternate stack that the thread may
/// have had.
///
/// TRUE; FALSE and the last error otherwise: ERROR_INVALID_PARAMETER for more than the
/// thread's stack has; ERROR_NOACCESS for a pointer that leads nowhere; ERROR_NOT_ENOUGH_MEMORY, also
/// when called by a handler that runs on such a stack; ERROR_NOT_SUPPORTED where the system
/// does not tell how large stacks are. `*bytes` is left alone then. Any thread may call it,
/// for itself.
///
/// Source: "SetThreadStackGuarantee function (processthreadsapi.h)".
///
/// # Safety
/// `bytes` is null or can be read and written to.
pub unsafe extern "system" fn SetThreadStackGuarantee(bytes: PULONG) -> BOOL {
    if leads_nowhere(bytes) {
        return told(Err(ERROR_NOACCESS));
    }
    // SAFETY: the caller's pointer can be read.
    let wanted = unsafe { bytes.read_unaligned() };
    told(match guarantee::guarantee(wanted as usize) {
        Ok(before) => {
            let before = ULONG::try_from(before).unwrap_or(ULONG::MAX);
            // SAFETY: the caller's pointer can be written to.
            unsafe { bytes.write_unaligned(before) };
            Ok(())
        }
        Err(NoGuarantee::TooLarge) => Err(ERROR_INVALID_PARAMETER),
        Err(NoGuarantee::NoMemory) => Err(ERROR_NOT_ENOUGH_MEMORY),
        Err(NoGuarantee::Unknown) => Err(ERROR_NOT_SUPPORTED),
    })
}
