//! The report on a program that ran on ntheap.

use super::child::{Ended, Status};
use super::events::{Events, Process};
use crate::format::{bold, bytes, count, seconds, table};
use serde_json::{Value, json};
use std::ffi::OsString;

/// Sizes listed in the text report; JSON has all.
const SIZES: usize = 16;

/// Everything a report is made from.
pub(crate) struct Facts<'a> {
    pub(crate) command: &'a [OsString],
    pub(crate) ended: &'a Ended,
    pub(crate) process: &'a Process,
    pub(crate) events: &'a Events,
    /// Whether the library was asked to count allocations.
    pub(crate) counted: bool,
}

impl Facts<'_> {
    /// Why there are no statistics, where there are none.
    fn missing(&self) -> Option<String> {
        if self.process.end.is_some() {
            return None;
        }
        Some(match self.ended.status {
            Status::Killed(signal) => format!(
                "it was killed by {}, and the library reports when a program exits",
                signal_name(signal)
            ),
            Status::Exited(_) => "it ended without running its exit handlers: by _exit, as some \
                                  shells do, or by quick_exit; or it became, by exec, a program \
                                  that the library is not loaded into"
                .to_owned(),
        })
    }

    /// The program's allocations, if they were counted.
    fn allocations(&self) -> Option<u64> {
        let end = self.process.end.as_ref()?;
        end.allocations.filter(|_| self.counted)
    }

    fn program(&self) -> String {
        self.command[0].to_string_lossy().into_owned()
    }
}

/// One JSON object on one line, with the stops that were reported.
pub(crate) fn json(facts: &Facts, stops: Value) -> String {
    let ended = facts.ended;
    let end = facts.process.end.as_ref();
    let others = facts.events.others(ended.pid);
    let (exit_code, signal) = match ended.status {
        Status::Exited(code) => (Some(code), None),
        Status::Killed(signal) => (None, Some(signal)),
    };
    let command: Vec<_> = facts.command.iter().map(|a| a.to_string_lossy()).collect();
    let value = json!({
        "command": command,
        "exit_code": exit_code,
        "signal": signal,
        "elapsed_s": ended.elapsed.as_secs_f64(),
        "user_s": ended.user.as_secs_f64(),
        "system_s": ended.system.as_secs_f64(),
        "peak_rss": ended.peak_rss,
        "allocations": facts.allocations(),
        "foreign_bytes": end.and_then(|e| e.foreign_bytes),
        "stats": end.map(|e| &e.stats),
        "stats_missing": facts.missing(),
        "other_processes": {
            "on_ntheap": others.on_ntheap,
            "on_another_malloc": others.on_another_malloc,
            "without_exit_line": others.without_end,
        },
        "stops": stops,
        "unreadable_lines": facts.events.unreadable,
    });
    format!("{value}\n")
}

/// The report for people.
pub(crate) fn text(facts: &Facts, colours: bool) -> String {
    let ended = facts.ended;
    let how = match ended.status {
        Status::Exited(code) => format!("exited with {code}"),
        Status::Killed(signal) => format!("was killed by {}", signal_name(signal)),
    };
    let head = format!(
        "ntheap: {} {how} after {} (user {}, system {})",
        facts.program(),
        seconds(ended.elapsed.as_secs_f64()),
        seconds(ended.user.as_secs_f64()),
        seconds(ended.system.as_secs_f64()),
    );
    let mut out = format!("{}\n", bold(&head, colours));
    out.push_str(&format!("  peak RSS {}\n", bytes(ended.peak_rss)));
    match (&facts.process.end, facts.missing()) {
        (Some(end), _) => {
            out.push_str(&memory(&end.stats, end.foreign_bytes));
            out.push_str(&sizes(&end.stats, facts.allocations()));
            out.push_str(&calls(&end.stats));
        }
        (None, why) => {
            let why = why.unwrap_or_default();
            out.push_str(&format!("  The statistics at exit are missing: {why}.\n"));
        }
    }
    out.push_str(&others(facts));
    out
}

