//! The stops that were reported while the program ran, with names.
//!
//! The library writes each report where the program's errors go, with addresses alone, and
//! a copy for this command, with the mappings the process had: it may be gone by now.
//!
//! ```text
//!   FOLDER/PID.N   {"stop":7,...}       the report, a line of JSON
//!                  start-end rwxp ...   /proc/PID/maps
//! ```

use crate::look::output;
use crate::symbols::Symbols;
use ntheap_inspect::maps;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// A report, and the modules of its process.
pub(crate) struct Stop {
    report: Value,
    symbols: Symbols,
}

/// Reads the copies, each process's in order. What is not whole is left out: its report was
/// shown without names.
pub(crate) fn read(folder: &Path) -> Vec<Stop> {
    let mut files: Vec<(u32, u32, PathBuf)> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name();
            let (pid, nth) = name.to_str()?.split_once('.')?;
            Some((pid.parse().ok()?, nth.parse().ok()?, entry.path()))
        })
        .collect();
    files.sort();
    let texts = files.iter().filter_map(|(_, _, file)| fs::read(file).ok());
    texts
        .filter_map(|text| parse(&String::from_utf8_lossy(&text)))
        .collect()
}

fn parse(text: &str) -> Option<Stop> {
    let (report, mappings) = text.split_once('\n')?;
    let report: Value = serde_json::from_str(report).ok()?;
    report.is_object().then(|| Stop {
        report,
        symbols: Symbols::of(maps::parse(mappings)),
    })
}

/// The stacks of a report that have frames, by what their thread did.
const STACKS: [(&str, &str); 2] = [("allocated", "allocated"), ("freed", "freed")];

/// A frame as stacks are told elsewhere.
fn frame(of: &Value) -> String {
    let text = |name: &str| of[name].as_str().unwrap_or_default();
    match (text("module"), text("offset")) {
        ("", _) => text("address").to_owned(),
        (module, offset) => format!("{module}+{offset}"),
    }
}

fn frames(of: &Value) -> Vec<String> {
    let frames = of["frames"].as_array();
    frames.into_iter().flatten().map(frame).collect()
}

impl Stop {
    /// The report itself, and with each of its stacks the functions.
    pub(crate) fn json(&mut self) -> Value {
        let mut report = self.report.clone();
        for (name, _) in STACKS {
            let frames = frames(&self.report[name]);
            if !frames.is_empty() {
                report[name]["calls"] = self.symbols.json(&frames);
            }
        }
        if let Some(code) = self.code() {
            let functions = self.symbols.frames(code);
            let functions = functions.iter().map(|function| function.json());
            report["code"] = json!(functions.collect::<Vec<Value>>());
        }
        report
    }

    /// The instruction that made the access, where an access is what was found.
    fn code(&self) -> Option<u64> {
        let parameters = self.report["parameters"].as_array()?;
        let code = parameters
            .iter()
            .find(|parameter| parameter["label"] == "code that accessed it")?;
        let digits = code["value"].as_str()?.strip_prefix("0x")?;
        u64::from_str_radix(digits, 16)
            .ok()
            .filter(|&code| code != 0)
    }

    /// What it was about, and its stacks with names.
    fn text(&mut self) -> String {
        let text = |name: &str| self.report[name].as_str().unwrap_or_default();
        let mut head = format!(
            "{} in process {}: {}",
            text("symbol"),
            self.report["pid"],
            text("meaning")
        );
        if !text("operation").is_empty() {
            head.push_str(&format!(", {}({})", text("operation"), text("address")));
        }
        let mut out = Vec::new();
        // A vector takes all that is written to it.
        let _ = writeln!(out, "  {}", output::plain(&head));
        if let Some(code) = self.code() {
            for function in self.symbols.frames(code) {
                let _ = writeln!(
                    out,
                    "    accessed in {}",
                    output::plain(&function.to_string())
                );
            }
        }
        for (name, did) in STACKS {
            let trace = &self.report[name];
            if trace.is_null() {
                continue;
            }
            let mut by = format!("{did} by thread {}", trace["thread"]);
            if let Some(name) = trace["name"].as_str() {
                by.push_str(&format!(" \"{name}\""));
            }
            let _ = writeln!(out, "    {}", output::plain(&by));
            let frames = frames(trace);
            let _ = self.symbols.write(&mut out, &frames, "      ");
        }
        for line in self.symbols.nameless() {
            let _ = writeln!(out, "    {line}");
        }
        String::from_utf8_lossy(&out).into_owned()
    }
}

/// All stops for people; nothing if there are none.
pub(crate) fn text(stops: &mut [Stop]) -> String {
    let head = match stops.len() {
        0 => return String::new(),
        1 => "ntheap: the stop, with names".to_owned(),
        many => format!("ntheap: the {many} stops, with names"),
    };
    let each: String = stops.iter_mut().map(Stop::text).collect();
    format!("{head}\n{each}")
}

/// All stops for programs.
pub(crate) fn json(stops: &mut [Stop]) -> Value {
    stops.iter_mut().map(Stop::json).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_whole_is_left_out() {
        for text in ["", "{}", "{\"stop\":7\n", "7\n", "x\n1-2 r-xp 0 0 0 x\n"] {
            assert!(parse(text).is_none(), "{text}");
        }
        let mut stops: Vec<Stop> = parse("{\"stop\":7}\n").into_iter().collect();
        assert_eq!(json(&mut stops), json!([{ "stop": 7 }]));
        assert!(text(&mut stops).starts_with("ntheap: the stop, with names\n"));
        assert_eq!(text(&mut []), "");
    }

    #[test]
    fn frames_without_a_module_are_addresses() {
        let of = json!({ "frames": [
            { "address": "0x10", "offset": "0x10" },
            { "address": "0x7f10", "module": "a.so", "offset": "0x10" },
            {},
        ] });
        assert_eq!(frames(&of), ["0x10", "a.so+0x10", ""]);
        assert_eq!(frames(&Value::Null), Vec::<String>::new());
    }
}
