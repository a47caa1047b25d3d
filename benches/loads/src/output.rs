//! The program around the loads: arguments, and the line that is printed.

use crate::catalogue::{Load, Scale, all, on_heaps};
use crate::heaps::Heap;
use crate::measure::{faults, peak_resident, resident};
use anyhow::Result;
use std::alloc::GlobalAlloc;
use std::process::ExitCode;

const USAGE: &str = "usage: --list | LOAD [--scale F]";

enum Request {
    List,
    Run(&'static Load, Scale),
}

/// The whole program: reads the arguments, runs the load, prints its line.
/// `allocator` is the program's `#[global_allocator]`; its type alone is of
/// use.
pub fn main<A: GlobalAlloc + 'static>(_allocator: &'static A) -> ExitCode {
    execute(&all::<A>().collect::<Vec<_>>())
}

/// [`main`] for an allocator that has heaps of their own, `H`.
pub fn main_with_heaps<A: GlobalAlloc + 'static, H: Heap + 'static>(
    _allocator: &'static A,
) -> ExitCode {
    execute(&all::<A>().chain(on_heaps::<H>()).collect::<Vec<_>>())
}

/// [`main`] for an arena that is no global allocator: the loads on heaps only.
pub fn main_of_heaps<H: Heap + 'static>() -> ExitCode {
    execute(&on_heaps::<H>().collect::<Vec<_>>())
}

fn execute(loads: &[&'static Load]) -> ExitCode {
    match request(loads) {
        Ok(Request::List) => {
            for load in loads {
                println!("{}\t{}", load.name, load.group);
            }
            ExitCode::SUCCESS
        }
        Ok(Request::Run(load, scale)) => match run(load, scale) {
            Ok(line) => {
                println!("{line}");
                ExitCode::SUCCESS
            }
            Err(e) => {
                eprintln!("{}: {e:#}", load.name);
                ExitCode::FAILURE
            }
        },
        Err(message) => {
            eprintln!("{message}");
            ExitCode::from(2)
        }
    }
}

fn request(loads: &[&'static Load]) -> Result<Request, String> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().ok_or(USAGE)?;
    let mut scale = Scale::FULL;
    while let Some(argument) = arguments.next() {
        scale = match argument.as_str() {
            "--scale" => arguments
                .next()
                .and_then(|factor| factor.parse().ok())
                .and_then(Scale::new)
                .ok_or("--scale needs a positive number")?,
            _ => return Err(format!("{argument}: not known; {USAGE}")),
        }
    }
    if name == "--list" {
        return Ok(Request::List);
    }
    match loads.iter().find(|load| load.name == name) {
        Some(load) => Ok(Request::Run(load, scale)),
        None => {
            let names: Vec<&str> = loads.iter().map(|load| load.name).collect();
            let names = names.join(" ");
            Err(format!("{name}: no such load; there are: {names}"))
        }
    }
}

/// Runs a load; its line of JSON.
///
/// # Errors
///
/// The load found other contents in a block than it had put there, or `/proc`
/// cannot be read.
pub fn run(load: &Load, scale: Scale) -> Result<String> {
    let measured = (load.run)(scale)?;
    let after_drop = match measured.resident_at_end {
        Some(bytes) => bytes,
        None => resident()?,
    };
    let (peak, faults) = (peak_resident()?, faults()?);
    // Names have letters, digits and hyphens, so nothing is to be escaped.
    Ok(format!(
        r#"{{"load":"{}","operations":{},"seconds":{:?},"cpu_seconds":{:?},"peak_rss":{peak},"rss_after_drop":{after_drop},"minor_faults":{},"major_faults":{},"threads":{},"requested_peak":{}}}"#,
        load.name,
        measured.operations,
        measured.elapsed.wall.as_secs_f64(),
        measured.elapsed.cpu.as_secs_f64(),
        faults.minor,
        faults.major,
        measured.threads,
        measured.requested_peak,
    ))
}
