//! What the command line says to the commands that look at a process.

use super::help;
pub(crate) use crate::args::Format;
use clap::{Args, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// What commands say of themselves while they work.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Telling {
    /// Say at once what is being done and how much of it is done, terminal or not
    ///
    /// On a terminal that is said without it of what takes more than a second. It goes to
    /// standard error.
    #[arg(long, verbatim_doc_comment)]
    progress: bool,
}

impl Telling {
    pub(crate) fn begin(self) {
        if self.progress {
            super::progress::ask_for();
        }
    }
}

#[derive(Debug, Args)]
#[command(after_long_help = help::WALK_AFTER)]
pub(crate) struct Walk {
    #[command(flatten)]
    pub(crate) telling: Telling,

    /// A process's number, or a snapshot's file
    ///
    /// A file whose name is a number is told by its folder, as in ./1234.
    #[arg(value_name = "PID|FILE", verbatim_doc_comment)]
    pub(crate) source: OsString,

    /// Only heaps of this name, or with this handle
    #[arg(long, value_name = "NAME|HANDLE")]
    pub(crate) heap: Option<String>,

    /// Only blocks of these sizes, in bytes: N, N-M, N- or -M
    #[arg(long, value_name = "RANGE", value_parser = sizes, allow_hyphen_values = true)]
    pub(crate) size: Option<Sizes>,

    /// Only blocks that were allocated through a call whose function, file or place has
    /// TEXT in it, or that returns to the address 0xTEXT
    ///
    /// A place is as stacks show it, program+0x1189. The process must keep stacks
    /// (NTHEAP_GFLAGS=+ust).
    #[arg(long, value_name = "TEXT", verbatim_doc_comment)]
    pub(crate) stack: Option<String>,

    /// Tell call stacks by their places alone, program+0x1189, without functions and lines
    ///
    /// Looking for these takes time where programs have much debugging information.
    #[arg(long, verbatim_doc_comment)]
    pub(crate) no_names: bool,

    /// Only blocks in these states [default: busy,out]
    ///
    /// cached: free and at hand in a thread's cache; out: in use or cached, where
    /// the heap does not tell.
    #[arg(
        long,
        value_name = "STATES",
        value_delimiter = ',',
        verbatim_doc_comment
    )]
    pub(crate) state: Vec<BlockState>,

    /// A line for each size of each heap, instead of one for each block
    #[arg(long)]
    pub(crate) summary: bool,

    /// Hold the process still while it is read
    #[arg(long)]
    pub(crate) stop: bool,

    /// How the answer is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
}

/// A block's state, as it is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum BlockState {
    /// In use
    Busy,
    /// Free
    Free,
    /// Free, in a cache
    Cached,
    /// In use or in a cache
    Out,
    /// Whatever
    All,
}

/// Sizes from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    pub(crate) first: u64,
    pub(crate) last: u64,
}

