//! The measured half of the demonstration: one process, one allocator.
//!
//! It reads the files' names from standard input, each ended by a zero byte,
//! and prints one JSON object. Standard error carries the progress, in lines
//! that only the parent understands ([`PROGRESS`]), and errors.

use super::build::build;
use super::index::Index;
use crate::args::DemoChild;
use crate::{ALLOCATOR, process};
use serde::{Deserialize, Serialize};
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// Begins a line of standard error that gives the bytes read so far.
pub(crate) const PROGRESS: &str = "ntheap-progress ";

/// What the child reports.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Report {
    /// The allocator the child was on, as it found itself.
    pub(crate) allocator: String,
    /// From the first file's opening to the end of the last drop, in seconds.
    pub(crate) wall_s: f64,
    /// The most memory ever resident, in bytes.
    pub(crate) peak_rss: Option<u64>,
    /// Resident with the last index complete, in bytes.
    pub(crate) full_rss: Option<u64>,
    /// Resident at the moment everything was dropped, in bytes.
    pub(crate) dropped_rss: Option<u64>,
    /// Resident one idle second after that, in bytes.
    pub(crate) idle_rss: Option<u64>,
    /// What was computed; the same whatever the allocator.
    pub(crate) answers: Answers,
    /// ntheap's statistics with the last index complete, if it is in use.
    pub(crate) stats_full: Option<serde_json::Value>,
    /// ntheap's statistics one idle second after the drop, if it is in use.
    pub(crate) stats_idle: Option<serde_json::Value>,
}

/// The work's result.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(crate) struct Answers {
    /// Fingerprint of the index, in hexadecimal.
    pub(crate) index: String,
    /// Fingerprint of all answers, in hexadecimal.
    pub(crate) queries: String,
    /// Queries asked.
    pub(crate) asked: u64,
    /// Terms in the index.
    pub(crate) terms: u64,
    /// Postings in the index.
    pub(crate) postings: u64,
    /// A few queries in words, with what they found.
    pub(crate) samples: Vec<String>,
}

/// Runs the work and prints the report.
pub(crate) fn main(options: &DemoChild) -> ExitCode {
    match work(options) {
        Ok(report) => {
            let json = serde_json::to_string(&report).expect("a report has nothing JSON lacks");
            println!("{json}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("ntheap demo: {message}");
            ExitCode::FAILURE
        }
    }
}

fn work(options: &DemoChild) -> Result<Report, String> {
    let files = file_list()?;
    let mut done: u64 = 0;
    let mut told: u64 = 0;
    let progress = options.progress;
    let mut tell = |bytes: u64| {
        done += bytes;
        if progress && done - told >= 1 << 20 {
            told = done;
            // A parent that is gone shows no bar.
            let _ = writeln!(std::io::stderr(), "{PROGRESS}{done}");
        }
    };

    let start = Instant::now();
    let mut answers = None;
    let mut full = (None, None);
    for round in 1..=options.rounds {
        let index = build(&files, options.threads as usize, &mut tell)?;
        let now = answer(&index);
        if *answers.get_or_insert_with(|| now.clone()) != now {
            return Err(format!("round {round} gave other answers than round 1"));
        }
        if round == options.rounds {
            full = (process::resident(), stats_json());
        }
        drop(index);
    }
    let wall_s = start.elapsed().as_secs_f64();
    drop(files);
    let dropped_rss = process::resident();

    thread::sleep(Duration::from_secs(1));
    let idle_rss = process::resident();
    Ok(Report {
        allocator: ALLOCATOR.name().to_owned(),
        wall_s,
        peak_rss: process::peak(),
        full_rss: full.0,
        dropped_rss,
        idle_rss,
        answers: answers.ok_or("no round was asked for")?,
        stats_full: full.1,
        stats_idle: stats_json(),
    })
}

fn file_list() -> Result<Vec<PathBuf>, String> {
    let mut list = Vec::new();
    std::io::stdin()
        .read_to_end(&mut list)
        .map_err(|e| format!("cannot read the list of files: {e}"))?;
    let text = String::from_utf8(list).map_err(|_| "a file's name is not UTF-8")?;
    Ok(text.split_terminator('\0').map(PathBuf::from).collect())
}

/// Everything asked of an index, in the order of the report.
fn answer(index: &Index) -> Answers {
    let (asked, queries) = index.interrogate();
    let samples = [
        ("unsafe", index.word("unsafe")),
        ("unsafe AND pointer", index.both("unsafe", "pointer")),
        ("alloc*", index.prefix("alloc")),
    ]
    .map(|(query, found)| {
        format!(
            "{query}: {} matches, {} lines",
            found.documents, found.lines
        )
    });
    Answers {
        index: format!("{:016x}", index.fingerprint()),
        queries: format!("{queries:016x}"),
        asked: asked + samples.len() as u64,
        terms: index.terms.len() as u64,
        postings: index.postings(),
        samples: samples.into(),
    }
}

fn stats_json() -> Option<serde_json::Value> {
    if ALLOCATOR.name() != "ntheap" {
        return None;
    }
    let mut text = String::new();
    ntheap::stats().write_json(&mut text).ok()?;
    serde_json::from_str(&text).ok()
}
