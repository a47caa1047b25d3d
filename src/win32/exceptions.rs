//! Vectored exception handlers, and raising an exception to them.
//!
//! ```text
//!   raise -> handler -> handler -> ... -> none goes on: report, the process ends
//!     ^         |
//!     +---------+ EXCEPTION_CONTINUE_EXECUTION: raise returns
//! ```
//!
//! Invariants:
//! - A handler is called with no lock held and from frames that have nothing
//!   to clean up, so it may leave by `longjmp`, allocate, raise, or add and
//!   remove handlers, itself included.
//! - A walk through the handlers keeps nothing but the place of the one that it
//!   called last. What is removed before its turn is not called; what is added
//!   behind that place is. A handler may still run in another thread when its
//!   removal returns.
//! - The list's lock is the last of all: under it, only memory is asked for
//!   from the system.
//!
//! These are exceptions that functions raise, and faults of memory: whoever adds a
//! handler has signals of these caught (`faults`). With no handler that goes on, a
//! fault goes to the program's signal handlers.

use super::constants::{
    EXCEPTION_CONTINUE_EXECUTION, EXCEPTION_MAXIMUM_PARAMETERS, EXCEPTION_NONCONTINUABLE,
    STATUS_NONCONTINUABLE_EXCEPTION,
};
use super::types::{
    CONTEXT, DWORD, EXCEPTION_POINTERS, EXCEPTION_RECORD, LONG, NTSTATUS,
    PVECTORED_EXCEPTION_HANDLER, PVOID, ULONG, ULONG_PTR,
};
use crate::config::Action;
use crate::report::{self, Report, Stop};
use crate::sync::Mutex;
use crate::sync::forks::{self, AtFork, Layer};
use crate::sys;
use crate::vm::table::Table;
use core::ptr;

type Function = unsafe extern "system" fn(*mut EXCEPTION_POINTERS) -> LONG;

/// One handler in the list.
#[derive(Clone, Copy)]
struct Handler {
    /// Its place: lower ones are called first. No two are alike.
    rank: i64,
    function: Function,
}

struct Handlers {
    /// By rank.
    list: Table<Handler>,
    /// The rank before all that were given, and after.
    front: i64,
    back: i64,
}

static HANDLERS: Mutex<Handlers> = Mutex::new(Handlers {
    list: Table::new(),
    front: -1,
    back: 0,
});

/// Registers the fork handlers. The system may allocate for that, so no lock
/// is held.
fn start() {
    static FORK: AtFork = AtFork::locks(&[HANDLERS.raw()]);
    forks::hold(Layer::Exceptions, &FORK);
}

impl Handlers {
    /// The first handler after `rank`.
    fn after(&self, rank: i64) -> Option<Handler> {
        let list = self.list.records();
        let index = list.partition_point(|handler| handler.rank <= rank);
        list.get(index).copied()
    }
}

/// A handle says its handler's rank, which is never given again: what was
/// removed is not mistaken for another. Ranks are far from the ends of the
/// numbers, so no handle is null.
const HANDLE_OF_RANK_0: i64 = 1 << 62;

/// Has `handler` called for every exception of the process: before all others
/// if `first` is not 0, else after them. A handle for
/// [`RemoveVectoredExceptionHandler`]; null when `handler` is null, there is no
/// memory, or the system refuses to have faults caught.
///
/// From the first handler on, faults of memory raise exceptions as well:
/// STATUS_ACCESS_VIOLATION with what was wanted (0 to read, 1 to write, 8 to run
/// code) and the address, STATUS_GUARD_PAGE_VIOLATION with the same, and
/// STATUS_IN_PAGE_ERROR where a view has nothing behind it. A handler that goes
/// on has the instruction tried again, with the registers that the context then
/// has (on x86-64). A thread's stack that overflows raises STATUS_STACK_OVERFLOW where
/// [`SetThreadStackGuarantee`](super::SetThreadStackGuarantee) was called by the thread. It
/// is called from a signal handler, on the thread's
/// alternate stack where it has one; leaving by `longjmp` is allowed.
/// May be called from any thread, and from handlers. The time grows
/// with the number of handlers.
///
/// Source: "AddVectoredExceptionHandler function (errhandlingapi.h)".
///
/// # Safety
/// `handler` can be called until some time after it was removed.
pub unsafe extern "system" fn AddVectoredExceptionHandler(
    first: ULONG,
    handler: PVECTORED_EXCEPTION_HANDLER,
) -> PVOID {
    let Some(function) = handler else {
        return ptr::null_mut();
    };
    start();
    if !super::faults::raise_faults() {
        return ptr::null_mut();
    }
    let _signals = sys::hold_signals();
    let mut handlers = HANDLERS.lock();
    let (index, rank) = if first != 0 {
        (0, handlers.front)
    } else {
        (handlers.list.records().len(), handlers.back)
    };
    if !handlers.list.insert(index, Handler { rank, function }) {
        return ptr::null_mut();
    }
    if first != 0 {
        handlers.front -= 1;
    } else {
        handlers.back += 1;
    }
    ptr::without_provenance_mut((rank + HANDLE_OF_RANK_0) as usize)
}

