//! The environment, read once, without allocating: names matched against the
//! table of options, mistakes told in one line each.

use super::Config;
use super::options::{OPTIONS, OptionRow, Setting};
use crate::report::FixedBuffer;
use crate::sys;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

/// Names that the command and the tests read, not the library: no option,
/// but no mistake either.
static KNOWN_ELSEWHERE: [&str; 10] = [
    "NTHEAP_LIBRARY",
    "NTHEAP_DEMO_ALLOCATOR",
    "NTHEAP_GFLAGS",
    "NTHEAP_PAGEHEAP",
    "NTHEAP_REPORT",
    "NTHEAP_SNAPSHOT",
    "NTHEAP_COMMAND",
    "NTHEAP_CRT",
    "NTHEAP_REQUIRE_PROGRAMS",
    "NTHEAP_LONG",
];

/// What the names that the command passes to the library begin with, and those
/// of the project's own checks.
static PREFIXES_ELSEWHERE: [&[u8]; 4] = [
    b"NTHEAP_RUN_",
    b"NTHEAP_CI_",
    b"NTHEAP_TEST_",
    b"NTHEAP_MODEL_",
];

fn is_known_elsewhere(name: &[u8]) -> bool {
    KNOWN_ELSEWHERE.iter().any(|known| same_name(name, known))
        || PREFIXES_ELSEWHERE
            .iter()
            .any(|prefix| name.starts_with(prefix))
}

pub(super) const PREFIX: &str = "NTHEAP_";

/// What is looked for in the environment at each start; statics, which have names, so that
/// they lie with what a process's first calls read.
static PREFIX_BYTES: [u8; 7] = *b"NTHEAP_";
#[cfg(all(target_os = "linux", feature = "debug"))]
static SNAPSHOT_BYTES: [u8; 15] = *b"NTHEAP_SNAPSHOT";

/// The options in force: `base`, and over it the environment.
///
/// Called once in a process, when the heap is first used. Later calls read
/// the same, but warn of nothing again.
pub(crate) fn from_environment(base: Config) -> Config {
    static WARNED: AtomicBool = AtomicBool::new(false);
    let quiet = WARNED.swap(true, Ordering::Relaxed);
    read(
        base,
        sys::is_privileged(),
        |visit| sys::for_each_env(&PREFIX_BYTES, visit),
        &mut |text| {
            if !quiet {
                sys::write_stderr(text);
            }
        },
    )
}

/// The global flags that the environment asks for. Called once in a process, when
/// the heap is first used.
#[cfg(feature = "debug")]
pub(crate) fn gflags_from_environment() -> super::gflags::GlobalFlags {
    if sys::is_privileged() {
        return super::gflags::GlobalFlags::NONE;
    }
    super::gflags::read(
        |visit| sys::for_each_env(&PREFIX_BYTES, visit),
        &mut |text| sys::write_stderr(text),
    )
}

/// Whether the environment may ask for snapshots.
#[cfg(all(target_os = "linux", feature = "debug"))]
pub(crate) fn asks_for_snapshots() -> bool {
    let mut is_seen = false;
    sys::for_each_env(&SNAPSHOT_BYTES, &mut |_, _| is_seen = true);
    is_seen
}

/// The snapshots that the environment asks for. Called once in a process, when the heap is
/// first used.
#[cfg(all(target_os = "linux", feature = "debug"))]
pub(crate) fn snapshots_from_environment() -> Option<super::snapshot::Snapshots> {
    if sys::is_privileged() {
        return None;
    }
    let (mut found, mut is_seen) = (None, false);
    sys::for_each_env(&SNAPSHOT_BYTES, &mut |name, value| {
        if name == b"NTHEAP_SNAPSHOT" && !is_seen {
            is_seen = true;
            if !value.is_empty() {
                found = super::snapshot::read(value, &mut |text| sys::write_stderr(text));
            }
        }
    });
    found
}

/// [`from_environment`] over any source of names and values and any sink of
/// warnings.
pub(super) fn read(
    base: Config,
    privileged: bool,
    for_each: impl FnOnce(&mut dyn FnMut(&[u8], &[u8])),
    warn: &mut dyn FnMut(&[u8]),
) -> Config {
    if privileged {
        return base;
    }
    let mut reader = Reader {
        config: base,
        seen: 0,
        unknown: [0; MAX_UNKNOWN],
        unknown_count: 0,
        warn,
    };
    for_each(&mut |name, value| reader.visit(name, value));
    reader.config
}

