//! `ntheap diff`: what grew between two snapshots.

use super::args::{Diff, Format};
use super::output::{self, Out, hex};
use super::progress::Doing;
use super::source::{FILE, Failure, Source};
use crate::format::{bytes, count, table};
use crate::symbols::Symbols;
use ntheap_inspect::diff::{self, HeapName, Line, Sum};
use serde_json::{Value, json};
use std::io::{self, Write};

pub(crate) fn run(options: &Diff) -> Result<u8, Failure> {
    let before = Source::of(&options.before).read(false)?;
    let after = Source::of(&options.after).read(false)?;
    let doing = Doing::begin("comparing");
    let mut found = diff::between(&before, &after);
    drop(doing);
    if options.umdh && found.stacks.is_empty() {
        return Err(Failure::new(
            FILE,
            "the snapshots have no stacks; those of a process with NTHEAP_GFLAGS=+ust have",
        ));
    }
    // The later one's files are looked at first, for both.
    let mut mappings = after.mappings.clone();
    mappings.extend(before.mappings.iter().cloned());
    mappings.sort_by_key(|mapping| mapping.start);
    let mut symbols = Symbols::of(mappings);
    let mut out = output::out();
    let written = if options.umdh {
        for line in &mut found.stacks {
            let frames = line.key.frames.iter();
            line.key.frames = frames.map(|frame| symbols.umdh(frame)).collect();
        }
        let mut text = String::new();
        // A string takes all that is written to it.
        let _ = found.write_umdh(&mut text);
        out.write_all(text.as_bytes())
    } else if options.format == Format::Json {
        output::write_json(&mut out, &as_json(&found, options.top, &mut symbols))
    } else {
        text(&mut out, &found, options.top, &mut symbols)
    };
    output::finish(out, written)?;
    symbols.tell_nameless();
    let code = output::tell_missing(&before, 0);
    Ok(output::tell_missing(&after, code))
}

fn signed(number: i128) -> String {
    let digits = count(u64::try_from(number.unsigned_abs()).unwrap_or(u64::MAX));
    match number {
        0 => digits,
        1.. => format!("+{digits}"),
        _ => format!("-{digits}"),
    }
}

fn name(heap: &HeapName) -> String {
    if heap.name.is_empty() {
        return hex(heap.handle);
    }
    heap.name.clone()
}

/// Lines that changed, as many as are wanted.
fn changed<K>(lines: &[Line<K>], top: usize) -> impl Iterator<Item = &Line<K>> {
    let top = if top == 0 { usize::MAX } else { top };
    let is_changed = |line: &&Line<K>| line.before != line.after;
    lines.iter().filter(is_changed).take(top)
}

fn text(out: &mut Out, found: &diff::Diff, top: usize, symbols: &mut Symbols) -> io::Result<()> {
    let total = Line {
        key: (),
        before: found.before,
        after: found.after,
    };
    writeln!(
        out,
        "{} bytes in {} blocks: {} in {} before, {} in {} after",
        signed(total.growth()),
        signed(total.block_growth()),
        bytes(found.before.bytes),
        count(found.before.blocks),
        bytes(found.after.bytes),
        count(found.after.blocks),
    )?;
    let sum =
        |what: &str, sum: Sum| format!("{} blocks {what}, {}", count(sum.blocks), bytes(sum.bytes));
    writeln!(
        out,
        "{}; {}",
        sum("appeared", found.appeared),
        sum("vanished", found.vanished)
    )?;
    let growth = [
        "bytes",
        "blocks",
        "bytes before",
        "blocks before",
        "bytes after",
        "blocks after",
    ];
    let row = |key: Vec<String>, before: Sum, after: Sum, growth: [i128; 2]| {
        let numbers = [before.bytes, before.blocks, after.bytes, after.blocks].map(count);
        key.into_iter()
            .chain(growth.map(signed))
            .chain(numbers)
            .collect::<Vec<String>>()
    };
    let head = |keys: &[&str]| -> Vec<String> {
        keys.iter()
            .chain(&growth)
            .map(|&name| name.to_owned())
            .collect()
    };
    let mut rows = vec![head(&["heap"])];
    for line in changed(&found.heaps, top) {
        let growth = [line.growth(), line.block_growth()];
        rows.push(row(vec![name(&line.key)], line.before, line.after, growth));
    }
    if rows.len() > 1 {
        write!(out, "\nby heap\n{}", table("  ", &rows))?;
    }
    let mut rows = vec![head(&["heap", "size"])];
    for line in changed(&found.sizes, top) {
        let growth = [line.growth(), line.block_growth()];
        let key = vec![name(&line.key.0), count(line.key.1)];
        rows.push(row(key, line.before, line.after, growth));
    }
    if rows.len() > 1 {
        write!(out, "\nby size\n{}", table("  ", &rows))?;
    }
    if !found.stacks.is_empty() {
        writeln!(out, "\nby stack")?;
        for line in changed(&found.stacks, top) {
            writeln!(
                out,
                "  {} bytes in {} blocks, BackTrace{:05X}",
                signed(line.growth()),
                signed(line.block_growth()),
                line.key.id
            )?;
            symbols.write(out, &line.key.frames, "      ")?;
        }
    }
    Ok(())
}

fn as_json(found: &diff::Diff, top: usize, symbols: &mut Symbols) -> Value {
    let sum = |sum: Sum| json!({ "blocks": sum.blocks, "bytes": sum.bytes });
    // Growth fits: it is a difference of two sums of sizes in one address space.
    let growth = |bytes: i128| i64::try_from(bytes).unwrap_or(i64::MAX);
    let heaps: Vec<Value> = changed(&found.heaps, top)
        .map(|line| {
            json!({
                "handle": hex(line.key.handle), "heap": line.key.name,
                "growth": growth(line.growth()),
                "before": sum(line.before), "after": sum(line.after),
            })
        })
        .collect();
    let sizes: Vec<Value> = changed(&found.sizes, top)
        .map(|line| {
            json!({
                "handle": hex(line.key.0.handle), "heap": line.key.0.name, "size": line.key.1,
                "growth": growth(line.growth()),
                "before": sum(line.before), "after": sum(line.after),
            })
        })
        .collect();
    let stacks: Vec<Value> = changed(&found.stacks, top)
        .map(|line| {
            json!({
                "stack": line.key.id, "frames": line.key.frames,
                "calls": symbols.json(&line.key.frames),
                "growth": growth(line.growth()),
                "before": sum(line.before), "after": sum(line.after),
            })
        })
        .collect();
    json!({
        "before": sum(found.before), "after": sum(found.after),
        "appeared": sum(found.appeared), "vanished": sum(found.vanished),
        "heaps": heaps, "sizes": sizes, "stacks": stacks,
    })
}
