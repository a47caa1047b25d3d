//! The table: each operation under each refusal, in a process of its own.

use crate::answers;
use crate::scene::{self, Picture, Scene, Totals};
use ntheap::sys::{Call, fault};
use std::collections::BTreeMap;
use std::io::Read as _;
use std::os::fd::FromRawFd as _;

/// An operation.
pub(crate) struct Row {
    /// The function, and how it is called where it has several rows.
    pub(crate) name: &'static str,
    /// What it may answer when a call into the system is refused.
    pub(crate) errors: &'static [u32],
    /// Makes what it is done to.
    pub(crate) prepare: fn() -> Scene,
    /// Does it: a number that `undo` takes, or the error.
    pub(crate) act: fn(&Scene) -> Result<usize, u32>,
    /// Undoes it, so that the scene is as it was.
    pub(crate) undo: fn(&Scene, usize),
    /// What a refused operation may have changed, and why that is right; empty for
    /// nothing.
    pub(crate) leaves: &'static str,
}

/// Whether an operation's calls are not the same in every process: whether a block can
/// get another size where it is depends on what else is mapped, and how long the system's
/// lists are on what runs and what is built in.
fn varies(name: &str) -> bool {
    let reads_lists = [
        "K32GetPerformanceInfo",
        "GetPhysicallyInstalledSystemMemory",
    ];
    name.to_lowercase().contains("realloc") || reads_lists.iter().any(|list| name.contains(list))
}

/// The most calls that an operation is expected to make.
const MOST: u64 = 200;

/// What came of one refusal.
struct Outcome {
    /// 0 for done all the same, else the error.
    answer: u32,
    /// Whether any call was refused.
    struck: bool,
}

/// Does the operation with the calls from `first` on refused, `count` of them. `warm`
/// when it was done before in the process.
fn strike(row: &Row, first: u64, count: u64, warm: bool) -> Outcome {
    let name = row.name;
    let scene = (row.prepare)();
    if warm {
        let done = (row.act)(&scene).unwrap_or_else(|error| panic!("{name} fails: {error:#x}"));
        (row.undo)(&scene, done);
    }
    let before = Picture::of(&scene);
    plan(first, count);
    let result = (row.act)(&scene);
    let (_, struck) = fault::end();
    let same = |when: &str| assert_eq!(Picture::of(&scene), before, "{name}, {when}");
    let answer = match result {
        Ok(done) => {
            (row.undo)(&scene, done);
            same("done and undone");
            0
        }
        Err(error) => {
            assert!(struck > 0, "{name}: {error:#x} without a refusal");
            let known = row.errors.contains(&error);
            assert!(known, "{name}: answers {}", answers::name(error));
            if row.leaves.is_empty() {
                same("refused");
            }
            error
        }
    };
    // It can be done now, and done and undone leaves nothing.
    let works = || {
        let done = (row.act)(&scene);
        let done = done.unwrap_or_else(|error| panic!("{name}, afterwards: {error:#x}"));
        (row.undo)(&scene, done);
        same("afterwards");
    };
    works();
    if warm {
        // Refused again it takes no more, once the system grants it again. The first refusals have
        // what is idle given back, step by step.
        let again = || {
            plan(first, count);
            let again = (row.act)(&scene);
            fault::end();
            if let Ok(done) = again {
                (row.undo)(&scene, done);
            }
            works();
        };
        let before = settled(name, again);
        for _ in 0..3 {
            again();
        }
        let after = settled(name, works);
        assert_eq!(after, before, "{name}: refusals cost something for good");
    }
    Outcome {
        answer,
        struck: struck > 0,
    }
}

/// What is taken when doing `what` again takes no more. Room that is kept is made step
/// by step, one at each time.
fn settled(name: &str, what: impl Fn()) -> Totals {
    let mut before = None;
    // A heap's first region stays out of use for 32 more.
    for _ in 0..80 {
        what();
        let now = Totals::now();
        if before == Some(now) {
            return now;
        }
        before = Some(now);
    }
    panic!("{name} takes more each time: {before:?}");
}

/// Refuses the calls from `first` on; of all that follow, those that give something
/// back are granted.
fn plan(first: u64, count: u64) {
    let all = Call::ALL.into_iter();
    let takes = |call: &Call| count == 1 || *call != Call::Release;
    let kinds: Vec<Call> = all.filter(takes).collect();
    fault::plan(first, count, &kinds);
}

