//! `ntheap walk`: every block.

use super::args::{BlockState, Format, Walk};
use super::output::{self, Out, area_name, heap_name, hex};
use super::source::{Failure, Source};
use crate::format::{count, table};
use ntheap_inspect::Snapshot;
use ntheap_inspect::model::{Area, Block, Heap, State};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::json;
use std::collections::BTreeMap;
use std::io::{self, Write};

pub(crate) fn run(options: &Walk) -> Result<u8, Failure> {
    let snapshot = Source::of(&options.source).read(options.stop)?;
    let mut out = output::out();
    let chosen = Chosen {
        snapshot: &snapshot,
        options,
    };
    let written = match (options.format, options.summary) {
        (Format::Json, false) => output::write_json(&mut out, &chosen),
        (Format::Json, true) => output::write_json(&mut out, &summary_json(&chosen)),
        (Format::Text, false) => text(&mut out, &chosen),
        (Format::Text, true) => summary_text(&mut out, &chosen),
    };
    output::finish(out, written)?;
    Ok(output::tell_missing(&snapshot, 0))
}

/// The blocks that are asked for.
struct Chosen<'a> {
    snapshot: &'a Snapshot,
    options: &'a Walk,
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

fn text(out: &mut Out, chosen: &Chosen<'_>) -> io::Result<()> {
    writeln!(out, "{}", output::title(chosen.snapshot))?;
    writeln!(
        out,
        "{:>18}  {:>12}  {:>8}  {:<6}  {:<16}  heap",
        "address", "size", "unused", "state", "lies in"
    )?;
    for (heap, area, block) in chosen.blocks() {
        writeln!(
            out,
            "{:#18x}  {:>12}  {:>8}  {:<6}  {:<16}  {}",
            block.address,
            block.size,
            block.slack,
            block.state.name(),
            area_name(area),
            heap_name(heap),
        )?;
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
        map.end()
    }
}

struct Blocks<'a>(&'a Chosen<'a>);

#[derive(Serialize)]
struct OneBlock {
    address: String,
    size: u64,
    unused: u32,
    state: &'static str,
    lies_in: String,
    heap: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<u32>,
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
        }))
    }
}
