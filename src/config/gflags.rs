//! `NTHEAP_GFLAGS`: Windows' global flags by gflags' abbreviations or as a
//! number, and what they take beside.
//!
//! ```text
//!   NTHEAP_GFLAGS=+hpc,+ust           by abbreviation; - takes away again
//!   NTHEAP_GFLAGS=0x1070              by number
//!   NTHEAP_GFLAGS=+hvc:100            with sub-options after colons
//!   NTHEAP_GFLAGS=fault=100:5         fault injection
//!   NTHEAP_PAGEHEAP=backwards,size=100-200,random=50
//!   NTHEAP_REPORT=json                reports for programs
//! ```
//!
//! Items are taken in order. What is not known is told to the caller, once for
//! each variable, and otherwise ignored: a mistake in an option never ends a
//! program.
//!
//! Invariants: reading allocates nothing, cannot fail, and any bytes will do.

use super::options::parse_size;
use crate::report::FixedBuffer;
use core::fmt::{self, Write};

/// A flag of NtGlobalFlag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// gflags' abbreviation, three letters.
    pub name: &'static str,
    /// Its bit.
    pub bit: u32,
    /// Windows' name for it, after `FLG_`.
    pub symbol: &'static str,
    /// What it does here; empty where it does nothing here.
    pub effect: &'static str,
}

const fn flag(name: &'static str, bit: u32, symbol: &'static str, effect: &'static str) -> Flag {
    Flag {
        name,
        bit,
        symbol,
        effect,
    }
}

/// Tail checking (`htc`).
pub const TAIL_CHECK: u32 = 0x10;
/// Free checking (`hfc`).
pub const FREE_CHECK: u32 = 0x20;
/// Parameter validation (`hpc`).
pub const VALIDATE_PARAMETERS: u32 = 0x40;
/// Validation of the whole heap at every call (`hvc`).
pub const VALIDATE_ALL: u32 = 0x80;
/// Tags by call (`htg`).
pub const TAGGING: u32 = 0x800;
/// The stack database (`ust`).
pub const STACK_TRACES: u32 = 0x1000;
/// Tags by module (`htd`).
pub const TAG_BY_DLL: u32 = 0x8000;
/// Free blocks stay apart (`dhc`).
pub const DISABLE_COALESCING: u32 = 0x0020_0000;
/// Page heap (`hpa`).
pub const PAGE_ALLOCS: u32 = 0x0200_0000;

