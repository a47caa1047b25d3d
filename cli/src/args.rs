//! The command line.

use crate::help;
#[cfg(target_os = "linux")]
use crate::look;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// The Windows NT heap for programs on Linux.
#[derive(Debug, Parser)]
#[command(
    name = "ntheap",
    version,
    long_about = help::ABOUT,
    after_long_help = help::AFTER,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(about = "Build a search index twice, on ntheap and on the system's allocator",
        long_about = help::DEMO_ABOUT, after_long_help = help::DEMO_AFTER)]
    Demo(Demo),

    #[command(about = "Run a program on ntheap and report its memory at the end",
        long_about = help::RUN_ABOUT, after_long_help = help::RUN_AFTER)]
    Run(Run),

    #[command(about = "Compare allocators, each in processes of its own",
        long_about = help::BENCH_ABOUT, after_long_help = help::BENCH_AFTER)]
    Bench(Bench),

    #[command(about = "Show a program's calls, from new down to the system",
        long_about = help::TRACE_ABOUT, after_long_help = help::TRACE_AFTER)]
    Trace(Trace),

    #[cfg(target_os = "linux")]
    #[command(about = "List every block of a process's heaps, or of a snapshot",
        long_about = look::help::WALK_ABOUT)]
    Walk(look::args::Walk),

    #[cfg(target_os = "linux")]
    #[command(about = "Check every heap of a process from outside",
        long_about = look::help::VALIDATE_ABOUT)]
    Validate(look::args::Validate),

    #[cfg(target_os = "linux")]
    #[command(about = "Write what a process's heaps hold to a file",
        long_about = look::help::SNAPSHOT_ABOUT)]
    Snapshot(look::args::Snapshot),

    #[cfg(target_os = "linux")]
    #[command(about = "Tell what grew between two snapshots",
        long_about = look::help::DIFF_ABOUT)]
    Diff(look::args::Diff),

    #[cfg(target_os = "linux")]
    #[command(about = "List the blocks that nothing leads to",
        long_about = look::help::LEAKS_ABOUT)]
    Leaks(look::args::Leaks),

    #[cfg(target_os = "linux")]
    #[command(about = "Draw a process's address space and its heaps",
        long_about = look::help::MAP_ABOUT)]
    Map(look::args::Map),

    #[cfg(target_os = "linux")]
    #[command(about = "Show a process's heaps live in a terminal",
        long_about = look::help::TOP_ABOUT)]
    Top(look::args::Top),

    #[command(about = "Explain the global flags, and what a value of NTHEAP_GFLAGS comes to",
        long_about = help::GFLAGS_ABOUT, after_long_help = help::GFLAGS_AFTER)]
    Gflags(Gflags),

    #[command(about = "Write a shell's completions of this command to standard output",
        long_about = help::COMPLETIONS_ABOUT)]
    Completions(Completions),

    #[command(about = "Write this command's manual pages into a folder",
        long_about = help::MAN_ABOUT)]
    Man(Man),

    #[command(hide = true)]
    DemoChild(DemoChild),
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Lines for people
    #[default]
    Text,
    /// One JSON object
    Json,
}

/// How an answer is written, of commands that have a shorter word for it.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct Answer {
    /// How the answer is written; of a trace, each call is an object on a line of its own
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    format: Format,

    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

impl Answer {
    pub(crate) fn is_json(self) -> bool {
        self.json || self.format == Format::Json
    }
}

#[derive(Debug, Args)]
pub(crate) struct Gflags {
    /// Flags as NTHEAP_GFLAGS takes them: +hpa,+ust or 0x02001000
    ///
    /// May be given more than once. NTHEAP_PAGEHEAP=ITEMS and NTHEAP_REPORT=json are taken
    /// as well. Without any, all flags and options are listed.
    #[arg(value_name = "VALUE", verbatim_doc_comment)]
    pub(crate) value: Vec<String>,

    /// How the answer is written
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Folder whose text files are indexed
    ///
    /// Without it: the sources this command was built from and the sources of
    /// the crates in cargo's cache, or the current folder where those are gone.
    #[arg(verbatim_doc_comment)]
    pub(crate) folder: Option<PathBuf>,

    /// Index at most this much text, in units of 1,000,000 bytes
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=4096))]
    pub(crate) limit_mb: u64,

    /// Build, query and drop the index this many times in each process
    ///
    /// Without it: as often as makes the work last some seconds.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rounds: Option<u32>,

    /// Threads that read and tokenise; as many again build the index
    ///
    /// Without it: one for each processor, at least 2 and at most 32.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) threads: Option<u32>,

    /// Run each side this many times, in turn, and report each side's least
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) repeat: u32,

    #[command(flatten)]
    pub(crate) answer: Answer,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct Man {
    /// The folder, which is made where there is none
    #[arg(value_name = "FOLDER")]
    pub(crate) folder: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct DemoChild {
    #[arg(long)]
    pub(crate) rounds: u32,
    #[arg(long)]
    pub(crate) threads: u32,
    #[arg(long)]
    pub(crate) progress: bool,
}

// Elsewhere `run` only says that it does not work there.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) answer: Answer,

    /// Write the report to FILE instead of standard error
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Draw memory over time to FILE, which ends in .svg or .html
    ///
    /// Reserved, committed and in use, of the heaps; resident, of the whole process.
    #[arg(long, value_name = "FILE", value_parser = drawable, verbatim_doc_comment)]
    pub(crate) timeline: Option<PathBuf>,

    /// Do not count every allocation: faster, but no counts by size
    #[arg(long)]
    pub(crate) no_count: bool,

    /// The program and its arguments
    #[arg(
        value_name = "PROGRAM",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) command: Vec<OsString>,
}

