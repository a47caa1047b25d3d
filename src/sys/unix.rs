//! Unix: anonymous private mappings, reserved without access and without
//! swap, committed by mprotect, given back by madvise.
//!
//! Decommit maps fresh inaccessible memory over the range: one call, nothing
//! half done, and the mapping merges with its reserved neighbours again.

#[cfg(feature = "trace")]
use super::traced as call;
use super::{Protection, c};
#[cfg(not(feature = "trace"))]
use c as call;
use core::ffi::{CStr, c_char, c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Asks that a reservation be charged to nobody. FreeBSD and its relatives
/// have no such flag.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(super) const UNCHARGED: c_int = c::MAP_NORESERVE;
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(super) const UNCHARGED: c_int = 0;

const RESERVE_FLAGS: c_int = c::MAP_PRIVATE | c::MAP_ANON | UNCHARGED;

pub(super) fn page_size() -> usize {
    // Not by sysconf, which reads a table and costs a process 128 KiB of C's library.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: getauxval reads the vector the kernel passed to the process.
    let size = unsafe { c::getauxval(c::AT_PAGESZ) };
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    // SAFETY: sysconf reads a constant of the system.
    let size = unsafe { c::sysconf(c::_SC_PAGESIZE) };
    usize::try_from(size).map_or(4096, |size| size.max(4096))
}

pub(super) fn map(hint: *mut u8, size: usize, protection: c_int, flags: c_int) -> *mut u8 {
    #[cfg(feature = "mock")]
    if hint.is_null() && super::page_size() > page_size() {
        return map_larger_pages(size, protection, flags);
    }
    // SAFETY: without MAP_FIXED the kernel chooses an unused range, so no
    // existing mapping can be touched. `decommit`, which passes MAP_FIXED,
    // owns the range it names.
    let base = unsafe { call::mmap(hint.cast(), size, protection, flags, -1, 0) };
    if base == c::MAP_FAILED {
        ptr::null_mut()
    } else {
        base.cast()
    }
}

/// [`map`] anywhere, at a multiple of the pages that a test pretends the system has.
#[cfg(feature = "mock")]
fn map_larger_pages(size: usize, protection: c_int, flags: c_int) -> *mut u8 {
    let page = super::page_size();
    let Some(total) = size.checked_add(page) else {
        return ptr::null_mut();
    };
    // SAFETY: the kernel chooses an unused range, of which the front and the end are given
    // back before anybody knows it.
    unsafe {
        let got = call::mmap(ptr::null_mut(), total, protection, flags, -1, 0);
        if got == c::MAP_FAILED {
            return ptr::null_mut();
        }
        let base = got.cast::<u8>();
        let head = base.addr().wrapping_neg() & (page - 1);
        if head != 0 {
            call::munmap(base.cast(), head);
        }
        let block = base.wrapping_add(head);
        call::munmap(block.wrapping_add(size).cast(), page - head);
        block
    }
}

pub(super) fn reserve(size: usize, align: usize) -> *mut u8 {
    if HIGH.load(Ordering::Relaxed) != 0 {
        return reserve_high(size, align);
    }
    let base = reserve_near(ptr::null_mut(), size, align);
    if base.is_null() || !super::KEEPS_LOW || base.addr() >= super::LOW {
        return base;
    }
    // SAFETY: the range was reserved just above and nobody else knows it.
    unsafe { call::munmap(base.cast(), size) };
    let _ = HIGH.compare_exchange(0, HIGHS.start, Ordering::Relaxed, Ordering::Relaxed);
    reserve_high(size, align)
}

/// Where reservations are asked for on a system that gives low addresses: above those, and
/// below where emulations have things of their own (valgrind's begin at 64 GiB).
const HIGHS: core::ops::Range<usize> = if super::KEEPS_LOW {
    super::LOW << 2..super::LOW << 5
} else {
    0..0
};

/// Where the next reservation is asked for; 0 as long as the system gives no low addresses.
static HIGH: AtomicUsize = AtomicUsize::new(0);

/// [`reserve`] where the system would give low addresses, as emulations do that go through
/// their address space from the bottom.
#[cold]
fn reserve_high(size: usize, align: usize) -> *mut u8 {
    /// Places where something may lie already.
    const TRIES: usize = 16;
    let room = HIGHS.end - HIGHS.start;
    let Some(mut step) = size.checked_add(align).filter(|step| *step < room) else {
        return ptr::null_mut();
    };
    let mut hint = HIGH.load(Ordering::Relaxed);
    for _ in 0..TRIES {
        if !HIGHS.contains(&hint) || HIGHS.end - hint < size.saturating_add(align) {
            hint = HIGHS.start;
        }
        let base = reserve_near(ptr::with_exposed_provenance_mut(hint), size, align);
        if base.is_null() {
            return base;
        }
        if base.addr() >= super::LOW {
            // Threads that ask at once may go back a little; the system then looks further.
            HIGH.store(base.addr() + size, Ordering::Relaxed);
            return base;
        }
        // SAFETY: as in `reserve`.
        unsafe { call::munmap(base.cast(), size) };
        hint = hint.saturating_add(step);
        step = step.saturating_mul(2).min(room / 2);
    }
    ptr::null_mut()
}

/// Reserves anywhere, at `hint` if that is free and not null.
fn reserve_near(hint: *mut u8, size: usize, align: usize) -> *mut u8 {
    let base = map(hint, size, c::PROT_NONE, RESERVE_FLAGS);
    if base.is_null() || base.addr() & (align - 1) == 0 {
        return base;
    }
    // SAFETY: the range was mapped just above and nobody else knows it.
    unsafe { call::munmap(base.cast(), size) };
    // Systems give one range below the other, so what lies below is most often free.
    let below = base.wrapping_sub(base.addr() & (align - 1));
    let base = map(below, size, c::PROT_NONE, RESERVE_FLAGS);
    if base.is_null() || base.addr() & (align - 1) == 0 {
        return base;
    }
    // SAFETY: as above, of the range that this call mapped.
    unsafe { call::munmap(base.cast(), size) };
    let Some(total) = size.checked_add(align) else {
        return ptr::null_mut();
    };
    let base = map(hint, total, c::PROT_NONE, RESERVE_FLAGS);
    if base.is_null() {
        return base;
    }
    let head = base.addr().wrapping_neg() & (align - 1);
    let aligned = base.wrapping_add(head);
    if head != 0 {
        // SAFETY: `[base, base + head)` is the unused front of the mapping
        // made above.
        unsafe { call::munmap(base.cast(), head) };
    }
    if align != head {
        // SAFETY: `[aligned + size, base + total)` is its unused end.
        unsafe { call::munmap(aligned.wrapping_add(size).cast(), align - head) };
    }
    aligned
}

/// Refuses to map over what is there. Where there is no such flag the address
/// is a hint, and what lies elsewhere is not wanted.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNDISTURBED: c_int = c::MAP_FIXED_NOREPLACE;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const UNDISTURBED: c_int = 0;

pub(super) fn reserve_at(base: *mut u8, size: usize) -> bool {
    let got = map(base, size, c::PROT_NONE, RESERVE_FLAGS | UNDISTURBED);
    if !got.is_null() && got != base {
        // SAFETY: a system without the flag put it elsewhere, in a range that
        // nobody else knows.
        unsafe { call::munmap(got.cast(), size) };
    }
    got == base
}

pub(super) fn reserve_readable(size: usize) -> *mut u8 {
    map(ptr::null_mut(), size, c::PROT_READ, RESERVE_FLAGS)
}

pub(super) fn allocate(size: usize) -> *mut u8 {
    let base = map(
        ptr::null_mut(),
        size,
        c::PROT_READ | c::PROT_WRITE,
        RESERVE_FLAGS,
    );
    if base.is_null() || !super::KEEPS_LOW || base.addr() >= super::LOW {
        return base;
    }
    // SAFETY: the range was mapped just above and nobody else knows it.
    unsafe { call::munmap(base.cast(), size) };
    let base = reserve(size, super::page_size());
    // SAFETY: the range was reserved just above, as a whole.
    if !base.is_null() && !unsafe { commit(base, size) } {
        // SAFETY: as above; nobody else knows it.
        unsafe { call::munmap(base.cast(), size) };
        return ptr::null_mut();
    }
    base
}

pub(super) unsafe fn commit(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller owns the range.
    unsafe { call::mprotect(base.cast(), size, c::PROT_READ | c::PROT_WRITE) == 0 }
}

pub(super) unsafe fn decommit(base: *mut u8, size: usize) -> bool {
    !map(base, size, c::PROT_NONE, RESERVE_FLAGS | c::MAP_FIXED).is_null()
}

pub(super) unsafe fn purge(base: *mut u8, size: usize) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: the caller owns the range and its contents are dead; Linux
    // gives zero pages after MADV_DONTNEED on private anonymous memory.
    unsafe {
        call::madvise(base.cast(), size, c::MADV_DONTNEED) == 0
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        // Elsewhere MADV_DONTNEED promises nothing about the contents: map
        // fresh pages over the range.
        !map(
            base,
            size,
            c::PROT_READ | c::PROT_WRITE,
            c::MAP_PRIVATE | c::MAP_ANON | c::MAP_FIXED,
        )
        .is_null()
    }
}