/// The flags, by bit ("GFlags Flag Table").
pub static FLAGS: [Flag; 31] = [
    flag("soe", 0x1, "STOP_ON_EXCEPTION", ""),
    flag("sls", 0x2, "SHOW_LDR_SNAPS", ""),
    flag("dic", 0x4, "DEBUG_INITIAL_COMMAND", ""),
    flag("shg", 0x8, "STOP_ON_HUNG_GUI", ""),
    flag(
        "htc",
        TAIL_CHECK,
        "HEAP_ENABLE_TAIL_CHECK",
        "16 bytes of 0xAB behind each block, checked when it is freed or resized",
    ),
    flag(
        "hfc",
        FREE_CHECK,
        "HEAP_ENABLE_FREE_CHECK",
        "0xFEEEFEEE in freed blocks, checked when they are used again; 0xBAADF00D in fresh ones",
    ),
    flag(
        "hpc",
        VALIDATE_PARAMETERS,
        "HEAP_VALIDATE_PARAMETERS",
        "htc, hfc, and every call's arguments checked, Rust's Layout and C++'s delete too",
    ),
    flag(
        "hvc",
        VALIDATE_ALL,
        "HEAP_VALIDATE_ALL",
        "htc, hfc, and the whole heap checked at every call, or with hvc:N at every Nth",
    ),
    flag("vrf", 0x100, "APPLICATION_VERIFIER", ""),
    flag("ptg", 0x400, "POOL_ENABLE_TAGGING", ""),
    flag(
        "htg",
        TAGGING,
        "HEAP_ENABLE_TAGGING",
        "blocks counted by the number in their call's flags, in the statistics at the end",
    ),
    flag(
        "ust",
        STACK_TRACES,
        "USER_STACK_TRACE_DB",
        "the call stack of every allocation and free is kept; ust:tracedb=MB bounds it",
    ),
    flag("kst", 0x2000, "KERNEL_STACK_TRACE_DB", ""),
    flag("otl", 0x4000, "MAINTAIN_OBJECT_TYPELIST", ""),
    flag(
        "htd",
        TAG_BY_DLL,
        "HEAP_ENABLE_TAG_BY_DLL",
        "blocks counted by the module that asked, in the statistics at the end",
    ),
    flag("dse", 0x0001_0000, "DISABLE_STACK_EXTENSION", ""),
    flag("d32", 0x0002_0000, "ENABLE_CSRDEBUG", ""),
    flag("ksl", 0x0004_0000, "ENABLE_KDEBUG_SYMBOL_LOAD", ""),
    flag("dps", 0x0008_0000, "DISABLE_PAGE_KERNEL_STACKS", ""),
    flag("scb", 0x0010_0000, "ENABLE_SYSTEM_CRIT_BREAKS", ""),
    flag(
        "dhc",
        DISABLE_COALESCING,
        "HEAP_DISABLE_COALESCING",
        "free blocks that lie side by side stay apart",
    ),
    flag("ece", 0x0040_0000, "ENABLE_CLOSE_EXCEPTIONS", ""),
    flag("eel", 0x0080_0000, "ENABLE_EXCEPTION_LOGGING", ""),
    flag("eot", 0x0100_0000, "ENABLE_HANDLE_TYPE_TAGGING", ""),
    flag(
        "hpa",
        PAGE_ALLOCS,
        "HEAP_PAGE_ALLOCS",
        "each block in pages of its own, with one that faults beside it",
    ),
    flag("dwl", 0x0400_0000, "DEBUG_INITIAL_COMMAND_EX", ""),
    flag("ddp", 0x0800_0000, "DISABLE_DBGPRINT", ""),
    flag("cse", 0x1000_0000, "CRITSEC_EVENT_CREATION", ""),
    flag("sue", 0x2000_0000, "STOP_ON_UNHANDLED_EXCEPTION", ""),
    flag("bhd", 0x4000_0000, "ENABLE_HANDLE_EXCEPTIONS", ""),
    flag("dpd", 0x8000_0000, "DISABLE_PROTDLLS", ""),
];

/// Something that a variable's items, or what follows a flag's colon, may say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// How it is written; capitals stand for what a user chooses.
    pub text: &'static str,
    /// What it does.
    pub effect: &'static str,
}

const fn item(text: &'static str, effect: &'static str) -> Item {
    Item { text, effect }
}

/// The items of `NTHEAP_PAGEHEAP`, which may also follow `hpa:`.
pub static PAGE_ITEMS: [Item; 9] = [
    item(
        "full",
        "a page that faults behind each block; what hpa means alone",
    ),
    item(
        "light",
        "no pages: patterns and stamps about each block, checked later",
    ),
    item("backwards", "the page that faults lies before the block"),
    item(
        "unaligned",
        "the block's end is the page's, whatever its alignment",
    ),
    item("size=A-B", "only blocks of so many bytes; others are light"),
    item("random=PERCENT", "only so many of a hundred, by chance"),
    item(
        "delay=BYTES",
        "bytes of freed blocks that are kept from use",
    ),
    item("dlls=NAME+NAME", "only blocks that these modules ask for"),
    item(
        "mappings",
        "protect pages one by one, as where the kernel has no guards",
    ),
];

/// The items of `NTHEAP_REPORT`.
pub static REPORT_ITEMS: [Item; 2] = [
    item("text", "a report is lines for people"),
    item("json", "a report is one line of JSON"),
];

/// Most bytes of the list of modules that page heap is for.
const MODULES_MAX: usize = 256;

