//! Reports with nothing in them that differs from run to run, and the file of
//! expectations that they are compared with.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A program that has ended.
pub(crate) struct Ran<'a> {
    pub(crate) program: &'a Path,
    pub(crate) pid: u32,
    /// Addresses by name, a line each: `NAME 0xADDRESS`.
    pub(crate) stdout: &'a str,
    pub(crate) stderr: &'a str,
}

/// The functions that an offset of the program lies in, what was inlined there first.
fn functions(program: &Path, offset: &str) -> Vec<String> {
    // A return address: the call lies before it.
    let number = u64::from_str_radix(offset.trim_start_matches("0x"), 16).expect("an offset");
    let output = Command::new("addr2line")
        .args(["-C", "-f", "-i", "-e"])
        .arg(program)
        .arg(format!("{:#x}", number - 1))
        .output()
        .expect("addr2line runs");
    assert!(output.status.success(), "{output:?}");
    // Functions and lines in turn.
    let output = String::from_utf8_lossy(&output.stdout);
    output.lines().step_by(2).map(without_number).collect()
}

/// A function's name with no number of a closure: names that are mangled by the newer scheme,
/// as those of counted programs are, have one.
fn without_number(name: &str) -> String {
    let mut parts = name.split("{closure#");
    let mut bare = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (_, rest) = part.split_once('}').unwrap_or_default();
        bare += "{{closure}}";
        bare += rest;
    }
    bare
}

/// A report with nothing in it that differs from run to run: of stacks, the
/// functions that `keeps` says, as far as one that it says is the last.
pub(crate) fn normal(ran: &Ran<'_>, keeps: &dyn Fn(&str) -> (bool, bool)) -> String {
    let program = ran.program;
    let name = program
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    let mut report = ran.stderr.to_owned();
    let mut names: BTreeMap<usize, &str> = BTreeMap::new();
    for line in ran.stdout.lines() {
        // What a test harness wrote before is on the same line.
        let told = line
            .split_once(" 0x")
            .map(|(before, address)| (before.rsplit(' ').next().unwrap_or_default(), address));
        if let Some((name, address)) = told {
            names.insert(
                usize::from_str_radix(address, 16).expect("an address"),
                name,
            );
        }
    }
    let shown = |address: usize| -> String {
        if is_fill(address) {
            return format!("{address:#x}");
        }
        let before = names.range(..=address).next_back();
        let after = names.range(address..).next();
        match (before, after) {
            (Some((&base, name)), _) if address == base => format!("<{name}>"),
            // Just before a block is the end of a neighbour, whichever that is.
            (_, Some((&base, name))) if base - address <= 16 => {
                format!("<{name}-{}>", base - address)
            }
            (Some((&base, name)), _) if address - base < 4_000_000 => {
                format!("<{name}+{}>", address - base)
            }
            _ => "<somewhere>".to_owned(),
        }
    };
    report = report.replace(&format!("pid 0x{:X}:", ran.pid), "pid N:");
    let mut normal = String::new();
    let mut is_done = false;
    for line in report.lines() {
        if let Some(frame) = line.strip_prefix("    #") {
            let place = frame.split(' ').nth(2).unwrap_or_default();
            match place.strip_prefix(&format!("{name}+")) {
                // What is below the last one is the system's.
                Some(offset) if !is_done => {
                    for function in functions(program, offset) {
                        let (is_kept, is_last) = keeps(&function);
                        is_done |= is_last;
                        if is_kept {
                            writeln!(normal, "    {function}").expect("written");
                        }
                    }
                }
                _ => {}
            }
            continue;
        }
        is_done = false;
        let mut rest = line;
        while let Some(at) = rest.find("0x") {
            let digits = rest[at + 2..]
                .bytes()
                .take_while(u8::is_ascii_hexdigit)
                .count();
            let number = usize::from_str_radix(&rest[at + 2..at + 2 + digits], 16);
            normal.push_str(&rest[..at]);
            normal.push_str(&number.map_or_else(|_| "0x".to_owned(), shown));
            rest = &rest[at + 2 + digits..];
        }
        // A parameter: an address in sixteen digits, or a number.
        if let Some((number, label)) = rest.trim_start().split_once(" : ")
            && rest.starts_with("    ")
            && number.len() == 16
        {
            let number = usize::from_str_radix(number, 16).expect("a parameter");
            let is_thread = label.ends_with(" thread");
            match number {
                _ if is_thread => writeln!(normal, "    T : {label}"),
                0x10000.. if label != "size requested" && label != "size" => {
                    writeln!(normal, "    {} : {label}", shown(number))
                }
                _ => writeln!(normal, "    {number:#x} : {label}"),
            }
            .expect("written");
            continue;
        }
        normal.push_str(&without_register(&without_threads(rest)));
        normal.push('\n');
    }
    normal
}

/// Whether an address is what memory is filled with, or a member's distance beside it.
fn is_fill(address: usize) -> bool {
    [0xBAAD_F00D, 0xFEEE_FEEE, 0xC0C0_C0C0, 0xABAB_ABAB]
        .into_iter()
        .any(|fill: usize| {
            address
                .abs_diff(fill)
                .min(address.abs_diff(fill << 32 | fill))
                < 4096
        })
}

/// A line with the register left out that a compiler chose.
fn without_register(line: &str) -> String {
    match line.split_once(" in r") {
        Some((before, after)) if after.find(" is a").is_some_and(|at| at <= 2) => {
            let after = after.split_once(' ').map_or("", |(_, after)| after);
            format!("{before} in a register {after}")
        }
        _ => line.to_owned(),
    }
}

/// A line with threads' numbers left out.
fn without_threads(line: &str) -> String {
    let Some((before, after)) = line.split_once("thread ") else {
        return line.to_owned();
    };
    let number = after.bytes().take_while(u8::is_ascii_digit).count();
    if number == 0 {
        return line.to_owned();
    }
    format!("{before}thread T{}", &after[number..])
}

/// What is expected, by case and flags, in the order of the file.
fn expected(file: &Path) -> Vec<(String, String, String)> {
    let file = fs::read_to_string(file).expect("the expectations");
    file.split("== ")
        .skip(1)
        .map(|part| {
            let (head, body) = part.split_once('\n').expect("a line");
            let (name, flags) = head.split_once(' ').expect("a name and flags");
            (
                name.to_owned(),
                flags.to_owned(),
                body.trim_end().to_owned() + "\n",
            )
        })
        .collect()
}

/// Compares what `outcome` says of every case and flags in a file with what is
/// written there, or writes the file anew where `NTHEAP_TEST_WRITE_BUGS` is set.
/// The names of the cases.
pub(crate) fn compare(file: &Path, outcome: &dyn Fn(&str, &str) -> String) -> BTreeSet<String> {
    let (mut wrong, mut written) = (String::new(), String::new());
    let mut seen = BTreeSet::new();
    for (name, flags, expected) in expected(file) {
        let found = outcome(&name, &flags);
        write!(written, "== {name} {flags}\n{found}\n").expect("written");
        if found != expected {
            writeln!(wrong, "{name} {flags}: found\n{found}expected\n{expected}").expect("written");
        }
        seen.insert(name);
    }
    if std::env::var_os("NTHEAP_TEST_WRITE_BUGS").is_some() {
        fs::write(file, written).expect("written");
    }
    assert!(!seen.is_empty() && wrong.is_empty(), "{wrong}");
    seen
}
