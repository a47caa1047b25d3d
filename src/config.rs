//! Options: set in code when the allocator is named, over them the
//! environment.
//!
//! [`Config`] is a constant, so that an allocator in a `static` can carry its
//! own. At the first use of the heap the environment is read once and wins
//! over the constant, option by option:
//!
//! | Variable | Value | Default | Meaning |
//! |---|---|---|---|
//! | `NTHEAP_CACHE_BYTES` | bytes, decimal or 0x hex, with K, M or G for KiB, MiB or GiB; or none | 32 KiB | bytes of blocks in each of a thread's two magazines per size class; of large blocks up to twelve |
//! | `NTHEAP_RETAIN` | bytes, decimal or 0x hex, with K, M or G for KiB, MiB or GiB; or none | 1 MiB | dirty free bytes kept before pages go back to the system, unless 0: an eighth of what is in use at least, and up to 32 MiB more of what a program uses again |
//! | `NTHEAP_COMMIT_LIMIT` | bytes, decimal or 0x hex, with K, M or G for KiB, MiB or GiB; or none | none | most bytes committed at a time; allocations that need more fail |
//! | `NTHEAP_HUGE_PAGES` | default, never or always | default | whether huge pages are asked for; default: once 32 MiB are live, while three quarters of the slices in use may hold memory, or for blocks of up to 1 KiB 4 MiB of one size, or 8 MiB of one size in a heap of a program's own, and for blocks of 4 MiB and more, or 2 MiB where a smaller block grows to them |
//! | `NTHEAP_SHOW_STATS` | 0, 1, off, on, false or true | off | write statistics to standard error when the process ends |
//! | `NTHEAP_ON_CORRUPTION` | abort or continue | abort | what follows the report of a corrupt heap or a misused block |
//! | `NTHEAP_COUNT` | 0, 1, off, on, false or true | off | count every allocation by size; slower |
//! | `NTHEAP_SAMPLE` | a number, or off or on (20000) | off | one allocation in so many has guard pages beside it, and what runs into them is reported |
//! | `NTHEAP_PROFILE` | bytes, decimal or 0x hex, with K, M or G for KiB, MiB or GiB; or off or on (512 KiB) | off | of every so many allocated bytes one is looked at, and its block noted with its stack for a heap profile |
//! | `NTHEAP_HARDENED` | 0, 1, off, on, false or true | off | guard blocks against misuse by patterns, guard pages, delays and chance |
//!
//! Beside these, `NTHEAP_CRT` chooses the C runtimes' heap: `private`, `shared` or
//! `process` (`crt::Mode`).
//!
//! With the feature `debug`, `NTHEAP_GFLAGS` and `NTHEAP_PAGEHEAP` turn on checks of
//! blocks, `NTHEAP_REPORT` chooses the form of reports, and `NTHEAP_SNAPSHOT` asks for
//! snapshots by the command that `NTHEAP_COMMAND` names (`docs/gflags.md`).
//!
//! `none` means no bound. Upper and lower case are alike in values; an empty
//! value counts as not set; of a name set twice the first counts, as with
//! `getenv`. A name that is no option, or a value that is none of those
//! above, is named once on standard error and otherwise ignored.
//!
//! A program that runs with rights its user does not have (set-user-ID and
//! its like) ignores the environment altogether.
//!
//! Invariants: reading the environment allocates nothing, takes no lock and
//! cannot fail; the table `OPTIONS` alone decides what is an option, what
//! it accepts and how it is documented.

mod environment;
#[cfg(any(feature = "debug", feature = "outside"))]
pub mod gflags;
mod options;
#[cfg(all(target_os = "linux", feature = "debug"))]
pub(crate) mod snapshot;

pub(crate) use environment::from_environment;
#[cfg(feature = "debug")]
pub(crate) use environment::gflags_from_environment;
#[cfg(all(target_os = "linux", feature = "debug"))]
pub(crate) use environment::{asks_for_snapshots, snapshots_from_environment};

use core::fmt::{self, Write};
use options::{KIB, MIB, OPTIONS, Setting};

/// Whether the allocator asks the system for huge pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HugePages {
    /// Asked for once more than [`HugePages::THRESHOLD`] bytes are live, while three quarters
    /// of the slices in use may hold memory; for blocks of up to
    /// 1 KiB from an eighth of them in one size on; or from a quarter of them in one size in a
    /// heap of a program's own; and for a block of an eighth of them,
    /// or of a sixteenth where a smaller one grows to it.
    #[default]
    Default,
    /// Never asked for; the system's own setting decides.
    Never,
    /// Asked for in every segment from the first.
    Always,
}