/// [`strike`] in a fork of this process, which has never used ntheap.
fn strike_apart(row: &Row, first: u64, count: u64, warm: bool) -> Result<Outcome, String> {
    let mut ends = [0; 2];
    // SAFETY: the fork does its part on its one thread and ends without unwinding into
    // what is the parent's; the pipe's ends are used once each.
    unsafe {
        assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0);
        let child = libc::fork();
        assert!(child >= 0, "fork");
        if child == 0 {
            libc::alarm(60);
            let body = std::panic::AssertUnwindSafe(|| strike(row, first, count, warm));
            let text = match std::panic::catch_unwind(body) {
                Ok(Outcome { answer, struck }) => format!("{answer} {struck}"),
                Err(payload) => match payload.downcast_ref::<String>() {
                    Some(text) => format!("failed: {text}"),
                    None => "failed".into(),
                },
            };
            let _ = std::fs::remove_file(scene::path());
            libc::write(ends[1], text.as_ptr().cast(), text.len());
            libc::_exit(0);
        }
        libc::close(ends[1]);
        let mut text = String::new();
        let mut pipe = std::fs::File::from_raw_fd(ends[0]);
        pipe.read_to_string(&mut text).expect("the pipe");
        let mut status = 0;
        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
        let what = format!("{}, {count} refused from {first} on, warm {warm}", row.name);
        if status != 0 {
            return Err(format!("{what}: the process died: {status:#x}"));
        }
        let told = text
            .split_once(' ')
            .and_then(|(answer, struck)| Some((answer.parse().ok()?, struck.parse().ok()?)));
        let (answer, struck) = told.ok_or_else(|| format!("{what}: {text}"))?;
        Ok(Outcome { answer, struck })
    }
}

/// Tries an operation at all positions: its line of the table, or what was wrong.
fn line(row: &Row) -> Result<String, String> {
    let mut calls = [0; 2];
    let mut tried = 0;
    let mut answers = BTreeMap::new();
    for (calls, warm) in calls.iter_mut().zip([false, true]) {
        // What a process does first is refused alone.
        let counts: &[u64] = if warm { &[1, u64::MAX] } else { &[1] };
        for &count in counts {
            for first in 0.. {
                assert!(first < MOST, "{}: no end", row.name);
                let outcome = strike_apart(row, first, count, warm)?;
                if !outcome.struck {
                    // A refusal may lead to calls that there are none of without.
                    *calls = first.max(*calls);
                    break;
                }
                tried += 1;
                *answers.entry(outcome.answer).or_insert(0) += 1;
            }
        }
    }
    let name = row.name;
    let answers = answers
        .into_iter()
        .map(|(answer, count)| format!("{} {count}", answers::name(answer)));
    let answers = answers.collect::<Vec<_>>().join(", ");
    if varies(name) {
        return Ok(format!("| {name} | varies | varies | varies | varies |"));
    }
    let [first, calls] = calls;
    Ok(format!(
        "| {name} | {first} | {calls} | {tried} | {answers} |"
    ))
}

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/faults.md");
const HEAD: &str = "| operation | calls, first time | calls | positions | answers |\n\
                    |---|---|---|---|---|\n";

/// Tries all operations of a family, and compares what comes of it with the table in
/// the document under the family's title; with FAULTS_WRITE set, writes it there.
pub(crate) fn family(title: &str, rows: &[Row]) {
    let document = std::fs::read_to_string(DOCUMENT).expect("the document");
    let section = section_of(&document, title);
    // Where the system puts things differs from process to process, and may save a call.
    const TRIES: usize = 4;
    let line = |row: &Row| {
        let mut found = line(row)?;
        for _ in 1..TRIES {
            if section.iter().any(|line| agree(line, &found)) {
                break;
            }
            found = self::line(row)?;
        }
        Ok(found)
    };
    let (lines, wrong): (Vec<_>, Vec<_>) = rows.iter().map(line).partition(Result::is_ok);
    let wrong: Vec<String> = wrong.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{title}:\n{}", wrong.join("\n"));
    let lines: Vec<String> = lines.into_iter().flatten().collect();
    let found = format!("## {title}\n\n{HEAD}{}\n", lines.join("\n"));
    if std::env::var_os("FAULTS_WRITE").is_some() {
        write(title, &found);
        return;
    }
    // What the kernel can do differs: the table is of one that can do all.
    if kernel_has_all() {
        let found: Vec<&str> = found.lines().skip(4).collect();
        let differ = section.len() != found.len()
            || !section
                .iter()
                .zip(&found)
                .all(|(told, found)| agree(told, found));
        assert!(
            !differ,
            "docs/faults.md says otherwise:\n{}",
            difference(&section, &found)
        );
    } else {
        println!("skipped: the comparison, on a kernel older than 6.13");
    }
}

