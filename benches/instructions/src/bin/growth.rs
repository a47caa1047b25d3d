//! How cost grows, as tables in Markdown.
//!
//! ```console
//! $ cargo run --release -p ntheap-instructions --bin ntheap-growth
//! $ cargo run --release -p ntheap-instructions --bin ntheap-growth -- \
//!       --full --preload mimalloc=libmimalloc.so.3
//! ```

use clap::{Parser, ValueEnum};
use ntheap_instructions::growth::{Growth, Measured, Program, Shape, Touch, Turn};
use ntheap_instructions::{Library, target_folder};
use std::fs;
use std::path::Path;
use std::process::ExitCode;

/// Measures how the cost of an operation grows with live blocks, threads and
/// size
#[derive(Debug, Parser)]
#[command(name = "ntheap-growth")]
struct Arguments {
    /// Count with ten million live blocks too, and fill 9 GiB of memory
    #[arg(long)]
    full: bool,
    /// Only one of the parts
    #[arg(long)]
    only: Option<Part>,
    /// Measure another malloc library too; may be repeated
    #[arg(long, value_name = "NAME=PATH", value_parser = library)]
    preload: Vec<Library>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum Part {
    Instructions,
    Time,
    Memory,
}

fn library(argument: &str) -> Result<Library, String> {
    let (name, path) = argument.split_once('=').ok_or("no NAME=PATH")?;
    Library::at(name, Path::new(path))
}

/// Times are the least of so many runs.
const ROUNDS: usize = 5;
const LIVE: [usize; 3] = [1000, 100_000, 10_000_000];
const THREADS: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// What instructions and accounts are taken of. Nothing is written to the
/// blocks, so that ten million need little memory of an allocator that writes
/// nothing to them either.
const WIDE: Shape = Shape {
    turn: Turn::Replace,
    live: 1000,
    min: 16,
    max: 16 << 10,
    threads: 1,
    turns: 100_000,
    touch: Touch::None,
};
/// What is compared between allocators: any can have ten million of these.
const SMALL: Shape = Shape { max: 512, ..WIDE };
/// What times are taken of.
const TIMED: Shape = Shape {
    turns: 1_000_000,
    touch: Touch::First,
    ..SMALL
};

/// A row's name and what is measured for it.
type Row = (String, Shape);

/// Rows by the number of live blocks.
fn by_live(turn: Turn, live: &[usize], base: Shape) -> Vec<Row> {
    live.iter()
        .map(|&live| {
            let name = format!("{}, {live} live", turn.name());
            (name, Shape { turn, live, ..base })
        })
        .collect()
}

/// Rows by the number of threads, with the same turns for each.
fn by_threads(turn: Turn, base: Shape) -> Vec<Row> {
    THREADS
        .iter()
        .map(|&threads| {
            let name = format!("{}, {threads} threads", turn.name());
            let shape = Shape {
                turn,
                threads,
                ..base
            };
            (name, shape)
        })
        .collect()
}

/// Rows by the size of all blocks.
fn by_size(turn: Turn) -> Vec<Row> {
    (4..=24)
        .step_by(2)
        .map(|log| {
            let size = 1 << log;
            let name = format!("{}, {size} B", turn.name());
            let shape = Shape {
                turn,
                live: if size > 64 << 10 { 100 } else { 1000 },
                min: size,
                max: size,
                turns: 10_000,
                ..WIDE
            };
            (name, shape)
        })
        .collect()
}

struct Tables {
    growth: Growth,
    programs: Vec<Program>,
    full: bool,
}

impl Tables {
    /// A table of one number for each row and program. Where the rows are of
    /// one thing that grows, a last row has the most by the fewest.
    fn table(
        &self,
        title: &str,
        rows: &[Row],
        grows: bool,
        number: impl Fn(&Program, &Shape) -> Result<f64, String>,
    ) {
        print!("\n| {title} |");
        for program in &self.programs {
            print!(" {} |", program.name());
        }
        println!("\n|---{}|", "|---".repeat(self.programs.len()));
        let mut failures = Vec::new();
        let mut columns = vec![Vec::new(); self.programs.len()];
        for (name, shape) in rows {
            print!("| {name} |");
            for (program, column) in self.programs.iter().zip(&mut columns) {
                match number(program, shape) {
                    Ok(number) => {
                        print!(" {number:.1} |");
                        column.push(number);
                    }
                    Err(e) => {
                        print!(" - |");
                        failures.push(format!("{}, {name}: {e}", program.name()));
                    }
                }
            }
            println!();
        }
        if grows {
            print!("| most / fewest |");
            for column in &columns {
                let most = column.iter().copied().fold(f64::NAN, f64::max);
                let fewest = column.iter().copied().fold(f64::NAN, f64::min);
                print!(" {:.2} |", most / fewest);
            }
            println!();
        }
        for failure in failures {
            println!("\n{failure}");
        }
    }

    fn is_ntheap(&self, program: &Program) -> bool {
        *program == Program::Rust || *program == self.growth.c_ntheap()
    }