pub(super) unsafe fn release(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller owns the whole reservation and is done with it.
    unsafe { call::munmap(base.cast(), size) == 0 }
}

/// What the system calls these rights.
pub(super) const fn bits_of(protection: Protection) -> c_int {
    match protection {
        Protection::None => c::PROT_NONE,
        Protection::Read => c::PROT_READ,
        Protection::ReadWrite => c::PROT_READ | c::PROT_WRITE,
        Protection::Execute => c::PROT_EXEC,
        Protection::ReadExecute => c::PROT_READ | c::PROT_EXEC,
        Protection::ReadWriteExecute => c::PROT_READ | c::PROT_WRITE | c::PROT_EXEC,
    }
}

pub(super) unsafe fn protect(base: *mut u8, size: usize, protection: Protection) -> bool {
    // SAFETY: the caller owns the range.
    unsafe { call::mprotect(base.cast(), size, bits_of(protection)) == 0 }
}

/// Linux 6.13's guard advice: pages that fault, without a mapping of their
/// own.
#[cfg(target_os = "linux")]
const MADV_GUARD_INSTALL: c_int = 102;
#[cfg(target_os = "linux")]
const MADV_GUARD_REMOVE: c_int = 103;
/// Advice that no kernel has.
#[cfg(target_os = "linux")]
const NO_ADVICE: c_int = -1;

