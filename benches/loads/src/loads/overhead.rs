//! Memory that blocks take beyond what was requested: `peak_rss` less that of
//! `trivial`, over `requested_peak`. Every page of every block is touched. The
//! blocks are chained through themselves, so nothing else takes memory.

use crate::catalogue::{Group, Load, Program, Scale};
use crate::measure::{Measured, Stopwatch};
use crate::sizes::LogUniform;
use anyhow::{Result, ensure};
use fastrand::Rng;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::ptr;

pub(crate) fn list<A: 'static>() -> &'static [Load] {
    const {
        &[
            Load::new("trivial", Group::Overhead, Program::<A>::trivial),
            // 2.4 GiB of 10^7 blocks, and of 10^6 up to 16 KiB.
            Load::new("overhead-1e7", Group::Overhead, |scale| {
                Program::<A>::overhead(10_000_000, 1 << 10, scale)
            }),
            Load::new("overhead-1e6", Group::Overhead, |scale| {
                Program::<A>::overhead(1_000_000, 16 << 10, scale)
            }),
            // 23.6 GiB.
            Load::new("overhead-full", Group::Huge, |scale| {
                Program::<A>::overhead(10_000_000, 16 << 10, scale)
            }),
        ]
    }
}

/// The start of each block: all 16 bytes of the smallest.
struct Header {
    next: *mut Header,
    size: u32,
    number: u32,
}

impl<A> Program<A> {
    /// The peak of a process that does nothing.
    fn trivial(_: Scale) -> Result<Measured> {
        let text = std::hint::black_box("nothing".to_owned());
        let elapsed = Stopwatch::start().stop();
        ensure!(text == "nothing", "{text}");
        Ok(Measured::new(1, elapsed))
    }

    fn overhead(blocks: u32, largest: u16, scale: Scale) -> Result<Measured> {
        let blocks = scale.of(blocks.into()) as u32;
        let sizes = LogUniform::new(size_of::<Header>() as u16, largest);
        let mut rng = Rng::with_seed(19);
        let mut newest: *mut Header = ptr::null_mut();
        let mut requested = 0;
        let watch = Stopwatch::start();
        for number in 0..blocks {
            let layout = layout(sizes.draw(&mut rng))?;
            // SAFETY: no size is less than a header's.
            let block = unsafe { alloc(layout) };
            if block.is_null() {
                handle_alloc_error(layout);
            }
            let last = layout.size() - 1;
            for offset in (0..last).step_by(4096).chain([last]) {
                // SAFETY: inside of the block.
                unsafe { block.add(offset).write_volatile(1) };
            }
            let header = Header {
                next: newest,
                size: layout.size() as u32,
                number,
            };
            newest = block.cast();
            // SAFETY: the block is large enough and aligned for a header.
            unsafe { newest.write(header) };
            requested += layout.size() as u64;
        }
        let mut found = 0;
        while !newest.is_null() {
            // SAFETY: the header of a block of this list, not yet freed: a
            // block is taken from the list before it is freed.
            let header = unsafe { newest.read() };
            found += 1;
            ensure!(header.number == blocks - found, "a block was overwritten");
            let layout = layout(header.size as usize)?;
            // SAFETY: allocated with a layout of this size and alignment.
            unsafe { dealloc(newest.cast(), layout) };
            newest = header.next;
        }
        let elapsed = watch.stop();
        ensure!(found == blocks, "{found} of {blocks} blocks were found");
        Ok(Measured::new(blocks.into(), elapsed).requested(requested))
    }
}

#[inline(always)]
fn layout(size: usize) -> Result<Layout> {
    Ok(Layout::from_size_align(size, align_of::<Header>())?)
}