/// What page heap is told beside that it is on ("GFlags and PageHeap", `/p`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageHeap {
    /// Patterns that are checked, in place of pages that fault.
    pub light: bool,
    /// Guards are mappings of their own, even where the kernel has better ones.
    pub mappings: bool,
    /// The guard lies before the block.
    pub backwards: bool,
    /// The block ends where the guard begins, whatever its alignment.
    pub unaligned: bool,
    /// The least and the largest size that it is for, in bytes.
    pub sizes: (usize, usize),
    /// Of a hundred allocations, for how many.
    pub percent: u8,
    /// The bytes that freed blocks may take before the oldest goes.
    pub delayed: usize,
    modules: [u8; MODULES_MAX],
    modules_length: u16,
}

impl PageHeap {
    const DEFAULT: PageHeap = PageHeap {
        light: false,
        mappings: false,
        backwards: false,
        unaligned: false,
        sizes: (0, usize::MAX),
        percent: 100,
        delayed: 64 << 20,
        modules: [0; MODULES_MAX],
        modules_length: 0,
    };

    /// The names of the modules whose allocations it is for; none: all.
    pub fn modules(&self) -> impl Iterator<Item = &[u8]> {
        self.modules
            .get(..usize::from(self.modules_length))
            .unwrap_or_default()
            .split(|&byte| byte == b'+')
            .filter(|name| !name.is_empty())
    }
}

/// What fault injection is told ("GFlags Commands", `/fault`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Faults {
    /// Of 10,000 allocations, how many fail; 0: there is none.
    pub rate: u32,
    /// Seconds from the start of the program until the first may fail.
    pub timeout: u32,
    /// What decides which fail; none: the system's random bits.
    pub seed: Option<u64>,
}

impl Faults {
    /// The rate and the timeout that gflags has where none are given.
    const DEFAULT: (u32, u32) = (100, 5);
}

/// What `NTHEAP_GFLAGS`, `NTHEAP_PAGEHEAP` and `NTHEAP_REPORT` say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalFlags {
    /// NtGlobalFlag.
    pub bits: u32,
    /// With `hvc`, at every how many calls a heap is checked as a whole.
    pub validate_every: u32,
    /// The most bytes of the stack database.
    pub trace_bytes: usize,
    /// Page heap's options.
    pub page: PageHeap,
    /// Fault injection.
    pub faults: Faults,
    /// Whether reports are JSON.
    pub json: bool,
}

impl GlobalFlags {
    /// No flag, and what is asked for beside at its default.
    pub const NONE: GlobalFlags = GlobalFlags {
        bits: 0,
        validate_every: 1,
        trace_bytes: 64 << 20,
        page: PageHeap::DEFAULT,
        faults: Faults {
            rate: 0,
            timeout: Faults::DEFAULT.1,
            seed: None,
        },
        json: false,
    };

    /// Whether a flag, or one of several, is set.
    pub const fn has(&self, bits: u32) -> bool {
        self.bits & bits != 0
    }
}

/// Applies one item of a variable; false for a mistake.
type Apply = fn(&mut GlobalFlags, &[u8]) -> bool;

/// The items of a variable's value.
pub fn items(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value
        .split(|byte| matches!(byte, b',' | b';' | b' ' | b'\t'))
        .filter(|item| !item.is_empty())
}

/// The variables, each with what applies one of its items.
static VARIABLES: [(&[u8], Apply); 3] = [
    (b"NTHEAP_GFLAGS", apply_item),
    (b"NTHEAP_PAGEHEAP", |flags, word| {
        apply_page(&mut flags.page, word)
    }),
    (b"NTHEAP_REPORT", apply_report),
];

/// Applies one item of a variable; false for a mistake in it, or in the variable's
/// name. What [`valid`] says then helps.
pub fn apply(flags: &mut GlobalFlags, variable: &[u8], item: &[u8]) -> bool {
    let found = VARIABLES.iter().find(|(name, _)| *name == variable);
    found.is_some_and(|(_, apply)| apply(flags, item))
}

