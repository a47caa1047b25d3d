//! Page heap and fault injection for some modules' calls alone.
//!
//! Who calls is told by the first frame of the stack that is none of ours. What was found
//! of a module is kept, by where it begins and what it is called: a module that is
//! unloaded leaves its addresses to others.

use super::{options, stacks};
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Whether a call with the stack of this number is one of those that are meant: any,
/// unless modules are named.
pub(in crate::heap) fn are_for(stack: u32) -> bool {
    !are_named()
        || stacks::frames(stack)
            .first()
            .is_some_and(|&frame| is_named(frame))
}

/// Whether modules are named.
pub(super) fn are_named() -> bool {
    options().page.modules().next().is_some()
}

/// A module that was looked at.
struct Known {
    /// Its start and its name, mixed; 0 is a free place.
    key: AtomicU64,
    /// 1: not named; 2: named; 0 until that is known.
    is_named: AtomicU8,
}

/// More modules than that are looked at each time.
static KNOWN: [Known; 64] = [const {
    Known {
        key: AtomicU64::new(0),
        is_named: AtomicU8::new(0),
    }
}; 64];

/// Whether the module that an address of code lies in is named.
fn is_named(address: usize) -> bool {
    let Some(key) = key(address) else {
        return look(address);
    };
    for known in &KNOWN {
        let taken = known
            .key
            .compare_exchange(0, key, Ordering::Relaxed, Ordering::Relaxed);
        if taken != Ok(0) && taken != Err(key) {
            continue;
        }
        return match known.is_named.load(Ordering::Relaxed) {
            0 => {
                let is_named = look(address);
                known
                    .is_named
                    .store(1 + u8::from(is_named), Ordering::Relaxed);
                is_named
            }
            number => number == 2,
        };
    }
    look(address)
}

/// Reads the system's list of mappings for the name of the file. A name stands for
/// all versions of a library.
#[cold]
fn look(address: usize) -> bool {
    let mut name = [0; 64];
    let length = file_at(address, &mut name);
    let file = name.get(..length).unwrap_or_default();
    options().page.modules().any(|module| {
        file.strip_prefix(module)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"."))
    })
}

#[cfg(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))]
pub(super) fn key(address: usize) -> Option<u64> {
    crate::sys::module_key(address)
}

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64")))]
pub(super) fn key(_: usize) -> Option<u64> {
    None
}

#[cfg(unix)]
pub(super) fn file_at(address: usize, name: &mut [u8]) -> usize {
    crate::sys::file_at(address, name)
}

#[cfg(not(unix))]
pub(super) fn file_at(_: usize, _: &mut [u8]) -> usize {
    0
}
