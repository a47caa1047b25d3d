//! The few functions and numbers of C's library that [`unix`](super::unix) and
//! [`maps`](super::maps) use, on Linux with glibc on x86-64.
//!
//! The `libc` crate has them all, and costs a clean build more than the rest of
//! this crate may. Elsewhere it is used. A test holds every line here against it.

// As C names them.
#![allow(non_camel_case_types, non_upper_case_globals)]

use core::ffi::{c_char, c_int, c_long, c_uint, c_ulong, c_void};

pub(super) type pthread_key_t = c_uint;
pub(super) type off_t = i64;

#[repr(C)]
pub(super) struct timespec {
    pub(super) tv_sec: i64,
    pub(super) tv_nsec: c_long,
}

#[repr(C)]
pub(super) struct iovec {
    pub(super) iov_base: *mut c_void,
    pub(super) iov_len: usize,
}

/// Glibc's has room for 1,024 processors; the function takes any size.
pub(super) type cpu_set_t = c_ulong;

#[repr(C)]
pub(super) struct rlimit {
    pub(super) rlim_cur: u64,
    pub(super) rlim_max: u64,
}

pub(super) const AT_PAGESZ: c_ulong = 6;
pub(super) const AT_SECURE: c_ulong = 23;
pub(super) const CLOCK_MONOTONIC: c_int = 1;
pub(super) const EFAULT: c_int = 14;
pub(super) const EINTR: c_int = 4;
pub(super) const ESRCH: c_int = 3;
pub(super) const FUTEX_PRIVATE_FLAG: c_int = 128;
pub(super) const FUTEX_WAIT: c_int = 0;
pub(super) const FUTEX_WAKE: c_int = 1;
pub(super) const GRND_NONBLOCK: c_uint = 1;
pub(super) const MADV_DONTNEED: c_int = 4;
pub(super) const MADV_HUGEPAGE: c_int = 14;
pub(super) const MADV_NOHUGEPAGE: c_int = 15;
pub(super) const MAP_ANON: c_int = 0x20;
pub(super) const MAP_FAILED: *mut c_void = core::ptr::without_provenance_mut(usize::MAX);
pub(super) const MAP_FIXED: c_int = 0x10;
pub(super) const MAP_FIXED_NOREPLACE: c_int = 0x10_0000;
pub(super) const MAP_NORESERVE: c_int = 0x4000;
pub(super) const MAP_PRIVATE: c_int = 2;
pub(super) const MREMAP_FIXED: c_int = 2;
pub(super) const MREMAP_MAYMOVE: c_int = 1;
pub(super) const O_CLOEXEC: c_int = 0x8_0000;
pub(super) const O_RDONLY: c_int = 0;
pub(super) const PROT_EXEC: c_int = 4;
pub(super) const PROT_NONE: c_int = 0;
pub(super) const PROT_READ: c_int = 1;
pub(super) const PROT_WRITE: c_int = 2;
pub(super) const RLIMIT_AS: c_uint = 9;
pub(super) const RLIM_INFINITY: u64 = u64::MAX;
pub(super) const SIGTRAP: c_int = 5;
pub(super) const SYS_futex: c_long = 202;
pub(super) const SYS_getrandom: c_long = 318;
pub(super) const SYS_gettid: c_long = 186;
pub(super) const SYS_membarrier: c_long = 324;
pub(super) const SYS_rt_sigprocmask: c_long = 14;
pub(super) const SYS_tgkill: c_long = 234;

unsafe extern "C" {
    pub(super) fn __errno_location() -> *mut c_int;
    pub(super) fn abort() -> !;
    pub(super) fn clock_gettime(clock: c_int, time: *mut timespec) -> c_int;
    pub(super) fn close(file: c_int) -> c_int;
    pub(super) fn getauxval(entry: c_ulong) -> c_ulong;
    pub(super) fn getpid() -> c_int;
    pub(super) fn getrlimit(resource: c_uint, limit: *mut rlimit) -> c_int;
    pub(super) fn madvise(base: *mut c_void, size: usize, advice: c_int) -> c_int;
    pub(super) fn mmap(
        hint: *mut c_void,
        size: usize,
        protection: c_int,
        flags: c_int,
        file: c_int,
        offset: off_t,
    ) -> *mut c_void;
    pub(super) fn mprotect(base: *mut c_void, size: usize, protection: c_int) -> c_int;
    pub(super) fn mremap(
        base: *mut c_void,
        old: usize,
        new: usize,
        flags: c_int,
        ...
    ) -> *mut c_void;
    pub(super) fn munmap(base: *mut c_void, size: usize) -> c_int;
    pub(super) fn open(path: *const c_char, flags: c_int, ...) -> c_int;
    pub(super) fn process_vm_readv(
        process: c_int,
        to: *const iovec,
        to_count: c_ulong,
        from: *const iovec,
        from_count: c_ulong,
        flags: c_ulong,
    ) -> isize;
    pub(super) fn pthread_atfork(
        prepare: Option<unsafe extern "C" fn()>,
        parent: Option<unsafe extern "C" fn()>,
        child: Option<unsafe extern "C" fn()>,
    ) -> c_int;
    pub(super) fn pthread_key_create(
        key: *mut pthread_key_t,
        destructor: Option<unsafe extern "C" fn(*mut c_void)>,
    ) -> c_int;
    pub(super) fn pthread_key_delete(key: pthread_key_t) -> c_int;
    #[cfg(any(test, ntheap_portable))]
    pub(super) fn pthread_self() -> c_ulong;
    pub(super) fn pthread_setspecific(key: pthread_key_t, value: *const c_void) -> c_int;
    pub(super) fn raise(signal: c_int) -> c_int;
    pub(super) fn read(file: c_int, buffer: *mut c_void, size: usize) -> isize;
    pub(super) fn sched_getaffinity(process: c_int, size: usize, mask: *mut cpu_set_t) -> c_int;
    pub(super) fn sched_yield() -> c_int;
    pub(super) fn syscall(number: c_long, ...) -> c_long;
    pub(super) fn write(file: c_int, buffer: *const c_void, size: usize) -> isize;
}

