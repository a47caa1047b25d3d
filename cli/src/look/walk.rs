//! `ntheap walk`: every block.

use super::args::{BlockState, Format, Walk};
use super::output::{self, Out, area_name, heap_name, hex};
use super::progress::Doing;
use super::source::{FILE, Failure, PROCESS, Source};
use crate::format::{count, table};
use crate::symbols::{Frame, Symbols};
use ntheap_inspect::Snapshot;
use ntheap_inspect::model::{Area, Block, Heap, State};
use ntheap_inspect::progress::Work;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Write};

pub(crate) fn run(options: &Walk) -> Result<u8, Failure> {
    let source = Source::of(&options.source);
    let snapshot = source.read(options.stop)?;
    let mut symbols = Symbols::of(snapshot.mappings.clone());
    let stacks = match &options.stack {
        Some(_) if snapshot.stacks.is_empty() => {
            let code = match source {
                Source::Process(_) => PROCESS,
                Source::File(_) => FILE,
            };
            return Err(Failure::new(
                code,
                format!("{source} has no stacks; a process with NTHEAP_GFLAGS=+ust has"),
            ));
        }
        Some(wanted) => Some(matching(&snapshot, wanted, &mut symbols)),
        None => None,
    };
    let mut out = output::out();
    let mut chosen = Chosen {
        snapshot: &snapshot,
        options,
        stacks,
        calls: Vec::new(),
    };
    if !options.summary && !options.no_names {
        let stacks = stacks_of(&chosen).into_values();
        symbols.learn(stacks.flat_map(|block| snapshot.frames_of(&block)));
    }
    let written = match (options.format, options.summary) {
        (Format::Json, false) => {
            chosen.calls = calls(&chosen, &mut symbols);
            output::write_json(&mut out, &chosen)
        }
        (Format::Json, true) => output::write_json(&mut out, &summary_json(&chosen)),
        (Format::Text, false) => text(&mut out, &chosen, &mut symbols),
        (Format::Text, true) => summary_text(&mut out, &chosen),
    };
    output::finish(out, written)?;
    symbols.tell_nameless();
    Ok(output::tell_missing(&snapshot, 0))
}

/// The numbers of the stacks that have a frame of which `wanted` is a part: of its functions'
/// names or files, or of how it is told without them. A number after 0x is that of an
/// address as well, in the process or in the module.
fn matching(snapshot: &Snapshot, wanted: &str, symbols: &mut Symbols) -> BTreeSet<u32> {
    let _doing = Doing::begin("looking for functions' names");
    let digits = wanted
        .strip_prefix("0x")
        .or_else(|| wanted.strip_prefix("0X"));
    let number = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    let mut known: HashMap<&str, bool> = HashMap::new();
    let mut found = BTreeSet::new();
    let work = Work::of(snapshot.stacks.len() as u64);
    for (done, stack) in (0..).zip(&snapshot.stacks) {
        work.at(done);
        for frame in &stack.frames {
            let is_it = *known.entry(frame).or_insert_with(|| match number {
                Some(number) => {
                    let in_module = frame.rsplit_once('+').map_or(frame.as_str(), |(_, at)| at);
                    in_module == format!("{number:#x}") || symbols.address(frame) == Some(number)
                }
                None => {
                    let has = |function: &Frame| {
                        let texts = [&function.name, &function.symbol, &function.file];
                        texts.iter().any(|text| text.contains(wanted))
                    };
                    frame.contains(wanted) || symbols.call(frame).iter().any(has)
                }
            });
            if is_it {
                found.insert(stack.id);
                break;
            }
        }
    }
    found
}

/// The stacks of the blocks that are asked for, by number.
fn stacks_of(chosen: &Chosen<'_>) -> BTreeMap<u32, Block> {
    let blocks = chosen.blocks().map(|(_, _, block)| (block.stack, *block));
    blocks.filter(|&(stack, _)| stack != 0).collect()
}

/// The same for programs, with their functions' names.
fn calls(chosen: &Chosen<'_>, symbols: &mut Symbols) -> Vec<serde_json::Value> {
    let stacks = stacks_of(chosen).into_iter();
    let one = |(stack, block): (u32, Block)| {
        let frames = chosen.snapshot.frames_of(&block);
        let mut told = json!({ "stack": stack, "frames": frames });
        if !chosen.options.no_names {
            told["calls"] = symbols.json(frames);
        }
        told
    };
    stacks.map(one).collect()
}

/// The blocks that are asked for.
struct Chosen<'a> {
    snapshot: &'a Snapshot,
    options: &'a Walk,
    /// The numbers of the stacks that are asked for, if not all.
    stacks: Option<BTreeSet<u32>>,
    /// The stacks of the blocks, for programs.
    calls: Vec<serde_json::Value>,
}

impl<'a> Chosen<'a> {
    fn has_heap(&self, heap: &Heap) -> bool {
        self.options.heap.as_ref().is_none_or(|wanted| {
            let handle = wanted
                .strip_prefix("0x")
                .or_else(|| wanted.strip_prefix("0X"));
            let handle = handle.and_then(|digits| u64::from_str_radix(digits, 16).ok());
            heap.name == *wanted || handle == Some(heap.handle)
        })
    }

    fn has(&self, block: &Block) -> bool {
        let sizes = self.options.size;
        sizes.is_none_or(|sizes| (sizes.first..=sizes.last).contains(&block.size))
            && self.has_state(block.state)
            && self.has_stack(block.stack)
    }

    fn has_stack(&self, stack: u32) -> bool {
        let stacks = self.stacks.as_ref();
        stacks.is_none_or(|stacks| stacks.contains(&stack))
    }

