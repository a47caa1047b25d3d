//! `ntheap profile`: a heap profile, of a process or of a program that is run, as a file
//! for pprof.
//!
//! ```text
//!   PID, or PROGRAM at its end --> ntheap_inspect::profile: sites, by stack
//!                                    crate::symbols: functions and lines
//!                                    pprof.rs: the file
//! ```

mod pprof;

use crate::format::{bytes, count, table_of_words};
use crate::look::progress::Doing;
use crate::look::{Failure, at_end, output, source};
use crate::symbols::{Frame, Symbols, before};
use clap::Args;
use ntheap_inspect::held::Held;
use ntheap_inspect::profile::{Amount, Profile, of_process};
use ntheap_inspect::progress::Work;
use pprof::{Function, Line, Location, Mapping, Sample, Strings, ValueType};
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

pub(crate) const ABOUT: &str = "\
Write a heap profile: which calls allocated what is in use, and what was allocated
so far.

Of every so many allocated bytes one is looked at, and its block noted with its call
stack until it is freed; what is noted stands for what is not. The file is in pprof's
format, with four values for each stack: alloc_objects, alloc_space, inuse_objects
and inuse_space.

With a program: it is run on ntheap with NTHEAP_PROFILE set, and looked at when it
ends. With a process: as it is now; it must have been started with NTHEAP_PROFILE=on
or a number of bytes. Blocks of malloc and its kin are in it, and those of a Rust program
on NtHeap whose `ntheap` has the feature `debug`; not those of heaps of a program's own
(HeapCreate).";

pub(crate) const AFTER: &str = "\
Examples:
  ntheap profile -o heap.pb.gz -- ./program --its-options
  ntheap profile -o heap.pb.gz 1234 && go tool pprof -top heap.pb.gz
  ntheap profile --rate 64K -o heap.pb.gz -- ./small-program

Exit status:
  0  the profile was written
  2  the command line was wrong
  3  it was, and something is missing: standard error says what
  4  the process cannot be read, or is not profiled
  5  the file cannot be written
  120 to 127  as of `ntheap run`, of a program that cannot be run";

#[derive(Debug, Args)]
#[command(after_long_help = AFTER)]
pub(crate) struct Options {
    #[command(flatten)]
    telling: crate::look::args::Telling,

    /// The process's number
    #[arg(value_name = "PID", required_unless_present = "command")]
    pid: Option<i32>,

    /// The file to write, gzipped as pprof reads it
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,

    /// Look at one allocated byte of so many: with K, M or G for KiB, MiB or GiB
    #[arg(long, value_name = "BYTES", default_value = "512K", conflicts_with = "pid", value_parser = rate)]
    rate: u64,

    /// Lines of the list at most; 0: all
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,

    /// How the answer is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: crate::look::args::Format,

    /// The program to run and its arguments: it is looked at when it ends
    #[arg(value_name = "PROGRAM", last = true, conflicts_with = "pid")]
    command: Vec<OsString>,
}

/// A number of bytes, not 0.
fn rate(text: &str) -> Result<u64, String> {
    let wrong = || "a number of bytes is expected, with K, M or G".to_owned();
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 1 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let number: u64 = digits.parse().map_err(|_| wrong())?;
    number
        .checked_mul(unit)
        .filter(|&bytes| bytes > 0)
        .ok_or_else(wrong)
}

/// Runs the command; its exit status is told by its manual.
pub(crate) fn main(options: &Options) -> ExitCode {
    ExitCode::from(run(options).unwrap_or_else(|Failure { code, message }| {
        // Nobody is left to tell if standard error is gone.
        let _ = writeln!(io::stderr(), "ntheap: {message}");
        code
    }))
}

