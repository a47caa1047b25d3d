//! `ntheap diff`: what grew between two snapshots.

use super::args::{By, Diff, Format};
use super::output::{self, Out, hex};
use super::progress::Doing;
use super::source::{FILE, Failure, Source};
use crate::format::{bytes, count, table};
use crate::symbols::{Modules, Symbols};
use ntheap_inspect::diff::{self, HeapName, Line, StackName, Sum};
use serde_json::{Value, json};
use std::io::{self, Write};

/// The functions of both snapshots.
struct Names {
    before: Symbols,
    after: Symbols,
}

impl Names {
    /// Of the snapshot that has the stack, the later one where both do: a frame names a file
    /// by its last part, which the other may have at another path.
    fn of(&mut self, line: &Line<StackName>) -> &mut Symbols {
        if line.after.blocks == 0 {
            &mut self.before
        } else {
            &mut self.after
        }
    }
}

const NO_STACKS: &str =
    "the snapshots have no stacks; those of a process with NTHEAP_GFLAGS=+ust have";

pub(crate) fn run(options: &Diff) -> Result<u8, Failure> {
    let before = Source::of(&options.before).read(false)?;
    let after = Source::of(&options.after).read(false)?;
    let doing = Doing::begin("comparing");
    let mut found = diff::between(&before, &after);
    drop(doing);
    let needs_stacks = options.umdh || options.by == [By::Stack];
    if needs_stacks && found.stacks.is_empty() {
        return Err(Failure::new(FILE, NO_STACKS));
    }
    if options.by == [By::Tag] && found.tags.is_empty() {
        return Err(Failure::new(
            FILE,
            "the snapshots have no tags; those of a process with NTHEAP_GFLAGS=+htd or +htg have",
        ));
    }
    let modules = Modules::default();
    let mut names = Names {
        before: Symbols::sharing(&modules, before.mappings.clone()),
        after: Symbols::sharing(&modules, after.mappings.clone()),
    };
    let mut out = output::out();
    if options.umdh || options.wants(By::Stack) {
        let top = if options.umdh { 0 } else { options.top };
        for (is_gone, symbols) in [(true, &mut names.before), (false, &mut names.after)] {
            let of = changed(&found.stacks, top).filter(|line| (line.after.blocks == 0) == is_gone);
            symbols.learn(of.flat_map(|line| &line.key.frames));
        }
    }
    let written = if options.umdh {
        for line in &mut found.stacks {
            let symbols = names.of(line);
            let frames = line.key.frames.iter();
            line.key.frames = frames.map(|frame| symbols.umdh(frame)).collect();
        }
        let mut text = String::new();
        // A string takes all that is written to it.
        let _ = found.write_umdh(&mut text);
        out.write_all(text.as_bytes())
    } else if options.format == Format::Json {
        output::write_json(&mut out, &as_json(&found, options, &mut names))
    } else {
        text(&mut out, &found, options, &mut names)
    };
    output::finish(out, written)?;
    names.after.count_also(&names.before);
    names.after.tell_nameless();
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

/// The columns of each table, behind what its lines are of.
const GROWTH: [&str; 6] = [
    "bytes",
    "blocks",
    "bytes before",
    "blocks before",
    "bytes after",
    "blocks after",
];

fn text(out: &mut Out, found: &diff::Diff, options: &Diff, names: &mut Names) -> io::Result<()> {
    let top = options.top;
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
    fn rows_of<K>(
        lines: &[Line<K>],
        top: usize,
        key: impl Fn(&K) -> Vec<String>,
    ) -> Vec<Vec<String>> {
        let row = |line: &Line<K>| {
            let Line { before, after, .. } = line;
            let numbers = [before.bytes, before.blocks, after.bytes, after.blocks].map(count);
            let growth = [line.growth(), line.block_growth()].map(signed);
            key(&line.key)
                .into_iter()
                .chain(growth)
                .chain(numbers)
                .collect()
        };
        changed(lines, top).map(row).collect()
    }
    let mut show = |by: By, title: &str, keys: &[&str], rows: Vec<Vec<String>>| {
        if rows.is_empty() || !options.wants(by) {
            return Ok(());
        }
        let head = keys.iter().chain(&GROWTH).map(|&name| name.to_owned());
        let all: Vec<Vec<String>> = [head.collect()].into_iter().chain(rows).collect();
        write!(out, "\nby {title}\n{}", table("  ", &all))
    };
    let heaps = rows_of(&found.heaps, top, |heap| vec![name(heap)]);
    show(By::Heap, "heap", &["heap"], heaps)?;
    let sizes = rows_of(&found.sizes, top, |(heap, size)| {
        vec![name(heap), count(*size)]
    });
    show(By::Size, "size", &["heap", "size"], sizes)?;
    let tags = rows_of(&found.tags, top, |tag| vec![output::plain(tag)]);
    show(By::Tag, "tag", &["tag"], tags)?;
    if !found.stacks.is_empty() && options.wants(By::Stack) {
        writeln!(out, "\nby stack")?;
        for line in changed(&found.stacks, top) {
            writeln!(
                out,
                "  {} bytes in {} blocks, BackTrace{:05X}",
                signed(line.growth()),
                signed(line.block_growth()),
                line.key.id
            )?;
            names.of(line).write(out, &line.key.frames, "      ")?;
        }
    }
    Ok(())
}

fn as_json(found: &diff::Diff, options: &Diff, names: &mut Names) -> Value {
    let top = options.top;
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
                "calls": names.of(line).json(&line.key.frames),
                "growth": growth(line.growth()),
                "before": sum(line.before), "after": sum(line.after),
            })
        })
        .collect();
    let tags: Vec<Value> = changed(&found.tags, top)
        .map(|line| {
            json!({
                "tag": line.key, "growth": growth(line.growth()),
                "before": sum(line.before), "after": sum(line.after),
            })
        })
        .collect();
    let mut value = json!({
        "before": sum(found.before), "after": sum(found.after),
        "appeared": sum(found.appeared), "vanished": sum(found.vanished),
    });
    let tables = [
        (By::Heap, "heaps", heaps),
        (By::Size, "sizes", sizes),
        (By::Tag, "tags", tags),
        (By::Stack, "stacks", stacks),
    ];
    for (by, name, lines) in tables {
        if options.wants(by) {
            value[name] = lines.into();
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn each_snapshot_has_its_own_files() {
        let pid = i32::try_from(std::process::id()).expect("a small number");
        let maps = ntheap_inspect::maps::of_process(pid).expect("this process");
        let mut moved = maps.clone();
        for mapping in &mut moved {
            if let Some(name) = Path::new(&mapping.name).file_name() {
                mapping.name = format!("/nonexistent/{}", name.display());
            }
        }
        // What this very function is in the file, as a stack tells it.
        let mut own = Symbols::of(maps.clone());
        let here = each_snapshot_has_its_own_files as *const () as u64;
        let frame = own.told(here + 1).expect("a module");
        assert_eq!(own.address(&frame), Some(here + 1));
        let modules = Modules::default();
        let mut names = Names {
            before: Symbols::sharing(&modules, maps),
            after: Symbols::sharing(&modules, moved),
        };
        let blocks = |blocks| Sum { blocks, bytes: 0 };
        for (before, after, is_named) in [(1, 0, true), (1, 1, false), (0, 1, false)] {
            let line = Line {
                key: StackName {
                    id: 1,
                    frames: vec![frame.clone()],
                },
                before: blocks(before),
                after: blocks(after),
            };
            let functions = names.of(&line).call(&frame);
            assert_eq!(!functions.is_empty(), is_named, "{before} {after}");
        }
        // Both files were asked, and one of them had no name.
        names.after.count_also(&names.before);
        assert_eq!(names.after.nameless().count(), 1);
    }
}
