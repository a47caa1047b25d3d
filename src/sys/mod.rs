//! Floor 0: what the operating system gives, and nothing else.
//!
//! Every call the allocator makes into the system goes through this module,
//! and those about memory are counted ([`calls`]). Three back ends have the same
//! functions: `unix` (Linux first; macOS and the BSDs with what they have),
//! `windows`, and, in front of either when the feature `mock` is on, a fault
//! plan that makes chosen calls fail (`fault`).
//!
//! Invariants:
//! - Nothing here allocates, panics, or takes a lock of the standard library.
//! - A function that can fail says so by a null pointer or `false`, and has
//!   then changed nothing.
//! - Ranges are whole system pages; the caller rounds. [`page_size`] is asked
//!   at run time.
//!
//! The life of an address range:
//!
//! ```text
//!   free --reserve--> reserved --commit--> committed --purge--> committed, zero
//!    ^                    ^                    |
//!    +------release-------+-----decommit-------+
//! ```

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
mod c;
#[cfg(all(unix, feature = "pages"))]
mod copy;
mod counters;
#[cfg(feature = "mock")]
pub mod fault;
#[cfg(all(unix, feature = "pages"))]
mod faults;
#[cfg(all(unix, feature = "pages"))]
pub mod files;
#[cfg(all(unix, feature = "debug"))]
mod formed;
#[cfg(all(
    unix,
    any(feature = "marks", feature = "pages", not(target_os = "linux"))
))]
mod maps;
#[cfg(all(any(target_os = "linux", target_os = "android"), feature = "pages"))]
pub mod names;
#[cfg(all(target_os = "linux", feature = "debug"))]
mod note;
#[cfg(all(target_os = "linux", target_arch = "x86_64", feature = "debug"))]
mod operand;
#[cfg(all(unix, feature = "pages"))]
mod pages;
#[cfg(feature = "pages")]
mod place;
#[cfg(all(unix, feature = "pages"))]
mod signals;
#[cfg(all(target_os = "linux", feature = "debug"))]
mod spawn;
#[cfg(all(unix, feature = "pages"))]
mod stack;
#[cfg(all(unix, feature = "pages"))]
pub mod system;
#[cfg(all(unix, feature = "pages"))]
pub(crate) mod text;
#[cfg(all(any(target_os = "linux", target_os = "android"), feature = "debug"))]
mod thread_name;
#[cfg(all(unix, feature = "trace"))]
mod traced;
#[cfg(unix)]
mod unix;
#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    feature = "debug"
))]
mod unwind;
#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    feature = "debug"
))]
mod unwind_memory;
#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    feature = "debug"
))]
mod unwind_rules;
#[cfg(all(unix, feature = "pages"))]
mod watch;
#[cfg(windows)]
mod windows;
#[cfg(all(windows, feature = "pages"))]
mod windows_faults;
#[cfg(all(windows, feature = "pages"))]
mod windows_newer;
#[cfg(all(windows, feature = "pages"))]
mod windows_pages;
#[cfg(all(windows, feature = "pages"))]
mod windows_physical;
#[cfg(all(windows, feature = "pages"))]
mod windows_sections;
#[cfg(all(windows, feature = "pages", target_arch = "x86_64"))]
mod windows_stack;

#[cfg(all(
    unix,
    not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))
))]
use libc as c;

#[cfg(all(unix, feature = "pages"))]
pub use copy::{copied_pages, copy, flush_instructions, for_each_held, overwrite, readable};
pub use counters::{Call, CallCounts, calls};
#[cfg(all(unix, feature = "pages"))]
pub use faults::{Answer, Fault, Wanted, catch_faults};
#[cfg(all(unix, feature = "debug"))]
pub use faults::{has_handler_before, instruction_of, is_handler_due};
#[cfg(all(unix, feature = "debug"))]
pub use formed::{Formed, Part, formed};
#[cfg(all(unix, feature = "debug"))]
pub use maps::mapping_limit;
#[cfg(all(
    unix,
    any(feature = "marks", feature = "pages", not(target_os = "linux"))
))]
pub use maps::{Mapping, file_at, for_each_mapping};
#[cfg(all(target_os = "linux", feature = "debug"))]
pub use note::Note;
#[cfg(all(unix, feature = "pages"))]
pub use pages::{
    Placed, commit_large, fetch, large_page_size, lock_pages, offer, reserve_exactly,
    reserve_within, unlock_pages,
};
#[cfg(feature = "pages")]
pub use place::Whereabouts;
#[cfg(all(unix, feature = "pages"))]
pub use signals::{SignalsHeld, hold_signals};
#[cfg(all(target_os = "linux", feature = "debug"))]
pub use signals::{keeping_errno, on_signal};
#[cfg(all(target_os = "linux", feature = "debug"))]
pub use spawn::{forget_running, is_program, run as run_program};
#[cfg(all(
    unix,
    feature = "pages",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub use stack::call_on;