/// Takes a handler out that [`AddVectoredExceptionHandler`] put in. Not 0 when
/// it was there, 0 otherwise. It may still be running in other threads.
///
/// Source: "RemoveVectoredExceptionHandler function (errhandlingapi.h)".
///
/// # Safety
/// None to keep: any address may be passed.
pub unsafe extern "system" fn RemoveVectoredExceptionHandler(handle: PVOID) -> ULONG {
    start();
    let rank = (handle.addr() as i64).wrapping_sub(HANDLE_OF_RANK_0);
    let _signals = sys::hold_signals();
    let mut handlers = HANDLERS.lock();
    let found = handlers
        .list
        .records()
        .binary_search_by_key(&rank, |handler| handler.rank);
    match found {
        Ok(index) => {
            handlers.list.remove(index, 1);
            1
        }
        Err(_) => 0,
    }
}

/// Raises an exception to the process's handlers. Returns when one of them
/// answers `EXCEPTION_CONTINUE_EXECUTION`; with none that does, the exception is
/// reported and the process ends. Of more than 15 arguments the first 15 are
/// passed on; null passes none. Bit 28 of the code, which is the system's, is
/// cleared, and flags other than `EXCEPTION_NONCONTINUABLE` are not passed on.
///
/// Source: "RaiseException function (errhandlingapi.h)".
///
/// # Safety
/// `arguments` is null or leads to `count` numbers.
pub unsafe extern "system" fn RaiseException(
    code: DWORD,
    flags: DWORD,
    count: DWORD,
    arguments: *const ULONG_PTR,
) {
    let count = (count as usize).min(EXCEPTION_MAXIMUM_PARAMETERS);
    let parameters = if arguments.is_null() {
        &[]
    } else {
        // SAFETY: the caller's array has at least so many numbers.
        unsafe { core::slice::from_raw_parts(arguments, count) }
    };
    raise(&Raised {
        code: (code & !(1 << 28)).cast_signed(),
        flags: flags & EXCEPTION_NONCONTINUABLE,
        parameters,
        operation: "RaiseException",
        heap: 0,
        heap_name: "",
    });
}

/// What is raised, and what a report of it says.
pub(super) struct Raised<'a> {
    pub(super) code: NTSTATUS,
    pub(super) flags: DWORD,
    pub(super) parameters: &'a [usize],
    pub(super) operation: &'a str,
    /// The heap's handle, or 0 where no heap raised it.
    pub(super) heap: usize,
    /// The heap's name, or nothing.
    pub(super) heap_name: &'a str,
}