/// [`GlobalFlags::NONE`]. A static has a name, by which it lies with what a process's first
/// calls read.
static UNASKED: GlobalFlags = GlobalFlags::NONE;

/// The flags and options in variables that `for_each` tells of. `warn` gets a
/// line for each variable that has mistakes in it.
pub fn read(
    for_each: impl FnOnce(&mut dyn FnMut(&[u8], &[u8])),
    warn: &mut dyn FnMut(&[u8]),
) -> GlobalFlags {
    let mut flags = UNASKED;
    let mut seen = [false; VARIABLES.len()];
    for_each(&mut |name, value| {
        let mut known = VARIABLES.iter().zip(&mut seen);
        let Some(((_, apply), seen)) = known.find(|((known, _), _)| *known == name) else {
            return;
        };
        // As with getenv, of a name set twice the first counts.
        if core::mem::replace(seen, true) {
            return;
        }
        let mut wrong = None;
        for item in items(value) {
            if !apply(&mut flags, item) {
                wrong = wrong.or(Some(item));
            }
        }
        if let Some(item) = wrong {
            warn_of(name, item, warn);
        }
    });
    flags
}

#[cold]
fn warn_of(name: &[u8], item: &[u8], warn: &mut dyn FnMut(&[u8])) {
    // Four times as many characters as are shown, and a hundred or two.
    let mut line = FixedBuffer::<512>::new();
    let shown = item.get(..item.len().min(64)).unwrap_or_default();
    // The buffer truncates and never fails.
    let _ = writeln!(
        line,
        "ntheap: {}: {} is not known and ignored; {}",
        name.escape_ascii(),
        shown.escape_ascii(),
        valid(name),
    );
    warn(line.as_bytes());
}

/// What a variable takes, in words.
struct Valid<'a>(&'a [u8]);

impl fmt::Display for Valid<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |out: &mut fmt::Formatter<'_>, items: &[Item]| {
            out.write_str("valid: ")?;
            for (index, item) in items.iter().enumerate() {
                let comma = if index == 0 { "" } else { ", " };
                write!(out, "{comma}{}", item.text)?;
            }
            Ok(())
        };
        match self.0 {
            b"NTHEAP_PAGEHEAP" => list(out, &PAGE_ITEMS),
            b"NTHEAP_REPORT" => list(out, &REPORT_ITEMS),
            _ => {
                out.write_str("valid: a number, or + or - and one of")?;
                for flag in FLAGS.iter().filter(|flag| !flag.effect.is_empty()) {
                    write!(out, " {}", flag.name)?;
                }
                out.write_str("; or fault=RATE:SECONDS:seed=N")
            }
        }
    }
}

/// What a variable takes, in words.
pub fn valid(variable: &[u8]) -> impl fmt::Display {
    Valid(variable)
}

/// Applies one item of `NTHEAP_GFLAGS`; false, and what could be applied of it
/// done, when there is a mistake in it.
fn apply_item(flags: &mut GlobalFlags, item: &[u8]) -> bool {
    let (adds, item) = match item {
        [b'+', rest @ ..] => (true, rest),
        [b'-', rest @ ..] => (false, rest),
        _ => (true, item),
    };
    let mut parts = item.split(|&byte| byte == b':');
    let name = parts.next().unwrap_or_default();
    if let Some(rate) = name.strip_prefix(b"fault")
        && matches!(rate, [] | [b'=', ..])
    {
        let rate = rate.strip_prefix(b"=");
        return apply_faults(&mut flags.faults, adds, rate, &mut parts);
    }
    let found = FLAGS
        .iter()
        .find(|flag| name.eq_ignore_ascii_case(flag.name.as_bytes()))
        .map(|flag| flag.bit);
    let number = || {
        let is_number = name.first().is_some_and(u8::is_ascii_digit);
        let digits = name.strip_prefix(b"0x").or(name.strip_prefix(b"0X"));
        is_number.then(|| parse_hex(digits.unwrap_or(name)))?
    };
    let Some(bits) = found.or_else(number) else {
        return false;
    };
    if adds {
        flags.bits |= bits;
    } else {
        flags.bits &= !bits;
    }
    let mut is_right = true;
    for part in parts {
        is_right &= match bits {
            VALIDATE_ALL => match parse_size(part) {
                Some(every) if every > 0 => {
                    flags.validate_every = u32::try_from(every).unwrap_or(u32::MAX);
                    true
                }
                _ => false,
            },
            STACK_TRACES => apply_traces(flags, part),
            PAGE_ALLOCS => apply_page(&mut flags.page, part),
            _ => false,
        };
    }
    is_right
}

