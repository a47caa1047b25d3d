//! Sampled guarding: one allocation in many goes to pages with guards, so that an
//! overrun or a use after free is caught where the program really runs.
//!
//! ```text
//!   a thread:  | refill 62 | refill 62 | ... | refill cut to 17 | sample | ...
//!              |<------ as many blocks as were drawn ---------->|
//! ```
//!
//! No fast path counts. A thread draws how many blocks it is given before its next
//! sample, counts what its refills bring, and has the last of them cut short: the
//! allocation after that is a slow one, and is sampled. The number is drawn as
//! if for each block a coin fell, so that no pattern of a program's hides from it.
//! What a thread frees and takes again from its cache is not counted: it is not
//! given anew.
//!
//! The pool is small: [`BLOCKS`] blocks in use and kept together. What is freed is
//! kept from use as long as the pool has room.

use super::page::{self, Bounds, Request, Rule};
use super::random::{interval, random};
use super::{stacks, threads};
use crate::config::Config;
use crate::heap::cache::State;
use crate::heap::classes::MAX_BUCKET_SIZE;
use crate::heap::descriptor::Kind;
use crate::heap::front::{Front, Shared};
use crate::heap::word::Word;
use crate::sys::{KEEPS_LOW, LOW};
use crate::vm::guarded::Guards;
use crate::vm::page_size;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Blocks in use and kept, together.
const BLOCKS: usize = 256;

/// Bytes of address space: room for the blocks at the largest, several times.
const SPACE: usize = 64 * 1024 * 1024;

/// The rate: one in so many; 0 for none.
static RATE: AtomicU64 = AtomicU64::new(0);

/// Whether they lie at addresses that tell by themselves whose they are.
static IS_LOW: AtomicBool = AtomicBool::new(false);

/// Begins, if the options say so. True if it does, and stacks are wanted.
pub(super) fn begin(config: &Config) -> bool {
    let rate = config.sample() as u64;
    let bounds = Bounds {
        kept_blocks: BLOCKS,
        kept_bytes: usize::MAX,
        busy: BLOCKS,
        blocks: BLOCKS,
    };
    let begins = rate != 0 && page::begin(SPACE, Guards::Advice, Some(random()), bounds);
    if begins {
        let [_, end] = page::range();
        IS_LOW.store(end <= LOW, Ordering::Relaxed);
        RATE.store(rate, Ordering::Relaxed);
    }
    begins
}

/// Blocks before a thread's first sample.
pub(in crate::heap) fn first() -> u64 {
    if is_on() { draw() } else { 0 }
}

/// Whether allocations are sampled.
#[inline]
pub(in crate::heap) fn is_on() -> bool {
    RATE.load(Ordering::Relaxed) != 0
}

/// A sampled block for an allocation that took the slow path; null if it is not to be
/// sampled, or cannot be.
#[cold]
pub(in crate::heap) fn take(
    front: &Front,
    shared: Shared<'_>,
    word: &Word,
    size: usize,
    align: usize,
    is_zero: bool,
) -> *mut u8 {
    let cache = front.cache(shared, word);
    if !cache.is(State::Live) {
        return ptr::null_mut();
    }
    let until = &cache.until_sample;
    if size > MAX_BUCKET_SIZE {
        // No refill counts a large block.
        until.set(until.get().saturating_sub(1));
    }
    if until.get() != 0 || size > MAX_BUCKET_SIZE || align > page_size() {
        return ptr::null_mut();
    }
    until.set(draw());
    let rule = match front.kind() {
        Kind::Checked => Rule::End,
        // The free has to know the block by its address.
        Kind::Plain if KEEPS_LOW && IS_LOW.load(Ordering::Relaxed) => Rule::End,
        Kind::Plain if !KEEPS_LOW && align <= 8 => Rule::Beside,
        Kind::Plain => return ptr::null_mut(),
    };
    threads::note(crate::sys::thread_id() as u32);
    page::allocate(&Request {
        heap: 0,
        size,
        align,
        rule,
        info: 0,
        stack: stacks::capture(),
        is_zero,
        is_sample: true,
    })
}

/// Blocks before the next sample.
fn draw() -> u64 {
    interval(random(), RATE.load(Ordering::Relaxed))
}
