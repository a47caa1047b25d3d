//! Statistics: one snapshot of what the allocator holds, and its texts.
//!
//! The numbers nest. What the program has is inside what is in use, which is
//! inside what is accessible, which is inside what is reserved:
//!
//! ```text
//!   mapped      address space reserved
//!   └ committed   made accessible
//!     ├ metadata    the allocator's own records
//!     ├ retained    dirty free pages, kept for reuse
//!     └ active      pages of subsegments, runs and large blocks in use
//!       └ allocated   usable bytes handed out and not freed
//! ```
//!
//! A snapshot is taken while other threads go on: each number was true at
//! some moment, all of them together only when nobody else allocated. Writing
//! one allocates nothing.

use crate::sys::{Call, CallCounts};
use core::fmt::{self, Write};

/// Number of size classes, and so of [`Stats::buckets`].
pub const BUCKETS: usize = crate::heap::classes::COUNT;

/// What one size class holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BucketStats {
    /// Size of its blocks in bytes.
    pub size: usize,
    /// Blocks handed out and not freed.
    pub live: u64,
    /// Free blocks kept by threads for their next allocations.
    pub cached: u64,
    /// Blocks its subsegments have room for, whatever their state.
    pub blocks: u64,
    /// Allocations that took the slow path for a single block. With
    /// [`Config::with_count_calls`](crate::config::Config::with_count_calls)
    /// or `NTHEAP_COUNT=1` that is every one since the process began;
    /// otherwise a few, or none.
    pub allocations: u64,
}

impl BucketStats {
    const EMPTY: BucketStats = BucketStats {
        size: 0,
        live: 0,
        cached: 0,
        blocks: 0,
        allocations: 0,
    };

    /// Whether there is nothing to tell but the size.
    const fn is_empty(&self) -> bool {
        self.live == 0 && self.cached == 0 && self.blocks == 0 && self.allocations == 0
    }
}

/// One snapshot of the allocator. `Display` writes the table of
/// [`write_text`](Stats::write_text).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Usable bytes handed out and not freed. Blocks that a thread keeps
    /// cached are not among them.
    pub allocated: usize,
    /// Bytes of the pages of subsegments, runs and large blocks in use.
    pub active: usize,
    /// The allocator's own estimate of the memory it occupies, in bytes:
    /// `active + retained + metadata`. An upper bound, as pages count whether
    /// they were ever touched or not.
    pub resident: usize,
    /// Dirty free bytes kept for reuse, not yet given back to the system.
    pub retained: usize,
    /// Bytes of address space reserved.
    pub mapped: usize,
    /// Bytes made accessible.
    pub committed: usize,
    /// Bytes of the allocator's own records: what is committed for magazines,
    /// caches and tables, and the subsegments' descriptors in use.
    pub metadata: usize,
    /// Number of large blocks handed out and not freed: those that come
    /// straight from pages.
    pub large_blocks: usize,
    /// Usable bytes of the large blocks; part of `allocated`.
    pub large_bytes: usize,
    /// Threads that have a cache now.
    pub threads: usize,
    /// The size classes, smallest blocks first.
    pub buckets: [BucketStats; BUCKETS],
    /// Calls into the operating system since the process began.
    pub os_calls: CallCounts,
}

/// One number of [`Stats`] as all three texts show it.
struct Gauge {
    /// The field's name.
    name: &'static str,
    /// The metric's name for Prometheus, which wants the unit at its end.
    metric: &'static str,
    /// One line, without a full stop, a backslash or a line feed.
    help: &'static str,
    get: fn(&Stats) -> usize,
}

impl Gauge {
    fn is_bytes(&self) -> bool {
        self.metric.ends_with("_bytes")
    }
}

