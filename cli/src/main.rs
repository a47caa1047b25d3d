//! The `ntheap` command.
//!
//! `ntheap run` starts a program on the heap and reports what it did with
//! memory; `ntheap demo` compares the heap with the system's allocator on a
//! real piece of work; `ntheap bench` compares it with other allocators on many
//! small ones; `ntheap trace` shows the calls from layer to layer. Each has a module of its own and knows of the others only how
//! `run` finds programs and the library:
//!
//! ```text
//!   args, help     what the command line says, and the manual
//!   switch         which allocator this very process uses
//!   process        a process' memory, as the system counts it
//!   format         numbers and tables for people
//!   bench/         allocators against each other
//!   demo/          the demonstration
//!   run/           running other programs
//!   trace/         a program's calls, layer by layer
//! ```

mod args;
mod bench;
mod demo;
mod format;
mod help;
mod process;
mod run;
mod switch;
mod trace;

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: switch::Switch = switch::Switch::new();

fn main() -> ExitCode {
    match args::Cli::parse().command {
        args::Command::Bench(options) => bench::main(&options),
        args::Command::Demo(options) => demo::main(&options),
        args::Command::DemoChild(options) => demo::child::main(&options),
        args::Command::Run(options) => run::main(&options),
        args::Command::Trace(options) => trace::main(&options),
    }
}
