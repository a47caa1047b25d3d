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
use crate::symbols::{Modules, Symbols, open_regular};
use ntheap_inspect::maps;
use serde_json::{Value, json};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// A report, and the modules of its process.
pub(crate) struct Stop {
    report: Value,
    symbols: Symbols,
}

/// Bytes of a copy that are read: 256 for each of 65530 mappings, the system's usual limit. What
/// is behind them gives no names.
const MOST: u64 = 16 << 20;

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
    let modules = Modules::default();
    let texts = files.iter().filter_map(|(_, _, file)| text_of(file));
    texts.filter_map(|text| parse(&text, &modules)).collect()
}

/// The program could write to the folder, so what is there need not be the library's.
fn text_of(file: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    let file = open_regular(file).ok()?;
    file.take(MOST).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn parse(text: &str, modules: &Modules) -> Option<Stop> {
    let (report, mappings) = text.split_once('\n')?;
    let report: Value = serde_json::from_str(report).ok()?;
    report.is_object().then(|| Stop {
        report,
        symbols: Symbols::sharing(modules, maps::parse(mappings)),
    })
}

/// The stacks of a report that have frames, by what their thread did.
const STACKS: [(&str, &str); 3] = [
    ("accessed", "accessed"),
    ("allocated", "allocated"),
    ("freed", "freed"),
];

/// A frame of a report.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    /// Its address, by which its function is found: the module's name may be cut.
    address: String,
    /// It as stacks are told elsewhere.
    text: String,
}

fn frame(of: &Value) -> Told {
    let text = |name: &str| of[name].as_str().unwrap_or_default();
    Told {
        address: text("address").to_owned(),
        text: match (text("module"), text("offset")) {
            ("", _) => text("address").to_owned(),
            (module, offset) => format!("{module}+{offset}"),
        },
    }
}

fn frames(of: &Value) -> Vec<Told> {
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
                let calls = frames
                    .iter()
                    .map(|told| self.symbols.json_at(&told.address, &told.text));
                report[name]["calls"] = calls.collect();
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
        let stray = &self.report["stray"];
        if let (Some(value), Some(from)) = (stray["value"].as_str(), stray["read_from"].as_str()) {
            let what = stray["what"].as_str().unwrap_or("pointer");
            let line = format!("    the {what} {value} was read from {from}");
            let _ = writeln!(out, "{}", output::plain(&line));
        }
        // The stack of the access begins with it.
        let code = self.code().filter(|_| self.report["accessed"].is_null());
        if let Some(code) = code {
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
            for told in frames(trace) {
                for line in self.symbols.lines_at(&told.address, &told.text) {
                    let _ = writeln!(out, "      {line}");
                }
            }
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
            assert!(parse(text, &Modules::default()).is_none(), "{text}");
        }
        let mut stops: Vec<Stop> = parse("{\"stop\":7}\n", &Modules::default())
            .into_iter()
            .collect();
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
        let told: Vec<String> = frames(&of).into_iter().map(|told| told.text).collect();
        assert_eq!(told, ["0x10", "a.so+0x10", ""]);
        assert_eq!(frames(&Value::Null), []);
    }

    #[test]
    fn functions_are_found_whatever_the_module_is_called() {
        let here = functions_are_found_whatever_the_module_is_called as *const () as u64;
        let maps = fs::read_to_string("/proc/self/maps").expect("mappings");
        let frame = json!({
            "address": format!("{:#x}", here + 1), "module": "cut", "offset": "0x10",
        });
        let report = json!({ "stop": 7, "freed": { "frames": [frame] } });
        let stop = parse(&format!("{report}\n{maps}"), &Modules::default());
        let mut stops: Vec<Stop> = stop.into_iter().collect();
        let told = json(&mut stops);
        let call = &told[0]["freed"]["calls"][0];
        assert_eq!(call["frame"], "cut+0x10");
        let functions = call["functions"].as_array().expect("functions");
        let name = functions.last().expect("one")["name"].as_str();
        let own = "functions_are_found_whatever_the_module_is_called";
        assert!(name.expect("a name").ends_with(own), "{told}");
        assert!(text(&mut stops).contains(" (cut+0x10)\n"));
    }

    #[test]
    fn what_a_program_put_beside_the_copies_is_not_waited_for() {
        let folder = std::env::temp_dir().join(format!("ntheap-stops-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let made = std::process::Command::new("mkfifo")
            .arg(folder.join("1.1"))
            .status();
        assert!(made.expect("mkfifo").success());
        std::os::unix::fs::symlink("/dev/zero", folder.join("1.2")).expect("a link");
        fs::write(folder.join("1.3"), "{\"stop\":7}\n").expect("written");
        assert_eq!(json(&mut read(&folder)), json!([{ "stop": 7 }]));
        fs::remove_dir_all(&folder).expect("removed");
    }
}
