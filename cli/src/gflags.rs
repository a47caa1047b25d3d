//! `ntheap gflags`: what the global flags are called and do, and what a value of
//! `NTHEAP_GFLAGS` comes to.
//!
//! The names, numbers and what reads them are the library's own
//! (`ntheap::outside::gflags`): a value is taken here exactly as it is in a program.

use crate::args::{Format, Gflags};
use ntheap::outside::gflags::{self, Flag, GlobalFlags, Item};
use serde_json::{Map, Value, json};
use std::io::{self, Write};
use std::process::ExitCode;

const FLAGS: &str = "NTHEAP_GFLAGS";
const PAGE_HEAP: &str = "NTHEAP_PAGEHEAP";
const REPORT: &str = "NTHEAP_REPORT";

/// What follows a flag's colon, and fault injection, which has no flag.
const AFTER_COLON: [Item; 4] = [
    Item {
        text: "hvc:N",
        effect: "the whole heap is checked at every Nth call",
    },
    Item {
        text: "ust:tracedb=MB",
        effect: "bytes for call stacks: 64 MiB without it, at least 8",
    },
    Item {
        text: "hpa:ITEM",
        effect: "as in NTHEAP_PAGEHEAP, below; several with a colon before each",
    },
    Item {
        text: "fault=RATE:SECONDS:seed=N",
        effect: "RATE of 10,000 allocations fail, after so many seconds; no flag of gflags'",
    },
];

pub(crate) fn main(options: &Gflags) -> ExitCode {
    let answer = if options.value.is_empty() {
        match options.format {
            Format::Text => list_text(),
            Format::Json => format!("{}\n", list_json()),
        }
    } else {
        match read(&options.value) {
            Ok(flags) => match options.format {
                Format::Text => text(&flags),
                Format::Json => format!("{}\n", as_json(&flags)),
            },
            Err(message) => {
                // Nobody is left to tell if standard error is gone.
                let _ = writeln!(io::stderr(), "ntheap: {message}");
                return ExitCode::from(2);
            }
        }
    };
    // A reader that closed the pipe has seen enough.
    let _ = io::stdout().write_all(answer.as_bytes());
    ExitCode::SUCCESS
}

/// Takes values as the library does; what it would ignore is an error here.
fn read(values: &[String]) -> Result<GlobalFlags, String> {
    let mut flags = GlobalFlags::NONE;
    for value in values {
        let (variable, value) = match value.split_once('=') {
            Some((name, rest)) if name.starts_with("NTHEAP_") => (name, rest),
            _ => (FLAGS, value.as_str()),
        };
        if ![FLAGS, PAGE_HEAP, REPORT].contains(&variable) {
            return Err(format!(
                "{variable} is not read here: {FLAGS}, {PAGE_HEAP} and {REPORT} are"
            ));
        }
        for item in gflags::items(value.as_bytes()) {
            if !gflags::apply(&mut flags, variable.as_bytes(), item) {
                return Err(format!(
                    "{variable} does not know {}; {}",
                    item.escape_ascii(),
                    gflags::valid(variable.as_bytes())
                ));
            }
        }
    }
    Ok(flags)
}

fn set(flags: &GlobalFlags) -> impl Iterator<Item = &'static Flag> {
    let flags = *flags;
    gflags::FLAGS.iter().filter(move |flag| flags.has(flag.bit))
}

/// Bits that no name is known of.
fn unnamed(flags: &GlobalFlags) -> u32 {
    set(flags).fold(flags.bits, |bits, flag| bits & !flag.bit)
}

fn effect(flag: &Flag) -> &'static str {
    if flag.effect.is_empty() {
        "nothing here"
    } else {
        flag.effect
    }
}

