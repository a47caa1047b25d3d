//! `ntheap bench`: allocators against each other, a process a measurement.
//!
//! There are two fields of contest. One has Rust programs, one for each
//! allocator, since a Rust program has one global allocator ([`peers`]). The
//! other has shared libraries that replace malloc, preloaded into C programs and
//! into installed ones ([`preload`]). Both run in rounds, the allocators by
//! turns ([`schedule`]); what remains is arithmetic ([`summary`]) and paper
//! ([`table`], [`chart`], [`raw`]).
//!
//! ```text
//!   peers, preload -> schedule -> summary -> table, chart, raw
//!       child, figures   calls
//! ```

mod calls;
mod chart;
mod checkout;
mod child;
mod figures;
mod peers;
#[cfg(target_os = "linux")]
mod preload;
mod raw;
mod schedule;
mod summary;
mod table;

use crate::args::{Bench, Format};
use crate::format;
use calls::Tracer;
use schedule::{Field, Load, Plan};
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use summary::Metric;

/// The allocator to which times are related where the user names none.
const REFERENCE: &str = "mimalloc3";

/// Loads of this group need far more memory than most machines have.
const HUGE: &str = "huge";

/// Something that does not take part, and why.
#[derive(Clone, Debug)]
pub(crate) struct LeftOut {
    pub(crate) name: String,
    pub(crate) why: String,
    /// Whether it should have: then the exit status says so too.
    pub(crate) failed: bool,
}

/// Why nothing was measured.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The command line asks for something that is not there: exit status 2.
    Usage(String),
    /// The work could not be done: exit status 1.
    Failed(String),
}

/// Runs the contest; 0 if everything that was asked for was measured.
pub(crate) fn main(options: &Bench) -> ExitCode {
    let stopped = match bench(options) {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => return ExitCode::FAILURE,
        Err(stopped) => stopped,
    };
    let (code, message) = match stopped {
        Stop::Usage(message) => (2, message),
        Stop::Failed(message) => (1, message),
    };
    eprintln!("ntheap bench: {message}");
    ExitCode::from(code)
}

fn bench(options: &Bench) -> Result<bool, Stop> {
    let mut left_out = Vec::new();
    if options.preload.is_empty() {
        let peers = peers::Peers::prepare(options, &mut left_out)?;
        return compete(options, &peers, left_out);
    }
    #[cfg(target_os = "linux")]
    {
        let preloads = preload::prepare(options, &mut left_out)?;
        compete(options, &preloads, left_out)
    }
    #[cfg(not(target_os = "linux"))]
    Err(Stop::Failed("--preload works on Linux only".to_owned()))
}

fn compete(options: &Bench, field: &dyn Field, mut left_out: Vec<LeftOut>) -> Result<bool, Stop> {
    let loads = choose(options, field.loads(), &mut left_out)?;
    if options.list {
        say(&match options.format {
            Format::Text => list(field.allocators(), field.loads(), &loads),
            Format::Json => list_json(field.allocators(), field.loads(), &loads),
        });
        announce(&left_out);
        return Ok(!left_out.iter().any(|item| item.failed));
    }
    announce(&left_out);
    let plan = Plan {
        loads,
        reference: reference(options, field.allocators())?,
        rounds: options.rounds,
        scale: options.scale,
        metric: if options.wall {
            Metric::Wall
        } else {
            Metric::Cpu
        },
        tracer: Tracer::find(),
    };
    // A file that cannot be written is known before an hour of measuring.
    for file in [&options.json, &options.svg].into_iter().flatten() {
        writable(file)?;
    }
    let colours = format::colours(&io::stdout());
    let mut first = true;
    let is_text = options.format == Format::Text;
    let results = schedule::run(field, plan, left_out, |results, group| {
        if !is_text {
            return;
        }
        if std::mem::take(&mut first) {
            say(&table::head(results));
        }
        say(&table::group(results, group, options.brief, colours));
    });
    say(&match options.format {
        Format::Text => table::end(&results, colours),
        Format::Json => raw::json(&results),
    });
    if let Some(file) = &options.json {
        write(file, &raw::json(&results))?;
    }
    if let Some(file) = &options.svg {
        write(file, &chart::svg(&results).map_err(Stop::Failed)?)?;
    }
    Ok(results.complete())
}