/// Calls the handlers. Returns when one of them goes on; otherwise the process
/// ends. No lock may be held, and no caller may have anything to clean up.
pub(super) fn raise(raised: &Raised<'_>) {
    let mut context = EMPTY_CONTEXT;
    capture(&mut context);
    let mut record = EXCEPTION_RECORD {
        ExceptionCode: raised.code,
        ExceptionFlags: raised.flags,
        ExceptionRecord: ptr::null_mut(),
        ExceptionAddress: (raise as fn(&Raised<'_>) as *mut ()).cast(),
        NumberParameters: raised.parameters.len().min(EXCEPTION_MAXIMUM_PARAMETERS) as DWORD,
        ExceptionInformation: [0; EXCEPTION_MAXIMUM_PARAMETERS],
    };
    for (place, &parameter) in record
        .ExceptionInformation
        .iter_mut()
        .zip(raised.parameters)
    {
        *place = parameter;
    }
    let continued = dispatch(&raw mut record, &raw mut context);
    if continued && raised.flags & EXCEPTION_NONCONTINUABLE == 0 {
        return;
    }
    if continued {
        let mut second = EXCEPTION_RECORD {
            ExceptionCode: STATUS_NONCONTINUABLE_EXCEPTION,
            ExceptionRecord: &raw mut record,
            NumberParameters: 0,
            ..record
        };
        // Whatever the handlers answer now, it cannot be gone on.
        dispatch(&raw mut second, &raw mut context);
    }
    unhandled(raised, &raw const record, &raw const context);
}

/// The first handler after `rank`. A signal that comes meanwhile waits: its
/// handler may fault and come here.
fn after(rank: i64) -> Option<Handler> {
    let _signals = sys::hold_signals();
    HANDLERS.lock().after(rank)
}

/// Whether a handler goes on.
pub(super) fn dispatch(record: *mut EXCEPTION_RECORD, context: *mut CONTEXT) -> bool {
    let mut pointers = EXCEPTION_POINTERS {
        ExceptionRecord: record,
        ContextRecord: context,
    };
    let mut rank = i64::MIN;
    loop {
        let Some(handler) = after(rank) else {
            return false;
        };
        rank = handler.rank;
        // SAFETY: whoever added the handler promised that it can be called
        // until some time after its removal; the record and the context live
        // in the caller's frame.
        let answer = unsafe { (handler.function)(&raw mut pointers) };
        if answer == EXCEPTION_CONTINUE_EXECUTION {
            return true;
        }
    }
}

/// The process ends, and says why.
#[cold]
fn unhandled(raised: &Raised<'_>, record: *const EXCEPTION_RECORD, context: *const CONTEXT) -> ! {
    let report = Report {
        stop: Stop::UnexpectedException,
        parameters: [
            raised.heap,
            record.addr(),
            context.addr(),
            raised.code.cast_unsigned() as usize,
        ],
        heap: raised.heap_name,
        address: 0,
        block: None,
        operation: raised.operation,
        thread: sys::thread_id(),
        owner: None,
        ..Report::NOTHING
    };
    report::raise(&report, Action::Abort);
    sys::abort()
}

pub(super) const EMPTY_CONTEXT: CONTEXT = CONTEXT {
    P1Home: [0; 6],
    ContextFlags: 0,
    MxCsr: 0,
    Segments: [0; 6],
    EFlags: 0,
    Dr: [0; 6],
    Rax: 0,
    Rcx: 0,
    Rdx: 0,
    Rbx: 0,
    Rsp: 0,
    Rbp: 0,
    Rsi: 0,
    Rdi: 0,
    R8: 0,
    R9: 0,
    R10: 0,
    R11: 0,
    R12: 0,
    R13: 0,
    R14: 0,
    R15: 0,
    Rip: 0,
    FltSave: [0; 512],
    VectorRegister: [[0; 2]; 26],
    VectorControl: 0,
    Debug: [0; 5],
};

/// Fills in the registers that mean something here: those of this very place.
#[cfg(all(target_arch = "x86_64", not(ntheap_portable)))]
#[inline(always)]
fn capture(context: &mut CONTEXT) {
    let (rip, rsp, rbp, rbx, r12, r13, r14, r15, flags): (
        u64,
        u64,
        u64,
        u64,
        u64,
        u64,
        u64,
        u64,
        u64,
    );
    let mut mxcsr = 0u32;
    // SAFETY: reads registers, and writes MxCsr to a word of this frame.
    unsafe {
        core::arch::asm!(
            "lea {rip}, [rip]",
            "mov {rsp}, rsp",
            "mov {rbp}, rbp",
            "pushfq",
            "pop {flags}",
            "stmxcsr dword ptr [{mxcsr}]",
            rip = out(reg) rip,
            rsp = out(reg) rsp,
            rbp = out(reg) rbp,
            flags = out(reg) flags,
            mxcsr = in(reg) &raw mut mxcsr,
        );
        core::arch::asm!(
            "mov {rbx}, rbx",
            "mov {r12}, r12",
            "mov {r13}, r13",
            "mov {r14}, r14",
            "mov {r15}, r15",
            rbx = out(reg) rbx,
            r12 = out(reg) r12,
            r13 = out(reg) r13,
            r14 = out(reg) r14,
            r15 = out(reg) r15,
            options(nomem, nostack, preserves_flags),
        );
    }
    context.ContextFlags = super::constants::CONTEXT_CONTROL;
    context.MxCsr = mxcsr;
    context.EFlags = flags as DWORD;
    context.Rip = rip;
    context.Rsp = rsp;
    context.Rbp = rbp;
    context.Rbx = rbx;
    context.R12 = r12;
    context.R13 = r13;
    context.R14 = r14;
    context.R15 = r15;
}

#[cfg(not(all(target_arch = "x86_64", not(ntheap_portable))))]
fn capture(_: &mut CONTEXT) {}
