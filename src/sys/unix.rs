//! Unix: anonymous private mappings, reserved without access and without
//! swap, committed by mprotect, given back by madvise.
//!
//! Decommit maps fresh inaccessible memory over the range: one call, nothing
//! half done, and the mapping merges with its reserved neighbours again.

use super::Protection;
use core::ffi::{CStr, c_int, c_void};
use core::ptr;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Asks that a reservation be charged to nobody. FreeBSD and its relatives
/// have no such flag.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
pub(super) const UNCHARGED: c_int = libc::MAP_NORESERVE;
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
pub(super) const UNCHARGED: c_int = 0;

const RESERVE_FLAGS: c_int = libc::MAP_PRIVATE | libc::MAP_ANON | UNCHARGED;

pub(super) fn page_size() -> usize {
    // SAFETY: sysconf reads a constant of the system.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).map_or(4096, |size| size.max(4096))
}

fn map(hint: *mut u8, size: usize, protection: c_int, flags: c_int) -> *mut u8 {
    // SAFETY: without MAP_FIXED the kernel chooses an unused range, so no
    // existing mapping can be touched. `decommit`, which passes MAP_FIXED,
    // owns the range it names.
    let base = unsafe { libc::mmap(hint.cast(), size, protection, flags, -1, 0) };
    if base == libc::MAP_FAILED {
        ptr::null_mut()
    } else {
        base.cast()
    }
}

pub(super) fn reserve(size: usize, align: usize) -> *mut u8 {
    let base = map(ptr::null_mut(), size, libc::PROT_NONE, RESERVE_FLAGS);
    if base.is_null() || base.addr() & (align - 1) == 0 {
        return base;
    }
    // SAFETY: the range was mapped just above and nobody else knows it.
    unsafe { libc::munmap(base.cast(), size) };
    let Some(total) = size.checked_add(align) else {
        return ptr::null_mut();
    };
    let base = map(ptr::null_mut(), total, libc::PROT_NONE, RESERVE_FLAGS);
    if base.is_null() {
        return base;
    }
    let head = base.addr().wrapping_neg() & (align - 1);
    let aligned = base.wrapping_add(head);
    if head != 0 {
        // SAFETY: `[base, base + head)` is the unused front of the mapping
        // made above.
        unsafe { libc::munmap(base.cast(), head) };
    }
    if align != head {
        // SAFETY: `[aligned + size, base + total)` is its unused end.
        unsafe { libc::munmap(aligned.wrapping_add(size).cast(), align - head) };
    }
    aligned
}

/// Refuses to map over what is there. Where there is no such flag the address
/// is a hint, and what lies elsewhere is not wanted.
#[cfg(any(target_os = "linux", target_os = "android"))]
const UNDISTURBED: c_int = libc::MAP_FIXED_NOREPLACE;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const UNDISTURBED: c_int = 0;

pub(super) fn reserve_at(base: *mut u8, size: usize) -> bool {
    let got = map(base, size, libc::PROT_NONE, RESERVE_FLAGS | UNDISTURBED);
    if !got.is_null() && got != base {
        // SAFETY: a system without the flag put it elsewhere, in a range that
        // nobody else knows.
        unsafe { libc::munmap(got.cast(), size) };
    }
    got == base
}

pub(super) fn reserve_readable(size: usize) -> *mut u8 {
    map(ptr::null_mut(), size, libc::PROT_READ, RESERVE_FLAGS)
}

pub(super) fn allocate(size: usize) -> *mut u8 {
    map(
        ptr::null_mut(),
        size,
        libc::PROT_READ | libc::PROT_WRITE,
        RESERVE_FLAGS,
    )
}

pub(super) unsafe fn commit(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller owns the range.
    unsafe { libc::mprotect(base.cast(), size, libc::PROT_READ | libc::PROT_WRITE) == 0 }
}

pub(super) unsafe fn decommit(base: *mut u8, size: usize) -> bool {
    !map(base, size, libc::PROT_NONE, RESERVE_FLAGS | libc::MAP_FIXED).is_null()
}

pub(super) unsafe fn purge(base: *mut u8, size: usize) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: the caller owns the range and its contents are dead; Linux
    // gives zero pages after MADV_DONTNEED on private anonymous memory.
    unsafe {
        libc::madvise(base.cast(), size, libc::MADV_DONTNEED) == 0
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        // Elsewhere MADV_DONTNEED promises nothing about the contents: map
        // fresh pages over the range.
        !map(
            base,
            size,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED,
        )
        .is_null()
    }
}

pub(super) unsafe fn release(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller owns the whole reservation and is done with it.
    unsafe { libc::munmap(base.cast(), size) == 0 }
}

/// What the system calls these rights.
pub(super) const fn bits_of(protection: Protection) -> c_int {
    match protection {
        Protection::None => libc::PROT_NONE,
        Protection::Read => libc::PROT_READ,
        Protection::ReadWrite => libc::PROT_READ | libc::PROT_WRITE,
        Protection::Execute => libc::PROT_EXEC,
        Protection::ReadExecute => libc::PROT_READ | libc::PROT_EXEC,
        Protection::ReadWriteExecute => libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
    }
}