/// Whether guard advice that was taken was followed: nonzero once it was asked, [`FOLLOWED`]
/// or not.
#[cfg(target_os = "linux")]
static ASKED: AtomicU32 = AtomicU32::new(0);
#[cfg(target_os = "linux")]
const FOLLOWED: u32 = 2;

/// Whether the system follows what advice it takes. Emulators of Linux's calls take any, and do
/// nothing: neither would a guard fault, nor a page that had one read zero.
///
/// # Safety
/// The caller owns the range.
#[cfg(target_os = "linux")]
unsafe fn follows_advice(base: *mut u8, size: usize) -> bool {
    let mut asked = ASKED.load(Ordering::Relaxed);
    if asked == 0 {
        let before = errno();
        // SAFETY: the caller's range, to which nothing happens.
        let is_refused = unsafe { call::madvise(base.cast(), size, NO_ADVICE) } != 0;
        set_errno(before);
        asked = if is_refused { FOLLOWED } else { 1 };
        ASKED.store(asked, Ordering::Relaxed);
    }
    asked == FOLLOWED
}

pub(super) unsafe fn guard(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller owns the range and its contents are dead.
    if unsafe { install_guard(base, size) } {
        return true;
    }
    // SAFETY: as above; decommitted pages fault as guarded ones do.
    unsafe { decommit(base, size) }
}

/// Guards by advice alone; false where the kernel knows none, or has the range
/// locked in memory.
pub(super) unsafe fn install_guard(base: *mut u8, size: usize) -> bool {
    #[cfg(target_os = "linux")]
    // SAFETY: the caller owns the range and its contents are dead. An older
    // kernel answers EINVAL and changes nothing.
    unsafe {
        call::madvise(base.cast(), size, MADV_GUARD_INSTALL) == 0 && follows_advice(base, size)
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (base, size);
        false
    }
}

