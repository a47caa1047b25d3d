//! The command line.

use crate::help;
use clap::{Args, Parser, Subcommand};
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

    #[command(hide = true)]
    DemoChild(DemoChild),
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

    /// Print one JSON object with every run instead of the table
    #[arg(long)]
    pub(crate) json: bool,
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
    /// Report as one JSON object instead of tables
    #[arg(long)]
    pub(crate) json: bool,

    /// Write the report to FILE instead of standard error
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

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
        assert!(run.json && run.output.is_none());
        assert_eq!(run.command, ["ls", "--json", "-o", "x"]);
    }
}
