//! The results for people.

use super::figures::Least;
use super::schedule::{Cell, Results, Row};
use super::summary::{
    Mean, Measure, against_best, best_peer, counted, figure, mean, mean_against_best, minima,
    our_place, ratio, sets, worst,
};
use crate::format::{bold, bytes, bytes_or_na, count, seconds, table};
use std::ops::Range;

/// The group that is about what stays when everything was dropped.
const HELD: &str = "held";

/// What the tables have in common, before the first.
pub(crate) fn head(results: &Results) -> String {
    let reference = &results.allocators[results.reference];
    let mut out = format!(
        "Least of {} run{} each, by turns; scale {}. Ratios to {reference}; * is the best peer \
         of the row.\n",
        results.rounds,
        if results.rounds == 1 { "" } else { "s" },
        results.scale
    );
    if let Some(why) = &results.uncounted {
        out.push_str(&format!("OS calls: not counted: {why}\n"));
    }
    out
}

/// The tables of one group.
pub(crate) fn group(results: &Results, rows: Range<usize>, brief: bool, colours: bool) -> String {
    let rows = &results.rows[rows];
    let name = &rows[0].load.group;
    let mut measures = vec![Measure::Time(results.metric), Measure::PeakRss];
    if name == HELD {
        measures.push(Measure::AfterDrop);
    }
    let mut out = String::new();
    for measure in measures {
        let title = format!("{name}: {}", measure.name());
        out.push_str(&format!("\n{}\n", bold(&title, colours)));
        out.push_str(&ratios(results, rows, measure));
    }
    if !brief {
        let title = format!("{name}: figures");
        out.push_str(&format!("\n{}\n", bold(&title, colours)));
        out.push_str(&details(results, rows));
    }
    out
}

/// A line a load: the reference's figure, everybody else's ratio to it.
fn ratios(results: &Results, rows: &[Row], measure: Measure) -> String {
    let others: Vec<usize> = (0..results.allocators.len())
        .filter(|&at| at != results.reference)
        .collect();
    let ours = our_place(results);

    let mut head = vec![String::new(), results.allocators[results.reference].clone()];
    head.extend(others.iter().map(|&at| results.allocators[at].clone()));
    if let Some(ours) = ours {
        head.push("best peer".to_owned());
        head.push(format!("{}/best", results.allocators[ours]));
    }
    let mut lines = vec![head];
    for row in rows {
        let best = best_peer(results, row, measure);
        let mark = |at: usize, cell: String| {
            if best == Some(at) {
                format!("*{cell}")
            } else {
                cell
            }
        };
        let base = results.reference;
        let mut line = vec![
            row.load.name.clone(),
            mark(base, absolute(&row.cells[base], measure)),
        ];
        for &at in &others {
            let cell = match &row.cells[at].failure {
                Some(failure) => format!("failed: {}", failure.short),
                None => number(ratio(row, at, base, measure)),
            };
            line.push(mark(at, cell));
        }
        if ours.is_some() {
            line.push(best.map_or_else(na, |at| results.allocators[at].clone()));
            line.push(number(against_best(results, row, measure).map(|(r, _)| r)));
        }
        lines.push(line);
    }
    lines.push(mean_line(results, rows, measure, "geometric mean"));
    table("", &lines)
}

/// The means of some rows, in the columns of [`ratios`].
fn mean_line(results: &Results, rows: &[Row], measure: Measure, name: &str) -> Vec<String> {
    let base = results.reference;
    let mut line = vec![
        name.to_owned(),
        mean_cell(mean(results, rows, base, measure)),
    ];
    for at in (0..results.allocators.len()).filter(|&at| at != base) {
        line.push(mean_cell(mean(results, rows, at, measure)));
    }
    if our_place(results).is_some() {
        line.push(String::new());
        line.push(mean_cell(mean_against_best(results, rows, measure)));
    }
    line
}

fn absolute(cell: &Cell, measure: Measure) -> String {
    match (&cell.failure, figure(cell, measure), measure) {
        (Some(failure), ..) => format!("failed: {}", failure.short),
        (None, None, _) => na(),
        (None, Some(value), Measure::Time(_)) => seconds(value),
        (None, Some(value), _) => bytes(value as u64),
    }
}

fn na() -> String {
    "n/a".to_owned()
}

/// Three digits that say something.
fn number(ratio: Option<f64>) -> String {
    match ratio {
        None => na(),
        Some(r) if r < 0.0995 => format!("{r:.3}"),
        Some(r) if r < 99.5 => format!("{r:.2}"),
        Some(r) => format!("{r:.0}"),
    }
}

/// A mean of fewer rows than there are says of how many.
fn mean_cell(mean: Option<Mean>) -> String {
    match mean {
        Some(mean) if mean.rows < mean.of => {
            format!("{} ({}/{})", number(Some(mean.ratio)), mean.rows, mean.of)
        }
        mean => number(mean.map(|m| m.ratio)),
    }
}

/// A line for each load and allocator, with all that was measured.
fn details(results: &Results, rows: &[Row]) -> String {
    let head = [
        "",
        "allocator",
        "CPU",
        "wall",
        "peak RSS",
        "after drop",
        "asked for",
        "faults",
        "OS calls",
        "futex",
    ];
    let mut lines = vec![head.map(str::to_owned).to_vec()];
    for row in rows {
        for (at, cell) in row.cells.iter().enumerate() {
            let name = if at == 0 { row.load.name.as_str() } else { "" };
            let mut line = vec![name.to_owned(), results.allocators[at].clone()];
            match (&cell.failure, minima(cell)) {
                (Some(failure), _) => line.push(format!("failed: {}", failure.short)),
                (None, None) => line.push(na()),
                (None, Some(least)) => line.extend(detail(cell, &least)),
            }
            lines.push(line);
        }
    }
    table("", &lines)
}

