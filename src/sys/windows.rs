//! Windows: `VirtualAlloc` and its relatives, for Windows 10 and later.
//!
//! Two differences from `unix` that a caller must keep in mind:
//! - Committed memory is charged against the system's commit limit when it is
//!   committed, not when it is touched, so [`commit`] can really fail.
//! - A page that is only read still costs a page of memory.
//!
//! Sources: the pages "VirtualAlloc function", "VirtualFree function",
//! "VirtualProtect function", "WaitOnAddress function", "FlsAlloc function"
//! and "__fastfail intrinsic" of Microsoft's documentation.

use super::{GRANULARITY, Protection, THREAD_HOOKS};
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, Ordering};
use windows_sys::Win32::Foundation::{FILETIME, HANDLE, HMODULE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Security::Authentication::Identity::RtlGenRandom;
use windows_sys::Win32::Storage::FileSystem::WriteFile;
use windows_sys::Win32::System::Console::{GetStdHandle, STD_ERROR_HANDLE};
use windows_sys::Win32::System::Diagnostics::Debug::ReadProcessMemory;
use windows_sys::Win32::System::Environment::{FreeEnvironmentStringsW, GetEnvironmentStringsW};
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN, GetModuleHandleExW,
    GetModuleHandleW, GetProcAddress,
};
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_DECOMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_EXECUTE, PAGE_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE, PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE, VirtualAlloc,
    VirtualFree, VirtualProtect,
};
use windows_sys::Win32::System::SystemInformation::{
    GetSystemInfo, GetSystemTimePreciseAsFileTime, SYSTEM_INFO,
};
#[cfg(not(any(
    target_arch = "x86",
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "arm64ec"
)))]
use windows_sys::Win32::System::Threading::TerminateProcess;
use windows_sys::Win32::System::Threading::{
    FLS_OUT_OF_INDEXES, FlsAlloc, FlsFree, FlsSetValue, FlushProcessWriteBuffers,
    GetCurrentProcess, GetCurrentProcessId, GetCurrentThreadId, INFINITE, Sleep, SwitchToThread,
    WaitOnAddress, WakeByAddressSingle,
};

pub(super) fn read_own_memory(address: usize, bytes: &mut [u8]) -> bool {
    let mut read = 0;
    // SAFETY: the call writes to `bytes` alone; it checks the address it reads
    // from, and fails when not all can be read.
    let done = unsafe {
        ReadProcessMemory(
            GetCurrentProcess(),
            ptr::without_provenance(address),
            bytes.as_mut_ptr().cast(),
            bytes.len(),
            &mut read,
        )
    };
    done != 0 && read == bytes.len()
}

pub(super) fn page_size() -> usize {
    let mut info = MaybeUninit::<SYSTEM_INFO>::zeroed();
    // SAFETY: GetSystemInfo fills one SYSTEM_INFO, of integers and pointers
    // only, for which zeros are valid as well.
    let info = unsafe {
        GetSystemInfo(info.as_mut_ptr());
        info.assume_init()
    };
    (info.dwPageSize as usize).max(4096)
}

pub(super) fn reserve_at(base: *mut u8, size: usize) -> bool {
    let got = try_reserve_at(base, size);
    if !got.is_null() && got != base {
        // SAFETY: the address was rounded down, which the caller does not
        // want; the reservation was made above and nobody else knows it.
        unsafe { VirtualFree(got.cast(), 0, MEM_RELEASE) };
    }
    got == base
}

fn try_reserve_at(base: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: MEM_RESERVE succeeds on a free range only, so no memory in use
    // is touched.
    unsafe { VirtualAlloc(base.cast(), size, MEM_RESERVE, PAGE_NOACCESS) }.cast()
}

/// How often a reservation at a chosen address is tried: another thread may
/// take the address between the probe's release and the second reservation.
const ALIGNED_TRIES: usize = 64;
/// The most aligned ranges that a probe holds. The more there are, the less two
/// threads that probe in step want the same one.
const ALIGNED_CHOICES: usize = 8;