fn run(options: &Options) -> Result<u8, Failure> {
    options.telling.begin();
    let (profile, mut symbols) = match options.pid {
        Some(pid) => {
            let held = Held::stop(pid).map_err(|why| source::unreadable(pid, &why))?;
            look(pid, pid, &held)?
        }
        None => {
            let rate = options.rate.to_string();
            at_end::run_with(&options.command, &[("NTHEAP_PROFILE", &rate)], look)?
        }
    };
    let named = Named::of(&profile, &mut symbols);
    let file = file(&profile, &named, &mut symbols);
    let zipped = file
        .zipped()
        .and_then(|zipped| std::fs::write(&options.output, &zipped).map(|()| zipped.len()));
    let size = zipped.map_err(|why| source::unwritable(&options.output, &why))?;
    let mut out = output::out();
    let written = match options.format {
        crate::look::args::Format::Json => {
            let value = as_json(&profile, &named, options, size);
            output::write_json(&mut out, &value)
        }
        crate::look::args::Format::Text => text(&mut out, &profile, &named, options, size),
    };
    output::finish(out, written)?;
    Ok(tell_missing(&profile, &symbols))
}

/// Reads the profile of process `pid`, by the number of a thread of it that is held.
fn look(pid: i32, thread: i32, held: &Held) -> Result<(Profile, Symbols), Failure> {
    let _doing = Doing::begin(format!("looking through process {pid}"));
    let read = of_process(thread, held).map_err(|why| source::unreadable(pid, &why))?;
    let mut profile = read.ok_or_else(|| {
        Failure::new(
            source::PROCESS,
            format!(
                "process {pid} is not profiled: it must be started with NTHEAP_PROFILE=on, on a \
                 library or crate of ntheap that has the feature debug, without global flags and not \
                 hardened"
            ),
        )
    })?;
    profile.process.pid = u64::from(pid.unsigned_abs());
    let symbols = Symbols::of(profile.mappings.clone());
    Ok((profile, symbols))
}

/// The addresses of all stacks, each with its functions.
struct Named {
    frames: HashMap<u64, Vec<Frame>>,
}

impl Named {
    fn of(profile: &Profile, symbols: &mut Symbols) -> Named {
        let mut named = Named {
            frames: HashMap::new(),
        };
        let _doing = Doing::begin("looking for functions' names");
        let work = Work::of(
            profile
                .sites
                .iter()
                .map(|site| site.stack.len() as u64)
                .sum(),
        );
        let addresses = profile.sites.iter().flat_map(|site| &site.stack);
        for (done, &address) in (0..).zip(addresses) {
            work.at(done);
            if named.frames.contains_key(&address) {
                continue;
            }
            let frames = symbols.frames(before(address));
            named.frames.insert(address, frames);
        }
        named
    }

    /// A stack's innermost functions, in words.
    fn words(&self, stack: &[u64]) -> String {
        const SHOWN: usize = 3;
        let mut words: Vec<String> = Vec::new();
        for address in stack {
            let frames = self.frames.get(address).map_or(&[][..], |frames| frames);
            if frames.is_empty() {
                words.push(output::hex(*address));
            }
            let names = frames.iter().map(|frame| frame.name.clone());
            words.extend(names.filter(|name| !is_ours(name)));
            if words.len() >= SHOWN {
                break;
            }
        }
        if words.is_empty() {
            return "stack unknown".to_owned();
        }
        words.truncate(SHOWN);
        output::plain(&words.join(" < "))
    }
}

/// Functions of the allocator, in programs that are linked with it: left out by pprof, too,
/// where they are what a stack begins with.
const OURS: &str = r"<?ntheap::(heap|global)::.*|<ntheap::global::.*|(__rustc::)?__rust_(alloc|alloc_zeroed|realloc)|__rustc\[.*\]::__rust_(alloc|alloc_zeroed|realloc)";

fn is_ours(name: &str) -> bool {
    let name = name.strip_prefix('<').unwrap_or(name);
    ["ntheap::heap::", "ntheap::global::"]
        .iter()
        .any(|ours| name.starts_with(ours))
        || ["__rust_alloc", "__rust_alloc_zeroed", "__rust_realloc"]
            .iter()
            .any(|ours| name.ends_with(ours))
}

