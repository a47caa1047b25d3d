//! How hardened blocks are resized.

use super::blocks::{
    Found, Place, allocate, allocate_large, free, is_size, place_of, size_of, tell_freed,
    usable_size,
};
use super::pattern;
use super::place::{capacity, class_for};
use crate::heap::descriptor::BUSY_EXACT;
use crate::heap::large::{LargeList, Need};
use crate::heap::word::Word;
use crate::heap::{PROCESS, misuse, private};
use core::ptr;

/// Resizes the block at `address` to `size` bytes, at a multiple of `align`: `Some` of
/// null, and the block as it was, when the system has nothing to give; `None` where the
/// address is another heap's block, or none. What is wrong is reported.
///
/// # Safety
/// As for [`free`]; the old block is used no more unless null is returned.
pub(in crate::heap) unsafe fn reallocate(
    word: &Word,
    operation: &str,
    address: *mut u8,
    size: usize,
    align: usize,
    mut layout: Option<usize>,
) -> Option<*mut u8> {
    let found = match place_of(address.addr()) {
        Place::Busy(found) => found,
        Place::Free(size) => {
            misuse::already_free(operation, address.addr(), size);
            return Some(ptr::null_mut());
        }
        Place::Other => return None,
    };
    // Rust's programs ask nobody.
    let asks = layout.is_none();
    // SAFETY: the caller's block; the new one is distinct and large enough for what
    // both hold.
    unsafe {
        let is_small = !found.is_large() && !found.is_nothing();
        let old = if is_small {
            size_of(operation, &found, address)
        } else {
            usable_size(operation, address)?
        };
        let class = class_for(size, align);
        let may_stay = found.is_large() && class.is_none() && align <= crate::vm::page_size();
        if may_stay {
            let stayed = stay_large(&found, operation, address, size, &mut layout, false);
            if stayed.is_some() {
                return stayed;
            }
        } else if is_small && class == Some(found.class()) {
            return Some(stay_small(&found, operation, address, (old, size), layout));
        }
        let shrinks = size <= old && address.addr().is_multiple_of(align);
        loop {
            let new = match class {
                None if size > old => allocate_large(word, size, align, Need::Growing),
                _ => allocate(word, size, align, false),
            };
            if !new.is_null() {
                new.copy_from_nonoverlapping(address, old.min(size));
                free(word, operation, address, layout);
                return Some(new);
            }
            if is_small && shrinks {
                return Some(stay_small(&found, operation, address, (old, size), layout));
            }
            // What is free was given back for a copy, and may be room enough for the growth.
            if may_stay || (found.is_large() && shrinks) {
                let stayed = stay_large(&found, operation, address, size, &mut layout, shrinks);
                if stayed.is_some() {
                    return stayed;
                }
            }
            if !asks || !private::met::tries_again(size) {
                return Some(ptr::null_mut());
            }
        }
    }
}

/// Resizes a block of a class where it is, which has `old` bytes, and room for `size`. What is
/// wrong with its layout is reported.
///
/// # Safety
/// The block is handed out, and the caller's.
unsafe fn stay_small(
    found: &Found,
    operation: &str,
    address: *mut u8,
    (old, size): (usize, usize),
    layout: Option<usize>,
) -> *mut u8 {
    if let Some(expected) = layout
        && !is_size(found, old, expected)
    {
        misuse::wrong_layout(operation, address.addr(), expected);
    }
    let room = capacity(found.class());
    // SAFETY: the caller's block, of so many bytes.
    unsafe {
        if found.mark != BUSY_EXACT {
            pattern::erase(address, room, old);
        }
        let mark = pattern::mark_for(room, size);
        found.set_mark(mark);
        if mark != BUSY_EXACT {
            // A smaller block's data lies in the slack.
            pattern::erase(address, room, size);
            pattern::write(mark, address, room, size);
        }
    }
    address
}

/// Resizes a large block without a copy: `None`, and nothing changed, where that cannot be done;
/// null where somebody frees it at the same time. What is wrong is reported, and with its layout
/// no more than once. One that `shrinks` keeps its region, if there is no other way.
///
/// # Safety
/// As for [`reallocate`]; `found` is a large block.
unsafe fn stay_large(
    found: &Found,
    operation: &str,
    address: *mut u8,
    size: usize,
    layout: &mut Option<usize>,
    shrinks: bool,
) -> Option<*mut u8> {
    loop {
        // SAFETY: the caller's promise.
        match unsafe { resize_large(found, address, size, *layout, shrinks) } {
            Resized::Done(block) => return Some(block),
            Resized::Not => return None,
            Resized::Wrong(expected) => {
                misuse::wrong_layout(operation, address.addr(), expected);
                *layout = None;
            }
            Resized::Freed => {
                tell_freed(operation, found.descriptor, address);
                return Some(ptr::null_mut());
            }
        }
    }
}

/// What `resize_large` did.
enum Resized {
    /// The block is here now.
    Done(*mut u8),
    /// Nothing.
    Not,
    /// Nothing: the block was not asked for with so many bytes.
    Wrong(usize),
    /// Nothing: somebody frees it at the same time.
    Freed,
}

/// # Safety
/// As for [`reallocate`]; `found` is a large block.
unsafe fn resize_large(
    found: &Found,
    address: *mut u8,
    size: usize,
    layout: Option<usize>,
    shrinks: bool,
) -> Resized {
    let mut large = PROCESS.large.lock();
    let descriptor = found.descriptor;
    // SAFETY: as in `free_large`.
    unsafe {
        if !LargeList::claim(descriptor, address.addr()) {
            return Resized::Freed;
        }
        let resized = match LargeList::size_of(descriptor) {
            // Where it lies now, it is moved from, and freed: told of there.
            (_, false) => Resized::Not,
            (is, true) => match layout.filter(|&expected| expected != is) {
                Some(expected) => Resized::Wrong(expected),
                None => {
                    let mut block = large.resize(descriptor, size);
                    if block.is_null() && shrinks {
                        block = large.shrink(descriptor, size);
                    }
                    match block.is_null() {
                        true => Resized::Not,
                        false => Resized::Done(block),
                    }
                }
            },
        };
        LargeList::hand_out(descriptor);
        resized
    }
}
