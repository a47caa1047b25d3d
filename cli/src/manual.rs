//! Manual pages and shells' completions, made from the definition of the command line.

use crate::args::{Cli, Completions, Man};
use clap::CommandFactory;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
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
    let mut all = Cli::command().disable_help_subcommand(true);
    all.build();
    let written = fs::create_dir_all(folder).and_then(|()| write_pages(&all, folder));
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

/// Writes a command's page and those of its own commands, each with the version of all.
fn write_pages(command: &clap::Command, folder: &Path) -> io::Result<()> {
    const SOURCE: &str = concat!("ntheap ", env!("CARGO_PKG_VERSION"));
    for one in command.get_subcommands().filter(|one| !one.is_hide_set()) {
        write_pages(one, folder)?;
    }
    clap_mangen::Man::new(command.clone())
        .source(SOURCE)
        .generate_to(folder)
        .map(|_| ())
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
