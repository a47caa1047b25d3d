//! Counts and prints the table; records the figures.
//!
//! ```console
//! $ cargo run --release -p ntheap-instructions
//! $ cargo run --release -p ntheap-instructions -- --record
//! $ cargo run --release -p ntheap-instructions -- --preload mimalloc=libmimalloc.so.3
//! ```

use clap::Parser;
use indexmap::IndexMap;
use ntheap_instructions::{Bench, Figures, Library, Row, target_folder};
use std::path::Path;
use std::process::ExitCode;

/// Counts the instructions of an allocation and its free under callgrind
#[derive(Debug, Parser)]
#[command(name = "ntheap-instructions")]
struct Arguments {
    /// Make the counts the figures that the tests compare with
    #[arg(long)]
    record: bool,
    /// Count another malloc library in C's rows too; may be repeated
    #[arg(long, value_name = "NAME=PATH", value_parser = library)]
    preload: Vec<Library>,
}

fn library(argument: &str) -> Result<Library, String> {
    let (name, path) = argument.split_once('=').ok_or("no NAME=PATH")?;
    Library::at(name, Path::new(path))
}

/// Prints the table: ntheap, the system's malloc, the libraries asked for.
fn print_table(bench: &Bench, figures: &Figures, preload: &[Library]) -> Result<(), String> {
    let mut others = vec![Library::system()];
    others.extend_from_slice(preload);
    print!("{:<42} {:>9}", "instructions a block", bench.ntheap().name);
    for other in &others {
        print!(" {:>9}", other.name);
    }
    println!();
    // The rows of which something can be said only in words.
    let mut failures: IndexMap<String, Vec<String>> = IndexMap::new();
    for row in Row::all() {
        let name = row.to_string();
        print!("{name:<42} {:>9.1}", figures.counts[&name]);
        for other in &others {
            if !row.is_c() {
                continue;
            }
            match bench.count_with(&row, other) {
                Ok(count) => print!(" {count:>9.1}"),
                Err(e) => {
                    print!(" {:>9}", "-");
                    let said = format!("{} cannot be counted: {e}", other.name);
                    failures.entry(said).or_default().push(name.clone());
                }
            }
        }
        println!();
    }
    for (said, rows) in failures {
        println!("{said}\n    in {} rows: {}", rows.len(), rows.join("; "));
    }
    Ok(())
}

fn count(arguments: &Arguments) -> Result<(), String> {
    let bench = Bench::prepare(&target_folder()?)?;
    let figures = bench.figures()?;
    print_table(&bench, &figures, &arguments.preload)?;
    if arguments.record {
        figures.record()?;
        println!("recorded in {}", Figures::path().display());
        return Ok(());
    }
    let found = Figures::committed()?.compare(&figures);
    for line in found.failures.iter().chain(&found.notes) {
        println!("{line}");
    }
    Ok(())
}

fn main() -> ExitCode {
    match count(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("ntheap-instructions: {e}");
            ExitCode::FAILURE
        }
    }
}