/// The file's contents.
fn file(profile: &Profile, named: &Named, symbols: &mut Symbols) -> pprof::Profile {
    let mut strings = Strings::new();
    let mut kind = |name: &str, unit: &str| ValueType {
        r#type: strings.of(name),
        unit: strings.of(unit),
    };
    let sample_type = vec![
        kind("alloc_objects", "count"),
        kind("alloc_space", "bytes"),
        kind("inuse_objects", "count"),
        kind("inuse_space", "bytes"),
    ];
    let period_type = Some(kind("space", "bytes"));
    let codes = symbols.codes().to_vec();
    let mut locations = Locations::default();
    let mut samples = Vec::new();
    for site in &profile.sites {
        let value = [
            site.allocated.blocks,
            site.allocated.bytes,
            site.live.blocks,
            site.live.bytes,
        ];
        let value: Vec<i64> = value.iter().map(|value| value.round() as i64).collect();
        if value.iter().all(|&value| value == 0) {
            continue;
        }
        let location_id = site.stack.iter().map(|&address| {
            let code = symbols.code_at(before(address));
            locations.of(address, code, named, &mut strings)
        });
        samples.push(Sample {
            location_id: location_id.collect(),
            value,
        });
    }
    let mut mapping = Vec::new();
    for (at, code) in codes.iter().enumerate() {
        let has_names = locations.named.get(&at).copied();
        mapping.push(Mapping {
            id: at as u64 + 1,
            memory_start: code.start,
            memory_limit: code.end,
            file_offset: code.offset,
            filename: strings.of(&code.name),
            build_id: strings.of(&symbols.build_id(&code.name)),
            has_functions: has_names.is_some(),
            has_filenames: has_names == Some(true),
            has_line_numbers: has_names == Some(true),
            has_inline_frames: has_names == Some(true),
        });
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    pprof::Profile {
        sample_type,
        sample: samples,
        mapping,
        location: locations.all,
        function: locations.functions.into_values().collect(),
        drop_frames: strings.of(OURS),
        time_nanos: now.map_or(0, |now| now.as_nanos() as i64),
        period_type,
        period: i64::try_from(profile.rate).unwrap_or(i64::MAX),
        comment: vec![strings.of(&profile.process.program)],
        default_sample_type: strings.of("inuse_space"),
        string_table: strings.into_table(),
    }
}

/// The file's locations and functions, by what they are of.
#[derive(Default)]
struct Locations {
    all: Vec<Location>,
    numbers: HashMap<u64, u64>,
    functions: BTreeMap<(i64, i64), Function>,
    /// Mappings of which something has a name; true: with files and lines.
    named: HashMap<usize, bool>,
}

impl Locations {
    fn of(
        &mut self,
        address: u64,
        code: Option<usize>,
        named: &Named,
        strings: &mut Strings,
    ) -> u64 {
        if let Some(&number) = self.numbers.get(&address) {
            return number;
        }
        let number = self.all.len() as u64 + 1;
        let mut line = Vec::new();
        for frame in named.frames.get(&address).into_iter().flatten() {
            let key = (strings.of(&frame.name), strings.of(&frame.file));
            let next = self.functions.len() as u64 + 1;
            let function = self.functions.entry(key).or_insert_with(|| Function {
                id: next,
                name: key.0,
                system_name: strings.of(&frame.symbol),
                filename: key.1,
            });
            line.push(Line {
                function_id: function.id,
                line: i64::from(frame.line),
            });
            if let Some(code) = code {
                *self.named.entry(code).or_default() |= frame.line != 0;
            }
        }
        self.all.push(Location {
            id: number,
            mapping_id: code.map_or(0, |code| code as u64 + 1),
            address: before(address),
            line,
        });
        self.numbers.insert(address, number);
        number
    }
}

/// Sites of the most bytes in use, and then allocated.
fn in_order(profile: &Profile) -> Vec<&ntheap_inspect::profile::Site> {
    let mut sites: Vec<_> = profile.sites.iter().collect();
    sites.sort_by(|a, b| {
        let key = |site: &ntheap_inspect::profile::Site| (site.live.bytes, site.allocated.bytes);
        let (a, b) = (key(a), key(b));
        b.0.total_cmp(&a.0).then(b.1.total_cmp(&a.1))
    });
    sites
}

fn text(
    out: &mut output::Out,
    profile: &Profile,
    named: &Named,
    options: &Options,
    size: usize,
) -> io::Result<()> {
    let (allocated, live) = profile.totals();
    let words = |amount: Amount| {
        format!(
            "{} in {} blocks",
            bytes(amount.bytes.round() as u64),
            count(amount.blocks.round() as u64)
        )
    };
    writeln!(
        out,
        "process {}, {}: in use {}; allocated {}",
        profile.process.pid,
        output::plain(&profile.process.program),
        words(live),
        words(allocated)
    )?;
    writeln!(
        out,
        "estimated by {} blocks noted at one byte of {}; written to {}, {}",
        count(profile.noted),
        bytes(profile.rate),
        options.output.display(),
        bytes(size as u64)
    )?;
    let top = if options.top == 0 {
        usize::MAX
    } else {
        options.top
    };
    let mut rows = vec![
        ["in use", "blocks", "allocated", "by"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for site in in_order(profile).into_iter().take(top) {
        rows.push(vec![
            bytes(site.live.bytes.round() as u64),
            count(site.live.blocks.round() as u64),
            bytes(site.allocated.bytes.round() as u64),
            named.words(&site.stack),
        ]);
    }
    if rows.len() > 1 {
        out.write_all(table_of_words("", &rows).as_bytes())?;
    }
    if profile.sites.len() > top {
        let left = profile.sites.len() - top;
        writeln!(out, "... and {left} lines more (--top 0)")?;
    }
    Ok(())
}

fn as_json(profile: &Profile, named: &Named, options: &Options, size: usize) -> serde_json::Value {
    let (allocated, live) = profile.totals();
    let amount = |amount: Amount| json!({ "bytes": amount.bytes.round() as u64, "blocks": amount.blocks.round() as u64 });
    let top = if options.top == 0 {
        usize::MAX
    } else {
        options.top
    };
    let site = |site: &ntheap_inspect::profile::Site| {
        let frames = site.stack.iter().map(|address| {
            let names = named.frames.get(address).into_iter().flatten();
            json!({
                "address": output::hex(*address),
                "functions": names.map(|frame| frame.name.clone()).collect::<Vec<String>>(),
            })
        });
        json!({
            "in_use": amount(site.live),
            "allocated": amount(site.allocated),
            "stack": frames.collect::<Vec<serde_json::Value>>(),
        })
    };
    json!({
        "process": {
            "pid": profile.process.pid,
            "program": profile.process.program,
            "time": profile.process.time,
        },
        "rate": profile.rate,
        "noted": profile.noted,
        "lost": profile.lost,
        "in_use": amount(live),
        "allocated": amount(allocated),
        "file": options.output.display().to_string(),
        "file_bytes": size,
        "sites": in_order(profile).into_iter().take(top).map(site).collect::<Vec<_>>(),
        "missing": profile.missing,
    })
}

/// Says on standard error what the profile lacks; the exit status that says so.
fn tell_missing(profile: &Profile, symbols: &Symbols) -> u8 {
    symbols.tell_nameless();
    let mut missing = profile.missing.clone();
    if profile.lost > 0 {
        missing.push(format!(
            "{} blocks, for which there was no room",
            profile.lost
        ));
    }
    output::tell_all_missing(&missing, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_units() {
        assert_eq!(rate("512K"), Ok(512 << 10));
        assert_eq!(rate("1g"), Ok(1 << 30));
        assert_eq!(rate("7"), Ok(7));
        for wrong in ["", "K", "0", "-1", "1T", "1.5M", "99999999999999999999"] {
            assert!(rate(wrong).is_err(), "{wrong}");
        }
    }
}
