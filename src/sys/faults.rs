//! Faults of the processor, which come as signals: caught, and passed on to
//! whoever caught them before.
//!
//! ```text
//!   fault -> our handler -> the page layer: goes on, or
//!                        -> the handler that was there, or the system's own
//! ```
//!
//! Everything that runs here may run while any code of the process is
//! interrupted: no allocation, no lock but the page layer's, which holds signals
//! back. The handler runs on the thread's alternate stack where it has one, and
//! with no signal held back, so that whoever is called may leave by `longjmp`
//! and may fault itself.

use super::{Call, admit};
use core::cell::UnsafeCell;
use core::ffi::{c_int, c_void};
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What a faulting instruction wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// To read; also where the processor does not tell.
    Read,
    /// To write.
    Write,
    /// To run code.
    Execute,
}

/// A fault.
#[derive(Debug)]
pub struct Fault {
    /// The address that was accessed; `usize::MAX` where it is none that the
    /// processor knows.
    pub address: usize,
    /// What was wanted.
    pub wanted: Wanted,
    /// Whether there are pages, but nothing behind them: the end of a file, or
    /// an error in reading it.
    pub is_bus: bool,
    /// The thread's registers, a `ucontext_t`, which it goes on with.
    pub registers: *mut c_void,
}

/// Answers a fault: true when the instruction is to be tried again, or whatever
/// else the registers now say.
pub type Answer = fn(&Fault) -> bool;

/// The signals, and what was there before.
static SIGNALS: [Caught; 2] = [Caught::new(libc::SIGSEGV), Caught::new(libc::SIGBUS)];

/// An [`Answer`], or 0.
static ANSWER: AtomicUsize = AtomicUsize::new(0);

struct Caught {
    signal: c_int,
    is_known: AtomicBool,
    before: UnsafeCell<MaybeUninit<libc::sigaction>>,
}

// SAFETY: `before` is written once, before `is_known` says so, by the one thread
// that the caller of `catch_faults` lets in.
unsafe impl Sync for Caught {}

impl Caught {
    const fn new(signal: c_int) -> Caught {
        Caught {
            signal,
            is_known: AtomicBool::new(false),
            before: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }

    /// What is asked after this module; `None` until faults are caught.
    fn next(&self) -> Option<&libc::sigaction> {
        self.is_known.load(Ordering::Acquire).then(|| {
            // SAFETY: it was written before it was said to be known, and not since.
            unsafe { (*self.before.get()).assume_init_ref() }
        })
    }
}

/// Has faults answered by `answer` from now on. False when the system refuses.
/// To be called by one thread at a time; a second time it changes nothing.
pub fn catch_faults(answer: Answer) -> bool {
    if !admit(Call::Catch) {
        return false;
    }
    ANSWER.store(answer as usize, Ordering::Release);
    SIGNALS.iter().all(catch)
}

fn catch(caught: &Caught) -> bool {
    let own = on_fault as *const () as usize;
    // SAFETY: all zeros are a sigaction. The previous action is written to its
    // place before the handler that reads it is set, by this thread only: one that a
    // fork left behind may have said that it is known, but had not set the handler.
    unsafe {
        let mut before: libc::sigaction = MaybeUninit::zeroed().assume_init();
        if libc::sigaction(caught.signal, ptr::null(), &raw mut before) != 0 {
            return false;
        }
        if before.sa_sigaction == own {
            return true;
        }
        (*caught.before.get()).write(before);
        caught.is_known.store(true, Ordering::Release);
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = own;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
        libc::sigemptyset(&raw mut action.sa_mask);
        if libc::sigaction(caught.signal, &raw const action, ptr::null_mut()) != 0 {
            caught.is_known.store(false, Ordering::Release);
            return false;
        }
    }
    true
}

/// Whether somebody is about to set a handler on the calling thread: it has a stack for
/// handlers, and no handler is there. The standard library of Rust looks whether there is a
/// handler, gives the thread that stack, allocates, and sets its own without a look: one that
/// the allocation set would be lost, and not known to it. Where ours is set afterwards, theirs
/// is the one before it, as anybody's is.
#[cfg(feature = "debug")]
pub fn is_handler_due() -> bool {
    let has_none = |caught: &Caught| {
        // SAFETY: all zeros are a sigaction; nothing is set, what there is is written to it.
        unsafe {
            let mut now: libc::sigaction = MaybeUninit::zeroed().assume_init();
            libc::sigaction(caught.signal, ptr::null(), &raw mut now) == 0
                && now.sa_sigaction == libc::SIG_DFL
        }
    };
    super::alternate_stack().is_some() && SIGNALS.iter().all(has_none)
}

unsafe extern "C" fn on_fault(signal: c_int, info: *mut libc::siginfo_t, registers: *mut c_void) {
    let errno = super::os::errno();
    // SAFETY: the kernel passes what it knows of the signal.
    let is_fault = unsafe { (*info).si_code } > 0;
    let answer = ANSWER.load(Ordering::Acquire);
    if is_fault && answer != 0 {
        // SAFETY: only an `Answer` is ever stored there.
        let answer = unsafe { core::mem::transmute::<usize, Answer>(answer) };
        // SAFETY: as above.
        let fault = unsafe { fault_of(signal, info, registers) };
        if answer(&fault) {
            super::os::set_errno(errno);
            return;
        }
    }
    // SAFETY: the arguments are the kernel's.
    unsafe { pass_on(signal, info, registers) };
    super::os::set_errno(errno);
}

/// # Safety
/// The arguments are those of a signal.
unsafe fn fault_of(signal: c_int, info: *mut libc::siginfo_t, registers: *mut c_void) -> Fault {
    // SAFETY: the signals caught here come with an address.
    let address = unsafe { (*info).si_addr() }.addr();
    #[cfg_attr(
        not(all(target_os = "linux", target_arch = "x86_64")),
        allow(unused_mut, reason = "only there is more known")
    )]
    let mut fault = Fault {
        address,
        wanted: Wanted::Read,
        is_bus: signal == libc::SIGBUS,
        registers,
    };
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    {
        const PAGE_FAULT: i64 = 14;
        const WRITE: i64 = 1 << 1;
        const FETCH: i64 = 1 << 4;
        let registers = registers.cast::<libc::ucontext_t>();
        // SAFETY: the kernel passes the thread's registers.
        let general = unsafe { &(*registers).uc_mcontext.gregs };
        let error = general[libc::REG_ERR as usize];
        if general[libc::REG_TRAPNO as usize] != PAGE_FAULT {
            // An address that has no place in the tables has no number either.
            fault.address = usize::MAX;
        } else if error & FETCH != 0 {
            fault.wanted = Wanted::Execute;
        } else if error & WRITE != 0 {
            fault.wanted = Wanted::Write;
        }
    }
    fault
}

