//! From runs to ratios and means. All figures are minima over the rounds.

use super::figures::{Least, least};
use super::schedule::{Cell, Results, Row};
use serde::Serialize;

/// Which time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Metric {
    /// User and system time of all threads.
    Cpu,
    /// Time on the wall.
    Wall,
}

impl Metric {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Metric::Cpu => "CPU time",
            Metric::Wall => "wall time",
        }
    }
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measure {
    Time(Metric),
    PeakRss,
    AfterDrop,
}

impl Measure {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Measure::Time(metric) => metric.name(),
            Measure::PeakRss => "peak RSS",
            Measure::AfterDrop => "RSS after everything was dropped",
        }
    }
}

/// Seconds; the clocks of processes are not much finer than a tenth of it.
const SHORT: f64 = 0.001;

/// Rows above this are named at the end.
const FAR: f64 = 1.10;

/// ntheap, or a variant of it that somebody compares with it: `ntheap-...`.
pub(crate) fn ours(allocator: &str) -> bool {
    allocator == "ntheap" || allocator.starts_with("ntheap-")
}

/// The place of the one that peers are compared with.
pub(crate) fn our_place(results: &Results) -> Option<usize> {
    let names = &results.allocators;
    let exact = names.iter().position(|name| name == "ntheap");
    exact.or_else(|| names.iter().position(|name| ours(name)))
}

/// What a cell's runs came to, unless one failed.
pub(crate) fn minima(cell: &Cell) -> Option<Least> {
    match cell.failure {
        None => least(&cell.runs),
        Some(_) => None,
    }
}

/// One figure of one cell.
pub(crate) fn figure(cell: &Cell, measure: Measure) -> Option<f64> {
    let least = minima(cell)?;
    match measure {
        Measure::Time(Metric::Cpu) => Some(least.cpu_seconds),
        Measure::Time(Metric::Wall) => Some(least.seconds),
        Measure::PeakRss => Some(least.peak_rss as f64),
        Measure::AfterDrop => least.rss_after_drop.map(|bytes| bytes as f64),
    }
}

/// Whether a row has ratios of this measure: times that are all too short say
/// nothing.
fn counts(row: &Row, measure: Measure) -> bool {
    let figures = row.cells.iter().filter_map(|cell| figure(cell, measure));
    match measure {
        // Where everything failed it is not the time that is missing.
        Measure::Time(_) => figures
            .reduce(f64::max)
            .is_none_or(|longest| longest >= SHORT),
        Measure::PeakRss | Measure::AfterDrop => true,
    }
}

/// How many of some rows have ratios.
pub(crate) fn counted(rows: &[Row], measure: Measure) -> usize {
    rows.iter().filter(|row| counts(row, measure)).count()
}

/// An allocator's figure over the reference's; none where one of them failed,
/// or where all were too short.
pub(crate) fn ratio(row: &Row, at: usize, reference: usize, measure: Measure) -> Option<f64> {
    if !counts(row, measure) {
        return None;
    }
    let (a, b) = (
        figure(&row.cells[at], measure)?,
        figure(&row.cells[reference], measure)?,
    );
    (a > 0.0 && b > 0.0).then(|| a / b)
}

/// The peer with the least figure of a row.
pub(crate) fn best_peer(results: &Results, row: &Row, measure: Measure) -> Option<usize> {
    if !counts(row, measure) {
        return None;
    }
    let figures = row.cells.iter().enumerate().filter_map(|(at, cell)| {
        let seen = figure(cell, measure).filter(|&f| f > 0.0)?;
        (!ours(&results.allocators[at])).then_some((at, seen))
    });
    figures
        .min_by(|(_, a), (_, b)| a.total_cmp(b))
        .map(|(at, _)| at)
}

/// ntheap's figure over the best peer's, and who that is.
pub(crate) fn against_best(results: &Results, row: &Row, measure: Measure) -> Option<(f64, usize)> {
    let best = best_peer(results, row, measure)?;
    let ratio = ratio(row, our_place(results)?, best, measure)?;
    Some((ratio, best))
}

/// A geometric mean, and of how many rows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Mean {
    pub(crate) ratio: f64,
    pub(crate) rows: usize,
    /// Rows that the mean should be of; more, where something failed.
    pub(crate) of: usize,
}

fn geometric(ratios: impl Iterator<Item = Option<f64>>) -> Option<Mean> {
    let (mut sum, mut rows, mut of) = (0.0, 0, 0);
    for ratio in ratios {
        of += 1;
        if let Some(ratio) = ratio {
            sum += ratio.ln();
            rows += 1;
        }
    }
    (rows > 0).then(|| Mean {
        ratio: (sum / f64::from(rows)).exp(),
        rows: rows as usize,
        of,
    })
}