pub(super) unsafe fn protect(base: *mut u8, size: usize, protection: Protection) -> bool {
    // SAFETY: the caller owns the range.
    unsafe { libc::mprotect(base.cast(), size, bits_of(protection)) == 0 }
}

/// Without MAP_NORESERVE: pages that the pool cannot promise are refused now,
/// where a fault would end the process later.
#[cfg(feature = "pages")]
pub(super) unsafe fn commit_large(base: *mut u8, size: usize, protection: Protection) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED | libc::MAP_HUGETLB;
        if !map(base, size, bits_of(protection), flags).is_null() {
            return true;
        }
        // Older kernels unmap first and find out then.
        reserve_at(base, size);
        false
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = (base, size, protection);
        false
    }
}

#[cfg(feature = "pages")]
pub(super) unsafe fn offer(base: *mut u8, size: usize) -> bool {
    // SAFETY: the caller owns the range and needs nothing that it holds.
    unsafe { libc::madvise(base.cast(), size, libc::MADV_FREE) == 0 }
}

/// Linux 6.13's guard advice: pages that fault, without a mapping of their
/// own.
#[cfg(target_os = "linux")]
const MADV_GUARD_INSTALL: c_int = 102;
#[cfg(target_os = "linux")]
const MADV_GUARD_REMOVE: c_int = 103;

pub(super) unsafe fn guard(base: *mut u8, size: usize) -> bool {
    #[cfg(target_os = "linux")]
    // SAFETY: the caller owns the range and its contents are dead. An older
    // kernel answers EINVAL and changes nothing.
    if unsafe { libc::madvise(base.cast(), size, MADV_GUARD_INSTALL) } == 0 {
        return true;
    }
    // SAFETY: as above; decommitted pages fault as guarded ones do.
    unsafe { decommit(base, size) }
}

pub(super) unsafe fn unguard(base: *mut u8, size: usize) -> bool {
    #[cfg(target_os = "linux")]
    // SAFETY: the caller owns the range. Removing guards where there are none
    // changes nothing, so the mprotect below covers both ways of guarding.
    unsafe {
        libc::madvise(base.cast(), size, MADV_GUARD_REMOVE);
    }
    // SAFETY: the caller owns the range.
    unsafe { commit(base, size) }
}

