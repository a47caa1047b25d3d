//! The committed figures, and what has become of them.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// How far a count may be from its figure, as a part of it.
const TOLERANCE: f64 = 0.01;

const HEADER: &str = "\
# Instructions of one allocation and its free, or of one realloc; written by
#     cargo run --release -p ntheap-instructions -- --record
# With the same compiler a count more than 1 % above its figure fails the tests.

";

/// Counts by the names of their rows, and the compiler they were made with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figures {
    /// What [`compiler`] says.
    pub rustc: String,
    /// Instructions, in the order of the table.
    pub counts: IndexMap<String, f64>,
}

/// How new counts compare with the figures; lines for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// What must not be.
    pub failures: Vec<String>,
    /// What should be known.
    pub notes: Vec<String>,
}

/// The compiler that `cargo` uses here, with its commit, and whatever else in
/// the environment changes the code that it makes.
pub fn compiler() -> Result<String, String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = crate::callgrind::run(Command::new(rustc).arg("-V"))?;
    let mut compiler = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut changes: Vec<(String, String)> = env::vars()
        .filter(|(name, value)| {
            let flags = name.ends_with("RUSTFLAGS") || name.starts_with("CARGO_PROFILE_RELEASE");
            flags && !value.is_empty()
        })
        .collect();
    changes.sort();
    for (name, value) in changes {
        compiler += &format!(" {name}={value:?}");
    }
    Ok(compiler)
}

impl Figures {
    /// Where the committed figures lie.
    pub fn path() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("figures.toml")
    }

    /// The committed figures.
    pub fn committed() -> Result<Figures, String> {
        let path = Figures::path();
        fs::read_to_string(&path)
            .map_err(|e| e.to_string())
            .and_then(|text| toml::from_str(&text).map_err(|e| e.to_string()))
            .map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Makes these the figures to commit.
    pub fn record(&self) -> Result<(), String> {
        let path = Figures::path();
        toml::to_string(self)
            .map_err(|e| e.to_string())
            .and_then(|text| fs::write(&path, format!("{HEADER}{text}")).map_err(|e| e.to_string()))
            .map_err(|e| format!("{}: {e}", path.display()))
    }

    /// Adds a count, to the hundredth of an instruction.
    pub fn add(&mut self, name: String, count: f64) {
        self.counts.insert(name, (count * 100.0).round() / 100.0);
    }

    /// What new counts say of these figures. Those of another compiler say
    /// nothing of them.
    pub fn compare(&self, now: &Figures) -> Comparison {
        let mut found = Comparison::default();
        if self.rustc != now.rustc {
            found.notes.push(format!(
                "nothing is compared: the figures are of {}, the counts of {}",
                self.rustc, now.rustc
            ));
            return found;
        }
        for (name, &new) in &now.counts {
            match self.counts.get(name) {
                None => found
                    .failures
                    .push(format!("{name}: {new} was not recorded")),
                Some(&old) if new > old * (1.0 + TOLERANCE) => found.failures.push(format!(
                    "{name}: {old} instructions have become {new}, over 1 % more"
                )),
                Some(&old) if new < old * (1.0 - TOLERANCE) => found.notes.push(format!(
                    "{name}: {old} instructions have become {new}: record the new figure"
                )),
                Some(_) => {}
            }
        }
        for name in self.counts.keys() {
            if !now.counts.contains_key(name) {
                found.failures.push(format!("{name}: no longer counted"));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(rustc: &str, counts: &[(&str, f64)]) -> Figures {
        let mut figures = Figures {
            rustc: rustc.to_owned(),
            ..Figures::default()
        };
        for &(name, count) in counts {
            figures.add(name.to_owned(), count);
        }
        figures
    }

    #[test]
    fn a_rise_over_one_in_a_hundred_fails() {
        let old = figures("a", &[("pair", 100.0), ("batch", 50.0)]);
        let same = old.compare(&figures("a", &[("pair", 101.0), ("batch", 49.5)]));
        assert_eq!(same, Comparison::default());
        let risen = old.compare(&figures("a", &[("pair", 101.01), ("batch", 50.0)]));
        assert_eq!(
            risen.failures,
            ["pair: 100 instructions have become 101.01, over 1 % more"]
        );
        assert!(risen.notes.is_empty());
    }

    #[test]
    fn a_fall_asks_for_the_new_figure() {
        let old = figures("a", &[("pair", 100.0)]);
        let fallen = old.compare(&figures("a", &[("pair", 98.99)]));
        assert!(fallen.failures.is_empty());
        assert_eq!(
            fallen.notes,
            ["pair: 100 instructions have become 98.99: record the new figure"]
        );
    }

    #[test]
    fn another_compiler_is_not_compared() {
        let old = figures("a", &[("pair", 100.0), ("gone", 1.0)]);
        let other = old.compare(&figures("b", &[("pair", 200.0)]));
        assert!(other.failures.is_empty());
        assert_eq!(other.notes.len(), 1);
        assert!(other.notes[0].contains('a') && other.notes[0].contains('b'));
    }

    #[test]
    fn rows_must_be_the_same() {
        let old = figures("a", &[("pair", 100.0), ("gone", 1.0)]);
        let other = old.compare(&figures("a", &[("pair", 100.0), ("new", 1.0)]));
        assert_eq!(
            other.failures,
            ["new: 1 was not recorded", "gone: no longer counted"]
        );
    }

    #[test]
    fn figures_survive_being_written() {
        let figures = figures("rustc 1", &[("pair, 16 B", 42.0), ("a", 53.25)]);
        let text = toml::to_string(&figures).expect("figures can be written");
        let read: Figures = toml::from_str(&text).expect("figures can be read");
        assert_eq!(read, figures);
        let order: Vec<&String> = read.counts.keys().collect();
        assert_eq!(order, ["pair, 16 B", "a"], "order is kept");
    }
}