    fn has_state(&self, state: State) -> bool {
        let asked = &self.options.state;
        if asked.is_empty() {
            return state.is_held();
        }
        asked.iter().any(|&asked| match asked {
            BlockState::Busy => state == State::Busy,
            BlockState::Free => state == State::Free,
            BlockState::Cached => state == State::Kept,
            BlockState::Out => state == State::Out,
            BlockState::All => true,
        })
    }

    fn blocks(&self) -> impl Iterator<Item = (&'a Heap, &'a Area, &'a Block)> {
        let snapshot = self.snapshot;
        snapshot.areas.iter().flat_map(move |area| {
            let heap = snapshot.heap_of(area).filter(|heap| self.has_heap(heap));
            let blocks = heap.map(|heap| (heap, snapshot.blocks_of(area)));
            blocks.into_iter().flat_map(move |(heap, blocks)| {
                let chosen = blocks.iter().filter(move |block| self.has(block));
                chosen.map(move |block| (heap, area, block))
            })
        })
    }
}

/// A line for each block; where stacks were kept, with its stack's number, by which the
/// stacks follow.
fn text(out: &mut Out, chosen: &Chosen<'_>, symbols: &mut Symbols) -> io::Result<()> {
    let has_stacks = !chosen.snapshot.stacks.is_empty();
    let has_tags = !chosen.snapshot.tags.is_empty();
    let column = if has_stacks { "   stack" } else { "" };
    let tags = if has_tags { "  tag             " } else { "" };
    writeln!(out, "{}", output::title(chosen.snapshot))?;
    writeln!(
        out,
        "{:>18}  {:>12}  {:>8}  {:<6}  {:<16}{column}{tags}  heap",
        "address", "size", "unused", "state", "lies in"
    )?;
    for (heap, area, block) in chosen.blocks() {
        write!(
            out,
            "{:#18x}  {:>12}  {:>8}  {:<6}  {:<16}",
            block.address,
            block.size,
            block.slack,
            block.state.name(),
            area_name(area),
        )?;
        match block.stack {
            _ if !has_stacks => {}
            0 => write!(out, "  {:>6}", "-")?,
            stack => write!(out, "  {stack:>6}")?,
        }
        if has_tags {
            let tag = chosen.snapshot.tag_of(block).unwrap_or("-");
            write!(out, "  {tag:<16}")?;
        }
        writeln!(out, "  {}", heap_name(heap))?;
    }
    for (stack, block) in stacks_of(chosen) {
        writeln!(out, "stack {stack}")?;
        let frames = chosen.snapshot.frames_of(&block);
        if chosen.options.no_names {
            for frame in frames {
                writeln!(out, "    {frame}")?;
            }
        } else {
            symbols.write(out, frames, "    ")?;
        }
    }
    Ok(())
}

type Sums = BTreeMap<(u64, String, u64, &'static str), (u64, u64)>;

fn sums(chosen: &Chosen<'_>) -> Sums {
    let mut sums = Sums::new();
    for (heap, _, block) in chosen.blocks() {
        let key = (heap.handle, heap_name(heap), block.size, block.state.name());
        let sum = sums.entry(key).or_default();
        sum.0 += 1;
        sum.1 += block.size;
    }
    sums
}

fn summary_text(out: &mut Out, chosen: &Chosen<'_>) -> io::Result<()> {
    writeln!(out, "{}", output::title(chosen.snapshot))?;
    let head = ["heap", "state", "size", "blocks", "bytes"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for ((_, heap, size, state), (blocks, bytes)) in sums(chosen) {
        let row = [
            heap,
            state.to_owned(),
            count(size),
            count(blocks),
            count(bytes),
        ];
        rows.push(row.to_vec());
    }
    out.write_all(table("", &rows).as_bytes())
}

fn summary_json(chosen: &Chosen<'_>) -> serde_json::Value {
    let mut map = output::head(chosen.snapshot);
    let line = |((handle, heap, size, state), (blocks, bytes))| {
        json!({
            "handle": hex(handle), "heap": heap, "size": size, "state": state,
            "blocks": blocks, "bytes": bytes,
        })
    };
    map.insert(
        "sizes".to_owned(),
        sums(chosen).into_iter().map(line).collect(),
    );
    map.into()
}

/// Written as it is gone through: there may be ten million.
impl Serialize for Chosen<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let head = output::head(self.snapshot);
        let mut map = to.serialize_map(None)?;
        for (name, value) in &head {
            map.serialize_entry(name, value)?;
        }
        let heaps = self
            .snapshot
            .heaps
            .iter()
            .filter(|heap| self.has_heap(heap));
        let heaps: Vec<serde_json::Value> = heaps
            .map(|heap| {
                json!({
                    "handle": hex(heap.handle), "name": heap.name, "flags": heap.flags,
                    "is_process": heap.is_process,
                })
            })
            .collect();
        map.serialize_entry("heaps", &heaps)?;
        map.serialize_entry("blocks", &Blocks(self))?;
        if !self.calls.is_empty() {
            map.serialize_entry("stacks", &self.calls)?;
        }
        map.end()
    }
}

struct Blocks<'a>(&'a Chosen<'a>);

#[derive(Serialize)]
struct OneBlock<'a> {
    address: String,
    size: u64,
    unused: u32,
    state: &'static str,
    lies_in: String,
    heap: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<&'a str>,
}

impl Serialize for Blocks<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.blocks().map(|(heap, area, block)| OneBlock {
            address: hex(block.address),
            size: block.size,
            unused: block.slack,
            state: block.state.name(),
            lies_in: area_name(area),
            heap: hex(heap.handle),
            stack: (block.stack != 0).then_some(block.stack),
            tag: self.0.snapshot.tag_of(block),
        }))
    }
}