pub(super) fn reserve(size: usize, align: usize) -> *mut u8 {
    if align <= GRANULARITY {
        // The system's own granularity gives this alignment.
        return try_reserve_at(ptr::null_mut(), size);
    }
    // A reservation cannot be trimmed: find a free range that holds an
    // aligned one, give it up, and take the aligned part.
    let Some(total) = size.checked_add(align - GRANULARITY) else {
        return ptr::null_mut();
    };
    for attempt in 0..ALIGNED_TRIES {
        // Another range at each attempt, and room for one more.
        let further = align.saturating_mul(attempt.min(ALIGNED_CHOICES - 1));
        let mut held = total.saturating_add(further);
        let mut probe = try_reserve_at(ptr::null_mut(), held);
        if probe.is_null() {
            held = total;
            probe = try_reserve_at(ptr::null_mut(), held);
        }
        if probe.is_null() {
            return probe;
        }
        let choice = attempt % ((held - total) / align + 1);
        let head = (probe.addr().wrapping_neg() & (align - 1)) + choice * align;
        // SAFETY: the probe was reserved just above and nobody else knows it.
        unsafe { release(probe, held) };
        let base = try_reserve_at(probe.wrapping_add(head), size);
        if !base.is_null() {
            return base;
        }
    }
    reserve_within(total, align)
}

/// Reservations of which an aligned part is in use: the part, and where the whole begins.
/// A free entry has neither.
static WHOLE: [(AtomicPtr<u8>, AtomicPtr<u8>); 32] = [const {
    (
        AtomicPtr::new(ptr::null_mut()),
        AtomicPtr::new(ptr::null_mut()),
    )
}; 32];