#[cfg(all(unix, feature = "pages"))]
pub use stack::{
    Stack, alternate_stack, forget_alternate_stack, grow_stack, growing_stack, own_stack,
    restore_alternate_stack, set_alternate_stack, set_growing_stack,
};
#[cfg(all(any(target_os = "linux", target_os = "android"), feature = "debug"))]
pub use thread_name::thread_name;
#[cfg(unix)]
use unix as os;
#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    target_arch = "x86_64",
    feature = "debug"
))]
pub use unwind::{backtrace, backtrace_of, function_range, module_key, module_range, module_slide};
#[cfg(all(unix, feature = "pages"))]
pub use watch::{forget_watching, watch, written_pages};
#[cfg(windows)]
use windows as os;
#[cfg(all(windows, feature = "pages"))]
pub use windows_faults::{Answer, catch_faults};
#[cfg(all(windows, feature = "pages"))]
pub use windows_pages::{
    CachingBits, LastError, Origin, Reserved, Rights, commit_as, decommit_pages, fetch,
    forget_written, join_placeholders, large_page_size, lock_pages, make_placeholder, offer,
    protect_as, query, reclaim, replace, reserve_as, reset, undo_reset, unlock_pages,
    written_pages,
};
#[cfg(all(windows, feature = "pages"))]
pub use windows_physical::{give_physical, reserve_window, show_physical, take_physical};
#[cfg(all(windows, feature = "pages"))]
pub use windows_sections::{
    RawFile, SectionHandle, SectionPages, close_section, create_section, file_size, flush_view,
    map_view, open_section, query_section, unmap_to_placeholder, unmap_view,
};
#[cfg(all(windows, feature = "pages", target_arch = "x86_64"))]
pub use windows_stack::{Bounds, call_on};

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Allocation granularity of reservations, in bytes: 64 KiB on every system,
/// as on Windows. No system's pages are larger.
pub const GRANULARITY: usize = 64 * 1024;

/// One past the highest address that a program of this system can have.
#[cfg(target_pointer_width = "64")]
pub const USER_END: usize = 0x7fff_ffff_0000;
#[cfg(not(target_pointer_width = "64"))]
pub const USER_END: usize = 0xffff_0000;

/// Access rights a committed range can be given by [`protect`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// No access.
    None,
    /// Read only.
    Read,
    /// Read and write.
    ReadWrite,
    /// Execute, and read where the processor cannot tell the two apart.
    Execute,
    /// Read and execute.
    ReadExecute,
    /// Read, write and execute.
    ReadWriteExecute,
}

/// Counts the call and asks the fault plan whether it may go ahead.
#[inline]
fn admit(call: Call) -> bool {
    counters::count(call);
    #[cfg(feature = "mock")]
    if fault::fails(call) {
        return false;
    }
    true
}

/// Runs `body`, whose calls put back what the system had a moment ago; the caller
/// sees to it that there is room for that.
#[cfg(all(unix, feature = "pages"))]
pub(crate) fn putting_back<R>(body: impl FnOnce() -> R) -> R {
    #[cfg(feature = "mock")]
    return fault::spared(body);
    #[cfg(not(feature = "mock"))]
    body()
}

/// The system's page size in bytes, a power of two. Asked once.
#[inline]
pub fn page_size() -> usize {
    static PAGE: AtomicUsize = AtomicUsize::new(0);
    let known = PAGE.load(Ordering::Relaxed);
    if known != 0 {
        return known;
    }
    let asked = os::page_size();
    #[cfg(feature = "mock")]
    let asked = fault::page_size().unwrap_or(asked).max(asked);
    PAGE.store(asked, Ordering::Relaxed);
    asked
}

/// Whether addresses below [`LOW`] are given to those alone who ask for them by
/// [`reserve_low`], so that an address tells by itself that it is theirs.
pub const KEEPS_LOW: bool = cfg!(all(
    target_pointer_width = "64",
    any(target_os = "linux", target_os = "android")
));

/// Where low addresses end: what an instruction compares with, without a load.
pub const LOW: usize = 1 << 31;