// Elsewhere `trace` only says that it does not work there.
#[cfg_attr(not(target_os = "linux"), allow(dead_code))]
#[derive(Debug, Args)]
pub(crate) struct Trace {
    /// Show only calls of this name, with all that they call
    ///
    /// May be given more than once. `new` and `delete` stand for the operators.
    #[arg(long, value_name = "NAME", verbatim_doc_comment)]
    pub(crate) call: Vec<String>,

    /// Show no more than N calls
    #[arg(long, value_name = "N")]
    pub(crate) first: Option<u64>,

    #[command(flatten)]
    pub(crate) answer: Answer,

    /// Write the calls to FILE instead of standard error
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// The program and its arguments
    #[arg(
        value_name = "PROGRAM",
        required = true,
        trailing_var_arg = true,
        allow_hyphen_values = true
    )]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct Bench {
    /// Compare shared libraries, preloaded into C and installed programs
    ///
    /// May be given more than once. `NAME=` stands for the system's malloc.
    /// ntheap and the system always take part.
    #[arg(long, value_name = "NAME=PATH", value_parser = preload, verbatim_doc_comment)]
    pub(crate) preload: Vec<Preload>,

    /// Only these allocators, in this order
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub(crate) allocators: Vec<String>,

    /// The allocator that ratios relate to [default: mimalloc3, or the first peer]
    #[arg(long, value_name = "NAME")]
    pub(crate) reference: Option<String>,

    /// Only loads whose name contains PATTERN; * in it stands for anything
    #[arg(long, value_name = "PATTERN")]
    pub(crate) only: Vec<String>,

    /// Only loads of this group
    #[arg(long, value_name = "GROUP")]
    pub(crate) group: Vec<String>,

    /// Run everything this many times, by turns, and report the least
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) rounds: u32,

    /// Do F times as much work in each run
    #[arg(long, value_name = "F", default_value_t = 1.0, value_parser = factor)]
    pub(crate) scale: f64,

    /// Compare wall time instead of CPU time
    #[arg(long)]
    pub(crate) wall: bool,

    /// Leave out the tables of figures, which have a line for each run program
    #[arg(long)]
    pub(crate) brief: bool,

    /// Build nothing: use what an earlier run has built
    #[arg(long)]
    pub(crate) no_build: bool,

    /// Name the allocators and loads and run none
    #[arg(long)]
    pub(crate) list: bool,

    /// How the answer is written; json: every figure of every run, when all is over
    #[arg(long, value_enum, default_value_t, value_name = "FORMAT")]
    pub(crate) format: Format,

    /// Write every figure of every run to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Write a bar chart of the ratios to FILE
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

/// A library to preload: `NAME=PATH`, or `NAME=` for none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Preload {
    pub(crate) name: String,
    pub(crate) path: Option<PathBuf>,
}

fn preload(text: &str) -> Result<Preload, String> {
    let (name, path) = text
        .split_once('=')
        .ok_or("NAME=PATH is expected, or NAME= for the system's malloc")?;
    if name.is_empty() || name.contains(',') || name.contains(char::is_whitespace) {
        return Err("the name is empty, or has a comma or a space in it".to_owned());
    }
    Ok(Preload {
        name: name.to_owned(),
        path: (!path.is_empty()).then(|| PathBuf::from(path)),
    })
}

fn drawable(text: &str) -> Result<PathBuf, String> {
    let ends = [".svg", ".html", ".htm"];
    if ends.iter().any(|end| text.ends_with(end)) {
        return Ok(PathBuf::from(text));
    }
    Err("a name that ends in .svg or .html is expected".to_owned())
}

fn factor(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(f) if f > 0.0 && f <= 1e6 => Ok(f),
        _ => Err("a number above 0 and up to 1000000 is expected".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn everything_after_the_program_is_the_programs() {
        let cli = Cli::parse_from(["ntheap", "run", "--json", "ls", "--json", "-o", "x"]);
        let Command::Run(run) = cli.command else {
            panic!("not run");
        };
        assert!(run.answer.is_json() && run.output.is_none());
        assert_eq!(run.command, ["ls", "--json", "-o", "x"]);
    }

    #[test]
    fn a_preload_is_a_name_and_perhaps_a_path() {
        let read = |text: &str| preload(text).map(|p| (p.name, p.path));
        assert_eq!(
            read("mi=/x=y.so"),
            Ok(("mi".to_owned(), Some("/x=y.so".into())))
        );
        assert_eq!(read("system="), Ok(("system".to_owned(), None)));
        for wrong in ["", "x.so", "=x.so", "a,b=x.so", "a b=x.so"] {
            assert!(preload(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_scale_is_a_positive_number() {
        assert_eq!(factor("0.01"), Ok(0.01));
        for wrong in ["0", "-1", "nan", "inf", "1e7", "x"] {
            assert!(factor(wrong).is_err(), "{wrong}");
        }
    }
}