/// An aligned part of a reservation that stays as large as it is: for when threads that
/// reserve all the time won every race for an aligned one. It costs addresses alone.
fn reserve_within(total: usize, align: usize) -> *mut u8 {
    let start = try_reserve_at(ptr::null_mut(), total);
    if start.is_null() {
        return start;
    }
    let part = start.wrapping_add(start.addr().wrapping_neg() & (align - 1));
    if part == start {
        return part;
    }
    for (of, whole) in &WHOLE {
        let nothing = ptr::null_mut();
        if whole
            .compare_exchange(nothing, start, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
        {
            of.store(part, Ordering::Relaxed);
            return part;
        }
    }
    // SAFETY: reserved just above, and nobody else knows it.
    unsafe { VirtualFree(start.cast(), 0, MEM_RELEASE) };
    ptr::null_mut()
}

/// Windows has no memory that reads zero and is charged to nobody, so the
/// whole table is committed at once: `size` bytes of the commit limit, and a
/// page of memory for each page that is read or written. Keep such tables
/// small here.
pub(super) fn reserve_readable(size: usize) -> *mut u8 {
    // Writable at once: a later `commit` has then nothing left to change.
    allocate(size)
}

pub(super) fn allocate(size: usize) -> *mut u8 {
    // SAFETY: with a null base the system chooses a free range.
    unsafe { VirtualAlloc(ptr::null(), size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE) }.cast()
}

pub(super) unsafe fn commit(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller owns the range, which lies in one reservation. All
    // pages are committed or none; those that were committed before keep
    // their contents.
    !unsafe { VirtualAlloc(base.cast(), size, MEM_COMMIT, PAGE_READWRITE) }.is_null()
}

pub(super) unsafe fn decommit(base: *mut u8, size: usize) -> bool {
    // MEM_DECOMMIT with a size of 0 would mean the whole reservation.
    // SAFETY: the caller owns the range and nothing in it is used any more.
    size == 0 || unsafe { VirtualFree(base.cast(), size, MEM_DECOMMIT) } != 0
}

/// How often, a millisecond apart, [`purge`] asks for the memory it gave back
/// before it gives up the process.
const PURGE_TRIES: u32 = 2000;

/// Decommits and commits again: "if you want the range to contain zeros,
/// decommit the memory and then recommit it" (VirtualAlloc, MEM_RESET).
///
/// In between, another process may take what was given back and the second
/// commit be refused. So that `false` always means that nothing has changed,
/// as much memory again is committed first; where the system refuses that,
/// the range is left alone. Afterwards the second commit can only fail while
/// others take twice `size` in the same moment, and is then repeated. If the
/// limit stays reached for seconds, the process ends: a committed range that
/// faults would be worse.
pub(super) unsafe fn purge(base: *mut u8, size: usize) -> bool {
    if size == 0 {
        return true;
    }
    let spare = allocate(size);
    if spare.is_null() {
        return false;
    }
    // SAFETY: the caller owns the range and its contents are dead.
    let given_back = unsafe { decommit(base, size) };
    // SAFETY: the range lies in one reservation of the caller's. If it was
    // not given back it is committed, and committing it changes nothing.
    let mut committed = unsafe { commit(base, size) };
    // SAFETY: the spare was reserved above and nobody else knows it.
    unsafe { release(spare, size) };
    let mut tries = 0;
    while !committed {
        if tries == PURGE_TRIES {
            write_stderr(b"ntheap: Windows took back committed memory and has none left\n");
            abort();
        }
        tries += 1;
        // SAFETY: no memory is involved.
        unsafe { Sleep(1) };
        // SAFETY: as for the first commit.
        committed = unsafe { commit(base, size) };
    }
    given_back
}

pub(super) unsafe fn release(base: *mut u8, _size: usize) -> bool {
    // SAFETY: the caller owns the whole reservation that begins at `base`
    // and is done with it.
    if unsafe { VirtualFree(base.cast(), 0, MEM_RELEASE) } != 0 {
        return true;
    }
    for (of, whole) in &WHOLE {
        if of.load(Ordering::Relaxed) == base {
            // The entry is the caller's, as the part is, until it is free again.
            let start = whole.load(Ordering::Relaxed);
            of.store(ptr::null_mut(), Ordering::Relaxed);
            // SAFETY: the whole of which the caller has the only part in use.
            let released = unsafe { VirtualFree(start.cast(), 0, MEM_RELEASE) } != 0;
            whole.store(ptr::null_mut(), Ordering::Relaxed);
            return released;
        }
    }
    false
}

pub(super) unsafe fn protect(base: *mut u8, size: usize, protection: Protection) -> bool {
    let rights = match protection {
        Protection::None => PAGE_NOACCESS,
        Protection::Read => PAGE_READONLY,
        Protection::ReadWrite => PAGE_READWRITE,
        Protection::Execute => PAGE_EXECUTE,
        Protection::ReadExecute => PAGE_EXECUTE_READ,
        Protection::ReadWriteExecute => PAGE_EXECUTE_READWRITE,
    };
    let mut before = 0;
    // SAFETY: the caller owns the range; the old rights go to a local.
    unsafe { VirtualProtect(base.cast(), size, rights, &raw mut before) != 0 }
}

/// Decommitted pages fault as pages without access do, give their charge back
/// as well as their contents, and both ways are one call that fails whole.
pub(super) unsafe fn guard(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller owns the range and its contents are dead.
    unsafe { decommit(base, size) }
}

/// There is no such advice on Windows.
pub(super) unsafe fn install_guard(_base: *mut u8, _size: usize) -> bool {
    false
}

pub(super) unsafe fn remove_guard(_base: *mut u8, _size: usize) -> bool {
    false
}

pub(super) unsafe fn unguard(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller owns the range, which `guard` decommitted.
    unsafe { commit(base, size) }
}

/// A reservation can be neither resized nor moved on Windows.
pub(super) unsafe fn resize(_base: *mut u8, _old: usize, _new: usize) -> bool {
    false
}

/// As for [`resize`].
pub(super) unsafe fn move_to(_base: *mut u8, _old: usize, _to: *mut u8, _new: usize) -> bool {
    false
}

/// Large pages must be asked for at reservation and need a privilege; there
/// is no advice to give.
pub(super) unsafe fn advise_huge(_base: *mut u8, _size: usize, _huge: bool) {}

pub(super) fn random() -> u64 {
    let mut bits = 0u64;
    // SAFETY: RtlGenRandom writes eight bytes into `bits`.
    if unsafe { RtlGenRandom((&raw mut bits).cast(), 8) } {
        return bits;
    }
    let mut now = FILETIME {
        dwLowDateTime: 0,
        dwHighDateTime: 0,
    };
    // SAFETY: the call writes one FILETIME.
    unsafe { GetSystemTimePreciseAsFileTime(&raw mut now) };
    let mut mixed = u64::from(now.dwLowDateTime) << 32
        ^ u64::from(now.dwHighDateTime)
        ^ (&raw const now).addr() as u64
        ^ thread_id() << 40;
    mixed = (mixed ^ mixed >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ mixed >> 33
}

pub(super) fn wait(word: &AtomicU32, expected: u32) {
    // SAFETY: both addresses are of four readable bytes that live through
    // the call; the system only compares them.
    unsafe {
        WaitOnAddress(
            word.as_ptr().cast_const().cast(),
            (&raw const expected).cast(),
            size_of::<u32>(),
            INFINITE,
        );
    }
}

pub(super) fn wake_one(word: &AtomicU32) {
    // SAFETY: only the word's address is used.
    unsafe { WakeByAddressSingle(word.as_ptr().cast_const().cast()) };
}

#[cfg(feature = "debug")]
pub(super) fn milliseconds() -> u64 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { windows_sys::Win32::System::SystemInformation::GetTickCount64() }
}

pub(super) fn yield_now() {
    // SAFETY: no arguments, no memory.
    unsafe { SwitchToThread() };
}

pub(super) fn write_stderr(mut text: &[u8]) {
    // SAFETY: the call reads a handle of the process.
    let handle: HANDLE = unsafe { GetStdHandle(STD_ERROR_HANDLE) };
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return;
    }
    while !text.is_empty() {
        let size = u32::try_from(text.len()).unwrap_or(u32::MAX);
        let mut written = 0;
        // SAFETY: the system reads at most `text.len()` bytes of `text` and
        // writes one count; without OVERLAPPED it is done on return.
        let done = unsafe {
            WriteFile(
                handle,
                text.as_ptr(),
                size,
                &raw mut written,
                ptr::null_mut(),
            )
        };
        if done == 0 || written == 0 {
            return;
        }
        text = text.get(written as usize..).unwrap_or_default();
    }
}