/// Reserves `size` bytes of address space, not accessible, at a multiple of
/// `align` (a power of two; at least [`GRANULARITY`] is used). Null when the
/// system refuses. `size` is a multiple of the page size. Where [`KEEPS_LOW`] says so, not
/// below [`LOW`].
pub fn reserve(size: usize, align: usize) -> *mut u8 {
    if !admit(Call::Reserve) {
        return core::ptr::null_mut();
    }
    os::reserve(size, align.max(GRANULARITY))
}

/// [`reserve`] at a multiple of the page size: one call of the system's, where a multiple of
/// more takes up to three.
pub(crate) fn reserve_anywhere(size: usize) -> *mut u8 {
    if !admit(Call::Reserve) {
        return core::ptr::null_mut();
    }
    os::reserve(size, page_size())
}

/// Reserves `size` bytes like [`reserve`], but below [`LOW`], in one of 16 places if it can
/// be, which `choice` says. Null when there is no room for them. For one region of a
/// process, of at most 128 MiB.
#[cfg(all(
    feature = "debug",
    target_pointer_width = "64",
    any(target_os = "linux", target_os = "android")
))]
pub fn reserve_low(size: usize, choice: u64) -> *mut u8 {
    /// Places that are tried, so far apart, the first of them here: above what a program
    /// that is not moved has at its start, and most of its heap of the system's.
    const PLACES: usize = 16;
    const FIRST: usize = 0x4000_0000;
    const APART: usize = (LOW - FIRST) / PLACES;
    // From one place on around all of them.
    let first = choice as usize % PLACES;
    for place in (first..PLACES).chain(0..first) {
        let start = FIRST + place * APART;
        let base = core::ptr::with_exposed_provenance_mut(start);
        if start + size <= LOW && reserve_at(base, size) {
            return base;
        }
    }
    core::ptr::null_mut()
}

/// Reserves the `size` bytes at `base`, not accessible. False when any of them
/// is in use or the system refuses. Both are multiples of the page size.
pub fn reserve_at(base: *mut u8, size: usize) -> bool {
    admit(Call::Reserve) && os::reserve_at(base, size)
}

/// Reserves like [`reserve`], readable at once: every byte reads zero and
/// costs no memory until it is committed. For sparse tables.
pub fn reserve_readable(size: usize) -> *mut u8 {
    if !admit(Call::Reserve) {
        return core::ptr::null_mut();
    }
    os::reserve_readable(size)
}

/// Reserves and commits in one call, at page alignment: readable, writable and
/// zero. Null when the system refuses.
pub fn allocate(size: usize) -> *mut u8 {
    if !admit(Call::Reserve) {
        return core::ptr::null_mut();
    }
    os::allocate(size)
}

/// Makes a reserved range readable and writable; fresh pages are zero.
///
/// # Safety
/// The range lies in one reservation of [`reserve`] or [`reserve_readable`],
/// and the caller owns it.
pub unsafe fn commit(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller's promise is the callee's.
    admit(Call::Commit) && unsafe { os::commit(base, size) }
}

/// Gives a reserved range the rights of `protection`; pages that are committed
/// already keep what they hold, fresh ones are zero. When the system refuses,
/// some pages may have the new rights.
///
/// # Safety
/// The range lies in one reservation, and the caller owns it.
#[cfg(unix)]
pub unsafe fn commit_as(base: *mut u8, size: usize, protection: Protection) -> bool {
    // SAFETY: the caller's promise is the callee's.
    admit(Call::Commit) && unsafe { os::protect(base, size, protection) }
}

/// Gives a committed range's memory back; the range is then reserved again
/// and any access faults.
///
/// # Safety
/// The range lies in one reservation, the caller owns it, and nothing in it
/// is used any more.
pub unsafe fn decommit(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller's promise is the callee's.
    admit(Call::Decommit) && unsafe { os::decommit(base, size) }
}

/// Gives a committed range's memory back but keeps it committed: it reads
/// zero afterwards and never splits a mapping.
///
/// # Safety
/// The range is committed, the caller owns it, and its contents are dead.
pub unsafe fn purge(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller's promise is the callee's.
    admit(Call::Purge) && unsafe { os::purge(base, size) }
}

/// Ends a reservation.
///
/// # Safety
/// `base` and `size` are those of one whole reservation (as last resized by
/// [`resize`]), which the caller owns and nothing uses any more.
pub unsafe fn release(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller's promise is the callee's.
    admit(Call::Release) && unsafe { os::release(base, size) }
}

/// Changes the access rights of a committed range.
///
/// # Safety
/// The range is committed and the caller owns it.
pub unsafe fn protect(base: *mut u8, size: usize, protection: Protection) -> bool {
    // SAFETY: the caller's promise is the callee's.
    admit(Call::Protect) && unsafe { os::protect(base, size, protection) }
}

