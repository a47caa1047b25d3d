//! What the library wrote about the processes it was loaded into.
//!
//! Each process appends lines of JSON to the file that NTHEAP_RUN_REPORT
//! names: one when the library is loaded, which an exec repeats, and one at
//! exit.

use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Debug, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event {
    Loaded {
        pid: u32,
        malloc: String,
        object: Option<String>,
    },
    Exit {
        pid: u32,
        #[serde(flatten)]
        end: End,
    },
}

/// A process' line at exit.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct End {
    /// The library's statistics.
    pub(crate) stats: serde_json::Value,
    /// Calls that allocated, if they were counted.
    pub(crate) allocations: Option<u64>,
    /// Bytes that the C library's own malloc holds in the process.
    pub(crate) foreign_bytes: Option<u64>,
}

/// One process, as its lines tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Process {
    /// Whether the program it runs now had the library loaded.
    pub(crate) loaded: bool,
    /// The object whose malloc it uses, where that is not the library's.
    pub(crate) other_malloc: Option<String>,
    /// Its line at exit.
    pub(crate) end: Option<End>,
}

/// Counts of processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Others {
    pub(crate) on_ntheap: u64,
    pub(crate) on_another_malloc: u64,
    /// Of those on ntheap, how many left no line at exit.
    pub(crate) without_end: u64,
}

/// All that is known after the program's end.
#[derive(Debug, Default)]
pub(crate) struct Events {
    processes: BTreeMap<u32, Process>,
    /// Lines that could not be understood.
    pub(crate) unreadable: u64,
}

impl Events {
    /// Reads the file's contents. A last line without an end is being written
    /// by a process that outlives the program, and is left out.
    pub(crate) fn read(contents: &str) -> Events {
        let mut events = Events::default();
        let complete = contents.rfind('\n').map_or("", |end| &contents[..end]);
        for line in complete.lines().filter(|line| !line.trim().is_empty()) {
            match serde_json::from_str(line) {
                Ok(event) => events.take(event),
                Err(_) => events.unreadable += 1,
            }
        }
        events
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Loaded {
                pid,
                malloc,
                object,
            } => {
                // A second load in a process is another program in its place.
                let other_malloc = (malloc != "ours")
                    .then(|| object.unwrap_or_else(|| "an unnamed object".to_owned()));
                self.processes.insert(
                    pid,
                    Process {
                        loaded: true,
                        other_malloc,
                        end: None,
                    },
                );
            }
            Event::Exit { pid, end } => {
                self.processes.entry(pid).or_default().end = Some(end);
            }
        }
    }

    /// The process of that number, if it wrote anything.
    pub(crate) fn process(&self, pid: u32) -> Option<&Process> {
        self.processes.get(&pid)
    }

    /// Counts every process but that one. A process that forked and did not
    /// exec has no load of its own and is on what its parent is on.
    pub(crate) fn others(&self, but: u32) -> Others {
        let mut others = Others::default();
        for (_, process) in self.processes.iter().filter(|(pid, _)| **pid != but) {
            if process.other_malloc.is_some() {
                others.on_another_malloc += 1;
            } else {
                others.on_ntheap += 1;
                others.without_end += u64::from(process.end.is_none());
            }
        }
        others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: &str = r#"{"event":"loaded","pid":10,"malloc":"ours"}
{"event":"loaded","pid":11,"malloc":"ours"}
{"event":"loaded","pid":12,"malloc":"other","object":"/lib/libjemalloc.so"}
{"event":"exit","pid":13,"stats":{},"allocations":5}
nonsense
{"event":"exit","pid":10,"stats":{"allocated":7},"allocations":9,"foreign_bytes":0}
{"event":"loaded","pid":14,"mall"#;

    #[test]
    fn processes_are_told_apart() {
        let events = Events::read(LINES);
        assert_eq!(events.unreadable, 1);
        let main = events.process(10).expect("pid 10");
        assert!(main.loaded && main.other_malloc.is_none());
        let end = main.end.as_ref().expect("an end");
        assert_eq!((end.allocations, end.foreign_bytes), (Some(9), Some(0)));
        assert_eq!(end.stats["allocated"], 7);
        assert!(events.process(14).is_none());
        let others = Others {
            on_ntheap: 2,
            on_another_malloc: 1,
            without_end: 1,
        };
        assert_eq!(events.others(10), others);
    }

    #[test]
    fn an_exec_begins_anew() {
        let again = format!(
            "{}\n{}\n",
            r#"{"event":"exit","pid":10,"stats":{}}"#,
            r#"{"event":"loaded","pid":10,"malloc":"other","object":"/x"}"#
        );
        let events = Events::read(&again);
        let main = events.process(10).expect("pid 10");
        assert_eq!(main.other_malloc.as_deref(), Some("/x"));
        assert!(main.end.is_none());
    }
}