/// The variables that say these flags and options, with their values.
fn environment(flags: &GlobalFlags) -> Vec<(&'static str, String)> {
    let mut items: Vec<String> = set(flags)
        .map(|flag| {
            let after = match flag.bit {
                gflags::VALIDATE_ALL if flags.validate_every != 1 => {
                    format!(":{}", flags.validate_every)
                }
                gflags::STACK_TRACES if flags.trace_bytes != GlobalFlags::NONE.trace_bytes => {
                    format!(":tracedb={}", flags.trace_bytes >> 20)
                }
                _ => String::new(),
            };
            format!("+{}{after}", flag.name)
        })
        .collect();
    if unnamed(flags) != 0 {
        items.push(format!("{:#x}", unnamed(flags)));
    }
    items.extend(faults(flags));
    let page = page_items(flags);
    let report = if flags.json { "json" } else { "" };
    let values = [
        (FLAGS, items.join(",")),
        (PAGE_HEAP, page.join(",")),
        (REPORT, report.to_owned()),
    ];
    let said = |(_, value): &(&str, String)| !value.is_empty();
    values.into_iter().filter(said).collect()
}

/// Fault injection's item, if it is on.
fn faults(flags: &GlobalFlags) -> Option<String> {
    let faults = &flags.faults;
    let seed = faults.seed.map_or(String::new(), |n| format!(":seed={n}"));
    let item = || format!("fault={}:{}{seed}", faults.rate, faults.timeout);
    (faults.rate != 0).then(item)
}

/// Page heap's options that are not as they are without a word.
fn page_items(flags: &GlobalFlags) -> Vec<String> {
    let (page, default) = (&flags.page, GlobalFlags::NONE.page);
    let mut items = Vec::new();
    for (is_on, name) in [
        (page.light, "light"),
        (page.backwards, "backwards"),
        (page.unaligned, "unaligned"),
        (page.mappings, "mappings"),
    ] {
        if is_on {
            items.push(name.to_owned());
        }
    }
    if page.sizes != default.sizes {
        items.push(format!("size={}-{}", page.sizes.0, page.sizes.1));
    }
    if page.percent != default.percent {
        items.push(format!("random={}", page.percent));
    }
    if page.delayed != default.delayed {
        items.push(format!("delay={}", page.delayed));
    }
    let modules: Vec<String> = page
        .modules()
        .map(|name| String::from_utf8_lossy(name).into_owned())
        .collect();
    if !modules.is_empty() {
        items.push(format!("dlls={}", modules.join("+")));
    }
    items
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "+-_.,:=/".contains(c);
    if word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn rows<'a>(flags: impl Iterator<Item = &'a Flag>) -> Vec<[String; 4]> {
    flags
        .map(|flag| {
            [
                flag.name.to_owned(),
                format!("{:#x}", flag.bit),
                format!("FLG_{}", flag.symbol),
                effect(flag).to_owned(),
            ]
        })
        .collect()
}

