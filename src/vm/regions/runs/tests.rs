//! Runs against arrays of pages.

use super::*;
use std::vec;
use std::vec::Vec;

const UNIT: usize = 4096;

fn area(number: u8) -> AreaId {
    AreaId::from_index(usize::from(number))
}

/// The runs that pages of these states make; 0 is no run.
fn runs_of(pages: &[u8]) -> Vec<Run> {
    let mut runs = Vec::<Run>::new();
    for (page, &state) in pages.iter().enumerate() {
        if state == 0 {
            continue;
        }
        let start = page * UNIT;
        let committed = match state & 3 {
            1 => None,
            2 => Some(Protect::READ),
            _ => Some(Protect::READ_WRITE),
        };
        match runs.last_mut() {
            Some(last)
                if last.end == start
                    && last.area == area(state >> 2)
                    && last.committed == committed =>
            {
                last.end += UNIT;
            }
            _ => runs.push(Run {
                start,
                end: start + UNIT,
                area: area(state >> 2),
                committed,
            }),
        }
    }
    runs
}

#[test]
fn it_keeps_what_an_array_of_pages_keeps() {
    const PAGES: usize = 6000;
    let mut runs = Runs::new();
    let mut pages = vec![0u8; PAGES];
    let mut seed = 7u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1);
        (seed >> 33) as usize % below.max(1)
    };
    let mut most = 0;
    for step in 0..60_000 {
        let first = next(PAGES);
        let wide = if step % 500 == 0 { 2000 } else { 8 };
        let last = (first + 1 + next(wide)).min(PAGES);
        let (start, end) = (first * UNIT, last * UNIT);
        assert!(runs.room(2));
        if pages[first..last].iter().all(|&state| state == 0) {
            let own = (next(15) + 1) as u8;
            pages[first..last].fill(own << 2 | 1);
            runs.insert(Run {
                start,
                end,
                area: area(own),
                committed: None,
            });
            runs.change(start, end, |_| {});
        } else if step % 501 == 0 {
            // Whole runs go.
            let from = runs.at_or_after(start);
            let (from, to) = match (runs.get(from), runs.get(runs.next(from))) {
                (Some(one), Some(two)) => (one.start, two.end),
                _ => continue,
            };
            runs.remove(from, to);
            pages[from / UNIT..to / UNIT].fill(0);
        } else {
            let state = next(3) as u8 + 1;
            for page in &mut pages[first..last] {
                if *page != 0 {
                    *page = *page & !3 | state;
                }
            }
            let committed = match state {
                1 => None,
                2 => Some(Protect::READ),
                _ => Some(Protect::READ_WRITE),
            };
            runs.change(start, end, |run| run.committed = committed);
        }
        most = most.max(runs.len());
        if step % 97 == 0 {
            let all: Vec<Run> = runs.from(runs.at_or_after(0)).collect();
            assert_eq!(all, runs_of(&pages), "step {step}");
            assert_eq!(all.len(), runs.len());
            let page = next(PAGES);
            let found = runs.find(page * UNIT + 5).map(|(_, run)| run);
            let expected = all
                .iter()
                .find(|run| (run.start..run.end).contains(&(page * UNIT)));
            assert_eq!(found.as_ref(), expected);
        }
    }
    assert!(most > 3 * LEAF_RUNS, "{most} runs");
    runs.remove(0, PAGES * UNIT);
    assert_eq!(runs.len(), 0);
    assert_eq!(runs.get(runs.at_or_after(0)), None);
}

#[test]
fn insertions_take_no_more_leaves_than_there_is_room_for() {
    let run = |number: usize| Run {
        start: number * UNIT,
        end: (number + 1) * UNIT,
        area: area(1),
        committed: None,
    };
    const SPACE: usize = 1 << 24;
    let mut seed = 3u64;
    let mut next = |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1);
        (seed >> 33) as usize % below.max(1)
    };
    for (full, more) in [(0, 400), (20, 40), (20, 600), (3, 2000)] {
        for order in 0..4 {
            let mut runs = Runs::new();
            assert!(runs.room(full * LEAF_RUNS));
            // Leaves that are full, with space between their runs and behind them.
            for leaf in 0..full {
                for nth in 0..LEAF_RUNS {
                    runs.insert(run((leaf + 1) * (SPACE / 64) + nth * 16));
                }
            }
            assert_eq!(runs.directory.records().len(), full);
            assert!(runs.room(more));
            let (spare, most) = (runs.spare.records().len(), runs.most_leaves(more));
            let mut expected: Vec<usize> = runs
                .from(runs.at_or_after(0))
                .map(|run| run.start / UNIT)
                .collect();
            for nth in 0..more {
                let number = match order {
                    // Down towards the end of a full leaf.
                    0 => SPACE / 64 * 3 - 1 - nth,
                    1 => SPACE / 64 * 3 + LEAF_RUNS * 16 + nth,
                    // Each leaf in turn, in its middle and behind its end.
                    2 => {
                        let leaf = SPACE / 64 * (nth % full.max(1) + 1);
                        let place = if nth % 2 == 0 { 1 } else { LEAF_RUNS * 16 };
                        leaf + place + nth / full.max(1) * 16 + 1
                    }
                    _ => next(SPACE / 64 * (full + 1)) / 16 * 16 + 7,
                };
                if expected.contains(&number) {
                    continue;
                }
                expected.push(number);
                runs.insert(run(number));
            }
            let taken = spare - runs.spare.records().len();
            assert!(
                taken <= most,
                "{full} leaves, {more} runs: {taken} of {most}"
            );
            expected.sort_unstable();
            let all: Vec<usize> = runs
                .from(runs.at_or_after(0))
                .map(|run| run.start / UNIT)
                .collect();
            assert_eq!(all, expected);
            runs.remove(0, usize::MAX);
        }
    }
}

/// The most records that finding one of so many runs looks at.
fn most_looks(count: usize) -> usize {
    let mut runs = Runs::new();
    for nth in 0..count {
        assert!(runs.room(1));
        runs.insert(Run {
            start: 2 * nth * UNIT,
            end: (2 * nth + 1) * UNIT,
            area: area((nth % 200) as u8),
            committed: None,
        });
    }
    assert_eq!(runs.len(), count);
    let mut seed = 3u64;
    let mut most = 0;
    for _ in 0..20_000 {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1);
        let page = (seed >> 33) as usize % (2 * count);
        runs.looks.set(0);
        let found = runs.find(page * UNIT + 5);
        assert_eq!(
            found.map(|(_, run)| run.start),
            (page % 2 == 0).then_some(page * UNIT)
        );
        most = most.max(runs.looks.get());
    }
    most
}

/// What a query among many reservations costs, by a count: it grows with the logarithm.
#[test]
fn finding_looks_at_as_many_records_as_the_number_has_bits() {
    // Beside the halving: the runs near the last one, and what halving a directory and
    // a leaf takes more than halving one list.
    const MORE: usize = NEAR + 4;
    for bits in [4, 8, 12, 16, 18] {
        let looks = most_looks(1 << bits);
        assert!(looks <= bits + MORE, "{looks} of {} runs", 1 << bits);
        assert!(
            looks >= bits / 2,
            "{looks} of {} runs: not counted",
            1 << bits
        );
    }
}