/// Whether a handler was there for the fault's signal before it was caught here.
#[cfg(feature = "debug")]
pub fn has_handler_before(fault: &Fault) -> bool {
    let signal = if fault.is_bus {
        libc::SIGBUS
    } else {
        libc::SIGSEGV
    };
    SIGNALS
        .iter()
        .filter(|caught| caught.signal == signal)
        .filter_map(Caught::next)
        .any(|next| next.sa_sigaction != libc::SIG_DFL && next.sa_sigaction != libc::SIG_IGN)
}

/// The address of the instruction that faulted; 0 where the registers are not
/// known.
#[cfg(feature = "debug")]
pub fn instruction_of(fault: &Fault) -> usize {
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    {
        let registers = fault.registers.cast::<libc::ucontext_t>();
        // SAFETY: the kernel passed the thread's registers, which stay until the
        // handler returns.
        let general = unsafe { &(*registers).uc_mcontext.gregs };
        general[libc::REG_RIP as usize] as usize
    }
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
    {
        let _ = fault;
        0
    }
}

/// Does what would have been done without this module.
///
/// # Safety
/// The arguments are those of a signal that is caught.
unsafe fn pass_on(signal: c_int, info: *mut libc::siginfo_t, registers: *mut c_void) {
    let Some(before) = SIGNALS
        .iter()
        .find(|caught| caught.signal == signal)
        .and_then(Caught::next)
    else {
        return;
    };
    let handler = before.sa_sigaction;
    // SAFETY: the kernel passes what it knows of the signal.
    let is_sent = unsafe { (*info).si_code <= 0 };
    if handler == libc::SIG_IGN && is_sent {
        return;
    }
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        // SAFETY: all zeros are the system's own action, which ends the process
        // when the instruction is tried again, as it does where faults are ignored;
        // signals that were sent are sent again.
        unsafe {
            let action: libc::sigaction = MaybeUninit::zeroed().assume_init();
            libc::sigaction(signal, &raw const action, ptr::null_mut());
            if is_sent {
                libc::raise(signal);
            }
        }
        return;
    }
    // SAFETY: what was set as a handler is one, of the kind that its flags say;
    // it is called with the signals held back that it asked for.
    unsafe {
        let mut mask = before.sa_mask;
        if before.sa_flags & libc::SA_NODEFER == 0 {
            libc::sigaddset(&raw mut mask, signal);
        }
        let mut old = MaybeUninit::<libc::sigset_t>::zeroed().assume_init();
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const mask, &raw mut old);
        if before.sa_flags & libc::SA_SIGINFO != 0 {
            type WithInfo = unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
            let handler = core::mem::transmute::<usize, WithInfo>(handler);
            handler(signal, info, registers);
        } else {
            type Plain = unsafe extern "C" fn(c_int);
            let handler = core::mem::transmute::<usize, Plain>(handler);
            handler(signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, &raw const old, ptr::null_mut());
    }
}