/// Makes every access to a committed range fault and drops its contents,
/// without splitting the mapping where the system can do that.
///
/// # Safety
/// The range is committed, the caller owns it, and its contents are dead.
pub unsafe fn guard(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller's promise is the callee's.
    admit(Call::Protect) && unsafe { os::guard(base, size) }
}

/// Undoes [`guard`]; the range is committed and zero.
///
/// # Safety
/// The range was guarded by [`guard`] and the caller owns it.
pub unsafe fn unguard(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller's promise is the callee's.
    admit(Call::Protect) && unsafe { os::unguard(base, size) }
}

/// As [`guard`], but never by a mapping of the range's own: false, and nothing
/// changed, where the system has no such guards (Linux has them since 6.13) or
/// the range is locked in memory.
///
/// # Safety
/// As for [`guard`].
pub unsafe fn install_guard(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller's promise is the callee's.
    admit(Call::Protect) && unsafe { os::install_guard(base, size) }
}

/// Undoes [`install_guard`]; the range is committed and zero. It cannot fail
/// for lack of mappings.
///
/// # Safety
/// The caller owns the range, which is committed.
pub unsafe fn remove_guard(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller's promise is the callee's.
    admit(Call::Protect) && unsafe { os::remove_guard(base, size) }
}

/// Resizes a wholly committed reservation in place, without copying; what is
/// added is zero. False, and nothing changed, when the system cannot.
///
/// # Safety
/// `base` and `old` are those of one whole reservation, all committed, which
/// the caller owns.
pub unsafe fn resize(base: *mut u8, old: usize, new: usize) -> bool {
    // SAFETY: the caller's promise is the callee's.
    admit(Call::Remap) && unsafe { os::resize(base, old, new) }
}

/// Moves the contents of a wholly committed reservation to another one and
/// ends the first, without copying; what is added is zero. False, and
/// nothing changed, when the system cannot.
///
/// # Safety
/// `[base, base + old)` is one whole reservation, all committed;
/// `[target, target + new)` is one whole reservation; the caller owns both
/// and uses no pointer into the first one afterwards.
pub unsafe fn move_to(base: *mut u8, old: usize, target: *mut u8, new: usize) -> bool {
    // SAFETY: the caller's promise is the callee's.
    admit(Call::Remap) && unsafe { os::move_to(base, old, target, new) }
}

/// Asks for huge pages in a committed range, or for none, as far as the
/// system's setting leaves that to programs. A hint: no result.
///
/// # Safety
/// The range is committed and the caller owns it.
pub unsafe fn advise_huge(base: *mut u8, size: usize, huge: bool) {
    if admit(Call::Advise) {
        // SAFETY: the caller's promise is the callee's.
        unsafe { os::advise_huge(base, size, huge) }
    }
}

/// Has every thread of the process pass a full memory fence before this
/// returns, wherever it is and whatever it does. False where the system has no
/// such call that can be relied on (Wine has none); the threads have then
/// passed nothing.
pub fn barrier() -> bool {
    os::barrier()
}

/// 64 random bits from the system. Never blocks; falls back to addresses and
/// the clock where the system has none to give.
pub fn random() -> u64 {
    os::random()
}

/// Milliseconds of a clock that only goes forward.
#[cfg(feature = "debug")]
pub fn milliseconds() -> u64 {
    os::milliseconds()
}

/// Sleeps while `*word == expected`, or returns early for no reason.
pub fn wait(word: &AtomicU32, expected: u32) {
    os::wait(word, expected);
}

/// Wakes one thread that sleeps in [`wait`] on `word`.
pub fn wake_one(word: &AtomicU32) {
    os::wake_one(word);
}

/// Lets another thread run.
pub fn yield_now() {
    os::yield_now();
}

/// Writes all of `text` to standard error; errors are ignored.
pub fn write_stderr(text: &[u8]) {
    os::write_stderr(text);
}

/// Writes all of `text` to an open file, by its descriptor; errors are ignored.
#[cfg(unix)]
pub fn write_to(file: i32, text: &[u8]) {
    os::write_to(file, text);
}

/// Whether the 8 bytes at the multiple of 8 at or below an address can be read
/// now. Any address may be asked about. Costs a system call; errno stays as it was on
/// Linux.
#[cfg(unix)]
pub fn is_readable(address: usize) -> bool {
    os::is_readable(core::ptr::without_provenance(address & !7))
}

/// Breaks into the debugger, by SIGTRAP: without one, and without a handler, the
/// process ends.
#[cfg(unix)]
pub fn break_here() {
    os::break_here();
}

