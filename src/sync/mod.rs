//! The one lock of the allocator, its one start, what is held across forks, and the
//! atomics they are made of.
//!
//! The standard library's locks may allocate or panic, so the allocator has
//! its own: one word, a short spin, then the system's wait queue. Protocol
//! files name atomics and waiting only through this module, so that the model
//! checker can compile the very same files against its own atomics.

pub(crate) mod forks;
#[cfg(any(feature = "crt", feature = "debug"))]
mod function;
mod lock;
mod once;

#[cfg(any(feature = "crt", feature = "debug"))]
pub(crate) use function::Function;
#[cfg(all(unix, feature = "pages"))]
pub(crate) use lock::Guard;
pub(crate) use lock::{Lock, Mutex};
pub(crate) use once::Once;

/// Atomics, as the protocol files name them.
pub(crate) mod atomic {
    #[cfg(feature = "debug")]
    pub(crate) use core::sync::atomic::AtomicU64;
    #[cfg(all(unix, feature = "crt"))]
    pub(crate) use core::sync::atomic::fence;
    pub(crate) use core::sync::atomic::{
        AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering,
    };
}

/// Waiting, as the protocol files name it.
pub(crate) mod os {
    pub(crate) use super::forks::generation;
    pub(crate) use crate::sys::{thread_token, wait, wake_one, yield_now};
    pub(crate) use core::hint::spin_loop;
}

/// Interior mutability, as the protocol files name it.
pub(crate) mod cell {
    pub(crate) use core::cell::UnsafeCell;
}
