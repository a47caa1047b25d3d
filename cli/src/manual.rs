//! Manual pages and shells' completions, made from the definition of the command line.

use crate::args::{Cli, Completions, Man};
use clap::CommandFactory;
use std::fs;
use std::io::{self, Write};
use std::process::ExitCode;

/// A file cannot be written.
const FILE: u8 = 5;

/// Writes a shell's completions to standard output.
pub(crate) fn completions(options: &Completions) -> ExitCode {
    let mut text = Vec::new();
    clap_complete::generate(options.shell, &mut shown(), "ntheap", &mut text);
    // A reader that closed the pipe has seen enough.
    let _ = io::stdout().write_all(&text);
    ExitCode::SUCCESS
}

/// Writes the manual pages.
pub(crate) fn pages(options: &Man) -> ExitCode {
    let folder = &options.folder;
    let written =
        fs::create_dir_all(folder).and_then(|()| clap_mangen::generate_to(Cli::command(), folder));
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let folder = folder.display();
            // Nobody is left to tell if standard error is gone.
            let _ = writeln!(io::stderr(), "ntheap: cannot write to {folder}: {e}");
            ExitCode::from(FILE)
        }
    }
}

/// The command line without what nobody types.
fn shown() -> clap::Command {
    let all = Cli::command();
    let is_shown = |one: &&clap::Command| !one.is_hide_set();
    clap::Command::new("ntheap")
        .version(env!("CARGO_PKG_VERSION"))
        .disable_help_subcommand(true)
        .args(all.get_arguments())
        .subcommands(all.get_subcommands().filter(is_shown).cloned())
}