/// The mean of an allocator's ratios to the reference over some rows.
pub(crate) fn mean(results: &Results, rows: &[Row], at: usize, measure: Measure) -> Option<Mean> {
    let rows = rows.iter().filter(|row| counts(row, measure));
    geometric(rows.map(|row| ratio(row, at, results.reference, measure)))
}

/// The mean of ntheap's ratios to each row's best peer.
pub(crate) fn mean_against_best(results: &Results, rows: &[Row], measure: Measure) -> Option<Mean> {
    let rows = rows.iter().filter(|row| counts(row, measure));
    geometric(rows.map(|row| against_best(results, row, measure).map(|(ratio, _)| ratio)))
}

/// Rows that are summed up together.
#[derive(Debug)]
pub(crate) struct Set {
    pub(crate) name: &'static str,
    pub(crate) rows: Vec<Row>,
}

/// The sets of which means are given at the end; empty ones are left out.
pub(crate) fn sets(results: &Results) -> Vec<Set> {
    const SETS: [(&str, &[&str]); 3] = [
        (
            "one thread, C and real programs",
            &["one-thread", "real-programs"],
        ),
        ("two threads, C programs", &["two-threads"]),
        ("real programs", &["real-programs"]),
    ];
    let mut sets = Vec::new();
    for (name, groups) in SETS {
        let rows: Vec<Row> = results
            .rows
            .iter()
            .filter(|row| groups.contains(&row.load.group.as_str()))
            .cloned()
            .collect();
        if !rows.is_empty() {
            sets.push(Set { name, rows });
        }
    }
    sets.push(Set {
        name: "all rows",
        rows: results.rows.clone(),
    });
    sets
}

/// A row in which ntheap is behind, or least ahead.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Worst {
    pub(crate) load: String,
    pub(crate) ratio: f64,
    pub(crate) peer: String,
}

