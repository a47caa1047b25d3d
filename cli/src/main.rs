//! The `ntheap` command.
//!
//! `ntheap run` starts a program on the heap and reports what it did with
//! memory; `ntheap demo` compares the heap with the system's allocator on a
//! real piece of work. Each has a module of its own, and neither knows the
//! other:
//!
//! ```text
//!   args, help     what the command line says, and the manual
//!   switch         which allocator this very process uses
//!   process        a process' memory, as the system counts it
//!   format         numbers and tables for people
//!   demo/          the demonstration
//!   run/           running other programs
//! ```

mod args;
mod demo;
mod format;
mod help;
mod process;
mod run;
mod switch;

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: switch::Switch = switch::Switch::new();

fn main() -> ExitCode {
    match args::Cli::parse().command {
        args::Command::Demo(options) => demo::main(&options),
        args::Command::DemoChild(options) => demo::child::main(&options),
        args::Command::Run(options) => run::main(&options),
    }
}