fn sizes(text: &str) -> Result<Sizes, String> {
    let number = |text: &str, otherwise: u64| match text.trim() {
        "" => Ok(otherwise),
        text => text
            .parse()
            .map_err(|_| "N, N-M, N- or -M is expected".to_owned()),
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let sizes = Sizes {
        first: number(first, 0)?,
        last: number(last, u64::MAX)?,
    };
    if text.trim().is_empty() || text.trim() == "-" || sizes.first > sizes.last {
        return Err("N, N-M, N- or -M is expected".to_owned());
    }
    Ok(sizes)
}

#[derive(Debug, Args)]
#[command(after_long_help = help::VALIDATE_AFTER)]
pub(crate) struct Validate {
    #[command(flatten)]
    pub(crate) telling: Telling,

    /// A process's number, or a snapshot's file
    #[arg(value_name = "PID|FILE")]
    pub(crate) source: OsString,

    /// Do not hold the process while it is read
    #[arg(long)]
    pub(crate) live: bool,

    /// How the answer is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(after_long_help = help::SNAPSHOT_AFTER)]
pub(crate) struct Snapshot {
    #[command(flatten)]
    pub(crate) telling: Telling,

    /// The process's number
    #[arg(value_name = "PID")]
    pub(crate) pid: i32,

    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// Hold the process still while it is read
    #[arg(long)]
    pub(crate) stop: bool,

    /// How the answer is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(after_long_help = help::DIFF_AFTER)]
pub(crate) struct Diff {
    #[command(flatten)]
    pub(crate) telling: Telling,

    /// The earlier snapshot's file
    #[arg(value_name = "BEFORE")]
    pub(crate) before: OsString,

    /// The later snapshot's file, or a process's number
    #[arg(value_name = "AFTER")]
    pub(crate) after: OsString,

    /// Only these tables [default: all that there is something for]
    #[arg(long, value_enum, value_delimiter = ',', value_name = "TABLES")]
    pub(crate) by: Vec<By>,

    /// Only the growth by stack, as UMDH writes it
    #[arg(long, conflicts_with_all = ["format", "by"])]
    pub(crate) umdh: bool,

    /// Lines of each table at most; 0: all
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub(crate) top: usize,

    /// How the answer is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
}

impl Diff {
    /// Whether a table is wanted.
    pub(crate) fn wants(&self, table: By) -> bool {
        self.by.is_empty() || self.by.contains(&table)
    }
}

/// What growth is summed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// The heap
    Heap,
    /// The heap and the size
    Size,
    /// The tag: a call's number, or the module that asked (NTHEAP_GFLAGS=+htg, +htd)
    Tag,
    /// The call stack (NTHEAP_GFLAGS=+ust)
    Stack,
}

#[derive(Debug, Args)]
#[command(after_long_help = help::LEAKS_AFTER)]
pub(crate) struct Leaks {
    #[command(flatten)]
    pub(crate) telling: Telling,

    /// The process's number
    #[arg(value_name = "PID", required_unless_present = "command")]
    pub(crate) pid: Option<i32>,

    /// Lines of the list at most; 0: all
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub(crate) top: usize,

    /// The address of every block, not of a few
    #[arg(long)]
    pub(crate) blocks: bool,

    /// How the answer is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,

    /// The program to run and its arguments: it is looked at when it ends
    #[arg(value_name = "PROGRAM", last = true, conflicts_with = "pid")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
#[command(after_long_help = help::MAP_AFTER)]
pub(crate) struct Map {
    #[command(flatten)]
    pub(crate) telling: Telling,

    /// A process's number, or a snapshot's file
    #[arg(value_name = "PID|FILE")]
    pub(crate) source: OsString,

    /// The file to write; its ending says what: .svg or .html
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// Hold the process still while it is read
    #[arg(long)]
    pub(crate) stop: bool,

    /// How it is told what was written; json has the sums of each kind of memory
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
#[command(after_long_help = help::TOP_AFTER)]
pub(crate) struct Top {
    /// The process's number
    #[arg(value_name = "PID")]
    pub(crate) pid: i32,

    /// Seconds from one look to the next
    #[arg(long, value_name = "SECONDS", default_value_t = 1.0, value_parser = interval)]
    pub(crate) every: f64,

    /// What heaps are listed by, the largest first
    #[arg(long, value_enum, default_value_t, value_name = "COLUMN")]
    pub(crate) sort: Sort,

    /// Write one frame as text and end, as is done where there is no terminal
    #[arg(long)]
    pub(crate) once: bool,

    /// This heap and its buckets, by name or handle
    #[arg(long, value_name = "NAME|HANDLE")]
    pub(crate) heap: Option<String>,

    /// How the answer is written; json means --once
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
}

impl Top {
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_secs_f64(self.every)
    }
}

/// What heaps are listed by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// Bytes in use
    #[default]
    Use,
    /// Bytes that are committed
    Committed,
    /// Blocks in use
    Blocks,
    /// Bytes that were added in a second
    Growth,
    /// The name
    Name,
}

impl Sort {
    /// The one after it.
    pub(crate) fn next(self) -> Sort {
        let all = Sort::value_variants();
        let at = all.iter().position(|&sort| sort == self).unwrap_or(0);
        all.get(at + 1).or(all.first()).copied().unwrap_or_default()
    }
}

fn interval(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.05..=3600.0).contains(&seconds) => Ok(seconds),
        _ => Err("seconds from 0.05 to 3600 are expected".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_a_number_or_a_range() {
        let read = |text: &str| sizes(text).map(|sizes| (sizes.first, sizes.last));
        assert_eq!(read("64"), Ok((64, 64)));
        assert_eq!(read("64-128"), Ok((64, 128)));
        assert_eq!(read("64-"), Ok((64, u64::MAX)));
        assert_eq!(read("-64"), Ok((0, 64)));
        for wrong in ["", "-", "x", "2-1", "1-x", "1-2-3", "1.5"] {
            assert!(sizes(wrong).is_err(), "{wrong}");
        }
    }
}