/// Fault injection: the rate, 1 to 10,000, and after it the timeout in seconds and the
/// seed, in any order. Without `adds` there is none.
fn apply_faults(
    faults: &mut Faults,
    adds: bool,
    rate: Option<&[u8]>,
    parts: &mut dyn Iterator<Item = &[u8]>,
) -> bool {
    let (mut new, mut is_right) = (*faults, true);
    new.rate = match rate {
        None => Faults::DEFAULT.0,
        Some(rate) => match parse_size(rate) {
            Some(rate) if (1..=10_000).contains(&rate) => rate as u32,
            _ => return false,
        },
    };
    for part in parts {
        let seed = part.strip_prefix(b"seed=").map(parse_size);
        match (seed, parse_size(part)) {
            (Some(Some(seed)), _) => new.seed = Some(seed as u64),
            (None, Some(timeout)) => new.timeout = u32::try_from(timeout).unwrap_or(u32::MAX),
            _ => is_right = false,
        }
    }
    if !adds {
        new.rate = 0;
    }
    *faults = new;
    is_right
}

/// gflags' numbers are hexadecimal, with 0x or without.
fn parse_hex(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    digits.iter().try_fold(0u32, |number, &byte| {
        let digit = char::from(byte).to_digit(16)?;
        Some(number << 4 | digit)
    })
}

/// `tracedb=MB`, 8 at least, as with `gflags /tracedb`.
fn apply_traces(flags: &mut GlobalFlags, part: &[u8]) -> bool {
    let megabytes = part.strip_prefix(b"tracedb=").and_then(parse_size);
    match megabytes {
        Some(megabytes) if (1..=4096).contains(&megabytes) => {
            flags.trace_bytes = megabytes.max(8) << 20;
            true
        }
        _ => false,
    }
}

fn apply_page(page: &mut PageHeap, word: &[u8]) -> bool {
    let (name, value) = match word.iter().position(|&byte| byte == b'=') {
        Some(at) => {
            let (name, value) = word.split_at(at);
            (name, value.get(1..).unwrap_or_default())
        }
        None => (word, &[][..]),
    };
    match name {
        b"full" => page.light = false,
        b"light" => page.light = true,
        b"mappings" => page.mappings = true,
        b"backwards" => page.backwards = true,
        b"unaligned" => page.unaligned = true,
        b"size" => {
            let mut bounds = value.splitn(2, |&byte| byte == b'-').map(parse_size);
            match (bounds.next().flatten(), bounds.next().flatten()) {
                (Some(least), Some(most)) if least <= most => page.sizes = (least, most),
                _ => return false,
            }
        }
        b"random" => match parse_size(value) {
            Some(percent) if percent <= 100 => page.percent = percent as u8,
            _ => return false,
        },
        b"delay" => match parse_size(value) {
            Some(bytes) => page.delayed = bytes,
            None => return false,
        },
        b"dlls" => {
            let length = value.len().min(MODULES_MAX);
            for (to, from) in page.modules.iter_mut().zip(value) {
                *to = *from;
            }
            page.modules_length = length as u16;
            return length == value.len() && length > 0;
        }
        _ => return false,
    }
    true
}

/// `json` or `text`.
fn apply_report(flags: &mut GlobalFlags, word: &[u8]) -> bool {
    flags.json = word == b"json";
    flags.json || word == b"text"
}

#[cfg(test)]
mod tests;
