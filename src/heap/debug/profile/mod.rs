//! Heap profiles: of all the bytes that a program allocates one in many is looked at,
//! and the block that it lies in is noted, with its stack, until it is freed.
//!
//! ```text
//!   bytes that a thread takes  |     .     |  .        |        . |        .|   stretches
//!   blocks                     [][][]##[][]####[][][][]####[][]####[][]#####[]
//!                                    noted  noted      noted   noted   noted
//! ```
//!
//! Each stretch of as many bytes as the rate says has one place, anywhere in it; what block
//! comes to lie there is noted. So a block of `size` bytes is noted by a chance of size /
//! rate, and stands for rate / size blocks: its *weight*. One place a stretch, rather
//! than places by chance alone, makes sums that hardly stray: of a gigabyte of small
//! blocks that are only allocated, the estimate is right but for a stretch a thread.
//! That holds while blocks are small against a stretch. A larger one, above a
//! sixteenth, lies in no stretch: it has the same chance by a coin of its own, and from
//! the rate on it is always noted.
//!
//! Every allocation counts, in a lane of its own behind the fast paths, and no block is of a
//! kind of its own (`heap/counted.rs`): frees are seen by a block's mark, or when it is
//! handed out anew or goes home. The noted ones are found by address:
//!
//! ```text
//!   address -- hash --> filter: a bit --> chain of records     filter.rs, live.rs
//!                       0: not noted      record --> site      sites.rs
//!                                         site --> stack       ../stacks.rs
//! ```
//!
//! Invariants:
//! - A record is there before its block is handed out, and goes before the block is handed
//!   out anew. Of a block without a mark it may be there while the block is free.
//! - The bit is looked at without a lock. Whoever frees a noted block, or takes it anew, does
//!   so after its bit was set, and bits are cleared only when no record has them.
//! - The lock here is below every heap's. Stacks are captured without it.
//! - An outside reader finds all by the [`Header`], which the root record leads to.

mod filter;
mod live;
mod sites;

pub use live::Record;
pub use sites::Site;

use super::random::random;
use super::stacks::{self, Database};
use crate::config::Config;
use crate::heap::counted;
use crate::heap::fingerprint::{START, mix_all};
use crate::sync::{Lock, Mutex};
use crate::vm::root;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use live::Live;
use sites::Sites;

/// The largest rate, where an address has so many bits: weights in units of 1 / [`ONE`] fit
/// 64 bits, and so do sums of many.
const MOST_RATE: usize = match 1_usize.checked_shl(36) {
    Some(rate) => rate,
    None => usize::MAX,
};
/// The part of a rate above which a block's chance is a coin's.
const PART: u64 = 16;

/// A weight of one block.
pub const ONE: u64 = 1 << 16;

/// Blocks that one of `bytes` bytes stands for where one of `rate` bytes is looked at, in
/// units of 1 / [`ONE`].
pub const fn weight(bytes: u64, rate: u64) -> u64 {
    if bytes == 0 || bytes >= rate {
        return ONE;
    }
    ((rate as u128 * ONE as u128 + bytes as u128 / 2) / bytes as u128) as u64
}

/// What an outside reader needs to know, as it lies in memory.
#[derive(Debug)]
#[repr(C)]
pub struct Header {
    /// [`LAYOUT`], once there is a profile.
    pub layout: AtomicUsize,
    /// Bytes of a stretch; 0 where nothing is profiled.
    pub rate: AtomicU64,
    /// The first [`Record`], which is none.
    pub records: AtomicPtr<Record>,
    /// The first [`Site`].
    pub sites: AtomicPtr<Site>,
    /// Records that were ever used, the first included.
    pub records_used: AtomicU32,
    /// Sites there are.
    pub sites_used: AtomicU32,
    /// Blocks that were to be noted when there was no room.
    pub lost: AtomicU32,
    unused: u32,
    /// The stacks.
    pub stacks: AtomicPtr<Database>,
}