/// Reason given to the system's error reporting: an exit asked for by the
/// application.
const FAST_FAIL_FATAL_APP_EXIT: u32 = 7;

/// What the compilers' `__fastfail` does: the kernel ends the process at
/// once, with no handler and no exit function run.
pub(super) fn abort() -> ! {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    // SAFETY: interrupt 0x29 takes the reason in ecx and does not return.
    unsafe {
        core::arch::asm!("int 0x29", in("ecx") FAST_FAIL_FATAL_APP_EXIT, options(noreturn, nostack))
    }
    #[cfg(any(target_arch = "aarch64", target_arch = "arm64ec"))]
    // SAFETY: break 0xf003 takes the reason in x0 and does not return.
    unsafe {
        core::arch::asm!("brk 0xf003", in("x0") FAST_FAIL_FATAL_APP_EXIT, options(noreturn, nostack))
    }
    #[cfg(not(any(
        target_arch = "x86",
        target_arch = "x86_64",
        target_arch = "aarch64",
        target_arch = "arm64ec"
    )))]
    loop {
        // SAFETY: the pseudo handle of this process is always valid.
        unsafe { TerminateProcess(GetCurrentProcess(), FAST_FAIL_FATAL_APP_EXIT) };
    }
}

/// Windows has no set-user-id programs.
pub(super) fn is_privileged() -> bool {
    false
}

/// Names longer than this are not of interest and skipped; bytes of UTF-8.
const NAME_BYTES: usize = 128;
/// Values are cut to this; bytes of UTF-8.
const VALUE_BYTES: usize = 1024;

/// Text converted from UTF-16 into a buffer on the stack, whole characters
/// only.
struct Converted<const N: usize> {
    bytes: [u8; N],
    len: usize,
    whole: bool,
}

