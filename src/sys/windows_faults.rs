//! Windows: faults, shown to the page layer before anybody else.
//!
//! Sources: the pages "AddVectoredExceptionHandler function" and "EXCEPTION_RECORD
//! structure" of Microsoft's documentation.

use core::sync::atomic::{AtomicUsize, Ordering};
use windows_sys::Win32::Foundation::{EXCEPTION_ACCESS_VIOLATION, EXCEPTION_GUARD_PAGE};
use windows_sys::Win32::System::Diagnostics::Debug::{
    AddVectoredExceptionHandler, EXCEPTION_CONTINUE_EXECUTION, EXCEPTION_CONTINUE_SEARCH,
    EXCEPTION_POINTERS,
};

/// What an access violation says was wanted, where the address was that of an instruction.
const EXECUTED: usize = 8;

/// Asked about a fault at an address, of a guard page if the second says so, and if not, of a
/// read or a write: true when the instruction is to be tried again.
pub type Answer = fn(usize, bool) -> bool;

/// An [`Answer`], or 0.
static ANSWER: AtomicUsize = AtomicUsize::new(0);

/// Has faults of the process shown to `answer` first. False when the system refuses. Once.
pub fn catch_faults(answer: Answer) -> bool {
    ANSWER.store(answer as usize, Ordering::Release);
    // SAFETY: the handler may be called at any instruction of any thread; it does what
    // `answer` does, whose author knows that.
    !unsafe { AddVectoredExceptionHandler(1, Some(handle)) }.is_null()
}

unsafe extern "system" fn handle(exception: *mut EXCEPTION_POINTERS) -> i32 {
    // SAFETY: the system passes a record, which stays there meanwhile.
    let Some(record) = (unsafe { (*exception).ExceptionRecord.as_ref() }) else {
        return EXCEPTION_CONTINUE_SEARCH;
    };
    let is_guard = record.ExceptionCode == EXCEPTION_GUARD_PAGE;
    let is_touch = record.ExceptionCode == EXCEPTION_ACCESS_VIOLATION
        && record.ExceptionInformation[0] != EXECUTED;
    let answer = ANSWER.load(Ordering::Acquire);
    if !is_guard && !is_touch || answer == 0 {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    // SAFETY: only an `Answer` is ever stored there.
    let answer = unsafe { core::mem::transmute::<usize, Answer>(answer) };
    // The first number is what was wanted, the second the address.
    if answer(record.ExceptionInformation[1], is_guard) {
        EXCEPTION_CONTINUE_EXECUTION
    } else {
        EXCEPTION_CONTINUE_SEARCH
    }
}
