//! The table of options, and what each kind of option accepts.

use super::{Action, Config, HugePages};
use core::fmt;

pub(super) const KIB: usize = 1024;
pub(super) const MIB: usize = 1024 * KIB;
const GIB: usize = 1024 * MIB;

/// One row of the table of options.
pub(super) struct OptionRow {
    /// The environment variable.
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// One line, without a full stop.
    pub(super) doc: &'static str,
}

/// What an option accepts, and where it is kept.
pub(super) enum Kind {
    /// A number of bytes; `usize::MAX` is written `none`.
    Size {
        get: fn(&Config) -> usize,
        set: fn(Config, usize) -> Config,
    },
    /// One in so many; 0 is `off`, and `on` is a number of its own.
    Rate {
        on: usize,
        get: fn(&Config) -> usize,
        set: fn(Config, usize) -> Config,
    },
    /// One of so many bytes; 0 is `off`, and `on` is a number of its own.
    Distance {
        on: usize,
        get: fn(&Config) -> usize,
        set: fn(Config, usize) -> Config,
    },
    /// On or off.
    Switch {
        get: fn(&Config) -> bool,
        set: fn(Config, bool) -> Config,
    },
    /// One of a few words, known to `get` and `set` by their position.
    Words {
        words: &'static [&'static str],
        get: fn(&Config) -> usize,
        set: fn(Config, usize) -> Config,
    },
}

pub(super) static OPTIONS: [OptionRow; 10] = [
    OptionRow {
        name: "NTHEAP_CACHE_BYTES",
        kind: Kind::Size {
            get: Config::cache_bytes,
            set: Config::with_cache_bytes,
        },
        doc: "bytes of blocks in each of a thread's two magazines per size class; of large blocks up to twelve",
    },
    OptionRow {
        name: "NTHEAP_RETAIN",
        kind: Kind::Size {
            get: Config::retain,
            set: Config::with_retain,
        },
        doc: "dirty free bytes kept before pages go back to the system, unless 0: an eighth of what is in use at least, and up to 32 MiB more of what a program uses again",
    },
    OptionRow {
        name: "NTHEAP_COMMIT_LIMIT",
        kind: Kind::Size {
            get: Config::commit_limit,
            set: Config::with_commit_limit,
        },
        doc: "most bytes committed at a time; allocations that need more fail",
    },
    OptionRow {
        name: "NTHEAP_HUGE_PAGES",
        kind: Kind::Words {
            words: &["default", "never", "always"],
            get: |config| match config.huge_pages() {
                HugePages::Default => 0,
                HugePages::Never => 1,
                HugePages::Always => 2,
            },
            set: |config, word| {
                config.with_huge_pages(match word {
                    1 => HugePages::Never,
                    2 => HugePages::Always,
                    _ => HugePages::Default,
                })
            },
        },
        doc: "whether huge pages are asked for; default: once 32 MiB are live, while three quarters of the slices in use may hold memory, or for blocks of up to 1 KiB 4 MiB of one size, or 8 MiB of one size in a heap of a program's own, and for blocks of 4 MiB and more, or 2 MiB where a smaller block grows to them",
    },
    OptionRow {
        name: "NTHEAP_SHOW_STATS",
        kind: Kind::Switch {
            get: Config::show_stats,
            set: Config::with_show_stats,
        },
        doc: "write statistics to standard error when the process ends",
    },
    OptionRow {
        name: "NTHEAP_ON_CORRUPTION",
        kind: Kind::Words {
            words: &["abort", "continue"],
            get: |config| match config.on_corruption() {
                Action::Abort => 0,
                Action::Continue => 1,
            },
            set: |config, word| {
                config.with_on_corruption(match word {
                    1 => Action::Continue,
                    _ => Action::Abort,
                })
            },
        },
        doc: "what follows the report of a corrupt heap or a misused block",
    },
    OptionRow {
        name: "NTHEAP_COUNT",
        kind: Kind::Switch {
            get: Config::count_calls,
            set: Config::with_count_calls,
        },
        doc: "count every allocation by size; slower",
    },
    OptionRow {
        name: "NTHEAP_SAMPLE",
        kind: Kind::Rate {
            on: Config::SAMPLE,
            get: Config::sample,
            set: Config::with_sample,
        },
        doc: "one allocation in so many has guard pages beside it, and what runs into them is reported",
    },
    OptionRow {
        name: "NTHEAP_PROFILE",
        kind: Kind::Distance {
            on: Config::PROFILE,
            get: Config::profile,
            set: Config::with_profile,
        },
        doc: "of every so many allocated bytes one is looked at, and its block noted with its stack for a heap profile",
    },
    OptionRow {
        name: "NTHEAP_HARDENED",
        kind: Kind::Switch {
            get: Config::hardened,
            set: Config::with_hardened,
        },
        doc: "guard blocks against misuse by patterns, guard pages, delays and chance",
    },
];

static SWITCH_WORDS: [(&str, bool); 6] = [
    ("0", false),
    ("1", true),
    ("off", false),
    ("on", true),
    ("false", false),
    ("true", true),
];