/// Ends the process abnormally (SIGABRT; on Windows a fail-fast exit).
pub fn abort() -> ! {
    os::abort()
}

/// True when the program runs with rights its user does not have, so that
/// the environment must not be believed.
pub fn is_privileged() -> bool {
    os::is_privileged()
}

/// Calls `visit(name, value)` for each environment variable whose name
/// starts with `prefix`, without allocating. On Windows, where the text is
/// converted and names ignore case, `prefix` ignores case, names arrive in
/// upper case, and values are cut to 1,024 bytes.
pub fn for_each_env(prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) {
    os::for_each_env(prefix, visit);
}

/// Copies bytes of this process's own memory at an address that may be no
/// memory. False, and `bytes` undefined, when some cannot be read or the system
/// has no such call.
pub fn read_own_memory(address: usize, bytes: &mut [u8]) -> bool {
    os::read_own_memory(address, bytes)
}

/// The process's number.
pub fn process_id() -> u32 {
    os::process_id()
}

/// The calling thread's number, as the system's tools show it.
pub fn thread_id() -> u64 {
    os::thread_id()
}

/// Whether no thread of the process has this number, [`thread_id`]'s. False where the system
/// cannot tell.
pub(crate) fn is_gone(thread: u64) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    return os::is_gone(thread);
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = thread;
        false
    }
}

/// A number that no other live thread has, not 0: where the thread's local
/// storage lies. Costs an instruction or a call, never a system call.
#[inline(always)]
pub fn thread_token() -> usize {
    #[cfg(all(target_os = "linux", target_arch = "x86_64", not(ntheap_portable)))]
    {
        let token: usize;
        // SAFETY: the first word of a thread's control block is its own
        // address.
        unsafe {
            core::arch::asm!(
                "mov {token}, qword ptr fs:[0]",
                token = out(reg) token,
                options(pure, nomem, nostack, preserves_flags),
            );
        }
        token
    }
    #[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(ntheap_portable))))]
    os::thread_token()
}

/// Whose the slots of hooks at threads' ends are: one number each, which the compiler sees
/// to. A hook of one must never be called with the value of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum ThreadHook {
    /// Of the front end of Rust's programs.
    Plain = 0,
    /// Of the front end of C's.
    Checked = 1,
    /// Of heaps of a program's own.
    Homes = 2,
    /// Of what is told of threads that end without their hooks.
    Notes = 3,
    /// Of stacks that are guaranteed to a thread whose own is full.
    Guarantee = 4,
}

/// The number of thread-exit hooks a process can have.
pub const THREAD_HOOKS: usize = ThreadHook::Guarantee as usize + 1;

/// Has `hook(value)` called when the calling thread ends, `value` not null.
/// `slot` is a [`ThreadHook`]'s; every call for one slot passes the same
/// hook, and a thread's latest value counts. False when the system refuses.
pub fn at_thread_exit(slot: usize, hook: unsafe extern "C" fn(*mut u8), value: *mut u8) -> bool {
    if !admit(Call::ThreadHook) {
        return false;
    }
    os::at_thread_exit(slot, hook, value)
}

/// The value that the calling thread's hook in a slot is to be called with; null for none.
/// Safe in a signal handler.
#[cfg(all(unix, feature = "pages"))]
pub fn thread_exit_value(slot: usize) -> *mut u8 {
    os::exit_value(slot)
}

/// The most address space this process may have, in bytes; `usize::MAX` where
/// there is no limit.
pub fn address_space_limit() -> usize {
    os::address_space_limit()
}

/// The processors on which the calling thread may run, or one that asked before;
/// `usize::MAX` where that is not known.
pub fn processors() -> usize {
    let asked = os::processors();
    #[cfg(feature = "mock")]
    let asked = fault::processors().unwrap_or(asked);
    asked
}

/// Has the three hooks called around every fork of the process: `prepare`
/// before, in the parent; `parent` and `child` after. Where there is no fork
/// this does nothing.
pub fn at_fork(
    prepare: unsafe extern "C" fn(),
    parent: unsafe extern "C" fn(),
    child: unsafe extern "C" fn(),
) -> bool {
    admit(Call::ThreadHook) && os::at_fork(prepare, parent, child)
}

/// Has `hook` called when the process ends by returning from main or by exit.
pub fn at_exit(hook: extern "C" fn()) {
    unsafe extern "C" {
        fn atexit(hook: extern "C" fn()) -> core::ffi::c_int;
    }
    // SAFETY: the C runtime's atexit; the hook lives as long as the process.
    // When it has no room the hook is not called, which loses a report only.
    unsafe { atexit(hook) };
}