impl HugePages {
    /// Live bytes from which [`HugePages::Default`] asks for huge pages:
    /// 32 MiB. Below it a huge page would mostly be memory never touched.
    pub const THRESHOLD: usize = 32 * MIB;
}

/// What follows once a corruption or a misuse of the heap was reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// The process ends abnormally, as Windows ends it when
    /// `HeapEnableTerminationOnCorruption` is on ("HeapSetInformation
    /// function").
    #[default]
    Abort,
    /// The operation is ignored and the program goes on.
    Continue,
}

/// The options of the allocator, a constant.
///
/// `with_…` methods set an option and return the changed value; the method
/// of the option's own name reads it. None of them fails or panics.
///
/// The environment wins over what is set here: `NTHEAP_CACHE_BYTES`,
/// `NTHEAP_RETAIN`, `NTHEAP_COMMIT_LIMIT`, `NTHEAP_HUGE_PAGES`,
/// `NTHEAP_SHOW_STATS`, `NTHEAP_ON_CORRUPTION`, `NTHEAP_COUNT`, `NTHEAP_SAMPLE` and
/// `NTHEAP_PROFILE` and `NTHEAP_HARDENED`, one for each option, unless the program runs with rights
/// its user does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    cache_bytes: usize,
    retain: usize,
    commit_limit: usize,
    huge_pages: HugePages,
    show_stats: bool,
    on_corruption: Action,
    count_calls: bool,
    sample: usize,
    profile: usize,
    hardened: bool,
}

impl Config {
    /// The defaults: 32 KiB cached per thread and size class, 1 MiB
    /// retained, no commit limit, huge pages for large heaps, no statistics,
    /// abort on corruption, no counting, no sampling, no profile, not hardened.
    pub const fn new() -> Config {
        Config {
            cache_bytes: 32 * KIB,
            retain: MIB,
            commit_limit: usize::MAX,
            huge_pages: HugePages::Default,
            show_stats: false,
            on_corruption: Action::Abort,
            count_calls: false,
            sample: 0,
            profile: 0,
            hardened: false,
        }
    }

    /// Sets the most bytes of blocks in a magazine. A thread keeps two of them
    /// per size class, of 62 blocks at most (126 of the smallest), and twelve of the larger
    /// ones at least (two where this is small; of page runs one); where it seldom takes
    /// blocks of the class, of 8 KiB or eight blocks. A size class keeps up to 1 MiB of full
    /// ones for all threads, all classes together a quarter of what is in use, but 1 MiB at
    /// least and 16 MiB at most.
    /// Default: 32 KiB.
    #[must_use]
    pub const fn with_cache_bytes(mut self, bytes: usize) -> Config {
        self.cache_bytes = bytes;
        self
    }

    /// Sets how many dirty free bytes are kept before pages go back to the
    /// system: this many, or an eighth of what is in use if that is more, and up
    /// to 32 MiB more in a program that uses again what it freed (8 MiB before
    /// the heap has first shrunk, 16 MiB when one of more than 40 MiB shrinks); of large blocks' regions, twice this or a
    /// quarter of those alive, and up to 32 MiB more. With 0, each run of pages goes back as it
    /// becomes free; with `usize::MAX` none does. Default: 1 MiB.
    #[must_use]
    pub const fn with_retain(mut self, bytes: usize) -> Config {
        self.retain = bytes;
        self
    }

    /// Sets the most bytes committed at a time; what would need more fails
    /// as when the system is out of memory. `usize::MAX`, the default, is no
    /// limit.
    #[must_use]
    pub const fn with_commit_limit(mut self, bytes: usize) -> Config {
        self.commit_limit = bytes;
        self
    }

    /// Sets whether huge pages are asked for. Default:
    /// [`HugePages::Default`].
    #[must_use]
    pub const fn with_huge_pages(mut self, huge_pages: HugePages) -> Config {
        self.huge_pages = huge_pages;
        self
    }

    /// Sets whether statistics are written to standard error when the
    /// process ends. Default: no.
    #[must_use]
    pub const fn with_show_stats(mut self, show: bool) -> Config {
        self.show_stats = show;
        self
    }

    /// Sets what follows the report of a corruption. Default:
    /// [`Action::Abort`].
    #[must_use]
    pub const fn with_on_corruption(mut self, action: Action) -> Config {
        self.on_corruption = action;
        self
    }

