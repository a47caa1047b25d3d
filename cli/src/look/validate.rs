//! `ntheap validate`: whether the heaps' records agree.

use super::args::{Format, Validate};
use super::output::{self, Out, hex};
use super::progress::Doing;
use super::source::{FOUND, Failure, Source, unreadable};
use crate::format::count;
use crate::symbols::Symbols;
use ntheap_inspect::Snapshot;
use ntheap_inspect::held::Held;
use ntheap_inspect::model::{Block, Problem};
use serde_json::json;
use std::io::{self, Write};
use std::thread;
use std::time::Duration;

/// How often a problem must be found to be one: a thread may have been stopped in
/// the middle of a change.
const TRIES: u32 = 5;

pub(crate) fn run(options: &Validate) -> Result<u8, Failure> {
    let snapshot = match Source::of(&options.source) {
        Source::Process(pid) => process(pid, !options.live)?,
        source => source.read(false)?,
    };
    let mut symbols = Symbols::of(snapshot.mappings.clone());
    let mut out = output::out();
    let written = match options.format {
        Format::Json => {
            let mut map = output::head(&snapshot);
            let problems = snapshot.problems.iter().map(|problem| {
                let mut value = json!({
                    "heap": hex(problem.heap), "address": hex(problem.address),
                    "what": problem.what,
                });
                if let Some(block) = block_of(&snapshot, problem) {
                    value["block"] = json!({ "address": hex(block.address), "size": block.size });
                    let frames = snapshot.frames_of(block);
                    if !frames.is_empty() {
                        value["frames"] = json!(frames);
                        value["calls"] = symbols.json(frames);
                    }
                }
                value
            });
            map.insert("is_sound".to_owned(), snapshot.problems.is_empty().into());
            map.insert("problems".to_owned(), problems.collect());
            output::write_json(&mut out, &map)
        }
        Format::Text => text(&mut out, &snapshot, &mut symbols),
    };
    output::finish(out, written)?;
    symbols.tell_nameless();
    let code = if snapshot.problems.is_empty() {
        0
    } else {
        FOUND
    };
    Ok(output::tell_missing(&snapshot, code))
}

/// What is wrong each time a process is looked at.
fn process(pid: i32, stops: bool) -> Result<Snapshot, Failure> {
    let _doing = Doing::begin(format!("checking process {pid}"));
    let mut found: Option<Vec<Problem>> = None;
    let mut attempt = 0;
    loop {
        let held = match stops {
            true => Some(Held::stop(pid).map_err(|why| unreadable(pid, &why))?),
            false => None,
        };
        let read = ntheap_inspect::of_process(pid, held.as_ref(), ntheap_inspect::Wanted::Checks);
        drop(held);
        let mut snapshot = read.map_err(|why| unreadable(pid, &why))?;
        if let Some(before) = &found {
            let again = |problem: &Problem| before.iter().any(|other| is_same(problem, other));
            snapshot.problems.retain(again);
        }
        attempt += 1;
        if snapshot.problems.is_empty() || attempt == TRIES {
            return Ok(snapshot);
        }
        found = Some(snapshot.problems);
        thread::sleep(Duration::from_millis(10 << attempt));
    }
}

/// Whether both are one matter; counts in its words may have changed.
fn is_same(one: &Problem, other: &Problem) -> bool {
    let words = |problem: &Problem| problem.what.replace(|c: char| c.is_ascii_digit(), "");
    (one.heap, one.address) == (other.heap, other.address) && words(one) == words(other)
}

/// The block that a problem was found in, if a program has it.
fn block_of<'a>(snapshot: &'a Snapshot, problem: &Problem) -> Option<&'a Block> {
    let number = snapshot.held_at(problem.address)?;
    snapshot.blocks.get(number)
}

fn text(out: &mut Out, snapshot: &Snapshot, symbols: &mut Symbols) -> io::Result<()> {
    writeln!(out, "{}", output::title(snapshot))?;
    for problem in &snapshot.problems {
        let heap = snapshot
            .heaps
            .iter()
            .find(|heap| heap.handle == problem.heap);
        let name = heap.map_or_else(|| "no heap known".to_owned(), output::heap_name);
        writeln!(out, "{:#x}, {name}: {}", problem.address, problem.what)?;
        if let Some(block) = block_of(snapshot, problem) {
            let (size, address) = (count(block.size), block.address);
            let frames = snapshot.frames_of(block);
            let by = if frames.is_empty() {
                ""
            } else {
                ", allocated at"
            };
            writeln!(out, "  in a block of {size} bytes at {address:#x}{by}")?;
            symbols.write(out, frames, "    ")?;
        }
    }
    let verdict = match snapshot.problems.len() {
        0 => "everything agrees".to_owned(),
        1 => "1 thing does not agree".to_owned(),
        many => format!("{many} things do not agree"),
    };
    writeln!(out, "{verdict}")
}