    fn instructions(&self) {
        let live = if self.full { &LIVE[..] } else { &LIVE[..2] };
        let count = |program: &Program, shape: &Shape| self.growth.instructions(program, shape);
        for turn in [Turn::Pair, Turn::Replace] {
            let rows = by_live(turn, live, SMALL);
            self.table("instructions, 16 B to 512 B", &rows, true, count);
        }
        for turn in [Turn::Pair, Turn::Replace] {
            let rows = by_live(turn, live, WIDE);
            let count_ours = |program: &Program, shape: &Shape| {
                if shape.live == LIVE[2] && !self.is_ntheap(program) {
                    return Err("not run: others write to 10 GiB of these blocks".to_owned());
                }
                count(program, shape)
            };
            self.table("instructions, 16 B to 16 KiB", &rows, true, count_ours);
        }
        let few = Shape {
            turns: 10_000,
            ..WIDE
        };
        for turn in [Turn::Pair, Turn::Replace, Turn::Exchange] {
            let title = "instructions, 16 B to 16 KiB, 1,000 live each";
            self.table(title, &by_threads(turn, few), true, count);
        }
        for turn in [Turn::Pair, Turn::Replace] {
            self.table("instructions by size", &by_size(turn), false, count);
        }
    }

    /// Runs every program on a shape in turn, beginning with another in each
    /// round, and keeps each one's run that took the least CPU time.
    fn interleaved(&self, shape: &Shape) -> Vec<Result<Measured, String>> {
        let number = self.programs.len();
        let mut least: Vec<Option<Result<Measured, String>>> = vec![None; number];
        for round in 0..ROUNDS {
            for place in (0..number).map(|place| (round + place) % number) {
                let now = self.growth.run(&self.programs[place], shape);
                let is_less = match (&now, &least[place]) {
                    (Ok(now), Some(Ok(before))) => now.cpu_seconds < before.cpu_seconds,
                    (Err(_), Some(Ok(_))) => false,
                    _ => true,
                };
                if is_less {
                    least[place] = Some(now);
                }
            }
        }
        least.into_iter().flatten().collect()
    }

    fn time(&self) {
        let many = Shape {
            turns: 100_000,
            ..TIMED
        };
        for rows in [
            by_live(Turn::Pair, &LIVE, TIMED),
            by_live(Turn::Replace, &LIVE, TIMED),
            by_threads(Turn::Pair, many),
            by_threads(Turn::Replace, many),
            by_threads(Turn::Exchange, many),
        ] {
            let measured: Vec<_> = rows
                .iter()
                .map(|(_, shape)| self.interleaved(shape))
                .collect();
            let nanoseconds = |program: &Program, shape: &Shape| {
                let row = rows.iter().position(|(_, other)| other == shape);
                let column = self.programs.iter().position(|other| other == program);
                let (row, column) = row.zip(column).ok_or("not measured")?;
                let measured = measured[row][column].clone()?;
                Ok(measured.cpu_seconds * 1e9 / measured.operations as f64)
            };
            self.table("CPU ns, 16 B to 512 B", &rows, true, nanoseconds);
        }
    }

    fn memory(&self) {
        let written = |shape| Shape {
            touch: Touch::All,
            ..shape
        };
        let resident = |program: &Program, shape: &Shape| {
            let measured = self.growth.run(program, shape)?;
            Ok(measured.replaced.resident_overhead() * 100.0)
        };
        let rows = by_live(Turn::Replace, &LIVE, written(SMALL));
        let title = "% resident beyond requested, all written";
        self.table(&format!("{title}, 16 B to 512 B"), &rows, false, resident);
        if self.full {
            let live = 4_000_000;
            let need = live * 2500;
            let rows = by_live(Turn::Replace, &[live], written(WIDE));
            if available() > need + (need >> 2) {
                self.table(&format!("{title}, 16 B to 16 KiB"), &rows, false, resident);
            } else {
                println!("\nnot run: {} needs {} MiB", rows[0].0, need >> 20);
            }
        }
        println!("\n| % accounted beyond requested, 16 B to 16 KiB | filled | replaced |");
        println!("|---|---|---|");
        for (name, shape) in by_live(Turn::Replace, &LIVE, WIDE) {
            match self.growth.run(&Program::Rust, &shape) {
                Ok(measured) => {
                    let parts = [measured.filled, measured.replaced];
                    let [filled, replaced] = parts.map(|memory| memory.overhead() * 100.0);
                    println!("| {name} | {filled:.1} | {replaced:.1} |");
                }
                Err(e) => println!("| {name} | {e} | - |"),
            }
        }
    }
}

/// Bytes of memory that the system could give now.
fn available() -> usize {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<usize>().ok());
    kib.unwrap_or(0) * 1024
}

fn measure(arguments: Arguments) -> Result<(), String> {
    let growth = Growth::prepare(&target_folder()?)?;
    let system = Program::C(Library::system());
    let mut programs = vec![Program::Rust, growth.c_ntheap(), system];
    programs.extend(arguments.preload.into_iter().map(Program::C));
    let tables = Tables {
        growth,
        programs,
        full: arguments.full,
    };
    let wanted = |part| arguments.only.is_none_or(|only| only == part);
    if wanted(Part::Instructions) {
        tables.instructions();
    }
    if wanted(Part::Time) {
        tables.time();
    }
    if wanted(Part::Memory) {
        tables.memory();
    }
    Ok(())
}

fn main() -> ExitCode {
    match measure(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("ntheap-growth: {e}");
            ExitCode::FAILURE
        }
    }
}
