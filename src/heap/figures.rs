//! The heap's figures, gathered when somebody asks.
//!
//! Nothing is counted on the fast paths. What the program has is what left
//! the free bits less what caches and depots keep, and a cache's filling is
//! read off its stack pointers.

use super::classes::{self, COUNT};
use super::{PROCESS, private};
use crate::report::FixedBuffer;
use crate::stats::Stats;
use crate::vm::{self, Use};
use core::sync::atomic::Ordering;

/// The process heap's figures and the account behind them.
///
/// Exact while no other thread allocates or frees; otherwise each figure was
/// true at some moment during the call. Takes every lock of the heap in turn.
pub(crate) fn collect() -> Stats {
    let mut stats = Stats::EMPTY;
    stats.os_calls = crate::sys::calls();
    for (class, bucket) in stats.buckets.iter_mut().enumerate() {
        bucket.size = classes::size_of(class);
    }
    let account = vm::account();
    stats.mapped = account.total().reserved;
    stats.committed = account.total().committed;
    if !PROCESS.ready.is_ready() {
        return stats;
    }
    let mut kept = [0u64; COUNT];
    #[cfg(feature = "hardened")]
    let mut kept_large = (0, 0);
    for (_, front) in PROCESS.fronts() {
        stats.threads = stats.threads.max(front.for_each_cache(&mut |cache| {
            for (class, kept) in kept.iter_mut().enumerate() {
                let spare = cache.rack(class).spare_count.load(Ordering::Relaxed);
                *kept += cache.count(class) as u64 + u64::from(spare);
            }
            cache.for_each_foreign(&mut |class, count| {
                if let Some(kept) = kept.get_mut(class) {
                    *kept += count as u64;
                }
            });
            #[cfg(feature = "hardened")]
            super::hard::for_each_kept(cache, &mut |class, bytes| {
                if bytes != 0 {
                    kept_large = (kept_large.0 + 1, kept_large.1 + bytes);
                } else if let Some(kept) = kept.get_mut(class) {
                    *kept += 1;
                }
            });
        }));
        for (class, (bucket, kept)) in stats.buckets.iter_mut().zip(&mut kept).enumerate() {
            let state = front.bucket(class).state.lock();
            *kept += state.stored() as u64;
            bucket.live += state.out as u64;
            bucket.blocks += (state.subsegments * classes::blocks_of(class) - state.fewer) as u64;
            bucket.allocations += state.allocations;
        }
    }
    for (bucket, kept) in stats.buckets.iter_mut().zip(kept) {
        bucket.cached = kept;
        bucket.live = bucket.live.saturating_sub(kept);
        stats.allocated += bucket.live as usize * bucket.size;
    }
    {
        let large = PROCESS.large.lock();
        stats.large_blocks = large.blocks;
        stats.large_bytes = large.bytes;
        #[cfg(feature = "hardened")]
        {
            // Blocks that threads keep are on the list as if they were handed out.
            stats.large_blocks = stats.large_blocks.saturating_sub(kept_large.0);
            stats.large_bytes = stats.large_bytes.saturating_sub(kept_large.1);
        }
        stats.active += large.region_bytes;
        stats.retained += large.kept_bytes;
    }
    {
        let back_end = PROCESS.back_end.lock();
        stats.active += PROCESS.totals.active.load(Ordering::Relaxed);
        stats.retained += back_end.dirty_bytes();
        stats.metadata += back_end.record_bytes;
    }
    {
        let sparse = PROCESS.sparse.lock();
        stats.retained += sparse.dirty_bytes();
        stats.metadata += sparse.record_bytes;
    }
    #[cfg(feature = "debug")]
    {
        let guarded = super::debug::page::figures();
        stats.large_blocks += guarded.blocks;
        stats.large_bytes += guarded.bytes;
        stats.active += guarded.pages;
    }
    stats.allocated += stats.large_bytes;
    private::collect(&mut stats);
    #[cfg(feature = "debug")]
    {
        // Freed, though their heaps do not know it yet.
        stats.allocated = stats.allocated.saturating_sub(private::light::kept_bytes());
    }
    stats.metadata += account.get(Use::Metadata).committed + account.get(Use::Table).committed;
    stats.resident = stats.active + stats.retained + stats.metadata;
    stats
}

/// All allocations counted so far; 0 unless they are counted.
pub fn counted_allocations() -> u64 {
    let mut sum = 0;
    for (_, front) in PROCESS.fronts() {
        if !front.is_diverted() {
            return 0;
        }
        for class in 0..COUNT {
            sum += front.bucket(class).state.lock().allocations;
        }
    }
    sum += PROCESS.large.lock().allocations;
    sum
}

/// Has the statistics written to standard error when the process ends.
pub(super) fn show_at_exit() {
    crate::sys::at_exit(show);
}

extern "C" fn show() {
    let mut text = FixedBuffer::<16384>::new();
    // The buffer truncates and never fails.
    let _ = collect().write_text(&mut text);
    #[cfg(feature = "debug")]
    let _ = super::debug::tags::write(&mut text);
    crate::sys::write_stderr(text.as_bytes());
}
