//! A program's memory over time, for `ntheap run --timeline`.
//!
//! ```text
//!   run --> number of the process --> record: looked at again and again --> Points
//!                                                      draw --> SVG, page --> HTML
//! ```
//!
//! The program is not held. Looking takes at most a fifth of the time, and no more than
//! [`MOST`] moments are kept: of more, every second one goes, and half as many are added.

mod draw;

use super::figures;
use super::map::{canvas, page};
use super::source::process;
use crate::process::figure;
use ntheap_inspect::Wanted;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Moments that are kept.
const MOST: usize = 1200;
/// The least time from one to the next.
const LEAST: Duration = Duration::from_millis(10);

/// A moment, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Point {
    /// Since the program was started.
    pub(crate) at: Duration,
    /// Address space of the heaps.
    pub(crate) reserved: u64,
    /// Of it, what is committed.
    pub(crate) committed: u64,
    /// Of it, what the program has.
    pub(crate) in_use: u64,
    /// Memory of the whole process.
    pub(crate) resident: u64,
}

/// Looks at process `pid` until `over` is closed.
pub(crate) fn record(pid: i32, over: &Receiver<()>) -> Vec<Point> {
    let start = Instant::now();
    let mut points: Vec<Point> = Vec::new();
    let mut every = LEAST;
    loop {
        let at = start.elapsed();
        if let Some(point) = look(pid, at) {
            points.push(point);
        }
        if points.len() == MOST {
            points = points.into_iter().step_by(2).collect();
            every *= 2;
        }
        let took = start.elapsed().saturating_sub(at);
        let waits = every.max(took * 4);
        if over.recv_timeout(waits) != Err(RecvTimeoutError::Timeout) {
            return points;
        }
    }
}

/// A moment; none before the program's first allocation, and after its end.
fn look(pid: i32, at: Duration) -> Option<Point> {
    let snapshot = process(pid, false, Wanted::Blocks).ok()?;
    let mut point = Point {
        at,
        resident: figure(pid, "VmRSS:")?,
        ..Point::default()
    };
    for heap in figures::of(&snapshot) {
        point.reserved += heap.reserved;
        point.committed += heap.committed;
        point.in_use += heap.in_use;
    }
    Some(point)
}

/// The picture as an SVG file or as a page.
pub(crate) fn picture(program: &str, points: &[Point], is_page: bool) -> String {
    let picture = draw::picture(program, points);
    if is_page {
        let title = format!("{} – memory over time", canvas::escaped(program));
        page::around(&title, &picture, "")
    } else {
        picture
    }
}