/// The loads that were asked for, by their places in `loads`, each group's
/// together.
fn choose(
    options: &Bench,
    loads: &[Load],
    left_out: &mut Vec<LeftOut>,
) -> Result<Vec<usize>, Stop> {
    let mut groups: Vec<&str> = Vec::new();
    for load in loads {
        if !groups.contains(&load.group.as_str()) {
            groups.push(&load.group);
        }
    }
    for wanted in &options.group {
        if !groups.contains(&wanted.as_str()) {
            return Err(Stop::Usage(format!(
                "there is no group {wanted}; there are {}",
                groups.join(", ")
            )));
        }
    }
    let asked = |load: &Load| {
        (options.group.is_empty() || options.group.contains(&load.group))
            && (options.only.is_empty() || options.only.iter().any(|p| matches(p, &load.name)))
    };
    let unasked_huge = |load: &Load| load.group == HUGE && !options.group.iter().any(|g| g == HUGE);
    let mut chosen = Vec::new();
    for group in &groups {
        let own = (0..loads.len()).filter(|&at| loads[at].group == **group);
        chosen.extend(own.filter(|&at| asked(&loads[at]) && !unasked_huge(&loads[at])));
    }
    if loads.iter().any(|load| asked(load) && unasked_huge(load)) {
        left_out.push(LeftOut {
            name: format!("group {HUGE}"),
            why: format!("needs tens of GiB of memory; --group {HUGE} runs it"),
            failed: false,
        });
    }
    if chosen.is_empty() {
        return Err(Stop::Usage(
            "no load is left to run; `ntheap bench --list` names them all".to_owned(),
        ));
    }
    Ok(chosen)
}

/// Whether `name` contains `pattern`, in which a star stands for anything.
fn matches(pattern: &str, name: &str) -> bool {
    let mut rest = name;
    pattern.split('*').all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

/// The place of the allocator to which times are related.
fn reference(options: &Bench, allocators: &[String]) -> Result<usize, Stop> {
    let place = |name: &str| allocators.iter().position(|a| a == name);
    match &options.reference {
        Some(name) => place(name).ok_or_else(|| {
            Stop::Usage(format!(
                "--reference {name} does not take part; {} do",
                allocators.join(", ")
            ))
        }),
        None => Ok(place(REFERENCE)
            .or_else(|| allocators.iter().position(|a| !summary::ours(a)))
            .unwrap_or(0)),
    }
}

/// `allocators` in the order of the command line, where that names any.
fn wanted(options: &Bench, allocators: Vec<String>) -> Result<Vec<String>, Stop> {
    if options.allocators.is_empty() {
        return Ok(allocators);
    }
    for name in &options.allocators {
        if !allocators.contains(name) {
            return Err(Stop::Usage(format!(
                "there is no allocator {name}; there are {}",
                allocators.join(", ")
            )));
        }
    }
    let mut chosen: Vec<String> = Vec::new();
    for name in &options.allocators {
        if !chosen.contains(name) {
            chosen.push(name.clone());
        }
    }
    Ok(chosen)
}

fn list(allocators: &[String], loads: &[Load], chosen: &[usize]) -> String {
    let mut out = String::from("allocators\n");
    for name in allocators {
        out.push_str(&format!("  {name}\n"));
    }
    let mut group = None;
    for load in chosen.iter().map(|&at| &loads[at]) {
        if group.replace(&load.group) != Some(&load.group) {
            out.push_str(&format!("{}\n", load.group));
        }
        out.push_str(&format!("  {}\n", load.name));
    }
    out
}

fn list_json(allocators: &[String], loads: &[Load], chosen: &[usize]) -> String {
    let loads: Vec<serde_json::Value> = chosen
        .iter()
        .map(|&at| serde_json::json!({ "group": loads[at].group, "name": loads[at].name }))
        .collect();
    let value = serde_json::json!({ "allocators": allocators, "loads": loads });
    format!("{value:#}\n")
}

/// Names what does not take part, on standard error.
fn announce(left_out: &[LeftOut]) {
    for item in left_out {
        eprintln!("ntheap bench: left out: {}: {}", item.name, item.why);
    }
}

fn say(text: &str) {
    // A reader that closed the pipe has seen enough.
    let _ = io::stdout().write_all(text.as_bytes());
    let _ = io::stdout().flush();
}

fn writable(file: &Path) -> Result<(), Stop> {
    fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(file)
        .map(drop)
        .map_err(|e| Stop::Failed(format!("cannot write {}: {e}", file.display())))
}

fn write(file: &Path, text: &str) -> Result<(), Stop> {
    fs::write(file, text).map_err(|e| Stop::Failed(format!("cannot write {}: {e}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_found_anywhere_and_a_star_is_anything() {
        assert!(matches("pair", "pair-16"));
        assert!(matches("16", "pair-16"));
        assert!(matches("p*6", "pair-16"));
        assert!(matches("*", "pair-16"));
        assert!(!matches("6*p", "pair-16"));
        assert!(!matches("pairs", "pair-16"));
    }
}