pub(super) unsafe fn remove_guard(base: *mut u8, size: usize) -> bool {
    #[cfg(target_os = "linux")]
    // SAFETY: the caller owns the range; pages that are not guarded stay as
    // they are.
    unsafe {
        call::madvise(base.cast(), size, MADV_GUARD_REMOVE) == 0
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (base, size);
        false
    }
}

pub(super) unsafe fn unguard(base: *mut u8, size: usize) -> bool {
    #[cfg(target_os = "linux")]
    // SAFETY: the caller owns the range. Removing guards where there are none
    // changes nothing, so the mprotect below covers both ways of guarding.
    unsafe {
        call::madvise(base.cast(), size, MADV_GUARD_REMOVE);
    }
    // SAFETY: the caller owns the range.
    unsafe { commit(base, size) }
}

pub(super) unsafe fn resize(base: *mut u8, old: usize, new: usize) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let before = errno();
        // SAFETY: the caller owns the whole mapping; without MREMAP_MAYMOVE it
        // stays where it is.
        let place = unsafe { call::mremap(base.cast(), old, new, 0, ptr::null_mut::<c_void>()) };
        let is_resized = place != c::MAP_FAILED;
        if !is_resized {
            // That there is no room behind it is usual, and no error of the caller's: programs
            // look at errno after functions that resize what they read into.
            set_errno(before);
        }
        is_resized
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = (base, old, new);
        false
    }
}

pub(super) unsafe fn move_to(base: *mut u8, old: usize, target: *mut u8, new: usize) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let flags = c::MREMAP_MAYMOVE | c::MREMAP_FIXED;
        // SAFETY: the caller owns both mappings; the target's pages are
        // replaced.
        if unsafe { call::mremap(base.cast(), old, new, flags, target.cast::<c_void>()) }
            != c::MAP_FAILED
        {
            return true;
        }
        // Older kernels unmap the target before they find out that the move
        // is not allowed. Take the range again; where it is still mapped the
        // call is refused, as it should be.
        let again = map(
            target,
            new,
            c::PROT_NONE,
            RESERVE_FLAGS | c::MAP_FIXED_NOREPLACE,
        );
        if !again.is_null() && again != target {
            // SAFETY: a kernel older than the flag put it elsewhere, in a
            // range that nobody else knows.
            unsafe { call::munmap(again.cast(), new) };
        }
        false
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = (base, old, target, new);
        false
    }
}

