//! A process's heap profile: what was noted by each copy of ntheap in it, by stack.
//!
//! Of a block that was noted and freed, the record may wait in a thread's cache to be
//! taken away. So each record is held against the block that the heap itself has at its
//! address: what is free counts no more.

use crate::Error;
use crate::held::Held;
use crate::maps;
use crate::memory::{Memory, Process};
use crate::model::{Copy, Mapping, ProcessInfo, Snapshot};
use ntheap::outside::profile::{self as bytes, Facts, ONE};
use ntheap::vm::root::{self, Anchor, RootRecord};
use std::collections::HashMap;

/// A heap profile.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// The process.
    pub process: ProcessInfo,
    /// One allocated byte of so many was looked at; the least of several copies'.
    pub rate: u64,
    /// What was allocated from each stack.
    pub sites: Vec<Site>,
    /// Blocks noted that are in use.
    pub noted: u64,
    /// Blocks that were to be noted when there was no room.
    pub lost: u64,
    /// The process's mappings, by address.
    pub mappings: Vec<Mapping>,
    /// What could not be read, in words.
    pub missing: Vec<String>,
}

/// What was allocated from one stack, as the profile estimates it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Site {
    /// The return addresses, the innermost call's first; none where it is not known.
    pub stack: Vec<u64>,
    /// Blocks allocated so far, and the bytes they were asked for.
    pub allocated: Amount,
    /// Blocks in use, and theirs.
    pub live: Amount,
}

/// An estimate.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Amount {
    /// Blocks.
    pub blocks: f64,
    /// Bytes.
    pub bytes: f64,
}

impl Amount {
    /// Adds another one.
    pub fn add(&mut self, other: Amount) {
        self.blocks += other.blocks;
        self.bytes += other.bytes;
    }
}

impl Profile {
    /// All sites together: what was allocated, and what is in use.
    pub fn totals(&self) -> (Amount, Amount) {
        let (mut allocated, mut live) = (Amount::default(), Amount::default());
        for site in &self.sites {
            allocated.add(site.allocated);
            live.add(site.live);
        }
        (allocated, live)
    }
}

/// Reads the profile of process `pid`, whose threads are `held`. `None` where nothing is
/// profiled.
///
/// # Errors
/// When it is no process, not the caller's to look at, or has no heap that can be read.
pub fn of_process(pid: i32, held: &Held) -> Result<Option<Profile>, Error> {
    let memory = Process::open(pid)?;
    let snapshot = crate::of_process(pid, Some(held), crate::Wanted::Blocks)?;
    let mut profile = Profile {
        process: crate::info(pid),
        mappings: maps::of_process(pid)?,
        missing: snapshot.missing.clone(),
        ..Profile::default()
    };
    profile.process.was_held = true;
    let mut has_header = false;
    for header in headers(&memory, &snapshot.copies) {
        has_header = true;
        let facts = memory
            .bytes(header, bytes::HEADER_BYTES)
            .and_then(|copy| Facts::decode(&copy));
        match facts {
            Some(facts) => read(&memory, &snapshot, facts, &mut profile),
            None => profile.missing.push(format!(
                "the profile at {header:#x}, which is laid out as another build's"
            )),
        }
    }
    // What else is missing of the process makes no profile.
    Ok(has_header.then_some(profile))
}

/// The addresses of the headers that the root records of the copies lead to.
fn headers(memory: &dyn Memory, copies: &[Copy]) -> Vec<usize> {
    let header = |copy: &Copy| {
        let address = copy.root as usize;
        let record = memory.bytes(address, size_of::<RootRecord>())?;
        let anchors = root::recognise(&record, address)?;
        let header = *anchors.get(Anchor::Profile as usize)?;
        (header != 0).then_some(header)
    };
    copies.iter().filter_map(header).collect()
}