impl<const N: usize> Converted<N> {
    fn new(units: &[u16]) -> Self {
        let mut text = Converted {
            bytes: [0; N],
            len: 0,
            whole: true,
        };
        for decoded in char::decode_utf16(units.iter().copied()) {
            let mut utf8 = [0; 4];
            let utf8 = decoded
                .unwrap_or(char::REPLACEMENT_CHARACTER)
                .encode_utf8(&mut utf8)
                .as_bytes();
            let end = text.len + utf8.len();
            let Some(to) = text.bytes.get_mut(text.len..end) else {
                text.whole = false;
                break;
            };
            to.copy_from_slice(utf8);
            text.len = end;
        }
        text
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Names ignore case on Windows: they are compared so with `prefix` and
/// passed on in upper case.
pub(super) fn for_each_env(prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) {
    // SAFETY: no arguments; the block is a copy that is ours until freed.
    let block = unsafe { GetEnvironmentStringsW() };
    if block.is_null() {
        return;
    }
    let mut at = block.cast_const();
    loop {
        let mut len = 0;
        // SAFETY: the block is a row of NUL-terminated strings that ends
        // with an empty one; `at` is the beginning of one of them.
        while unsafe { *at.add(len) } != 0 {
            len += 1;
        }
        if len == 0 {
            break;
        }
        // SAFETY: the `len` units at `at` were read just above, and the
        // block is not changed while it is ours.
        let entry = unsafe { core::slice::from_raw_parts(at, len) };
        visit_entry(entry, prefix, visit);
        // SAFETY: behind the terminator is the next string, or the empty one.
        at = unsafe { at.add(len + 1) };
    }
    // SAFETY: the block came from GetEnvironmentStringsW and is not used
    // any more.
    unsafe { FreeEnvironmentStringsW(block) };
}

fn visit_entry(entry: &[u16], prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) {
    // The hidden variables of drives ("=C:") begin with the separator.
    let separator = entry
        .iter()
        .skip(1)
        .position(|&unit| unit == u16::from(b'='))
        .map(|position| position + 1);
    let Some((name, value)) = separator.and_then(|at| entry.split_at_checked(at)) else {
        return;
    };
    let mut name = Converted::<NAME_BYTES>::new(name);
    name.bytes.make_ascii_uppercase();
    let starts = name
        .as_bytes()
        .get(..prefix.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(prefix));
    if starts && name.whole {
        let value = Converted::<VALUE_BYTES>::new(value.get(1..).unwrap_or_default());
        visit(name.as_bytes(), value.as_bytes());
    }
}

pub(super) fn process_id() -> u32 {
    // SAFETY: no arguments, no memory.
    unsafe { GetCurrentProcessId() }
}

pub(super) fn thread_token() -> usize {
    thread_id() as usize
}

pub(super) fn thread_id() -> u64 {
    // SAFETY: no arguments, no memory.
    u64::from(unsafe { GetCurrentThreadId() })
}

/// One thread-exit hook and the fiber-local slot of its values.
struct Exit {
    /// An `unsafe extern "C" fn(*mut u8)`; null until it is first set.
    hook: AtomicPtr<()>,
    /// The system's slot plus one; 0 while there is none.
    slot: AtomicU32,
}

static EXITS: [Exit; THREAD_HOOKS] = [const {
    Exit {
        hook: AtomicPtr::new(ptr::null_mut()),
        slot: AtomicU32::new(0),
    }
}; THREAD_HOOKS];

type ExitCallback = unsafe extern "system" fn(*const c_void);

/// The system tells a callback the value only, so that each hook has its own.
static EXIT_CALLBACKS: [ExitCallback; THREAD_HOOKS] = [
    run_exit_hook::<0>,
    run_exit_hook::<1>,
    run_exit_hook::<2>,
    run_exit_hook::<3>,
    run_exit_hook::<4>,
];

unsafe extern "system" fn run_exit_hook<const HOOK: usize>(value: *const c_void) {
    let Some(exit) = EXITS.get(HOOK) else {
        return;
    };
    let hook = exit.hook.load(Ordering::Acquire);
    if hook.is_null() || value.is_null() {
        return;
    }
    // SAFETY: `hook` only ever holds null or a function of this type.
    let hook = unsafe { core::mem::transmute::<*mut (), unsafe extern "C" fn(*mut u8)>(hook) };
    // SAFETY: the value was set together with this hook by the thread that
    // ends, as the hook's author asked.
    unsafe { hook(value.cast_mut().cast()) };
}

/// Keeps the program or library of `callback` loaded for good: the system
/// calls it also for threads that end after a library was unloaded.
fn stay_loaded(callback: ExitCallback) -> bool {
    // Asked here, where the loader is asked anyway, so that a barrier, which
    // is called under locks, never has to.
    is_wine();
    let mut module: HMODULE = ptr::null_mut();
    // SAFETY: with FROM_ADDRESS the name is any address inside the module,
    // here of a function; the call writes one handle.
    unsafe {
        GetModuleHandleExW(
            GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_PIN,
            callback as *const u16,
            &raw mut module,
        ) != 0
    }
}

/// Uses fiber-local slots, the only kind whose values have a destructor. In a
/// thread without fibers they are thread-local. In a thread with fibers the
/// hook runs when the fiber ends that was current at the time of this call.
pub(super) fn at_thread_exit(
    slot: usize,
    hook: unsafe extern "C" fn(*mut u8),
    value: *mut u8,
) -> bool {
    let (Some(exit), Some(&callback)) = (EXITS.get(slot), EXIT_CALLBACKS.get(slot)) else {
        return false;
    };
    let mut stored = exit.slot.load(Ordering::Acquire);
    if stored == 0 {
        exit.hook.store(hook as *mut (), Ordering::Release);
        if !stay_loaded(callback) {
            return false;
        }
        // SAFETY: the callback stays loaded as long as the process lives.
        let slot = unsafe { FlsAlloc(Some(callback)) };
        if slot == FLS_OUT_OF_INDEXES {
            return false;
        }
        stored = slot + 1;
        if let Err(winner) =
            exit.slot
                .compare_exchange(0, stored, Ordering::AcqRel, Ordering::Acquire)
        {
            // SAFETY: the slot was made above and never published.
            unsafe { FlsFree(slot) };
            stored = winner;
        }
    }
    // SAFETY: the slot came from FlsAlloc and is never freed.
    unsafe { FlsSetValue(stored - 1, value.cast_const().cast()) != 0 }
}

/// What a process may have is limited as committed memory on Windows, never as
/// address space.
pub(super) fn address_space_limit() -> usize {
    usize::MAX
}

pub(super) fn processors() -> usize {
    usize::MAX
}

/// Windows has no fork.
pub(super) fn at_fork(
    _prepare: unsafe extern "C" fn(),
    _parent: unsafe extern "C" fn(),
    _child: unsafe extern "C" fn(),
) -> bool {
    true
}

/// Whether this is Wine: 0 not asked yet, 1 no, 2 yes.
static WINE: AtomicU8 = AtomicU8::new(0);

fn is_wine() -> bool {
    let mut known = WINE.load(Ordering::Relaxed);
    if known == 0 {
        // SAFETY: the names are constants; every process has ntdll, which is
        // never unloaded, and the export is only looked up.
        let export = unsafe {
            let ntdll = GetModuleHandleW(windows_sys::core::w!("ntdll.dll"));
            GetProcAddress(ntdll, windows_sys::core::s!("wine_get_version"))
        };
        known = 1 + u8::from(export.is_some());
        WINE.store(known, Ordering::Relaxed);
    }
    known == 2
}

/// Wine 8.0 has the call but does nothing in it, and nothing tells the versions
/// apart that do: Wine has no barrier here.
pub(super) fn barrier() -> bool {
    if is_wine() {
        return false;
    }
    // SAFETY: no arguments; sends every processor that runs a thread of this
    // process through a fence.
    unsafe { FlushProcessWriteBuffers() };
    true
}
