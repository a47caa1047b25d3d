//! `ntheap leaks`: blocks that nothing leads to.

use super::args::{Format, Leaks};
use super::at_end;
use super::output::{self, Out, area_name, heap_name, hex};
use super::progress::Doing;
use super::source::{FOUND, Failure, unreadable};
use crate::format::{bytes, count, table};
use crate::symbols::Symbols;
use ntheap_inspect::Wanted;
use ntheap_inspect::held::Held;
use ntheap_inspect::memory::Process;
use ntheap_inspect::model::Snapshot;
use ntheap_inspect::reach::{self, Reached};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// What was found in a process.
pub(crate) struct Looked {
    pub(crate) snapshot: Snapshot,
    pub(crate) reached: Reached,
}

pub(crate) fn run(options: &Leaks) -> Result<u8, Failure> {
    let looked = match options.pid {
        Some(pid) => {
            let held = Held::stop(pid).map_err(|why| unreadable(pid, &why))?;
            look(pid, &held)?
        }
        None => at_end::run(&options.command)?,
    };
    let mut symbols = Symbols::of(looked.snapshot.mappings.clone());
    let mut out = output::out();
    let shown = groups(&looked).into_iter();
    let shown = shown.take(if options.top == 0 {
        usize::MAX
    } else {
        options.top
    });
    symbols.learn(shown.flat_map(|group| group.stack));
    let written = match options.format {
        Format::Json => {
            let answer = as_json(&looked, options.top, &mut symbols);
            output::write_json(&mut out, &answer)
        }
        Format::Text => {
            let wanted = (options.top, options.blocks);
            text(&mut out, &looked, wanted, &mut symbols)
        }
    };
    output::finish(out, written)?;
    symbols.tell_nameless();
    let code = if looked.reached.lost.is_empty() {
        0
    } else {
        FOUND
    };
    Ok(output::tell_missing(&looked.snapshot, code))
}

/// Looks at a process that is held.
pub(crate) fn look(pid: i32, held: &Held) -> Result<Looked, Failure> {
    let doing = Doing::begin(format!("reading process {pid}"));
    let read = ntheap_inspect::of_process(pid, Some(held), Wanted::Stacks);
    let snapshot = read.map_err(|why| unreadable(pid, &why))?;
    drop(doing);
    let _doing = Doing::begin(format!("looking through process {pid}"));
    let memory = Process::open(pid).map_err(|why| unreadable(pid, &why))?;
    let reached = reach::unreached(&memory, &snapshot, &held.registers());
    Ok(Looked { snapshot, reached })
}

/// Lost blocks: by heap and the stack that allocated them where it is known, else by heap,
/// size and area.
fn groups(looked: &Looked) -> Vec<Group<'_>> {
    let mut groups: BTreeMap<(u64, u32, u64, String), Group<'_>> = BTreeMap::new();
    for &number in &looked.reached.lost {
        let snapshot = &looked.snapshot;
        let Some(block) = snapshot.blocks.get(number) else {
            continue;
        };
        let area = snapshot.area_of(block);
        let heap = area.and_then(|area| snapshot.heap_of(area));
        let (Some(area), Some(heap)) = (area, heap) else {
            continue;
        };
        let key = match block.stack {
            0 => (heap.handle, 0, block.size, area_name(area)),
            stack => (heap.handle, stack, 0, String::new()),
        };
        let group = groups.entry(key).or_insert_with(|| Group {
            handle: heap.handle,
            heap: heap_name(heap),
            lies_in: area_name(area),
            sizes: (block.size, block.size),
            bytes: 0,
            stack: snapshot.frames_of(block),
            addresses: Vec::new(),
        });
        group.sizes.0 = group.sizes.0.min(block.size);
        group.sizes.1 = group.sizes.1.max(block.size);
        group.bytes += block.size;
        group.addresses.push(block.address);
    }
    let mut groups: Vec<Group<'_>> = groups.into_values().collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.bytes));
    groups
}

/// Lost blocks that are alike.
struct Group<'a> {
    handle: u64,
    heap: String,
    /// Where its first block lies.
    lies_in: String,
    /// The least and the greatest.
    sizes: (u64, u64),
    bytes: u64,
    /// Who allocated them; empty where it is not known.
    stack: &'a [String],
    addresses: Vec<u64>,
}