/// How the header and what it leads to are laid out: another number, another layout.
pub const LAYOUT: usize = mix_all(
    START,
    &[
        // A version: for what sizes do not tell.
        1,
        size_of::<Header>(),
        size_of::<Record>(),
        size_of::<Site>(),
        size_of::<Database>(),
        core::mem::offset_of!(Header, stacks),
        core::mem::offset_of!(Record, site),
        core::mem::offset_of!(Site, stack),
        stacks::FRAMES_AT,
        stacks::COUNT_AT,
    ],
) as usize;

static HEADER: Header = Header {
    layout: AtomicUsize::new(0),
    rate: AtomicU64::new(0),
    records: AtomicPtr::new(ptr::null_mut()),
    sites: AtomicPtr::new(ptr::null_mut()),
    records_used: AtomicU32::new(0),
    sites_used: AtomicU32::new(0),
    lost: AtomicU32::new(0),
    unused: 0,
    stacks: AtomicPtr::new(ptr::null_mut()),
};

struct Notes {
    live: Live,
    sites: Sites,
}

static NOTES: Mutex<Notes> = Mutex::new(Notes {
    live: Live::new(),
    sites: Sites::new(),
});

/// Begins, if the options say so and memory can be had. True if it does, and stacks are
/// wanted. Where every call is counted by size, or blocks are
/// hardened, nothing is profiled.
pub(super) fn begin(config: &Config) -> bool {
    let rate = config.profile().min(MOST_RATE);
    if rate == 0 || config.count_calls() {
        return false;
    }
    #[cfg(feature = "hardened")]
    if crate::heap::hard::is_on() {
        return false;
    }
    let mut notes = NOTES.lock();
    if !notes.live.begin() || !notes.sites.begin() {
        return false;
    }
    HEADER.records.store(notes.live.first(), Ordering::Relaxed);
    HEADER.sites.store(notes.sites.first(), Ordering::Relaxed);
    let database = (&raw const stacks::DATABASE).cast_mut();
    HEADER.stacks.store(database, Ordering::Relaxed);
    HEADER.layout.store(LAYOUT, Ordering::Release);
    HEADER.rate.store(rate as u64, Ordering::Release);
    root::set_anchor(root::Anchor::Profile, (&raw const HEADER).addr());
    true
}

/// Whether allocations are profiled.
#[inline]
pub(in crate::heap) fn is_on() -> bool {
    HEADER.rate.load(Ordering::Relaxed) != 0
}

/// The lock, for the fork handlers.
pub(super) fn lock() -> &'static Lock {
    NOTES.raw()
}

/// Bytes of the largest blocks that lie in stretches; 0 where nothing is profiled.
#[inline]
pub(in crate::heap) fn largest_small() -> usize {
    (HEADER.rate.load(Ordering::Relaxed) / PART) as usize
}

/// Whether blocks of `bytes` bytes lie in stretches.
#[inline]
pub(in crate::heap) fn is_small(bytes: u64) -> bool {
    bytes <= HEADER.rate.load(Ordering::Relaxed) / PART
}

/// Whether a block of `bytes` bytes, which are many, is to be noted: by a coin.
pub(in crate::heap) fn toss(bytes: u64) -> bool {
    chance(HEADER.rate.load(Ordering::Relaxed)) < bytes
}

/// A number from 0 to `below` - 1.
fn chance(below: u64) -> u64 {
    ((u128::from(random()) * u128::from(below)) >> 64) as u64
}

/// Where a thread begins: the bytes before its first place, and to the end of the stretch
/// that this is in. It may begin anywhere in a stretch.
pub(in crate::heap) fn first() -> (u64, u64) {
    let rate = HEADER.rate.load(Ordering::Relaxed);
    if rate == 0 {
        return (0, 0);
    }
    let passed = chance(rate);
    let place = chance(rate);
    match place.checked_sub(passed) {
        Some(until) => (until, rate - passed),
        None => (rate - passed + chance(rate), 2 * rate - passed),
    }
}

