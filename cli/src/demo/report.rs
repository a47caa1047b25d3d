//! The demonstration's result, as a table or as JSON.

use super::child::Report;
use super::{Plan, Runs, SIDES};
use crate::format::{bold, bytes, bytes_or_na, count, seconds, table};
use serde_json::Value;

/// The least of one figure over a side's runs; `None` if a run lacks it.
fn least(runs: &[Report], figure: impl Fn(&Report) -> Option<u64>) -> Option<u64> {
    let all: Option<Vec<u64>> = runs.iter().map(figure).collect();
    all?.into_iter().min()
}

fn least_wall(runs: &[Report]) -> f64 {
    runs.iter().map(|r| r.wall_s).fold(f64::INFINITY, f64::min)
}

fn ratio(a: f64, b: f64) -> String {
    if b > 0.0 {
        format!("{:.2}", a / b)
    } else {
        "n/a".to_owned()
    }
}

/// The comparison for people.
pub(crate) fn text(plan: &Plan, runs: &Runs, colours: bool) -> String {
    let mut out = corpus(plan);
    out.push_str(&work(plan, &runs[0][0]));
    out.push('\n');

    let [ours, system] = runs;
    let mut rows = vec![vec![
        String::new(),
        SIDES[0].to_owned(),
        SIDES[1].to_owned(),
        "ntheap/system".to_owned(),
    ]];
    let (a, b) = (least_wall(ours), least_wall(system));
    rows.push(vec![
        "wall time".to_owned(),
        seconds(a),
        seconds(b),
        ratio(a, b),
    ]);
    type Figure = fn(&Report) -> Option<u64>;
    let memory: [(&str, Figure); 4] = [
        ("peak RSS", |r| r.peak_rss),
        ("RSS, index complete", |r| r.full_rss),
        ("RSS, everything dropped", |r| r.dropped_rss),
        ("RSS, one second later", |r| r.idle_rss),
    ];
    for (name, figure) in memory {
        let (a, b) = (least(ours, figure), least(system, figure));
        let ratio = match (a, b) {
            (Some(a), Some(b)) => ratio(a as f64, b as f64),
            _ => "n/a".to_owned(),
        };
        rows.push(vec![name.to_owned(), bytes_or_na(a), bytes_or_na(b), ratio]);
    }
    out.push_str(&headed(&rows, colours));
    if plan.repeat > 1 {
        out.push_str(&format!("least of {} runs each, by turns\n", plan.repeat));
    }
    out.push('\n');
    out.push_str(&answers(&runs[0][0]));
    out.push_str(&statistics(runs[0].last(), colours));
    out
}

fn corpus(plan: &Plan) -> String {
    let corpus = &plan.corpus;
    let mut out = format!(
        "{} text files, {} of text",
        count(corpus.files.len() as u64),
        megabytes(corpus.bytes)
    );
    if corpus.limited {
        out.push_str(&format!(" (more was there: --limit-mb {})", plan.limit_mb));
    }
    if corpus.not_text > 0 {
        out.push_str(&format!(
            "; {} others were not text or over 4 MiB",
            count(corpus.not_text)
        ));
    }
    out.push('\n');
    for root in &corpus.roots {
        out.push_str(&format!("  from {}\n", root.display()));
    }
    out
}

fn work(plan: &Plan, run: &Report) -> String {
    let mut text = format!(
        "read, indexed, queried and dropped {} times in each process, {} in all,\n\
         by {} threads that read and {} that index: {} terms, {} postings, {} queries\n",
        plan.rounds,
        megabytes(plan.corpus.bytes * u64::from(plan.rounds)),
        plan.threads,
        plan.threads,
        count(run.answers.terms),
        count(run.answers.postings),
        count(run.answers.asked),
    );
    if plan.rounds == 1 {
        text = text.replace("1 times", "once");
    }
    text
}

fn answers(run: &Report) -> String {
    let mut out = String::new();
    for sample in &run.answers.samples {
        out.push_str(&format!("{sample}\n"));
    }
    out.push_str(&format!(
        "both gave the same answers: index {}, queries {}\n",
        run.answers.index, run.answers.queries
    ));
    out
}

/// ntheap's own numbers at two moments of its last run.
fn statistics(run: Option<&Report>, colours: bool) -> String {
    const NAMES: [&str; 7] = [
        "allocated",
        "active",
        "retained",
        "metadata",
        "resident",
        "committed",
        "mapped",
    ];
    let stats = run.and_then(|r| r.stats_full.as_ref().zip(r.stats_idle.as_ref()));
    let Some((full, idle)) = stats else {
        return String::new();
    };
    let cell = |stats: &Value, name: &str| bytes_or_na(stats[name].as_u64());
    let mut rows = vec![vec![
        "ntheap's statistics".to_owned(),
        "index complete".to_owned(),
        "one second after the drop".to_owned(),
    ]];
    for name in NAMES {
        rows.push(vec![name.to_owned(), cell(full, name), cell(idle, name)]);
    }
    let calls = |stats: &Value| {
        let kinds = stats["os_calls"].as_object().into_iter().flatten();
        count(kinds.filter_map(|(_, n)| n.as_u64()).sum())
    };
    rows.push(vec![
        "calls into the system".to_owned(),
        calls(full),
        calls(idle),
    ]);
    format!("\n{}", headed(&rows, colours))
}

/// A table whose first line is bold.
fn headed(rows: &[Vec<String>], colours: bool) -> String {
    let text = table("", rows);
    let (head, rest) = text.split_once('\n').unwrap_or((&text, ""));
    format!("{}\n{rest}", bold(head, colours))
}

fn megabytes(n: u64) -> String {
    if n < 1_000_000 {
        bytes(n)
    } else {
        format!("{:.1} MB", n as f64 / 1e6)
    }
}

/// Every run, for programs.
pub(crate) fn json(plan: &Plan, runs: &Runs) -> String {
    let roots: Vec<_> = plan
        .corpus
        .roots
        .iter()
        .map(|r| r.display().to_string())
        .collect();
    let value = serde_json::json!({
        "corpus": {
            "roots": roots,
            "files": plan.corpus.files.len(),
            "bytes": plan.corpus.bytes,
            "not_text": plan.corpus.not_text,
            "limited": plan.corpus.limited,
        },
        "rounds": plan.rounds,
        "threads": plan.threads,
        "same_answers": true,
        "runs": { SIDES[0]: runs[0], SIDES[1]: runs[1] },
    });
    format!("{value:#}\n")
}