fn detail(cell: &Cell, least: &Least) -> [String; 8] {
    let asked = cell.runs.iter().filter_map(|run| run.requested_peak).max();
    let (memory, futex) = match &cell.calls {
        Some(calls) => (count(calls.memory_total()), count(calls.futex)),
        None => ("-".to_owned(), "-".to_owned()),
    };
    [
        seconds(least.cpu_seconds),
        seconds(least.seconds),
        bytes(least.peak_rss),
        bytes_or_na(least.rss_after_drop),
        asked
            .filter(|&n| n > 0)
            .map_or_else(|| "-".to_owned(), bytes),
        count(least.faults),
        memory,
        futex,
    ]
}

/// The means over everything, the worst rows, and what went wrong.
pub(crate) fn end(results: &Results, colours: bool) -> String {
    let mut out = String::new();
    for measure in [Measure::Time(results.metric), Measure::PeakRss] {
        let reference = &results.allocators[results.reference];
        let title = format!("{}, geometric means, × {reference}", measure.name());
        out.push_str(&format!("\n{}\n", bold(&title, colours)));
        let mut head = vec![String::new(), "rows".to_owned()];
        head.extend(results.allocators.iter().cloned());
        if let Some(ours) = our_place(results) {
            head.push(format!("{}/best", results.allocators[ours]));
        }
        let mut lines = vec![head];
        for set in sets(results) {
            let mut line = vec![set.name.to_owned(), counted(&set.rows, measure).to_string()];
            for at in 0..results.allocators.len() {
                line.push(mean_cell(mean(results, &set.rows, at, measure)));
            }
            if our_place(results).is_some() {
                line.push(mean_cell(mean_against_best(results, &set.rows, measure)));
            }
            lines.push(line);
        }
        out.push_str(&table("", &lines));
        out.push_str(&worst_rows(results, measure));
    }
    for note in &results.notes {
        out.push_str(&format!("\n{note}\n"));
    }
    out.push_str(&failures(results));
    out
}

fn worst_rows(results: &Results, measure: Measure) -> String {
    let (Some(ours), (Some(worst), far)) = (our_place(results), worst(results, measure)) else {
        return String::new();
    };
    let name = &results.allocators[ours];
    let mut out = format!(
        "{name}'s worst row: {}, {} × {}, the row's best peer\n",
        worst.load,
        number(Some(worst.ratio)),
        worst.peer
    );
    if far.is_empty() {
        out.push_str("no row above 1.10 × its best peer\n");
    } else {
        let each: Vec<String> = far
            .iter()
            .map(|row| format!("{} {} ({})", row.load, number(Some(row.ratio)), row.peer))
            .collect();
        out.push_str(&wrapped("above 1.10 × the best peer: ", &each));
    }
    out
}

/// A list after a heading, in lines of at most 100 characters.
fn wrapped(heading: &str, items: &[String]) -> String {
    const WIDTH: usize = 100;
    let mut out = String::new();
    let mut line = heading.to_owned();
    for (at, item) in items.iter().enumerate() {
        let item = if at + 1 < items.len() {
            format!("{item}, ")
        } else {
            item.clone()
        };
        if line.chars().count() + item.trim_end().chars().count() > WIDTH {
            out.push_str(line.trim_end());
            out.push('\n');
            line = "  ".to_owned();
        }
        line.push_str(&item);
    }
    out + &line + "\n"
}

fn failures(results: &Results) -> String {
    let mut out = String::new();
    for row in &results.rows {
        for (cell, allocator) in row.cells.iter().zip(&results.allocators) {
            if let Some(failure) = &cell.failure {
                out.push_str(&format!(
                    "failed: {} on {allocator}: {}",
                    row.load.name, failure.short
                ));
                if !failure.detail.is_empty() {
                    out.push_str(&format!(": {}", failure.detail));
                }
                out.push('\n');
            }
        }
    }
    for item in &results.left_out {
        let how = if item.failed { "failed" } else { "left out" };
        out.push_str(&format!("{how}: {}: {}\n", item.name, item.why));
    }
    if !out.is_empty() {
        out.insert(0, '\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::summary::tests::example;
    use super::*;

    #[test]
    fn ratios_have_digits_that_say_something() {
        let numbers = [0.0214, 0.0996, 0.5, 1.0, 12.345, 306.4].map(|r| number(Some(r)));
        assert_eq!(numbers, ["0.021", "0.10", "0.50", "1.00", "12.35", "306"]);
        assert_eq!(number(None), "n/a");
    }

    #[test]
    fn long_lists_are_wrapped() {
        let items: Vec<String> = (0..30).map(|i| format!("load-{i} 1.20 (peer)")).collect();
        let text = wrapped("these: ", &items);
        assert!(
            text.lines().all(|line| line.chars().count() <= 100),
            "{text}"
        );
        assert!(
            text.starts_with("these: load-0 1.20 (peer), load-1"),
            "{text}"
        );
        assert!(text.ends_with("load-29 1.20 (peer)\n"), "{text}");
        assert_eq!(text.matches("peer").count(), 30);
    }

    #[test]
    fn a_group_is_printed_as_it_should_be() {
        let text = group(&example(), 0..2, false, false);
        assert_eq!(text, include_str!("snapshots/group.txt"));
    }

    #[test]
    fn the_end_is_printed_as_it_should_be() {
        let mut results = example();
        results.uncounted = Some("strace is not installed".to_owned());
        let text = head(&results) + &end(&results, false);
        assert_eq!(text, include_str!("snapshots/end.txt"));
    }
}
