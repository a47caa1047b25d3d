//! `ntheap top`: a process's heaps, live in a terminal.
//!
//! ```text
//!   process --> sample: figures of one moment --+
//!                        figures before --------+--> state --> view --> terminal
//!   terminal --> keys --------------------------+         \--> text, JSON (--once)
//! ```
//!
//! Invariants:
//! - The process is not held: figures of a process that runs may be torn, which is
//!   said in the frame.
//! - The terminal is as it was before when the command ends, in whatever way but a
//!   signal that cannot be caught.
//! - A frame is drawn from a state and an area alone, so that the same is seen in a
//!   terminal, in a file and in a test.

mod live;
mod sample;
mod state;
#[cfg(test)]
mod tests;
mod view;

use super::args::{Format, Top};
use super::output::{self, hex};
use super::source::{Failure, PROCESS, USAGE};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use sample::Sample;
use serde_json::json;
use state::{Page, State};
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::thread;
use view::Look;

/// Columns of a frame that is written as text.
const COLUMNS: u16 = 100;
/// The most lines of one: more heaps than that are not listed.
const LINES: usize = 4000;

pub(crate) fn run(options: &Top) -> Result<u8, Failure> {
    let is_terminal = io::stdout().is_terminal() && io::stdin().is_terminal();
    if options.once || options.format == Format::Json || !is_terminal {
        return once(options);
    }
    let state = State::new(options.sort, Sample::take(options.pid)?);
    live::run(options, state)
}

/// One frame, on standard output. Two moments are looked at, for what grew.
fn once(options: &Top) -> Result<u8, Failure> {
    let mut state = State::new(options.sort, Sample::take(options.pid)?);
    thread::sleep(options.interval());
    state.take(Sample::take(options.pid)?);
    if let Some(wanted) = &options.heap {
        if !state.choose(wanted) {
            return Err(Failure::new(
                USAGE,
                format!("process {} has no heap {wanted}", options.pid),
            ));
        }
        state.page = Page::Heap;
    }
    let mut out = output::out();
    let written = match options.format {
        Format::Json => output::write_json(&mut out, &as_json(&state)),
        Format::Text => out.write_all(text(&state).as_bytes()),
    };
    output::finish(out, written)?;
    Ok(output::tell_all_missing(&state.now().missing, 0))
}

/// A frame as lines of text.
fn text(state: &State) -> String {
    let rows = view::rows(state).min(LINES);
    let area = Rect::new(0, 0, COLUMNS, u16::try_from(rows).unwrap_or(u16::MAX));
    let mut buffer = Buffer::empty(area);
    let look = Look {
        has_colours: false,
        is_live: false,
    };
    view::draw(state, area, &mut buffer, look);
    let mut text = String::new();
    for y in 0..area.height {
        let mut line = String::new();
        for x in 0..area.width {
            line.push_str(buffer[(x, y)].symbol());
        }
        // A string takes all that is written to it.
        let _ = writeln!(text, "{}", line.trim_end());
    }
    text
}

fn as_json(state: &State) -> serde_json::Value {
    let now = state.now();
    let heaps: Vec<serde_json::Value> = state
        .order()
        .into_iter()
        .map(|at| {
            let heap = &now.heaps[at];
            let (bytes, blocks) = state.growth(at);
            let figures = &heap.figures;
            let buckets: Vec<serde_json::Value> = figures
                .buckets
                .iter()
                .map(|bucket| {
                    let [busy, cached, free] = bucket.shares();
                    json!({
                        "size": bucket.size, "subsegments": bucket.subsegments,
                        "busy": busy, "cached": cached, "free": free,
                        "unused_bytes": bucket.unused,
                    })
                })
                .collect();
            json!({
                "handle": hex(heap.handle), "name": heap.name,
                "reserved": figures.reserved, "committed": figures.committed,
                "in_use": figures.in_use, "blocks": figures.blocks,
                "cached": figures.cached, "free": figures.free(),
                "large_blocks": figures.large_blocks, "large_bytes": figures.large_bytes,
                "bytes_per_s": bytes, "blocks_per_s": blocks, "buckets": buckets,
            })
        })
        .collect();
    json!({
        "process": { "pid": now.pid, "program": now.program },
        "missing": now.missing,
        "resident": now.resident,
        "peak_resident": now.peak,
        "heaps": heaps,
    })
}

/// The process is not there any more.
fn ended(pid: i32) -> Failure {
    Failure::new(PROCESS, format!("process {pid} has ended"))
}