/// How many different unknown names are warned of one by one.
pub(super) const MAX_UNKNOWN: usize = 8;

struct Reader<'a> {
    config: Config,
    /// One bit for each row of [`OPTIONS`] already met.
    seen: u32,
    /// Hashes of the unknown names warned of.
    unknown: [u64; MAX_UNKNOWN],
    unknown_count: usize,
    warn: &'a mut dyn FnMut(&[u8]),
}

impl Reader<'_> {
    fn visit(&mut self, name: &[u8], value: &[u8]) {
        let found = OPTIONS
            .iter()
            .enumerate()
            .find(|(_, option)| same_name(name, option.name));
        if let Some((index, option)) = found {
            let bit = 1 << index;
            let value = value.trim_ascii();
            if self.seen & bit == 0 && !value.is_empty() {
                self.set(option, value);
            }
            self.seen |= bit;
        } else if !is_known_elsewhere(name) {
            self.warn_unknown(name);
        }
    }

    fn set(&mut self, option: &OptionRow, value: &[u8]) {
        if let Some(config) = option.kind.apply(self.config, value) {
            self.config = config;
            return;
        }
        let config = self.config;
        self.warn(format_args!(
            "ntheap: {}={} is not valid, {} stays; valid: {}\n",
            option.name,
            Excerpt(value),
            Setting(&option.kind, &config),
            option.kind,
        ));
    }

    fn warn_unknown(&mut self, name: &[u8]) {
        let hash = hash(name);
        if self
            .unknown
            .iter()
            .take(self.unknown_count)
            .any(|&known| known == hash)
        {
            return;
        }
        let Some(free) = self.unknown.get_mut(self.unknown_count) else {
            if self.unknown_count == MAX_UNKNOWN {
                self.unknown_count += 1;
                self.warn(format_args!(
                    "ntheap: more unknown {PREFIX} names, ignored\n"
                ));
            }
            return;
        };
        *free = hash;
        self.unknown_count += 1;
        self.warn(format_args!(
            "ntheap: unknown option {}, ignored; the nearest valid name is {}\n",
            Excerpt(name),
            nearest(name),
        ));
    }

    fn warn(&mut self, text: fmt::Arguments<'_>) {
        let mut line = FixedBuffer::<512>::new();
        // The buffer truncates and never fails.
        let _ = line.write_fmt(text);
        (self.warn)(line.as_bytes());
    }
}

/// Windows' environment names know no case; elsewhere they do.
fn same_name(name: &[u8], known: &str) -> bool {
    if cfg!(windows) {
        name.eq_ignore_ascii_case(known.as_bytes())
    } else {
        name == known.as_bytes()
    }
}

/// FNV-1a, 64 bits.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// The first 64 bytes of a text from outside, with everything a terminal
/// could act on escaped.
struct Excerpt<'a>(&'a [u8]);

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.get(..64) {
            Some(start) if self.0.len() > 64 => write!(out, "{}...", start.escape_ascii()),
            _ => write!(out, "{}", self.0.escape_ascii()),
        }
    }
}

/// The known name with the smallest edit distance to `name`.
fn nearest(name: &[u8]) -> &'static str {
    OPTIONS
        .iter()
        .map(|option| option.name)
        .chain(KNOWN_ELSEWHERE)
        .min_by_key(|known| distance(name, known.as_bytes()))
        .unwrap_or_default()
}

/// Longest name [`distance`] looks at; no known name is longer.
pub(super) const NAME_MAX: usize = 64;

/// How many single bytes must be put in, taken out or replaced to make one
/// name of the other, upper and lower case alike (Levenshtein's distance, one
/// row at a time).
pub(super) fn distance(from: &[u8], to: &[u8]) -> usize {
    let from = from.get(..NAME_MAX).unwrap_or(from);
    let to = to.get(..NAME_MAX).unwrap_or(to);
    let mut row = [0; NAME_MAX];
    for (index, cell) in row.iter_mut().enumerate() {
        *cell = index + 1;
    }
    let mut last = to.len();
    for (index, byte) in from.iter().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (other, cell) in to.iter().zip(row.iter_mut()) {
            let replaced = diagonal + usize::from(!byte.eq_ignore_ascii_case(other));
            diagonal = *cell;
            left = replaced.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        last = left;
    }
    last
}
