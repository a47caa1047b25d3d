//! The results for programs: every figure of every run.

use super::schedule::{Cell, Results, Row};
use super::summary::{
    Measure, against_best, best_peer, counted, mean, mean_against_best, minima, ratio, sets,
};
use serde_json::{Map, Value, json};

/// One JSON object.
pub(crate) fn json(results: &Results) -> String {
    let rows: Vec<Value> = results
        .rows
        .iter()
        .map(|row| row_json(results, row))
        .collect();
    let left_out: Vec<Value> = results
        .left_out
        .iter()
        .map(|item| json!({ "name": item.name, "why": item.why, "failed": item.failed }))
        .collect();
    let value = json!({
        "allocators": results.allocators,
        "reference": results.allocators[results.reference],
        "rounds": results.rounds,
        "scale": results.scale,
        "metric": results.metric,
        "machine": machine(),
        "complete": results.complete(),
        "rows": rows,
        "geometric_means": means(results),
        "left_out": left_out,
        "notes": results.notes,
        "os_calls_not_counted": results.uncounted,
    });
    format!("{value:#}\n")
}

fn row_json(results: &Results, row: &Row) -> Value {
    let mut cells = Map::new();
    for (at, (cell, name)) in row.cells.iter().zip(&results.allocators).enumerate() {
        cells.insert(name.clone(), cell_json(results, row, at, cell));
    }
    let best = |measure| {
        let name = best_peer(results, row, measure).map(|at| &results.allocators[at]);
        let ours = against_best(results, row, measure).map(|(ratio, _)| ratio);
        json!({ "name": name, "ntheap_ratio": ours })
    };
    json!({
        "load": row.load.name,
        "group": row.load.group,
        "best_peer": {
            "time": best(Measure::Time(results.metric)),
            "peak_rss": best(Measure::PeakRss),
        },
        "allocators": cells,
    })
}

fn cell_json(results: &Results, row: &Row, at: usize, cell: &Cell) -> Value {
    let failure = cell
        .failure
        .as_ref()
        .map(|f| json!({ "what": f.short, "detail": f.detail }));
    let ratio = |measure| ratio(row, at, results.reference, measure);
    json!({
        "runs": cell.runs,
        "least": minima(cell),
        "time_ratio": ratio(Measure::Time(results.metric)),
        "peak_rss_ratio": ratio(Measure::PeakRss),
        "os_calls": cell.calls,
        "failure": failure,
    })
}

fn means(results: &Results) -> Value {
    let each = |measure| {
        let mut sets_json = Map::new();
        for set in sets(results) {
            let mut line = Map::new();
            for (at, name) in results.allocators.iter().enumerate() {
                line.insert(name.clone(), json!(mean(results, &set.rows, at, measure)));
            }
            let best = mean_against_best(results, &set.rows, measure);
            sets_json.insert(
                set.name.to_owned(),
                json!({ "rows": counted(&set.rows, measure), "allocators": line, "ntheap_to_best_peer": best }),
            );
        }
        Value::Object(sets_json)
    };
    json!({
        "time": each(Measure::Time(results.metric)),
        "peak_rss": each(Measure::PeakRss),
    })
}

/// What the times depend on most.
fn machine() -> Value {
    let first = |file: &str, label: &str| {
        let text = std::fs::read_to_string(file).ok()?;
        let line = text.lines().find(|line| line.starts_with(label))?;
        let value = line.split_once(':').map_or(line, |(_, value)| value);
        Some(value.trim().to_owned())
    };
    let processors = std::thread::available_parallelism().map(|n| n.get()).ok();
    json!({
        "system": std::env::consts::OS,
        "architecture": std::env::consts::ARCH,
        "processors": processors,
        "processor": first("/proc/cpuinfo", "model name"),
        "kernel": first("/proc/sys/kernel/osrelease", ""),
    })
}

#[cfg(test)]
mod tests {
    use super::super::summary::tests::example;
    use super::*;

    #[test]
    fn every_run_is_there() {
        let value: Value = serde_json::from_str(&json(&example())).expect("JSON");
        assert_eq!(value["allocators"], json!(["ntheap", "mimalloc3", "talc"]));
        assert_eq!(value["reference"], "mimalloc3");
        assert_eq!(value["metric"], "cpu");
        assert_eq!(value["complete"], false);
        let first = &value["rows"][0];
        assert_eq!(first["load"], "pair-16");
        assert_eq!(first["group"], "pairs");
        assert_eq!(first["best_peer"]["time"]["name"], "mimalloc3");
        let cell = &first["allocators"]["ntheap"];
        assert_eq!(cell["runs"][1]["cpu_seconds"], 0.1);
        assert_eq!(cell["runs"].as_array().map(Vec::len), Some(2));
        assert_eq!(cell["least"]["peak_rss"], 4 << 20);
        assert_eq!(cell["time_ratio"], 0.25);
        assert_eq!(cell["os_calls"]["memory"]["mmap"], 7);
        let failed = &value["rows"][1]["allocators"]["talc"]["failure"];
        assert_eq!(
            *failed,
            json!({ "what": "exit 1", "detail": "block 3 has changed" })
        );
        let all = &value["geometric_means"]["time"]["all rows"];
        assert_eq!(all["rows"], 3);
        assert_eq!(all["allocators"]["talc"]["rows"], 2);
        assert_eq!(value["left_out"][0]["name"], "ruby");
    }
}