impl Kind {
    /// `config` with the option at `value`, or nothing where `value` is not
    /// one this kind accepts.
    pub(super) fn apply(&self, config: Config, value: &[u8]) -> Option<Config> {
        match self {
            Kind::Size { set, .. } => Some(set(config, parse_size(value)?)),
            Kind::Distance { on, set, .. } => {
                let bytes = match value {
                    value if value.eq_ignore_ascii_case(b"off") => 0,
                    value if value.eq_ignore_ascii_case(b"on") => *on,
                    value => parse_size(value).filter(|&bytes| bytes != usize::MAX)?,
                };
                Some(set(config, bytes))
            }
            Kind::Rate { on, set, .. } => {
                let number = match value {
                    value if value.eq_ignore_ascii_case(b"off") => 0,
                    value if value.eq_ignore_ascii_case(b"on") => *on,
                    value => parse_number(value)?,
                };
                Some(set(config, number))
            }
            Kind::Switch { set, .. } => SWITCH_WORDS
                .iter()
                .find(|(word, _)| value.eq_ignore_ascii_case(word.as_bytes()))
                .map(|&(_, on)| set(config, on)),
            Kind::Words { words, set, .. } => words
                .iter()
                .position(|word| value.eq_ignore_ascii_case(word.as_bytes()))
                .map(|index| set(config, index)),
        }
    }
}

/// What the kind accepts, in words.
impl fmt::Display for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::Size { .. } => out
                .write_str("bytes, decimal or 0x hex, with K, M or G for KiB, MiB or GiB; or none"),
            Kind::Rate { on, .. } => write!(out, "a number, or off or on ({on})"),
            Kind::Distance { on, .. } => {
                out.write_str(
                    "bytes, decimal or 0x hex, with K, M or G for KiB, MiB or GiB; or off or on (",
                )?;
                write_bytes(out, *on)?;
                out.write_str(")")
            }
            Kind::Switch { .. } => write_choice(out, SWITCH_WORDS.iter().map(|(word, _)| *word)),
            Kind::Words { words, .. } => write_choice(out, words.iter().copied()),
        }
    }
}

/// Writes "a, b or c".
fn write_choice<'a>(
    out: &mut fmt::Formatter<'_>,
    words: impl ExactSizeIterator<Item = &'a str>,
) -> fmt::Result {
    let last = words.len().saturating_sub(1);
    for (index, word) in words.enumerate() {
        out.write_str(match index {
            0 => "",
            _ if index == last => " or ",
            _ => ", ",
        })?;
        out.write_str(word)?;
    }
    Ok(())
}

/// Writes a number of bytes in the largest unit of which it is a multiple.
fn write_bytes(out: &mut fmt::Formatter<'_>, bytes: usize) -> fmt::Result {
    for (unit, name) in [(GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")] {
        if bytes != 0 && bytes.is_multiple_of(unit) {
            return write!(out, "{} {name}", bytes / unit);
        }
    }
    write!(out, "{bytes}")
}

/// An option's present value, written as the option accepts it.
pub(super) struct Setting<'a>(pub(super) &'a Kind, pub(super) &'a Config);

impl fmt::Display for Setting<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Setting(kind, config) = *self;
        match kind {
            Kind::Size { get, .. } => match get(config) {
                usize::MAX => out.write_str("none"),
                bytes => write_bytes(out, bytes),
            },
            Kind::Distance { get, .. } => match get(config) {
                0 => out.write_str("off"),
                bytes => write_bytes(out, bytes),
            },
            Kind::Rate { get, .. } => match get(config) {
                0 => out.write_str("off"),
                rate => write!(out, "{rate}"),
            },
            Kind::Switch { get, .. } => out.write_str(if get(config) { "on" } else { "off" }),
            Kind::Words { words, get, .. } => {
                out.write_str(words.get(get(config)).copied().unwrap_or_default())
            }
        }
    }
}

/// A decimal number. Nothing where it is not that, or more than a `usize` holds.
fn parse_number(value: &[u8]) -> Option<usize> {
    core::str::from_utf8(value)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?
        .parse()
        .ok()
}

/// A number of bytes: decimal or `0x` hexadecimal, then perhaps `K`, `M` or
/// `G`, perhaps spelt `KiB`, `MiB`, `GiB`; or `none`. Nothing where it is not
/// that, or more than a `usize` holds.
pub(super) fn parse_size(value: &[u8]) -> Option<usize> {
    if value.eq_ignore_ascii_case(b"none") {
        return Some(usize::MAX);
    }
    let (digits, radix) = match value {
        [b'0', b'x' | b'X', digits @ ..] => (digits, 16),
        digits => (digits, 10),
    };
    let end = digits
        .iter()
        .position(|&byte| !char::from(byte).is_digit(radix))
        .unwrap_or(digits.len());
    let (digits, suffix) = digits.split_at_checked(end)?;
    if digits.is_empty() {
        return None;
    }
    let mut number = 0usize;
    for &byte in digits {
        let digit = char::from(byte).to_digit(radix)? as usize;
        number = number.checked_mul(radix as usize)?.checked_add(digit)?;
    }
    let suffix = suffix.strip_prefix(b" ").unwrap_or(suffix);
    let unit = match suffix {
        [] => 1,
        [letter] | [letter, b'i' | b'I', b'b' | b'B'] => match letter.to_ascii_uppercase() {
            b'K' => KIB,
            b'M' => MIB,
            b'G' => GIB,
            _ => return None,
        },
        _ => return None,
    };
    number.checked_mul(unit)
}