/// The bytes before the first place that lies behind the next `bytes` bytes, where the
/// stretch of the place before it ends in `stretch` bytes; and to the end of its own.
pub(in crate::heap) fn next(stretch: u64, bytes: u64) -> (u64, u64) {
    next_at(HEADER.rate.load(Ordering::Relaxed).max(1), stretch, bytes)
}

fn next_at(rate: u64, stretch: u64, bytes: u64) -> (u64, u64) {
    let whole = bytes.saturating_sub(stretch) / rate;
    let mut start = stretch.saturating_add(whole.saturating_mul(rate));
    loop {
        let place = start.saturating_add(chance(rate));
        let end = start.saturating_add(rate);
        if place >= bytes {
            return (place, end);
        }
        start = end;
    }
}

/// Notes a block that was just taken and is not handed out yet: of `size` bytes, which
/// stand for `counted`. No lock may be held.
#[cold]
pub(in crate::heap) fn record(address: usize, size: usize, counted: usize) {
    let stack = stacks::capture();
    let rate = HEADER.rate.load(Ordering::Relaxed);
    let mut notes = NOTES.lock();
    let notes = &mut *notes;
    let noted = notes.sites.of(stack).is_some_and(|site| {
        notes.live.add(address, size, counted, site) && {
            notes.sites.count(site, size, weight(counted as u64, rate));
            true
        }
    });
    if !noted {
        HEADER.lost.fetch_add(1, Ordering::Relaxed);
    }
    let (records, sites) = (notes.live.used(), notes.sites.used());
    HEADER.records_used.store(records, Ordering::Release);
    HEADER.sites_used.store(sites, Ordering::Release);
}

/// Whether a block at this address may be noted.
#[inline]
pub(in crate::heap) fn may_have(address: usize) -> bool {
    live::may_have(address)
}

/// Forgets a block that was freed, or that is handed out anew, if it was noted. Any address
/// will do.
#[inline]
pub(in crate::heap) fn freed(address: usize) {
    if live::may_have(address) {
        forget(address);
    }
}

/// What is known of the block at an address, if it is noted.
fn find(address: usize) -> Option<live::Noted> {
    if live::may_have(address) {
        NOTES.lock().live.find(address)
    } else {
        None
    }
}

#[cold]
#[inline(never)]
fn forget(address: usize) {
    NOTES.lock().live.take(address);
}

/// A record that was taken out, to be put back.
pub(in crate::heap) type Lifted = Option<live::Noted>;

/// Takes out the record of a block that may be about to move.
pub(in crate::heap) fn lift(address: usize) -> Lifted {
    if !is_on() || !live::may_have(address) {
        return None;
    }
    NOTES.lock().live.take(address)
}

/// Puts it back: the block stays.
pub(in crate::heap) fn put_back(address: usize, lifted: Lifted) {
    if let Some(noted) = lifted {
        let live = &mut NOTES.lock().live;
        live.add(address, noted.size, noted.counted, noted.site);
    }
}

/// What a profile comes to, as it estimates it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Blocks in use.
    pub live_blocks: u64,
    /// The bytes that they were asked for.
    pub live_bytes: u64,
    /// Blocks allocated so far.
    pub allocated_blocks: u64,
    /// The bytes that they were asked for.
    pub allocated_bytes: u64,
    /// Blocks in use that are noted: of ten thousand the estimates are off by a hundredth.
    pub noted: u64,
    /// Blocks that were to be noted when there was no room: what the estimates lack.
    pub lost: u64,
}