fn memory(stats: &Value, foreign: Option<u64>) -> String {
    const LINES: [(&str, &str); 7] = [
        ("allocated", "held by the program"),
        ("active", "pages in use"),
        ("retained", "free pages kept for reuse"),
        ("metadata", "the heap's own records"),
        ("resident", "the last three together"),
        ("committed", "made accessible"),
        ("mapped", "address space reserved"),
    ];
    let mut rows = Vec::new();
    for (name, meaning) in LINES {
        if let Some(n) = stats[name].as_u64() {
            rows.push([name.to_owned(), bytes(n), meaning.to_owned()]);
        }
    }
    if let Some(n) = foreign.filter(|&n| n > 0) {
        let meaning = "in the C library's own malloc, not in ntheap";
        rows.push(["foreign".to_owned(), bytes(n), meaning.to_owned()]);
    }
    let mut out = "  memory at exit\n".to_owned();
    for [name, amount, meaning] in rows {
        out.push_str(&format!("    {name:<10}{amount:>12}  {meaning}\n"));
    }
    out
}

fn sizes(stats: &Value, allocations: Option<u64>) -> String {
    struct Line {
        size: u64,
        allocations: u64,
        live: u64,
    }
    let number = |of: &Value, name: &str| of[name].as_u64().unwrap_or(0);
    let mut lines: Vec<Line> = stats["buckets"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|bucket| Line {
            size: number(bucket, "size"),
            allocations: number(bucket, "allocations"),
            live: number(bucket, "live"),
        })
        .filter(|line| line.allocations > 0 || line.live > 0)
        .collect();

    let mut out = match allocations {
        Some(n) => format!("  {} allocations\n", count(n)),
        None => "  allocations were not counted\n".to_owned(),
    };
    lines.sort_by_key(|l| std::cmp::Reverse((l.allocations, l.live)));
    let left_out = lines.len().saturating_sub(SIZES);
    lines.truncate(SIZES);
    lines.sort_by_key(|l| l.size);
    let mut rows = vec![
        ["block size", "allocations", "live at exit", "bytes live"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for line in &lines {
        rows.push(vec![
            line.size.to_string(),
            allocations.map_or_else(|| "-".to_owned(), |_| count(line.allocations)),
            count(line.live),
            bytes(line.size * line.live),
        ]);
    }
    if let Some(blocks) = stats["large_blocks"].as_u64().filter(|&n| n > 0) {
        rows.push(vec![
            "larger".to_owned(),
            "-".to_owned(),
            count(blocks),
            bytes(number(stats, "large_bytes")),
        ]);
    }
    if rows.len() > 1 {
        out.push_str(&table("    ", &rows));
    }
    if left_out > 0 {
        out.push_str(&format!(
            "    and {left_out} sizes with fewer; --json lists all\n"
        ));
    }
    out
}

fn calls(stats: &Value) -> String {
    let Some(calls) = stats["os_calls"].as_object() else {
        return String::new();
    };
    let made: Vec<(&String, u64)> = calls
        .iter()
        .filter_map(|(name, n)| n.as_u64().filter(|&n| n > 0).map(|n| (name, n)))
        .collect();
    let total: u64 = made.iter().map(|(_, n)| n).sum();
    let each: Vec<String> = made
        .iter()
        .map(|(name, n)| format!("{name} {}", count(*n)))
        .collect();
    format!(
        "  {} calls into the system for memory: {}\n",
        count(total),
        each.join(", ")
    )
}

fn others(facts: &Facts) -> String {
    let others = facts.events.others(facts.ended.pid);
    let mut out = String::new();
    if others.on_ntheap + others.on_another_malloc > 0 {
        out.push_str(&format!(
            "  other processes it started: {} on ntheap ({} left no statistics), {} on another \
             malloc\n",
            others.on_ntheap, others.without_end, others.on_another_malloc
        ));
    }
    if facts.events.unreadable > 0 {
        out.push_str(&format!(
            "  {} lines of the library's report could not be read\n",
            facts.events.unreadable
        ));
    }
    out
}

/// `signal 9 (SIGKILL)`, or the number alone for the rarer ones.
pub(crate) fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGUSR1 => "SIGUSR1",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGUSR2 => "SIGUSR2",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGALRM => "SIGALRM",
        libc::SIGTERM => "SIGTERM",
        libc::SIGXCPU => "SIGXCPU",
        libc::SIGXFSZ => "SIGXFSZ",
        libc::SIGSYS => "SIGSYS",
        _ => return format!("signal {signal}"),
    };
    format!("signal {signal} ({name})")
}