static GAUGES: [Gauge; 10] = [
    Gauge {
        name: "allocated",
        metric: "ntheap_allocated_bytes",
        help: "usable bytes handed out and not freed",
        get: |stats| stats.allocated,
    },
    Gauge {
        name: "active",
        metric: "ntheap_active_bytes",
        help: "pages of subsegments, runs and large blocks in use",
        get: |stats| stats.active,
    },
    Gauge {
        name: "resident",
        metric: "ntheap_resident_bytes",
        help: "estimate: active, retained and metadata together",
        get: |stats| stats.resident,
    },
    Gauge {
        name: "retained",
        metric: "ntheap_retained_bytes",
        help: "dirty free pages kept for reuse",
        get: |stats| stats.retained,
    },
    Gauge {
        name: "mapped",
        metric: "ntheap_mapped_bytes",
        help: "address space reserved",
        get: |stats| stats.mapped,
    },
    Gauge {
        name: "committed",
        metric: "ntheap_committed_bytes",
        help: "made accessible",
        get: |stats| stats.committed,
    },
    Gauge {
        name: "metadata",
        metric: "ntheap_metadata_bytes",
        help: "committed for the allocator's own records",
        get: |stats| stats.metadata,
    },
    Gauge {
        name: "large_blocks",
        metric: "ntheap_large_blocks",
        help: "large blocks handed out and not freed",
        get: |stats| stats.large_blocks,
    },
    Gauge {
        name: "large_bytes",
        metric: "ntheap_large_bytes",
        help: "usable bytes of the large blocks",
        get: |stats| stats.large_bytes,
    },
    Gauge {
        name: "threads",
        metric: "ntheap_threads",
        help: "threads that have a cache",
        get: |stats| stats.threads,
    },
];

/// One number of [`BucketStats`] as JSON and Prometheus show it.
struct BucketNumber {
    name: &'static str,
    metric: &'static str,
    kind: &'static str,
    help: &'static str,
    get: fn(&BucketStats) -> u64,
}

static BUCKET_NUMBERS: [BucketNumber; 4] = [
    BucketNumber {
        name: "live",
        metric: "ntheap_bucket_live_blocks",
        kind: "gauge",
        help: "blocks handed out and not freed, by block size in bytes",
        get: |bucket| bucket.live,
    },
    BucketNumber {
        name: "cached",
        metric: "ntheap_bucket_cached_blocks",
        kind: "gauge",
        help: "free blocks kept by threads, by block size in bytes",
        get: |bucket| bucket.cached,
    },
    BucketNumber {
        name: "blocks",
        metric: "ntheap_bucket_blocks",
        kind: "gauge",
        help: "blocks the subsegments have room for, by block size in bytes",
        get: |bucket| bucket.blocks,
    },
    BucketNumber {
        name: "allocations",
        metric: "ntheap_bucket_allocations_total",
        kind: "counter",
        help: "allocations where counted, by block size in bytes",
        get: |bucket| bucket.allocations,
    },
];

impl Stats {
    /// All numbers zero.
    pub const EMPTY: Stats = Stats {
        allocated: 0,
        active: 0,
        resident: 0,
        retained: 0,
        mapped: 0,
        committed: 0,
        metadata: 0,
        large_blocks: 0,
        large_bytes: 0,
        threads: 0,
        buckets: [BucketStats::EMPTY; BUCKETS],
        os_calls: CallCounts {
            by_kind: [0; Call::ALL.len()],
        },
    };

    /// The size classes with anything to tell.
    fn used_buckets(&self) -> impl Iterator<Item = &BucketStats> {
        self.buckets.iter().filter(|bucket| !bucket.is_empty())
    }

    /// The kinds of system call with their counts.
    fn calls(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Call::ALL
            .iter()
            .map(|call| call.name())
            .zip(self.os_calls.by_kind)
    }

    /// Writes the numbers in the text format that Prometheus scrapes, version
    /// 0.0.4. Size classes that hold nothing are left out. Fails only when
    /// `out` does.
    pub fn write_prometheus(&self, out: &mut impl Write) -> fmt::Result {
        for gauge in &GAUGES {
            let Gauge { metric, help, .. } = gauge;
            write_head(out, metric, "gauge", help)?;
            writeln!(out, "{metric} {}", (gauge.get)(self))?;
        }
        for number in &BUCKET_NUMBERS {
            let BucketNumber {
                metric, kind, help, ..
            } = number;
            write_head(out, metric, kind, help)?;
            for bucket in self.used_buckets() {
                let value = (number.get)(bucket);
                writeln!(out, "{metric}{{size=\"{}\"}} {value}", bucket.size)?;
            }
        }
        let metric = "ntheap_os_calls_total";
        write_head(out, metric, "counter", "calls into the operating system")?;
        for (call, count) in self.calls() {
            writeln!(out, "{metric}{{call=\"{call}\"}} {count}")?;
        }
        Ok(())
    }