pub(super) unsafe fn advise_huge(base: *mut u8, size: usize, huge: bool) {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: the caller owns the range; the advice changes no contents.
    unsafe {
        let advice = if huge {
            c::MADV_HUGEPAGE
        } else {
            c::MADV_NOHUGEPAGE
        };
        call::madvise(base.cast(), size, advice);
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let _ = (base, size, huge);
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn barrier() -> bool {
    const PRIVATE_EXPEDITED: c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: c_int = 1 << 4;
    // SAFETY: membarrier takes numbers only. The first try fails until the
    // process is registered, which lasts.
    unsafe {
        c::syscall(c::SYS_membarrier, PRIVATE_EXPEDITED, 0, 0) == 0
            || (c::syscall(c::SYS_membarrier, REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0
                && c::syscall(c::SYS_membarrier, PRIVATE_EXPEDITED, 0, 0) == 0)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn barrier() -> bool {
    false
}

pub(super) fn random() -> u64 {
    let mut bits = 0u64;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: the kernel writes at most eight bytes into `bits`. The raw call
    // is used because musl and glibc both make getrandom a cancellation point.
    let got = unsafe {
        c::syscall(
            c::SYS_getrandom,
            (&raw mut bits).cast::<c_void>(),
            8usize,
            c::GRND_NONBLOCK,
        ) == 8
    };
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    // SAFETY: getentropy writes eight bytes into `bits`.
    let got = unsafe { c::getentropy((&raw mut bits).cast(), 8) == 0 };
    if got {
        return bits;
    }
    let mut now = c::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: clock_gettime writes one timespec.
    unsafe { c::clock_gettime(c::CLOCK_MONOTONIC, &raw mut now) };
    let mut mixed =
        (now.tv_nsec as u64) ^ (now.tv_sec as u64) << 32 ^ (&raw const now).addr() as u64;
    mixed = (mixed ^ mixed >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ mixed >> 33
}

#[cfg(feature = "debug")]
pub(super) fn milliseconds() -> u64 {
    let mut now = c::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: clock_gettime writes one timespec.
    unsafe { c::clock_gettime(c::CLOCK_MONOTONIC, &raw mut now) };
    now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn wait(word: &AtomicU32, expected: u32) {
    // SAFETY: FUTEX_WAIT only reads the word, which lives through the call.
    unsafe {
        c::syscall(
            c::SYS_futex,
            word.as_ptr(),
            c::FUTEX_WAIT | c::FUTEX_PRIVATE_FLAG,
            expected,
            ptr::null::<c::timespec>(),
        );
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn wake_one(word: &AtomicU32) {
    // SAFETY: FUTEX_WAKE uses the word's address only.
    unsafe {
        c::syscall(
            c::SYS_futex,
            word.as_ptr(),
            c::FUTEX_WAKE | c::FUTEX_PRIVATE_FLAG,
            1,
        );
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn wait(word: &AtomicU32, expected: u32) {
    if word.load(Ordering::Relaxed) == expected {
        yield_now();
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn wake_one(_word: &AtomicU32) {}

pub(super) fn yield_now() {
    // SAFETY: no arguments, no memory.
    unsafe { c::sched_yield() };
}

pub(super) fn write_stderr(text: &[u8]) {
    write_to(2, text);
}

pub(super) fn write_to(file: c_int, mut text: &[u8]) {
    while !text.is_empty() {
        // SAFETY: the kernel reads `text.len()` bytes of `text`.
        let written = unsafe { c::write(file, text.as_ptr().cast(), text.len()) };
        match usize::try_from(written) {
            Ok(written) if written > 0 => text = text.get(written..).unwrap_or_default(),
            // A signal came first.
            Err(_) if errno() == c::EINTR => {}
            _ => return,
        }
    }
}

/// Linux copies a signal mask from the address before it looks at what is to be
/// done with it, and knows of nothing that is -1.
#[cfg(target_os = "linux")]
pub(super) fn is_readable(word: *const u64) -> bool {
    let before = errno();
    // SAFETY: the kernel reads 8 bytes at the address, which it checks, and
    // refuses the call; nothing is changed.
    unsafe {
        c::syscall(c::SYS_rt_sigprocmask, -1, word, ptr::null_mut::<u64>(), 8);
    }
    let refused = errno();
    set_errno(before);
    refused != c::EFAULT
}

#[cfg(not(target_os = "linux"))]
pub(super) fn is_readable(word: *const u64) -> bool {
    let (start, end) = (word.addr(), word.addr().saturating_add(8));
    let mut found = false;
    let told = super::for_each_mapping(&mut |mapping| {
        found |= mapping.readable && mapping.start <= start && end <= mapping.end;
        !found
    });
    !told || found
}

pub(super) fn process_id() -> u32 {
    // SAFETY: no arguments, no memory; process numbers are positive.
    unsafe { c::getpid() as u32 }
}

/// Where the calling thread's last error lies.
fn errno_location() -> *mut c_int {
    // SAFETY: the functions only tell an address.
    unsafe {
        #[cfg(target_os = "linux")]
        return c::__errno_location();
        #[cfg(target_os = "android")]
        return c::__errno();
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        return c::__error();
    }
}

pub(super) fn break_here() {
    // SAFETY: the signal goes to this thread; what its handler does is the
    // program's business.
    unsafe { c::raise(c::SIGTRAP) };
}

/// The calling thread's last error.
pub(super) fn errno() -> c_int {
    // SAFETY: the location is the calling thread's own.
    unsafe { *errno_location() }
}

/// Sets the calling thread's last error.
#[cfg(any(feature = "pages", target_os = "linux", target_os = "android"))]
pub(super) fn set_errno(value: c_int) {
    // SAFETY: as above.
    unsafe { *errno_location() = value }
}

pub(super) fn abort() -> ! {
    // SAFETY: abort takes no lock that the allocator could hold and never
    // returns.
    unsafe { c::abort() }
}

/// Has the system read pieces of the process's own memory, at any addresses, into
/// `room` bytes at `to`, any address too. How many bytes it read, fewer where it came
/// to what cannot be accessed; `None` where it does not do it.
///
/// # Safety
/// Nobody relies on what the bytes at `to` were.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) unsafe fn read_pieces(to: *mut u8, room: usize, from: &[c::iovec]) -> Option<usize> {
    let to = c::iovec {
        iov_base: to.cast(),
        iov_len: room,
    };
    // SAFETY: the caller's promise; the kernel checks the addresses.
    let read = unsafe {
        let count = from.len() as _;
        c::process_vm_readv(c::getpid(), &raw const to, 1, from.as_ptr(), count, 0)
    };
    match usize::try_from(read) {
        Ok(read) => Some(read),
        Err(_) => (errno() == c::EFAULT).then_some(0),
    }
}

pub(super) fn read_own_memory(address: usize, bytes: &mut [u8]) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let from = [c::iovec {
            iov_base: core::ptr::without_provenance_mut(address),
            iov_len: bytes.len(),
        }];
        // SAFETY: the bytes are borrowed mutably.
        let read = unsafe { read_pieces(bytes.as_mut_ptr(), bytes.len(), &from) };
        read == Some(bytes.len())
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = (address, bytes);
        false
    }
}

pub(super) fn is_privileged() -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: getauxval reads the vector the kernel passed to the process.
    unsafe {
        c::getauxval(c::AT_SECURE) != 0
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    // SAFETY: four calls without arguments.
    unsafe {
        c::getuid() != c::geteuid() || c::getgid() != c::getegid()
    }
}

unsafe extern "C" {
    static environ: *const *const c_char;
}

pub(super) fn for_each_env(prefix: &[u8], visit: &mut dyn FnMut(&[u8], &[u8])) {
    // SAFETY: `environ` is set before the first instruction of the program
    // and null before that; as with getenv, nobody changes it meanwhile.
    let mut at = unsafe { environ };
    if at.is_null() {
        return;
    }
    loop {
        // SAFETY: `at` walks an array that ends with a null pointer.
        let entry = unsafe { *at };
        if entry.is_null() {
            return;
        }
        // Without a call, at load: C's functions of strings lie in pages of their own.
        // SAFETY: every entry is a string that ends with a zero, which no prefix has.
        let starts = |(at, &byte): (usize, &u8)| unsafe { *entry.add(at).cast::<u8>() == byte };
        if !prefix.iter().enumerate().all(starts) {
            // SAFETY: not the end yet, so there is a next element.
            at = unsafe { at.add(1) };
            continue;
        }
        // SAFETY: as above.
        let entry = unsafe { CStr::from_ptr(entry) }.to_bytes();
        if let Some(equals) = entry.iter().position(|&byte| byte == b'=')
            && let (Some(name), Some(value)) = (entry.get(..equals), entry.get(equals + 1..))
        {
            visit(name, value);
        }
        // SAFETY: not the end yet, so there is a next element.
        at = unsafe { at.add(1) };
    }
}

/// A signal of number 0 is sent to nobody, but the kernel looks for the thread. errno stays
/// as it was.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn is_gone(thread: u64) -> bool {
    // SAFETY: numbers alone; errno is the calling thread's own.
    unsafe {
        let errno = errno_location();
        let before = errno.read();
        let sent = c::syscall(c::SYS_tgkill, c::getpid(), thread as core::ffi::c_int, 0);
        let is_gone = sent != 0 && errno.read() == c::ESRCH;
        errno.write(before);
        is_gone
    }
}

pub(super) fn thread_id() -> u64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: no arguments, no memory.
    unsafe {
        c::syscall(c::SYS_gettid) as u64
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    // SAFETY: no arguments, no memory.
    unsafe {
        c::pthread_self() as u64
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", not(ntheap_portable))))]
pub(super) fn thread_token() -> usize {
    // SAFETY: no arguments, no memory.
    unsafe { c::pthread_self() as usize }
}

/// Each slot's thread-exit key plus one; 0 while there is none.
static EXIT_KEYS: [AtomicUsize; super::THREAD_HOOKS] =
    [const { AtomicUsize::new(0) }; super::THREAD_HOOKS];

pub(super) fn at_thread_exit(
    slot: usize,
    hook: unsafe extern "C" fn(*mut u8),
    value: *mut u8,
) -> bool {
    let Some(exit_key) = EXIT_KEYS.get(slot) else {
        return false;
    };
    let mut stored = exit_key.load(Ordering::Acquire);
    if stored == 0 {
        let mut key: c::pthread_key_t = 0;
        // SAFETY: `unsafe extern "C" fn(*mut u8)` and the destructor type
        // differ only in the pointee of their one argument.
        let destructor = unsafe {
            core::mem::transmute::<unsafe extern "C" fn(*mut u8), unsafe extern "C" fn(*mut c_void)>(
                hook,
            )
        };
        // SAFETY: `key` is written once by the call.
        if unsafe { c::pthread_key_create(&raw mut key, Some(destructor)) } != 0 {
            return false;
        }
        stored = key as usize + 1;
        if let Err(winner) =
            exit_key.compare_exchange(0, stored, Ordering::AcqRel, Ordering::Acquire)
        {
            // SAFETY: the key was made above and never published.
            unsafe { c::pthread_key_delete(key) };
            stored = winner;
        }
    }
    // SAFETY: the key was created by pthread_key_create and is never deleted.
    unsafe { c::pthread_setspecific((stored - 1) as c::pthread_key_t, value.cast()) == 0 }
}

/// What the calling thread last gave [`at_thread_exit`] in a slot; null for nothing.
#[cfg(feature = "pages")]
pub(super) fn exit_value(slot: usize) -> *mut u8 {
    let stored = EXIT_KEYS
        .get(slot)
        .map_or(0, |key| key.load(Ordering::Acquire));
    if stored == 0 {
        return core::ptr::null_mut();
    }
    // SAFETY: the key was created by pthread_key_create and is never deleted.
    unsafe { libc::pthread_getspecific((stored - 1) as libc::pthread_key_t) }.cast()
}

pub(super) fn at_fork(
    prepare: unsafe extern "C" fn(),
    parent: unsafe extern "C" fn(),
    child: unsafe extern "C" fn(),
) -> bool {
    // SAFETY: the three functions live as long as the process.
    unsafe { c::pthread_atfork(Some(prepare), Some(parent), Some(child)) == 0 }
}

pub(super) fn address_space_limit() -> usize {
    let mut limit = c::rlimit {
        rlim_cur: c::RLIM_INFINITY,
        rlim_max: c::RLIM_INFINITY,
    };
    // SAFETY: getrlimit writes one rlimit.
    let known = unsafe { c::getrlimit(c::RLIMIT_AS, &raw mut limit) } == 0;
    if !known || limit.rlim_cur == c::RLIM_INFINITY {
        usize::MAX
    } else {
        usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn processors() -> usize {
    // As many as a `cpu_set_t` has; where there are more the system refuses.
    use core::sync::atomic::AtomicU64;
    const WORDS: usize = 1024 / 64;
    static MET: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];
    let mut mask = [0u64; WORDS];
    // SAFETY: writes at most so many bytes of the mask.
    let answer = unsafe { c::sched_getaffinity(0, size_of_val(&mask), mask.as_mut_ptr().cast()) };
    if answer != 0 {
        return usize::MAX;
    }
    let all = MET.iter().zip(mask).map(|(met, own)| {
        let before = met.load(Ordering::Relaxed);
        if before | own != before {
            met.fetch_or(own, Ordering::Relaxed);
        }
        (before | own).count_ones() as usize
    });
    all.sum()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn processors() -> usize {
    usize::MAX
}