impl Group<'_> {
    fn size(&self) -> String {
        let (least, most) = self.sizes;
        if least == most {
            count(least)
        } else {
            format!("{} to {}", count(least), count(most))
        }
    }
}

/// Addresses that a line shows.
const SHOWN: usize = 3;

fn text(
    out: &mut Out,
    looked: &Looked,
    (top, blocks): (usize, bool),
    symbols: &mut Symbols,
) -> io::Result<()> {
    let top = if top == 0 { usize::MAX } else { top };
    let reached = &looked.reached;
    let groups = groups(looked);
    let lost: u64 = groups.iter().map(|group| group.bytes).sum();
    writeln!(out, "{}", output::title(&looked.snapshot))?;
    writeln!(
        out,
        "nothing leads to {} blocks, {}; something to {}; {} were looked through",
        count(reached.lost.len() as u64),
        bytes(lost),
        count(reached.reached as u64),
        bytes(reached.bytes)
    )?;
    if !reached.unsure.is_empty() {
        writeln!(
            out,
            "nothing leads to {} more, which may be free and in a thread's cache",
            count(reached.unsure.len() as u64)
        )?;
    }
    if groups.is_empty() {
        return Ok(());
    }
    let (by_stack, others): (Vec<&Group<'_>>, Vec<&Group<'_>>) = groups
        .iter()
        .take(top)
        .partition(|group| !group.stack.is_empty());
    for group in by_stack {
        stack_text(out, group, blocks, symbols)?;
    }
    let head = ["heap", "lies in", "size", "blocks", "bytes", "at"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for group in others {
        let addresses = group
            .addresses
            .iter()
            .take(if blocks { usize::MAX } else { SHOWN })
            .map(|&address| hex(address));
        let mut addresses = addresses.collect::<Vec<String>>().join(" ");
        if group.addresses.len() > SHOWN && !blocks {
            addresses.push_str(" ...");
        }
        let row = [
            group.heap.clone(),
            group.lies_in.clone(),
            group.size(),
            count(group.addresses.len() as u64),
            count(group.bytes),
            addresses,
        ];
        rows.push(row.to_vec());
    }
    if rows.len() > 1 {
        out.write_all(table("", &rows).as_bytes())?;
    }
    if groups.len() > top {
        writeln!(out, "... and {} lines more (--top 0)", groups.len() - top)?;
    }
    Ok(())
}

/// The blocks of one stack: how many, and who allocated them.
fn stack_text(
    out: &mut Out,
    group: &Group<'_>,
    blocks: bool,
    symbols: &mut Symbols,
) -> io::Result<()> {
    let number = group.addresses.len() as u64;
    writeln!(
        out,
        "{} bytes in {} block{} of {}, {}, allocated at",
        count(group.bytes),
        count(number),
        if number == 1 { "" } else { "s" },
        group.size(),
        group.heap
    )?;
    symbols.write(out, group.stack, "    ")?;
    if blocks {
        for &address in &group.addresses {
            writeln!(out, "  {}", hex(address))?;
        }
    }
    Ok(())
}

fn as_json(looked: &Looked, top: usize, symbols: &mut Symbols) -> Value {
    let top = if top == 0 { usize::MAX } else { top };
    let reached = &looked.reached;
    let groups = groups(looked);
    let mut map = output::head(&looked.snapshot);
    let mut line = |group: &Group<'_>| {
        let mut line = json!({
            "handle": hex(group.handle), "heap": group.heap, "lies_in": group.lies_in,
            "size": group.sizes.0, "blocks": group.addresses.len(), "bytes": group.bytes,
            "addresses": group.addresses.iter().map(|&at| hex(at)).collect::<Vec<String>>(),
        });
        if !group.stack.is_empty() {
            line["frames"] = json!(group.stack);
            line["calls"] = symbols.json(group.stack);
            line["largest"] = group.sizes.1.into();
        }
        line
    };
    let bytes: u64 = groups.iter().map(|group| group.bytes).sum();
    map.insert("lost_blocks".to_owned(), reached.lost.len().into());
    map.insert("lost_bytes".to_owned(), bytes.into());
    map.insert("unsure_blocks".to_owned(), reached.unsure.len().into());
    map.insert("reached_blocks".to_owned(), reached.reached.into());
    map.insert("bytes_searched".to_owned(), reached.bytes.into());
    map.insert(
        "lost".to_owned(),
        groups.iter().take(top).map(&mut line).collect(),
    );
    map.into()
}
