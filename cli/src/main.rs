//! The `ntheap` command.
//!
//! `ntheap run` starts a program on the heap and reports what it did with
//! memory; `ntheap demo` compares the heap with the system's allocator on a
//! real piece of work; `ntheap bench` compares it with other allocators on many
//! small ones; `ntheap trace` shows the calls from layer to layer; `ntheap
//! walk` and its kin look at a process from outside. Each has a module of its own and
//! knows of the others only how `run` finds programs and the library:
//!
//! ```text
//!   args, help     what the command line says, and the manual
//!   switch         which allocator this very process uses
//!   process        a process' memory, as the system counts it
//!   format         numbers and tables for people
//!   manual         manual pages and completions, made from the above
//!   gflags         the global flags' names and values
//!   bench/         allocators against each other
//!   demo/          the demonstration
//!   run/           running other programs
//!   trace/         a program's calls, layer by layer
//!   look/          processes and snapshots: walk, validate, diff, leaks, map, top
//!   profile/       heap profiles, for pprof
//!   symbols        the functions that addresses lie in
//! ```

mod args;
mod bench;
mod demo;
mod format;
mod gflags;
mod help;
#[cfg(target_os = "linux")]
mod look;
mod manual;
mod process;
#[cfg(target_os = "linux")]
mod profile;
mod run;
mod switch;
#[cfg(target_os = "linux")]
mod symbols;
mod trace;

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: switch::Switch = switch::Switch::new();

fn main() -> ExitCode {
    match args::Cli::parse_from(args::with_flags(std::env::args_os())).command {
        args::Command::Bench(options) => bench::main(&options),
        args::Command::Demo(options) => demo::main(&options),
        args::Command::DemoChild(options) => demo::child::main(&options),
        args::Command::Run(options) => run::main(&options),
        args::Command::Trace(options) => trace::main(&options),
        args::Command::Gflags(options) => gflags::main(&options),
        args::Command::Completions(options) => manual::completions(&options),
        args::Command::Man(options) => manual::pages(&options),
        #[cfg(target_os = "linux")]
        args::Command::Walk(options) => look::main(&look::Command::Walk(&options)),
        #[cfg(target_os = "linux")]
        args::Command::Validate(options) => look::main(&look::Command::Validate(&options)),
        #[cfg(target_os = "linux")]
        args::Command::Snapshot(options) => look::main(&look::Command::Snapshot(&options)),
        #[cfg(target_os = "linux")]
        args::Command::Diff(options) => look::main(&look::Command::Diff(&options)),
        #[cfg(target_os = "linux")]
        args::Command::Leaks(options) => look::main(&look::Command::Leaks(&options)),
        #[cfg(target_os = "linux")]
        args::Command::Map(options) => look::main(&look::Command::Map(&options)),
        #[cfg(target_os = "linux")]
        args::Command::Top(options) => look::main(&look::Command::Top(&options)),
        #[cfg(target_os = "linux")]
        args::Command::Profile(options) => profile::main(&options),
    }
}
