//! `ntheap demo`: one real program, twice, on two allocators.
//!
//! The parent chooses the files ([`corpus`]), starts the same work in child
//! processes ([`child`]) by turns on ntheap and on the system's allocator,
//! checks that both computed the same, and prints them side by side
//! ([`report`]). It measures nothing itself.

mod build;
pub(crate) mod child;
mod corpus;
mod index;
mod report;
mod words;

use crate::args::Demo;
use crate::{format, switch};
use child::{PROGRESS, Report};
use corpus::Corpus;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::{BufRead, BufReader, IsTerminal, Read, Write};
use std::process::{Command, ExitCode, Stdio};
use std::thread;

/// The two sides, in the order in which they run.
const SIDES: [&str; 2] = ["ntheap", "system"];

/// Text a child works through when the user does not give the rounds: enough
/// for some seconds on two slow processors.
const DEFAULT_WORK: u64 = 120_000_000;

/// What the children were given.
pub(crate) struct Plan {
    pub(crate) corpus: Corpus,
    pub(crate) limit_mb: u64,
    pub(crate) rounds: u32,
    pub(crate) threads: u32,
    pub(crate) repeat: u32,
}

/// The runs of each side, in the order of [`SIDES`].
pub(crate) type Runs = [Vec<Report>; 2];

/// Runs the demonstration; 0 if both sides gave the same answers.
pub(crate) fn main(options: &Demo) -> ExitCode {
    match compare(options) {
        Ok(text) => {
            // A reader that closed the pipe has seen enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("ntheap demo: {message}");
            ExitCode::FAILURE
        }
    }
}

fn compare(options: &Demo) -> Result<String, String> {
    let plan = plan(options)?;
    let mut runs: Runs = [Vec::new(), Vec::new()];
    for turn in 1..=plan.repeat {
        for (side, runs) in SIDES.iter().zip(&mut runs) {
            runs.push(run_child(side, turn, &plan)?);
        }
    }
    agree(&runs)?;
    if options.answer.is_json() {
        return Ok(report::json(&plan, &runs));
    }
    Ok(report::text(
        &plan,
        &runs,
        format::colours(&std::io::stdout()),
    ))
}

fn plan(options: &Demo) -> Result<Plan, String> {
    let roots = match &options.folder {
        Some(folder) => vec![folder.clone()],
        None => corpus::default_roots(),
    };
    let corpus = corpus::choose(roots, options.limit_mb * 1_000_000)?;
    if corpus.files.is_empty() {
        let roots: Vec<String> = corpus
            .roots
            .iter()
            .map(|root| root.display().to_string())
            .collect();
        return Err(format!(
            "no text files within the limit under {}",
            roots.join(", ")
        ));
    }
    let rounds = options
        .rounds
        .unwrap_or_else(|| DEFAULT_WORK.div_ceil(corpus.bytes).clamp(1, 100) as u32);
    let processors = thread::available_parallelism().map_or(2, |n| n.get() as u32);
    Ok(Plan {
        corpus,
        limit_mb: options.limit_mb,
        rounds,
        threads: options.threads.unwrap_or(processors.clamp(2, 32)),
        repeat: options.repeat,
    })
}

/// Every run must have computed what the first did, each on its allocator.
fn agree(runs: &Runs) -> Result<(), String> {
    let expected = &runs[0][0].answers;
    for (side, runs) in SIDES.iter().zip(runs) {
        for run in runs {
            if run.allocator != *side {
                return Err(format!(
                    "a child ran on {} instead of {side}",
                    run.allocator
                ));
            }
            if run.answers != *expected {
                return Err(format!(
                    "the answers differ: {:?} on {side}, {expected:?} on {}",
                    run.answers, SIDES[0]
                ));
            }
        }
    }
    Ok(())
}

fn run_child(side: &str, turn: u32, plan: &Plan) -> Result<Report, String> {
    let failed = |what: &str, e: &dyn std::fmt::Display| format!("the {side} child: {what}: {e}");
    let bar = bar(side, turn, plan);
    let this = std::env::current_exe().map_err(|e| failed("cannot find this command", &e))?;
    let mut command = Command::new(this);
    command
        .arg("demo-child")
        .args(["--rounds", &plan.rounds.to_string()])
        .args(["--threads", &plan.threads.to_string()])
        .env(switch::VARIABLE, side)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if !bar.is_hidden() {
        command.arg("--progress");
    }
    let mut child = command.spawn().map_err(|e| failed("cannot start", &e))?;

    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(mut stdout), Some(stderr)) = (stdin, stdout, stderr) else {
        return Err(failed("cannot start", &"a pipe is missing"));
    };
    let watcher = {
        let bar = bar.clone();
        thread::spawn(move || watch(stderr, &bar))
    };
    for file in &plan.corpus.files {
        let name = file.to_str().unwrap_or_default();
        let written = stdin
            .write_all(name.as_bytes())
            .and_then(|()| stdin.write_all(&[0]));
        if written.is_err() {
            // The child has ended early; its status says why.
            break;
        }
    }
    drop(stdin);
    let mut text = String::new();
    let read = stdout.read_to_string(&mut text);
    let status = child.wait().map_err(|e| failed("cannot wait", &e))?;
    // A watcher that panicked has shown less; the result is not touched.
    let _ = watcher.join();
    bar.finish_and_clear();
    read.map_err(|e| failed("cannot read its report", &e))?;
    if !status.success() {
        return Err(failed("ended with", &status));
    }
    serde_json::from_str(&text).map_err(|e| failed("unreadable report", &e))
}

/// Follows the child's standard error: progress moves the bar, the rest is
/// passed on.
fn watch(stderr: impl Read, bar: &ProgressBar) {
    for line in BufReader::new(stderr).split(b'\n') {
        let Ok(line) = line else {
            return;
        };
        let line = String::from_utf8_lossy(&line);
        match line.strip_prefix(PROGRESS).map(|n| n.parse()) {
            Some(Ok(bytes)) => bar.set_position(bytes),
            _ => bar.suspend(|| eprintln!("{line}")),
        }
    }
}

/// A bar over the bytes of all rounds, on standard error if that is a
/// terminal.
fn bar(side: &str, turn: u32, plan: &Plan) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(plan.corpus.bytes * u64::from(plan.rounds));
    let template = if format::colours(&std::io::stderr()) {
        "{msg} [{bar:40.cyan}] {bytes}/{total_bytes} {elapsed}"
    } else {
        "{msg} [{bar:40}] {bytes}/{total_bytes} {elapsed}"
    };
    let style = ProgressStyle::with_template(template).expect("the template is well-formed");
    bar.set_style(style.progress_chars("=> "));
    bar.set_message(if plan.repeat > 1 {
        format!("{side} {turn}/{}", plan.repeat)
    } else {
        side.to_owned()
    });
    bar
}