/// The rows of the document's table under `title`.
fn section_of<'a>(document: &'a str, title: &str) -> Vec<&'a str> {
    let head = format!("## {title}");
    let lines = document.lines().skip_while(|line| *line != head).skip(1);
    let lines = lines.take_while(|line| !line.starts_with("## "));
    lines.filter(|line| line.starts_with('|')).skip(2).collect()
}

/// Whether two rows tell the same of the same operation: the same answers, and numbers
/// that differ by no more than where the system puts things makes of them.
fn agree(one: &str, other: &str) -> bool {
    let near = |one: u64, other: u64| one.abs_diff(other) <= 2.max(one / 10);
    let parts = |row: &str| -> Vec<(String, Option<u64>)> {
        let cells = row.split(['|', ',']).map(str::trim);
        let parts = cells.map(|cell| match cell.rsplit_once(' ') {
            Some((words, number)) if number.parse::<u64>().is_ok() => {
                (words.to_owned(), number.parse().ok())
            }
            _ => match cell.parse() {
                Ok(number) => (String::new(), Some(number)),
                Err(_) => (cell.to_owned(), None),
            },
        });
        parts.collect()
    };
    let (one, other) = (parts(one), parts(other));
    one.len() == other.len()
        && one.iter().zip(&other).all(|(one, other)| {
            one.0 == other.0
                && match (one.1, other.1) {
                    (Some(one), Some(other)) => near(one, other),
                    (one, other) => one == other,
                }
        })
}

/// The rows that the document has not.
fn difference(section: &[&str], found: &[&str]) -> String {
    let missing = found
        .iter()
        .filter(|line| !section.iter().any(|had| agree(had, line)));
    missing.copied().collect::<Vec<_>>().join("\n")
}

#[test]
fn rows_agree_but_for_a_few_calls() {
    let row = "| `HeapAlloc` with another region | 20 | 19 | 56 | done 45, null 11 |";
    let near = "| `HeapAlloc` with another region | 21 | 19 | 57 | done 46, null 11 |";
    assert!(agree(row, row) && agree(row, near));
    for other in [
        "| `HeapAlloc` with another region | 20 | 19 | 56 | done 45, false 11 |",
        "| `HeapAlloc` with another region | 20 | 19 | 56 | done 56 |",
        "| `HeapAlloc` with another region | 30 | 19 | 56 | done 45, null 11 |",
        "| `HeapAlloc` | 20 | 19 | 56 | done 45, null 11 |",
    ] {
        assert!(!agree(row, other), "{other}");
    }
}

fn kernel_has_all() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").expect("a version");
    let mut numbers = release
        .split(['.', '-'])
        .map_while(|part| part.parse().ok());
    let version: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    version >= (6, 13) && cfg!(target_env = "gnu")
}

fn write(title: &str, found: &str) {
    use std::io::{Seek as _, Write as _};
    let mut options = std::fs::File::options();
    let mut file = options.read(true).write(true).open(DOCUMENT).expect("it");
    file.lock().expect("one at a time");
    let mut document = String::new();
    file.read_to_string(&mut document).expect("its text");
    let head = format!("## {title}\n");
    let start = document.find(&head).unwrap_or_else(|| {
        document.push('\n');
        document.len()
    });
    let end = document[start..].find("\n\n## ");
    let end = end.map_or(document.len(), |end| start + end + 1);
    // What follows a table is kept.
    let kept = document[start..end]
        .split_once("|\n\n")
        .map_or("", |kept| kept.1);
    let kept = if kept.is_empty() {
        String::new()
    } else {
        format!("\n{kept}")
    };
    document.replace_range(start..end, &format!("{found}{kept}"));
    file.rewind().expect("its start");
    file.set_len(0).expect("empty");
    file.write_all(document.as_bytes()).expect("written");
}