    /// Writes the numbers as one JSON object on one line, without a line
    /// feed: the fields by name, `buckets` as an array that leaves out the
    /// size classes that hold nothing, `os_calls` as an object. Fails only
    /// when `out` does.
    pub fn write_json(&self, out: &mut impl Write) -> fmt::Result {
        out.write_char('{')?;
        for gauge in &GAUGES {
            write!(out, "\"{}\":{},", gauge.name, (gauge.get)(self))?;
        }
        out.write_str("\"buckets\":[")?;
        let mut separator = "";
        for bucket in self.used_buckets() {
            write!(out, "{separator}{{\"size\":{}", bucket.size)?;
            for number in &BUCKET_NUMBERS {
                write!(out, ",\"{}\":{}", number.name, (number.get)(bucket))?;
            }
            out.write_char('}')?;
            separator = ",";
        }
        out.write_str("],\"os_calls\":{")?;
        let mut separator = "";
        for (call, count) in self.calls() {
            write!(out, "{separator}\"{call}\":{count}")?;
            separator = ",";
        }
        out.write_str("}}")
    }

    /// Writes the numbers as a table for people; every line ends with a line
    /// feed. Size classes that hold nothing are left out, and `-` stands for
    /// allocations that were not counted. Fails only when `out` does.
    pub fn write_text(&self, out: &mut impl Write) -> fmt::Result {
        self.write_text_to(out)
    }

    /// Compiled once, whatever it writes to.
    fn write_text_to(&self, out: &mut dyn Write) -> fmt::Result {
        out.write_str("ntheap statistics\n")?;
        for gauge in &GAUGES {
            let Gauge { name, help, .. } = gauge;
            let value = (gauge.get)(self);
            write!(out, "  {name:<12} {value:>20}")?;
            if gauge.is_bytes() {
                write_scaled(out, value as u64)?;
            } else {
                write!(out, "{:13}", "")?;
            }
            writeln!(out, "  {help}")?;
        }
        if self.used_buckets().next().is_some() {
            writeln!(
                out,
                "  {:>12} {:>12} {:>12} {:>12} {:>20}",
                "block size", "live", "cached", "room for", "allocations"
            )?;
        }
        for bucket in self.used_buckets() {
            write!(
                out,
                "  {:>12} {:>12} {:>12} {:>12}",
                bucket.size, bucket.live, bucket.cached, bucket.blocks
            )?;
            match bucket.allocations {
                0 => writeln!(out, " {:>20}", "-")?,
                count => writeln!(out, " {count:>20}")?,
            }
        }
        out.write_str("  system calls:")?;
        for (call, count) in self.calls() {
            write!(out, " {call} {count}")?;
        }
        out.write_char('\n')
    }
}

impl Default for Stats {
    fn default() -> Stats {
        Stats::EMPTY
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_text(out)
    }
}

fn write_head(out: &mut impl Write, metric: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(out, "# HELP {metric} {help}\n# TYPE {metric} {kind}")
}

/// Writes a number of bytes in the largest unit it fills, cut to one place
/// after the point, or as many spaces.
fn write_scaled(out: &mut dyn Write, bytes: u64) -> fmt::Result {
    let (shift, unit) = match bytes {
        0..=0x3ff => return write!(out, "{:13}", ""),
        0x400..=0xf_ffff => (10, "KiB"),
        0x10_0000..=0x3fff_ffff => (20, "MiB"),
        0x4000_0000..=0xff_ffff_ffff => (30, "GiB"),
        _ => (40, "TiB"),
    };
    let tenths = ((bytes & ((1 << shift) - 1)) * 10) >> shift;
    write!(out, "{:>7}.{tenths} {unit}", bytes >> shift)
}

#[cfg(test)]
mod tests;
