//! Counts of the calls into the operating system.

use core::sync::atomic::{AtomicU64, Ordering};

/// The kinds of call that can fail, each counted and each a place where the
/// fault plan can strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Call {
    /// Address space reserved.
    Reserve,
    /// Range committed.
    Commit,
    /// Range decommitted.
    Decommit,
    /// Contents given back, range kept.
    Purge,
    /// Reservation ended.
    Release,
    /// Access rights changed, or guards set or taken away.
    Protect,
    /// Reservation resized or moved.
    Remap,
    /// Huge pages advised.
    Advise,
    /// Thread-exit hook or fork handlers set.
    ThreadHook,
    /// Part of a file, or of memory like one, mapped.
    Map,
    /// File or name opened, made, resized, read, written or asked about.
    File,
    /// Pages locked in memory, or no longer.
    Lock,
    /// Written pages asked for.
    Watch,
    /// Memory copied by the system, which finds out whether it can be.
    Copy,
    /// Signal handler set.
    Catch,
}

impl Call {
    /// All kinds, in the order of [`CallCounts::by_kind`].
    pub const ALL: [Call; 15] = [
        Call::Reserve,
        Call::Commit,
        Call::Decommit,
        Call::Purge,
        Call::Release,
        Call::Protect,
        Call::Remap,
        Call::Advise,
        Call::ThreadHook,
        Call::Map,
        Call::File,
        Call::Lock,
        Call::Watch,
        Call::Copy,
        Call::Catch,
    ];

    /// The kind's name in reports: lower case, one word.
    pub const fn name(self) -> &'static str {
        match self {
            Call::Reserve => "reserve",
            Call::Commit => "commit",
            Call::Decommit => "decommit",
            Call::Purge => "purge",
            Call::Release => "release",
            Call::Protect => "protect",
            Call::Remap => "remap",
            Call::Advise => "advise",
            Call::ThreadHook => "thread_hook",
            Call::Map => "map",
            Call::File => "file",
            Call::Lock => "lock",
            Call::Watch => "watch",
            Call::Copy => "copy",
            Call::Catch => "catch",
        }
    }
}

static COUNTS: [AtomicU64; Call::ALL.len()] = [const { AtomicU64::new(0) }; Call::ALL.len()];

#[inline]
pub(super) fn count(call: Call) {
    COUNTS[call as usize].fetch_add(1, Ordering::Relaxed);
}

/// How often each kind of system call was made since the process began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCounts {
    /// One count per kind, in the order of [`Call::ALL`].
    pub by_kind: [u64; Call::ALL.len()],
}

impl CallCounts {
    /// The count of one kind.
    pub fn get(&self, call: Call) -> u64 {
        self.by_kind[call as usize]
    }

    /// The sum over all kinds.
    pub fn total(&self) -> u64 {
        self.by_kind.iter().sum()
    }
}

/// The counts so far. Each is exact; together they are a moment's view only
/// while no other thread calls the system.
pub fn calls() -> CallCounts {
    let mut by_kind = [0; Call::ALL.len()];
    for (to, from) in by_kind.iter_mut().zip(&COUNTS) {
        *to = from.load(Ordering::Relaxed);
    }
    CallCounts { by_kind }
}