    /// Sets whether every allocation is counted by size, for
    /// [`BucketStats::allocations`](crate::stats::BucketStats::allocations).
    /// Every call then takes the slow path. Default: no.
    #[must_use]
    pub const fn with_count_calls(mut self, count: bool) -> Config {
        self.count_calls = count;
        self
    }

    /// Sets that one allocation in `one_in` lies in pages of its own with guard
    /// pages beside them, which an overrun or a use after free runs into: it is
    /// reported, with the block, before the program ends of it or its own handler
    /// is called. 0, the default, for none; [`Config::SAMPLE`] costs little. Only
    /// blocks up to 16 KiB are sampled. Of a Rust program's, on 64-bit Linux those of
    /// every alignment, unless the system had no room for them below 2 GiB; there and
    /// elsewhere only those of types with an alignment up to 8. Needs the feature
    /// `debug`; without it nothing is sampled.
    #[must_use]
    pub const fn with_sample(mut self, one_in: usize) -> Config {
        self.sample = one_in;
        self
    }

    /// The rate of `NTHEAP_SAMPLE=on`: one allocation in 20,000.
    pub const SAMPLE: usize = 20_000;

    /// One allocation in so many is sampled; 0 for none.
    pub const fn sample(&self) -> usize {
        self.sample
    }

    /// Sets that the heap is profiled: of every so many bytes that are allocated, one
    /// is looked at, and its block noted with its call stack until it is freed. `ntheap
    /// profile` writes what is noted in pprof's format. 0, the default, for no profile;
    /// [`Config::PROFILE`] costs little where a program does more than allocate. Of the
    /// heaps, malloc's and Rust's blocks are profiled, but for those that are sampled,
    /// while no global flag is on, the heap is not hardened and calls are not counted. Needs
    /// the feature `debug`; without it nothing is profiled. More than 64 GiB is as 64 GiB.
    #[must_use]
    pub const fn with_profile(mut self, bytes: usize) -> Config {
        self.profile = bytes;
        self
    }

    /// The distance of `NTHEAP_PROFILE=on`: 512 KiB, as is usual.
    pub const PROFILE: usize = 512 * KIB;

    /// One of every so many allocated bytes is looked at for a heap profile; 0 for none.
    pub const fn profile(&self) -> usize {
        self.profile
    }

    /// Sets whether blocks of `malloc`, `new` and Rust are guarded against misuse:
    /// by patterns behind them, by wiping what is freed, by guard pages, and by delays
    /// and chance in what is handed out (`docs/hardening.md`). Damage that is found ends
    /// the process with a report, unless [`Action::Continue`] is set. Nothing is sampled
    /// or profiled then, segments have no huge pages, and a global flag that is on comes
    /// first. Needs the feature `hardened`; without it nothing changes. Default: no.
    #[must_use]
    pub const fn with_hardened(mut self, hardened: bool) -> Config {
        self.hardened = hardened;
        self
    }

    /// Whether blocks are guarded against misuse.
    pub const fn hardened(&self) -> bool {
        self.hardened
    }

    /// The most bytes of blocks in a magazine.
    pub const fn cache_bytes(&self) -> usize {
        self.cache_bytes
    }

    /// Dirty free bytes kept before pages go back to the system.
    pub const fn retain(&self) -> usize {
        self.retain
    }

    /// The most bytes committed at a time; `usize::MAX` is no limit.
    pub const fn commit_limit(&self) -> usize {
        self.commit_limit
    }

    /// Whether huge pages are asked for.
    pub const fn huge_pages(&self) -> HugePages {
        self.huge_pages
    }

    /// Whether statistics are written when the process ends.
    pub const fn show_stats(&self) -> bool {
        self.show_stats
    }

    /// What follows the report of a corruption.
    pub const fn on_corruption(&self) -> Action {
        self.on_corruption
    }

    /// Whether every allocation is counted by size.
    pub const fn count_calls(&self) -> bool {
        self.count_calls
    }

    /// Writes the options as a Markdown table: name of the environment
    /// variable, accepted values, default, meaning. Fails only when `out`
    /// does.
    pub fn write_options(out: &mut impl Write) -> fmt::Result {
        out.write_str("| Variable | Value | Default | Meaning |\n|---|---|---|---|\n")?;
        let default = Config::new();
        for option in &OPTIONS {
            writeln!(
                out,
                "| `{}` | {} | {} | {} |",
                option.name,
                option.kind,
                Setting(&option.kind, &default),
                option.doc
            )?;
        }
        Ok(())
    }
}

impl Default for Config {
    fn default() -> Config {
        Config::new()
    }
}

#[cfg(test)]
mod tests;