/// What the profile comes to now; `None` where nothing is profiled. Takes time in proportion
/// to the blocks noted and to those that threads' caches keep. Can be called by any thread at
/// any time; of blocks that other threads allocate and free meanwhile, some may be counted
/// wrongly.
pub fn totals() -> Option<Totals> {
    let rate = HEADER.rate.load(Ordering::Relaxed);
    if rate == 0 {
        return None;
    }
    let mut totals = Totals {
        lost: u64::from(HEADER.lost.load(Ordering::Relaxed)),
        ..Totals::default()
    };
    let (mut live, mut allocated) = (0u64, 0u64);
    // Noted blocks without marks that are free, though nobody has told: they are in caches.
    let mut free = Totals::default();
    counted::for_each_kept(&mut |address| {
        if let Some(noted) = find(address) {
            let weight = weight(noted.counted as u64, rate);
            free.live_blocks = free.live_blocks.saturating_add(weight);
            free.live_bytes += sites::weighted(noted.size, weight);
            free.noted += 1;
        }
    });
    let mut notes = NOTES.lock();
    notes.live.for_each(&mut |record| {
        let weight = weight(record.counted as u64, rate);
        live = live.saturating_add(weight);
        totals.live_bytes += sites::weighted(record.size, weight);
        totals.noted += 1;
    });
    notes.sites.for_each(&mut |site| {
        allocated = allocated.saturating_add(site.objects);
        totals.allocated_bytes += site.bytes;
    });
    totals.live_blocks = live.saturating_sub(free.live_blocks) / ONE;
    totals.live_bytes = totals.live_bytes.saturating_sub(free.live_bytes);
    totals.noted = totals.noted.saturating_sub(free.noted);
    totals.allocated_blocks = allocated / ONE;
    Some(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a long row of blocks of one size, as many lie at a place as their weight says.
    #[test]
    fn chances_are_as_weights_say() {
        super::super::random::begin();
        let rate = 4096;
        for bytes in [16, 48, 100, 256] {
            let count = 1_000_000 / bytes;
            let (mut until, mut stretch) = next_at(rate, 1 + chance(rate), 0);
            let mut noted = 0u64;
            for _ in 0..count {
                if until < bytes {
                    noted += 1;
                    (until, stretch) = next_at(rate, stretch, bytes);
                }
                until -= bytes;
                stretch = stretch.saturating_sub(bytes);
            }
            let estimate = noted as f64 * weight(bytes, rate) as f64 / ONE as f64;
            // A stretch at each end, and two places in one block once in a while.
            assert!((estimate / count as f64 - 1.0).abs() < 0.01, "{bytes}");
        }
        assert_eq!(weight(16, 512 << 10), 32768 * ONE);
        assert_eq!(weight(3, 4), 87381);
        assert_eq!((weight(4, 4), weight(5, 4), weight(0, 4)), (ONE, ONE, ONE));
    }

    /// Places come one a stretch: between two of them are less than two stretches.
    #[test]
    fn each_stretch_has_one_place() {
        let rate = 1000;
        let (mut until, mut stretch) = next_at(rate, 300, 0);
        let (mut at, mut places) = (0, std::vec::Vec::new());
        while places.len() < 5000 {
            assert!(until < stretch && stretch <= until + rate);
            if until == 0 {
                places.push(at);
                (until, stretch) = next_at(rate, stretch, 1);
            }
            at += 1;
            until -= 1;
            stretch -= 1;
        }
        for (nth, place) in places.iter().enumerate() {
            let stretches = 300 + nth as u64 * rate;
            assert!(
                (stretches..stretches + rate).contains(place),
                "{nth}: {place}"
            );
        }
    }

    #[test]
    fn the_next_place_lies_behind_the_block() {
        for (stretch, bytes) in [(5, 0), (5, 5), (5, 6), (1, 100_000), (1000, 1), (1000, 999)] {
            for _ in 0..100 {
                let (until, end) = next_at(1000, stretch, bytes);
                assert!(until >= bytes && end > until && end <= until + 1000);
                assert_eq!(end % 1000, stretch % 1000);
            }
        }
    }
}