pub(super) unsafe fn resize(base: *mut u8, old: usize, new: usize) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: the caller owns the whole mapping; without MREMAP_MAYMOVE it
    // stays where it is.
    unsafe {
        libc::mremap(base.cast(), old, new, 0) != libc::MAP_FAILED
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
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        // SAFETY: the caller owns both mappings; the target's pages are
        // replaced.
        if unsafe { libc::mremap(base.cast(), old, new, flags, target) } != libc::MAP_FAILED {
            return true;
        }
        // Older kernels unmap the target before they find out that the move
        // is not allowed. Take the range again; where it is still mapped the
        // call is refused, as it should be.
        let again = map(
            target,
            new,
            libc::PROT_NONE,
            RESERVE_FLAGS | libc::MAP_FIXED_NOREPLACE,
        );
        if !again.is_null() && again != target {
            // SAFETY: a kernel older than the flag put it elsewhere, in a
            // range that nobody else knows.
            unsafe { libc::munmap(again.cast(), new) };
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
            libc::MADV_HUGEPAGE
        } else {
            libc::MADV_NOHUGEPAGE
        };
        libc::madvise(base.cast(), size, advice);
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
        libc::syscall(libc::SYS_membarrier, PRIVATE_EXPEDITED, 0, 0) == 0
            || (libc::syscall(libc::SYS_membarrier, REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0
                && libc::syscall(libc::SYS_membarrier, PRIVATE_EXPEDITED, 0, 0) == 0)
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
        libc::syscall(
            libc::SYS_getrandom,
            (&raw mut bits).cast::<c_void>(),
            8usize,
            libc::GRND_NONBLOCK,
        ) == 8
    };
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    // SAFETY: getentropy writes eight bytes into `bits`.
    let got = unsafe { libc::getentropy((&raw mut bits).cast(), 8) == 0 };
    if got {
        return bits;
    }
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: clock_gettime writes one timespec.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    let mut mixed =
        (now.tv_nsec as u64) ^ (now.tv_sec as u64) << 32 ^ (&raw const now).addr() as u64;
    mixed = (mixed ^ mixed >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    mixed ^ mixed >> 33
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn wait(word: &AtomicU32, expected: u32) {
    // SAFETY: FUTEX_WAIT only reads the word, which lives through the call.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG,
            expected,
            ptr::null::<libc::timespec>(),
        );
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn wake_one(word: &AtomicU32) {
    // SAFETY: FUTEX_WAKE uses the word's address only.
    unsafe {
        libc::syscall(
            libc::SYS_futex,
            word.as_ptr(),
            libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG,
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
    unsafe { libc::sched_yield() };
}

pub(super) fn write_stderr(mut text: &[u8]) {
    while !text.is_empty() {
        // SAFETY: the kernel reads `text.len()` bytes of `text`.
        let written = unsafe { libc::write(2, text.as_ptr().cast(), text.len()) };
        match usize::try_from(written) {
            Ok(written) if written > 0 => text = text.get(written..).unwrap_or_default(),
            // A signal came first.
            Err(_) if errno() == libc::EINTR => {}
            _ => return,
        }
    }
}

pub(super) fn process_id() -> u32 {
    // SAFETY: no arguments, no memory; process numbers are positive.
    unsafe { libc::getpid() as u32 }
}

/// Where the calling thread's last error lies.
fn errno_location() -> *mut c_int {
    // SAFETY: the functions only tell an address.
    unsafe {
        #[cfg(target_os = "linux")]
        return libc::__errno_location();
        #[cfg(target_os = "android")]
        return libc::__errno();
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        return libc::__error();
    }
}

/// The calling thread's last error.
pub(super) fn errno() -> c_int {
    // SAFETY: the location is the calling thread's own.
    unsafe { *errno_location() }
}

/// Sets the calling thread's last error.
#[cfg(feature = "pages")]
pub(super) fn set_errno(value: c_int) {
    // SAFETY: as above.
    unsafe { *errno_location() = value }
}

pub(super) fn abort() -> ! {
    // SAFETY: abort takes no lock that the allocator could hold and never
    // returns.
    unsafe { libc::abort() }
}

pub(super) fn read_own_memory(address: usize, bytes: &mut [u8]) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let to = libc::iovec {
            iov_base: bytes.as_mut_ptr().cast(),
            iov_len: bytes.len(),
        };
        let from = libc::iovec {
            iov_base: core::ptr::without_provenance_mut(address),
            iov_len: bytes.len(),
        };
        // SAFETY: the kernel writes to `bytes` alone; it checks the address it
        // reads from.
        let read = unsafe { libc::process_vm_readv(libc::getpid(), &to, 1, &from, 1, 0) };
        usize::try_from(read) == Ok(bytes.len())
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
        libc::getauxval(libc::AT_SECURE) != 0
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    // SAFETY: four calls without arguments.
    unsafe {
        libc::getuid() != libc::geteuid() || libc::getgid() != libc::getegid()
    }
}

unsafe extern "C" {
    static environ: *const *const libc::c_char;
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
        // SAFETY: every entry is a NUL-terminated string.
        let entry = unsafe { CStr::from_ptr(entry) }.to_bytes();
        if entry.starts_with(prefix)
            && let Some(equals) = entry.iter().position(|&byte| byte == b'=')
            && let (Some(name), Some(value)) = (entry.get(..equals), entry.get(equals + 1..))
        {
            visit(name, value);
        }
        // SAFETY: not the end yet, so there is a next element.
        at = unsafe { at.add(1) };
    }
}

pub(super) fn thread_id() -> u64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: no arguments, no memory.
    unsafe {
        libc::syscall(libc::SYS_gettid) as u64
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    // SAFETY: no arguments, no memory.
    unsafe {
        libc::pthread_self() as u64
    }
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
pub(super) fn thread_token() -> usize {
    // SAFETY: no arguments, no memory.
    unsafe { libc::pthread_self() as usize }
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
        let mut key: libc::pthread_key_t = 0;
        // SAFETY: `unsafe extern "C" fn(*mut u8)` and the destructor type
        // differ only in the pointee of their one argument.
        let destructor = unsafe {
            core::mem::transmute::<unsafe extern "C" fn(*mut u8), unsafe extern "C" fn(*mut c_void)>(
                hook,
            )
        };
        // SAFETY: `key` is written once by the call.
        if unsafe { libc::pthread_key_create(&raw mut key, Some(destructor)) } != 0 {
            return false;
        }
        stored = key as usize + 1;
        if let Err(winner) =
            exit_key.compare_exchange(0, stored, Ordering::AcqRel, Ordering::Acquire)
        {
            // SAFETY: the key was made above and never published.
            unsafe { libc::pthread_key_delete(key) };
            stored = winner;
        }
    }
    // SAFETY: the key was created by pthread_key_create and is never deleted.
    unsafe { libc::pthread_setspecific((stored - 1) as libc::pthread_key_t, value.cast()) == 0 }
}

pub(super) fn at_fork(
    prepare: unsafe extern "C" fn(),
    parent: unsafe extern "C" fn(),
    child: unsafe extern "C" fn(),
) -> bool {
    // SAFETY: the three functions live as long as the process.
    unsafe { libc::pthread_atfork(Some(prepare), Some(parent), Some(child)) == 0 }
}

pub(super) fn address_space_limit() -> usize {
    let mut limit = libc::rlimit {
        rlim_cur: libc::RLIM_INFINITY,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: getrlimit writes one rlimit.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) } == 0;
    if !known || limit.rlim_cur == libc::RLIM_INFINITY {
        usize::MAX
    } else {
        usize::try_from(limit.rlim_cur).unwrap_or(usize::MAX)
    }
}