/// Rows in columns, all to the left.
fn columns<const N: usize>(rows: &[[String; N]]) -> String {
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max();
    let widths: [usize; N] = std::array::from_fn(|at| width(at).unwrap_or(0));
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(&format!("  {cell:<width$}"));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn items(items: &[Item]) -> String {
    let rows: Vec<[String; 2]> = items
        .iter()
        .map(|item| [item.text.to_owned(), item.effect.to_owned()])
        .collect();
    columns(&rows)
}

fn list_text() -> String {
    let heads = ["flag", "number", "name", "what it does"].map(str::to_owned);
    let mut known = vec![heads];
    known.extend(rows(gflags::FLAGS.iter().filter(|f| !f.effect.is_empty())));
    let without: Vec<&str> = gflags::FLAGS
        .iter()
        .filter(|flag| flag.effect.is_empty())
        .map(|flag| flag.name)
        .collect();
    format!(
        "{FLAGS}: flags by name with + or -, or by number in hexadecimal, with commas between\n\
         {}\nafter a colon, and faults\n{}\nof no effect here\n  {}\n\n{PAGE_HEAP}: items with commas between\n{}\n\
         {REPORT}\n{}",
        columns(&known),
        items(&AFTER_COLON),
        without.join(" "),
        items(&gflags::PAGE_ITEMS),
        items(&gflags::REPORT_ITEMS),
    )
}

fn flag_json(flag: &Flag) -> Value {
    json!({
        "name": flag.name,
        "number": format!("{:#x}", flag.bit),
        "symbol": format!("FLG_{}", flag.symbol),
        "effect": (!flag.effect.is_empty()).then_some(flag.effect),
    })
}

fn list_json() -> Value {
    let items = |items: &[Item]| -> Value {
        items
            .iter()
            .map(|item| json!({ "item": item.text, "effect": item.effect }))
            .collect()
    };
    json!({
        "flags": gflags::FLAGS.iter().map(flag_json).collect::<Vec<Value>>(),
        "after_colon": items(&AFTER_COLON),
        "page_heap": items(&gflags::PAGE_ITEMS),
        "report": items(&gflags::REPORT_ITEMS),
    })
}

fn text(flags: &GlobalFlags) -> String {
    let mut out = format!("NtGlobalFlag {:#010x}\n", flags.bits);
    out.push_str(&columns(&rows(set(flags))));
    if unnamed(flags) != 0 {
        out.push_str(&format!(
            "  {:#x} has no name and does nothing here\n",
            unnamed(flags)
        ));
    }
    let mut options = Vec::new();
    if flags.has(gflags::VALIDATE_ALL) {
        options.push([
            "calls from check to check".to_owned(),
            flags.validate_every.to_string(),
        ]);
    }
    if flags.has(gflags::STACK_TRACES) {
        options.push([
            "MiB for call stacks".to_owned(),
            (flags.trace_bytes >> 20).to_string(),
        ]);
    }
    let page = page_items(flags);
    if !page.is_empty() {
        options.push(["page heap".to_owned(), page.join(", ")]);
    }
    if flags.faults.rate != 0 {
        let rate = format!(
            "{} of 10,000 allocations fail, after {} s",
            flags.faults.rate, flags.faults.timeout
        );
        options.push(["fault injection".to_owned(), rate]);
    }
    if !options.is_empty() {
        out.push('\n');
    }
    let is_idle = !page.is_empty() && !flags.has(gflags::PAGE_ALLOCS);
    out.push_str(&columns(&options));
    if is_idle {
        out.push_str("  page heap is off: +hpa turns it on\n");
    }
    let line: Vec<String> = environment(flags)
        .iter()
        .map(|(name, value)| format!("{name}={}", quoted(value)))
        .collect();
    if !line.is_empty() {
        out.push_str(&format!("\n{}\n", line.join(" ")));
    }
    out
}

fn as_json(flags: &GlobalFlags) -> Value {
    let variables: Map<String, Value> = environment(flags)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    json!({
        "nt_global_flag": format!("{:#010x}", flags.bits),
        "flags": set(flags).map(flag_json).collect::<Vec<Value>>(),
        "unnamed": format!("{:#x}", unnamed(flags)),
        "validate_every": flags.has(gflags::VALIDATE_ALL).then_some(flags.validate_every),
        "trace_bytes": flags.has(gflags::STACK_TRACES).then_some(flags.trace_bytes),
        "page_heap": flags.has(gflags::PAGE_ALLOCS).then(|| page_items(flags)),
        "fault_injection": faults(flags),
        "environment": variables,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(values: &[&str]) -> GlobalFlags {
        let values: Vec<String> = values.iter().map(|&value| value.to_owned()).collect();
        read(&values).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn what_is_printed_says_the_same_again() {
        for values in [
            &["+hpa,+ust"][..],
            &["0x02000070"],
            &["+hvc:100", "+ust:tracedb=16", "NTHEAP_REPORT=json"],
            &["NTHEAP_GFLAGS=hpa:light:size=16-4096:random=5", "soe"],
            &[
                "hpa",
                "NTHEAP_PAGEHEAP=backwards,delay=1M,dlls=a.so+b&c,mappings",
            ],
            &["200"],
            &["+htc,fault=250:60:seed=0x1f"],
            &["fault"],
        ] {
            let first = flags(values);
            let said: Vec<String> = environment(&first)
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let said: Vec<&str> = said.iter().map(String::as_str).collect();
            assert_eq!(flags(&said), first, "{values:?} as {said:?}");
        }
    }

    #[test]
    fn a_word_is_quoted_where_a_shell_would_take_it_apart() {
        assert_eq!(quoted("+hpa,+ust:tracedb=8"), "+hpa,+ust:tracedb=8");
        assert_eq!(quoted("dlls=a b'c"), r"'dlls=a b'\''c'");
    }
}