/// Adds what one copy has noted.
fn read(memory: &dyn Memory, snapshot: &Snapshot, facts: Facts, profile: &mut Profile) {
    let before = profile.rate;
    profile.rate = if before == 0 {
        facts.rate
    } else {
        before.min(facts.rate)
    };
    profile.lost += u64::from(facts.lost);
    let sites = table(memory, facts.sites, facts.site_count, bytes::SITE_BYTES);
    let records = table(
        memory,
        facts.records,
        facts.record_count,
        bytes::RECORD_BYTES,
    );
    let (Some(sites), Some(records)) = (sites, records) else {
        profile
            .missing
            .push("the profile's records, which cannot be read".to_owned());
        return;
    };
    let mut stacks = Stacks::of(memory, facts.database);
    let first = profile.sites.len();
    for site in sites.chunks_exact(bytes::SITE_BYTES) {
        let Some(site) = bytes::site(site) else {
            continue;
        };
        profile.sites.push(Site {
            stack: stacks.frames(site.stack),
            allocated: Amount {
                blocks: site.objects as f64 / ONE as f64,
                bytes: site.bytes as f64,
            },
            live: Amount::default(),
        });
    }
    for record in records.chunks_exact(bytes::RECORD_BYTES) {
        let Some(noted) = bytes::record(record) else {
            continue;
        };
        if !is_in_use(snapshot, noted.address as u64) {
            continue;
        }
        let weight = bytes::weight(noted.counted as u64, facts.rate) as f64 / ONE as f64;
        if let Some(site) = profile.sites.get_mut(first.saturating_add(noted.site)) {
            site.live.add(Amount {
                blocks: weight,
                bytes: noted.size as f64 * weight,
            });
            profile.noted += 1;
        }
    }
    if stacks.lost > 0 {
        profile
            .missing
            .push(format!("{} stacks, which cannot be read", stacks.lost));
    }
}

fn table(memory: &dyn Memory, at: usize, count: usize, size: usize) -> Option<Vec<u8>> {
    memory.bytes(at, count.checked_mul(size)?)
}

/// Whether the heap has a block in use at an address; true where it does not know the
/// address, for it is the profile that is read.
fn is_in_use(snapshot: &Snapshot, address: u64) -> bool {
    let blocks = &snapshot.blocks;
    let at = blocks.partition_point(|block| block.address < address);
    blocks
        .get(at)
        .filter(|block| block.address == address)
        .is_none_or(|block| block.state.is_held())
}

/// The stacks of a copy, each read once.
struct Stacks<'a> {
    memory: &'a dyn Memory,
    base: usize,
    used: usize,
    known: HashMap<u32, Vec<u64>>,
    lost: usize,
}

impl<'a> Stacks<'a> {
    fn of(memory: &'a dyn Memory, database: usize) -> Stacks<'a> {
        let first = memory.bytes(database, bytes::DATABASE_BYTES);
        let (base, used) = first
            .and_then(|first| bytes::database(&first))
            .unwrap_or_default();
        Stacks {
            memory,
            base,
            used,
            known: HashMap::new(),
            lost: 0,
        }
    }

    /// A stack's frames; none for 0, and for what cannot be read.
    fn frames(&mut self, number: u32) -> Vec<u64> {
        if number == 0 {
            return Vec::new();
        }
        if let Some(known) = self.known.get(&number) {
            return known.clone();
        }
        let frames = self.read(number).unwrap_or_else(|| {
            self.lost += 1;
            Vec::new()
        });
        self.known.insert(number, frames.clone());
        frames
    }

    fn read(&self, number: u32) -> Option<Vec<u64>> {
        let at = bytes::stack_at(number);
        if at.checked_add(bytes::STACK_BYTES)? > self.used {
            return None;
        }
        let at = self.base.checked_add(at)?;
        let head = self.memory.bytes(at, bytes::STACK_BYTES)?;
        let count = bytes::frames(&head)?;
        self.memory.words(at + bytes::STACK_BYTES, count * 8)
    }
}