/// The row with ntheap's largest ratio to the row's best peer, and all beyond
/// the margin, largest first.
pub(crate) fn worst(results: &Results, measure: Measure) -> (Option<Worst>, Vec<Worst>) {
    let mut all: Vec<Worst> = results
        .rows
        .iter()
        .filter_map(|row| {
            let (ratio, best) = against_best(results, row, measure)?;
            Some(Worst {
                load: row.load.name.clone(),
                ratio,
                peer: results.allocators[best].clone(),
            })
        })
        .collect();
    all.sort_by(|a, b| b.ratio.total_cmp(&a.ratio));
    let worst = all.first().cloned();
    all.retain(|row| row.ratio > FAR);
    (worst, all)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::bench::LeftOut;
    use crate::bench::calls::Calls;
    use crate::bench::child::Failure;
    use crate::bench::figures::Figures;
    use crate::bench::schedule::Load;

    /// Runs of a cell: (CPU seconds, MiB).
    fn cell(runs: &[(f64, u64)]) -> Cell {
        let runs = runs.iter().map(|&(cpu_seconds, mib)| Figures {
            seconds: cpu_seconds * 2.0,
            cpu_seconds,
            peak_rss: mib << 20,
            rss_after_drop: Some(mib << 19),
            minor_faults: 100,
            major_faults: 1,
            operations: Some(1000),
            threads: Some(1),
            requested_peak: Some(1 << 20),
        });
        let mut calls = Calls::default();
        calls.memory.insert("mmap".to_owned(), 7);
        calls.futex = 2;
        Cell {
            runs: runs.collect(),
            failure: None,
            calls: Some(calls),
        }
    }

    fn row(name: &str, group: &str, cells: Vec<Cell>) -> Row {
        Row {
            load: Load {
                name: name.to_owned(),
                group: group.to_owned(),
            },
            cells,
        }
    }

    /// Two groups, three allocators, one failure.
    pub(crate) fn example() -> Results {
        let failed = Cell {
            failure: Some(Failure::new("exit 1", "block 3 has changed")),
            ..Cell::default()
        };
        Results {
            allocators: ["ntheap", "mimalloc3", "talc"].map(str::to_owned).into(),
            reference: 1,
            rounds: 2,
            scale: 1.0,
            metric: Metric::Cpu,
            rows: vec![
                row(
                    "pair-16",
                    "pairs",
                    vec![
                        cell(&[(0.2, 4), (0.1, 8)]),
                        cell(&[(0.4, 16), (0.5, 16)]),
                        cell(&[(1.6, 3), (1.6, 3)]),
                    ],
                ),
                row(
                    "pair-64",
                    "pairs",
                    vec![
                        cell(&[(0.4, 4), (0.4, 4)]),
                        cell(&[(0.8, 16), (0.4, 16)]),
                        failed,
                    ],
                ),
                row(
                    "trees",
                    "one-thread",
                    vec![
                        cell(&[(0.6, 8), (0.6, 8)]),
                        cell(&[(0.3, 16), (0.3, 16)]),
                        cell(&[(0.2, 4), (0.2, 4)]),
                    ],
                ),
            ],
            left_out: vec![LeftOut {
                name: "ruby".to_owned(),
                why: "not installed".to_owned(),
                failed: false,
            }],
            notes: vec!["A note.".to_owned()],
            uncounted: None,
        }
    }

    fn near(a: Option<f64>, b: f64) -> bool {
        a.is_some_and(|a| (a - b).abs() < 1e-9)
    }

    const CPU: Measure = Measure::Time(Metric::Cpu);

    #[test]
    fn ratios_are_of_minima() {
        let results = example();
        let first = &results.rows[0];
        assert!(near(ratio(first, 0, 1, CPU), 0.25));
        assert!(near(ratio(first, 1, 1, CPU), 1.0));
        assert!(near(ratio(first, 2, 1, CPU), 4.0));
        assert!(near(ratio(first, 0, 1, Measure::PeakRss), 0.25));
        assert!(near(ratio(first, 0, 1, Measure::Time(Metric::Wall)), 0.25));
        assert_eq!(ratio(&results.rows[1], 2, 1, CPU), None);
    }

    #[test]
    fn the_best_peer_is_never_ntheap() {
        let results = example();
        assert_eq!(best_peer(&results, &results.rows[0], CPU), Some(1));
        assert_eq!(
            best_peer(&results, &results.rows[0], Measure::PeakRss),
            Some(2)
        );
        assert_eq!(best_peer(&results, &results.rows[2], CPU), Some(2));
        let (ratio, peer) = against_best(&results, &results.rows[2], CPU).expect("both ran");
        assert!(near(Some(ratio), 3.0) && peer == 2);
    }

    #[test]
    fn means_say_how_many_rows_they_are_of() {
        let results = example();
        let pairs = &results.rows[..2];
        let own = mean(&results, pairs, 0, CPU).expect("two rows");
        assert!(near(Some(own.ratio), 0.5) && own.rows == 2 && own.of == 2);
        let talc = mean(&results, pairs, 2, CPU).expect("one row");
        assert!(near(Some(talc.ratio), 4.0) && talc.rows == 1 && talc.of == 2);
        // 0.25, 1 and 3 against the best peers.
        let best = mean_against_best(&results, &results.rows, CPU).expect("three rows");
        assert!(near(Some(best.ratio), 0.75f64.cbrt()));
    }

    #[test]
    fn a_row_of_nothing_but_short_times_has_no_ratios() {
        let mut results = example();
        let pairs = results.rows[0].clone();
        for cell in &mut results.rows[0].cells {
            for run in &mut cell.runs {
                run.cpu_seconds /= 10_000.0;
            }
        }
        let short = &results.rows[0];
        assert_eq!(ratio(short, 0, 1, CPU), None);
        assert_eq!(best_peer(&results, short, CPU), None);
        assert!(near(ratio(short, 0, 1, Measure::PeakRss), 0.25));
        let left = mean(&results, &results.rows[..2], 0, CPU).expect("the other row");
        assert!(near(Some(left.ratio), 1.0) && left.of == 1);
        assert_eq!(counted(&results.rows, CPU), 2);
        assert_eq!(counted(&results.rows, Measure::PeakRss), 3);
        // One that is not short makes the row count.
        results.rows[0].cells[2] = pairs.cells[2].clone();
        assert!(near(ratio(&results.rows[0], 0, 1, CPU), 0.25));
    }

    #[test]
    fn the_worst_row_and_those_beyond_the_margin() {
        let (worst, far) = worst(&example(), CPU);
        let worst = worst.expect("rows");
        assert_eq!(
            (worst.load.as_str(), worst.peer.as_str()),
            ("trees", "talc")
        );
        assert_eq!(far, [worst]);
    }

    #[test]
    fn sets_take_rows_by_group() {
        let names: Vec<_> = sets(&example())
            .iter()
            .map(|set| (set.name, set.rows.len()))
            .collect();
        assert_eq!(
            names,
            [("one thread, C and real programs", 1), ("all rows", 3)]
        );
    }
}