#[cfg(test)]
mod tests {
    //! Each line against the `libc` crate's: numbers when the test runs,
    //! functions and structures when it is compiled.

    use super::*;
    use core::mem::{offset_of, size_of};

    macro_rules! same_numbers {
        ($($name:ident)*) => { $(assert_eq!(super::$name, libc::$name, stringify!($name));)* };
    }

    // Two functions go into one array only if their types are the same.
    macro_rules! same_functions {
        ($($name:ident: $type:ty;)*) => {
            $(let pair: [$type; 2] = [super::$name, libc::$name];
            assert_eq!(pair[0] as usize, pair[1] as usize, stringify!($name));)*
        };
    }

    #[test]
    fn numbers_are_the_systems() {
        same_numbers! {
            AT_PAGESZ AT_SECURE CLOCK_MONOTONIC EFAULT EINTR FUTEX_PRIVATE_FLAG FUTEX_WAIT FUTEX_WAKE
            GRND_NONBLOCK MADV_DONTNEED MADV_HUGEPAGE MADV_NOHUGEPAGE MAP_ANON MAP_FAILED
            MAP_FIXED MAP_FIXED_NOREPLACE MAP_NORESERVE MAP_PRIVATE MREMAP_FIXED
            MREMAP_MAYMOVE O_CLOEXEC O_RDONLY PROT_EXEC PROT_NONE PROT_READ PROT_WRITE
            RLIMIT_AS RLIM_INFINITY SIGTRAP SYS_futex SYS_getrandom SYS_gettid SYS_membarrier
            SYS_rt_sigprocmask SYS_tgkill ESRCH
        }
    }

    #[test]
    fn functions_are_the_systems() {
        type Exit = Option<unsafe extern "C" fn(*mut c_void)>;
        type Handler = Option<unsafe extern "C" fn()>;
        same_functions! {
            __errno_location: unsafe extern "C" fn() -> *mut c_int;
            abort: unsafe extern "C" fn() -> !;
            close: unsafe extern "C" fn(c_int) -> c_int;
            getauxval: unsafe extern "C" fn(c_ulong) -> c_ulong;
            getpid: unsafe extern "C" fn() -> c_int;
            madvise: unsafe extern "C" fn(*mut c_void, usize, c_int) -> c_int;
            mmap: unsafe extern "C" fn(*mut c_void, usize, c_int, c_int, c_int, i64) -> *mut c_void;
            mprotect: unsafe extern "C" fn(*mut c_void, usize, c_int) -> c_int;
            mremap: unsafe extern "C" fn(*mut c_void, usize, usize, c_int, ...) -> *mut c_void;
            munmap: unsafe extern "C" fn(*mut c_void, usize) -> c_int;
            open: unsafe extern "C" fn(*const c_char, c_int, ...) -> c_int;
            pthread_atfork: unsafe extern "C" fn(Handler, Handler, Handler) -> c_int;
            pthread_key_create: unsafe extern "C" fn(*mut pthread_key_t, Exit) -> c_int;
            pthread_key_delete: unsafe extern "C" fn(pthread_key_t) -> c_int;
            pthread_self: unsafe extern "C" fn() -> c_ulong;
            pthread_setspecific: unsafe extern "C" fn(pthread_key_t, *const c_void) -> c_int;
            raise: unsafe extern "C" fn(c_int) -> c_int;
            read: unsafe extern "C" fn(c_int, *mut c_void, usize) -> isize;
            sched_yield: unsafe extern "C" fn() -> c_int;
            syscall: unsafe extern "C" fn(c_long, ...) -> c_long;
            write: unsafe extern "C" fn(c_int, *const c_void, usize) -> isize;
        }
        // These name a structure of their own.
        let _: unsafe extern "C" fn(
            c_int,
            *const libc::iovec,
            c_ulong,
            *const libc::iovec,
            c_ulong,
            c_ulong,
        ) -> isize = libc::process_vm_readv;
        let _: unsafe extern "C" fn(c_int, *mut libc::timespec) -> c_int = libc::clock_gettime;
        let _: unsafe extern "C" fn(c_uint, *mut libc::rlimit) -> c_int = libc::getrlimit;
        let _: unsafe extern "C" fn(c_int, usize, *mut libc::cpu_set_t) -> c_int =
            libc::sched_getaffinity;
    }

    #[test]
    fn structures_are_the_systems() {
        assert_eq!(size_of::<timespec>(), size_of::<libc::timespec>());
        assert_eq!(
            offset_of!(timespec, tv_nsec),
            offset_of!(libc::timespec, tv_nsec)
        );
        assert_eq!(size_of::<iovec>(), size_of::<libc::iovec>());
        assert_eq!(offset_of!(iovec, iov_len), offset_of!(libc::iovec, iov_len));
        assert_eq!(size_of::<rlimit>(), size_of::<libc::rlimit>());
        assert_eq!(
            offset_of!(rlimit, rlim_max),
            offset_of!(libc::rlimit, rlim_max)
        );
    }
}
