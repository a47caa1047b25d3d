//! Rounds: which program runs when, and what is kept of it.

use super::LeftOut;
use super::calls::{Calls, Tracer};
use super::child::Failure;
use super::figures::Figures;
use super::summary::Metric;
use indicatif::{ProgressBar, ProgressStyle};
use std::ffi::OsString;
use std::io::IsTerminal;
use std::ops::Range;
use std::time::Duration;

/// A load by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) name: String,
    pub(crate) group: String,
}

/// Allocators and loads of one kind, and how to run them.
pub(crate) trait Field {
    /// The allocators, in the order of the tables.
    fn allocators(&self) -> &[String];

    /// The loads.
    fn loads(&self) -> &[Load];

    /// Runs one load on one allocator, once.
    fn run(&self, load: usize, allocator: usize) -> Result<Figures, Failure>;

    /// Runs it under strace, untimed, and counts.
    fn count(&self, load: usize, allocator: usize, tracer: &Tracer) -> Result<Calls, Failure>;

    /// What a reader must know about a load's results, in whole sentences.
    fn notes(&self, _load: usize) -> Vec<String> {
        Vec::new()
    }
}

/// What is measured how.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Places in the field's loads.
    pub(crate) loads: Vec<usize>,
    /// Place of the allocator that ratios relate to.
    pub(crate) reference: usize,
    pub(crate) rounds: u32,
    pub(crate) scale: f64,
    pub(crate) metric: Metric,
    pub(crate) tracer: Tracer,
}

/// One allocator on one load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) runs: Vec<Figures>,
    /// After which it was not run again.
    pub(crate) failure: Option<Failure>,
    pub(crate) calls: Option<Calls>,
}

/// One load on all allocators, in their order.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) load: Load,
    pub(crate) cells: Vec<Cell>,
}

/// Everything that was measured.
#[derive(Debug)]
pub(crate) struct Results {
    pub(crate) allocators: Vec<String>,
    pub(crate) reference: usize,
    pub(crate) rounds: u32,
    pub(crate) scale: f64,
    pub(crate) metric: Metric,
    pub(crate) rows: Vec<Row>,
    pub(crate) left_out: Vec<LeftOut>,
    pub(crate) notes: Vec<String>,
    /// Why calls were not counted, if so.
    pub(crate) uncounted: Option<String>,
}

impl Results {
    /// Whether nothing failed.
    pub(crate) fn complete(&self) -> bool {
        let cells = || self.rows.iter().flat_map(|row| &row.cells);
        !self.left_out.iter().any(|item| item.failed) && cells().all(|c| c.failure.is_none())
    }

    /// The rows of one group lie together; each group's, in order.
    pub(crate) fn groups(&self) -> Vec<Range<usize>> {
        let mut groups: Vec<Range<usize>> = Vec::new();
        for (at, row) in self.rows.iter().enumerate() {
            match groups.last_mut() {
                Some(last) if self.rows[last.start].load.group == row.load.group => {
                    last.end = at + 1;
                }
                _ => groups.push(at..at + 1),
            }
        }
        groups
    }
}

/// The order of `n` allocators in a round: by turns, each round from the next
/// one on.
fn order(n: usize, round: usize) -> impl Iterator<Item = usize> {
    (0..n).map(move |i| (i + round) % n)
}

/// Measures everything. `done` is called with all rows so far when the last row
/// of a group is complete.
pub(crate) fn run(
    field: &dyn Field,
    plan: Plan,
    left_out: Vec<LeftOut>,
    mut done: impl FnMut(&Results, Range<usize>),
) -> Results {
    let loads = field.loads();
    let n = field.allocators().len();
    let bar = bar(plan.loads.len() * n * (plan.rounds as usize + 1));
    let mut results = Results {
        allocators: field.allocators().to_vec(),
        reference: plan.reference,
        rounds: plan.rounds,
        scale: plan.scale,
        metric: plan.metric,
        rows: Vec::new(),
        left_out,
        notes: Vec::new(),
        uncounted: plan.tracer.missing().map(str::to_owned),
    };
    for (place, &at) in plan.loads.iter().enumerate() {
        let (row, troubles) = measure(field, at, &plan, &bar);
        for note in field.notes(at).into_iter().chain(troubles) {
            if !results.notes.contains(&note) {
                results.notes.push(note);
            }
        }
        results.rows.push(row);
        let next = plan.loads.get(place + 1).map(|&next| &loads[next].group);
        if next != Some(&loads[at].group) {
            let group = results.groups().pop().expect("a row is there");
            bar.suspend(|| done(&results, group));
        }
    }
    bar.finish_and_clear();
    results
}

/// One row, and what went wrong in counting its calls.
fn measure(field: &dyn Field, at: usize, plan: &Plan, bar: &ProgressBar) -> (Row, Vec<String>) {
    let names = field.allocators();
    let load = &field.loads()[at];
    let mut cells = vec![Cell::default(); names.len()];
    for round in 0..plan.rounds as usize {
        for allocator in order(names.len(), round) {
            bar.set_message(format!("{} {}", load.name, names[allocator]));
            let cell = &mut cells[allocator];
            if cell.failure.is_none() {
                match field.run(at, allocator) {
                    Ok(figures) => cell.runs.push(figures),
                    Err(failure) => cell.failure = Some(failure),
                }
            }
            bar.inc(1);
        }
    }
    let mut troubles = Vec::new();
    for (allocator, cell) in cells.iter_mut().enumerate() {
        if cell.failure.is_none() && plan.tracer.missing().is_none() {
            bar.set_message(format!("{} {}, counted", load.name, names[allocator]));
            match field.count(at, allocator, &plan.tracer) {
                Ok(calls) => cell.calls = Some(calls),
                Err(failure) => troubles.push(format!(
                    "The calls of {} on {} were not counted: {}: {}.",
                    load.name, names[allocator], failure.short, failure.detail
                )),
            }
        }
        bar.inc(1);
    }
    let row = Row {
        load: load.clone(),
        cells,
    };
    (row, troubles)
}

/// How long a run may take before it is ended: a hundred times what the slowest
/// allocator should need.
pub(crate) fn limit(scale: f64) -> Duration {
    Duration::from_secs(300).mul_f64(scale.clamp(1.0, 1000.0))
}

/// A file's name for strace's table, in a folder of the target folder.
pub(crate) fn with_prefix(
    tracer: &Tracer,
    folder: &std::path::Path,
    run: impl FnOnce(Vec<OsString>) -> Result<(), Failure>,
) -> Result<Calls, Failure> {
    let file = folder.join(format!("calls-{}", std::process::id()));
    let prefix = tracer
        .prefix(&file)
        .ok_or_else(|| Failure::new("not counted", "there is no strace"))?;
    let calls = run(prefix).and_then(|()| super::calls::read(&file));
    // What is left behind is one small file in the target folder.
    let _ = std::fs::remove_file(&file);
    calls
}

/// A bar over all runs, on standard error if that is a terminal.
fn bar(runs: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(runs as u64);
    let template = if crate::format::colours(&std::io::stderr()) {
        "[{bar:30.cyan}] {pos}/{len} {elapsed} {msg}"
    } else {
        "[{bar:30}] {pos}/{len} {elapsed} {msg}"
    };
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    bar.set_style(style.progress_chars("=> "));
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_round_begins_with_the_next_allocator() {
        let rounds: Vec<Vec<usize>> = (0..4).map(|round| order(3, round).collect()).collect();
        assert_eq!(rounds, [[0, 1, 2], [1, 2, 0], [2, 0, 1], [0, 1, 2]]);
    }
}
