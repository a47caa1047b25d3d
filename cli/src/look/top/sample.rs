//! What a process's heaps hold at one moment.

use super::super::figures::{self, Figures};
use super::super::output;
use super::super::source::{Failure, process};
use crate::process::figure;
use ntheap_inspect::Wanted;
use std::time::{Duration, Instant};

/// A moment.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) pid: i32,
    /// When the process was started: a number may be another process's later.
    pub(super) started: u64,
    pub(super) program: String,
    pub(super) at: Instant,
    /// How long it took to look.
    pub(super) took: Duration,
    /// Bytes of memory, now and at the most, where the system tells.
    pub(super) resident: Option<u64>,
    pub(super) peak: Option<u64>,
    pub(super) heaps: Vec<OneHeap>,
    /// What could not be read.
    pub(super) missing: Vec<String>,
}

/// A heap at that moment.
#[derive(Clone, Debug, Default)]
pub(super) struct OneHeap {
    pub(super) handle: u64,
    pub(super) name: String,
    /// The file whose copy of ntheap it is of, without its folder.
    pub(super) module: String,
    pub(super) figures: Figures,
}

impl Sample {
    /// Looks at the process, which runs on.
    pub(super) fn take(pid: i32) -> Result<Sample, Failure> {
        let at = Instant::now();
        let snapshot = process(pid, false, Wanted::Blocks)?;
        let heaps = snapshot
            .heaps
            .iter()
            .zip(figures::of(&snapshot))
            .map(|(heap, figures)| {
                let module = snapshot.copies.get(heap.copy as usize);
                let module = module.map_or("", |copy| copy.module.as_str());
                OneHeap {
                    handle: heap.handle,
                    name: output::heap_name(heap),
                    module: module.rsplit('/').next().unwrap_or_default().to_owned(),
                    figures,
                }
            });
        Ok(Sample {
            pid,
            started: snapshot.process.started,
            heaps: heaps.collect(),
            program: snapshot.process.program.clone(),
            resident: figure(pid, "VmRSS:"),
            peak: figure(pid, "VmHWM:"),
            missing: snapshot.missing,
            at,
            took: at.elapsed(),
        })
    }

    /// A sum over all heaps.
    pub(super) fn sum(&self, of: impl Fn(&Figures) -> u64) -> u64 {
        self.heaps.iter().map(|heap| of(&heap.figures)).sum()
    }
}
