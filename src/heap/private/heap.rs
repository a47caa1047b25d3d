//! A heap: its record, its birth and its end.
//!
//! Records lie with the allocator's records and are used again, never
//! unmapped: who has read a record's address from the slice table may look at
//! it at any time. It is the heap it was taken for if its handle still is.

use super::large::{self, Large};
use super::lfh::{self, HeapBucket, Table};
use super::list::{self, LIST};
use super::lock::HeapLock;
use super::memory::{self, Plan, Source};
use super::region::{self, COMMIT_STEP, GUARD, HEAP_HEADER, Region, TAIL};
use super::roll::{Life, Links, Member};
use super::shown::Shown;
use super::tuning::Choices;
use super::{Error, Handle, NAME_MAX, Settings, Shape, flags};
use crate::config::{Action, Config};
use crate::heap::classes::{self, SLICE};
use crate::heap::descriptor::REGION_GONE;
use crate::heap::{PROCESS, slices};
use crate::vm::{self, Budget};
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};
use core::ptr;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering};

/// What a heap does about misuse when its maker has not said.
const AS_THE_PROCESS: u8 = 2;

/// A heap's record.
#[repr(C)]
pub(super) struct PrivateHeap {
    /// The next record of the free list; of no meaning while the heap lives.
    free_link: usize,
    /// The handle, while the record is a heap's.
    pub(super) life: Life,
    /// The slice table and its mask, to be at hand.
    pub(super) slices: *mut u8,
    pub(super) slice_mask: usize,
    /// The buckets up to 1 KiB for calls without flags of their own, if those
    /// need nothing done but to hand a block out; [`lfh::ASLEEP`] for others.
    pub(super) near: [Shown<HeapBucket>; lfh::NEAR],
    /// The buckets, once one of them has woken.
    pub(super) table: Shown<Table>,
    /// The flags of its creation.
    pub(super) flags: AtomicU32,
    /// Its [`Action`], or [`AS_THE_PROCESS`].
    action: AtomicU8,
    /// 0: standard; 2: with buckets.
    pub(super) compatibility: AtomicU8,
    pub(super) buckets_allowed: bool,
    /// Whether a block of a bucket is never resized where it is, as on Windows.
    pub(super) buckets_are_rigid: bool,
    pub(super) shape: Shape,
    pub(super) choices: Choices,
    pub(super) lock: HeapLock,
    pub(super) budget: Budget,
    pub(super) core: UnsafeCell<Core>,
    pub(super) name: [u8; NAME_MAX],
    pub(super) name_len: u8,
    /// Of a C runtime's heap, an address in the module whose runtime it is.
    pub(super) module: usize,
    /// Neighbours in the list of heaps; they belong to its lock.
    links: Links<PrivateHeap>,
    /// Figures that anybody may read; written under the heap's lock.
    pub(super) figures: Figures,
}

// SAFETY: what is not atomic is constant while the heap lives, or belongs to
// the heap's lock (`core`) or the list's (`links`). A heap without
// serialization has one thread at a time, as its maker promises.
unsafe impl Sync for PrivateHeap {}

/// What a heap has handed out of its regions and large blocks.
#[derive(Default)]
pub(super) struct Figures {
    pub(super) bytes: AtomicUsize,
    pub(super) blocks: AtomicUsize,
    pub(super) large_bytes: AtomicUsize,
    pub(super) large_blocks: AtomicUsize,
    /// Bytes reserved in regions and large blocks.
    pub(super) reserved: AtomicUsize,
    /// Bytes of pages in regions and large blocks that the system lets the
    /// heap touch.
    pub(super) backed: AtomicUsize,
}

/// Adds to a figure, which belongs to the caller's lock.
pub(super) fn add(figure: &AtomicUsize, amount: usize) {
    let sum = figure.load(Ordering::Relaxed).wrapping_add(amount);
    figure.store(sum, Ordering::Relaxed);
}

/// Takes from a figure, which belongs to the caller's lock.
pub(super) fn take(figure: &AtomicUsize, amount: usize) {
    add(figure, amount.wrapping_neg());
}

/// What belongs to the heap's lock.
pub(super) struct Core {
    /// The regions, in the order they were made.
    pub(super) first: *mut Region,
    pub(super) last: *mut Region,
    pub(super) regions: usize,
    /// The large blocks, in the order they were made.
    pub(super) first_large: *mut Large,
    pub(super) last_large: *mut Large,
    /// Bytes freed in regions since free pages were last given back.
    pub(super) freed: usize,
    /// Per bucket, how many of its blocks the regions have out, and in the high
    /// bits how often one of its blocks was the next of [`lfh::TICK`] that they
    /// handed out: a byte, for there may be many heaps.
    pub(super) counts: [u8; classes::LAST_BUCKET + 1],
    /// Blocks that the regions have handed out since the last such one.
    pub(super) since_tick: u16,
}

/// The heap's [`Core`], for as long as its lock is held.
pub(super) struct Guard<'a> {
    heap: &'a PrivateHeap,
    is_locked: bool,
}

impl Deref for Guard<'_> {
    type Target = Core;

    #[inline]
    fn deref(&self) -> &Core {
        // SAFETY: the heap's lock is held; or the heap has none and its
        // callers see to it that one of them is in it at a time.
        unsafe { &*self.heap.core.get() }
    }
}

impl DerefMut for Guard<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Core {
        // SAFETY: as above, and `&mut self` excludes other borrows of this
        // guard.
        unsafe { &mut *self.heap.core.get() }
    }
}

impl Drop for Guard<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.is_locked {
            self.heap.lock.leave();
        }
    }
}

impl Member for PrivateHeap {
    fn life(&self) -> &Life {
        &self.life
    }

    fn links(&self) -> &Links<PrivateHeap> {
        &self.links
    }
}

impl PrivateHeap {
    /// The heap's handle.
    pub(super) fn handle(&self) -> Handle {
        Handle(self.life.handle())
    }

    /// Whether the record is a heap's that lives; for whoever holds the list.
    pub(super) fn is_live(&self) -> bool {
        self.life.is_on()
    }

    /// Whether the heap has a lock.
    #[inline]
    pub(super) fn is_serialized(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & flags::NO_SERIALIZE == 0
    }

    /// Begins an operation with `call_flags`.
    #[inline]
    pub(super) fn enter(&self, call_flags: u32) -> Guard<'_> {
        let is_locked = self.is_serialized();
        if is_locked {
            let waits = call_flags & flags::NO_SERIALIZE == 0;
            self.lock.enter(crate::sys::thread_token(), waits);
        }
        Guard {
            heap: self,
            is_locked,
        }
    }

    /// The name.
    pub(super) fn name(&self) -> &str {
        let bytes = self.name.get(..usize::from(self.name_len));
        core::str::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    }

    /// The address of the name's bytes, and how many there are: for whoever may not
    /// look at a record that is being written.
    #[cfg(unix)]
    pub(super) fn name_field(&self) -> (usize, u8) {
        let length = (&raw const self.name_len).cast::<AtomicU8>();
        // SAFETY: a byte of a record, which is never unmapped.
        let length = unsafe { (*length).load(Ordering::Relaxed) };
        ((&raw const self.name).addr(), length)
    }

    /// What follows a report; `None`: there is to be none.
    pub(super) fn action(&self) -> Option<Action> {
        match self.action.load(Ordering::Relaxed) {
            AS_THE_PROCESS => super::misuse::process_action(),
            action if action == Action::Continue as u8 => Some(Action::Continue),
            _ => Some(Action::Abort),
        }
    }

    /// Bytes of a region's block beside those asked for, at least: where Windows
    /// has a header, and what checking needs.
    pub(super) fn overhead(&self) -> usize {
        region::overhead(self.flags.load(Ordering::Relaxed))
    }

    pub(super) fn is_fixed(&self) -> bool {
        matches!(self.shape, Shape::Fixed(_))
    }
}

/// Cuts a name to a fixed length, at a character's end.
fn cut(name: &str) -> ([u8; NAME_MAX], u8) {
    let mut bytes = [0; NAME_MAX];
    let length = name.floor_char_boundary(NAME_MAX);
    for (to, from) in bytes.iter_mut().zip(name.bytes().take(length)) {
        *to = from;
    }
    (bytes, length as u8)
}

/// What the first region of a heap is to be like.
struct First {
    plan: Plan,
    committed: usize,
    limit: usize,
}

fn plan(settings: &Settings<'_>) -> Result<First, Error> {
    let page = region::PAGE;
    let round = |size: usize, to: usize| size.checked_next_multiple_of(to);
    let executable = settings.flags & flags::CREATE_ENABLE_EXECUTE != 0;
    let initial = round(settings.initial, page).ok_or(Error::NoMemory)?;
    if let Some(memory) = &settings.memory {
        let base = memory.base;
        if base.is_null() || memory.commit > memory.reserve {
            return Err(Error::InvalidParameter);
        }
        let (commit, reserve) = (memory.commit & !(page - 1), memory.reserve & !(page - 1));
        let is_fit = base.addr().is_multiple_of(SLICE) && commit >= page;
        if !is_fit || reserve > isize::MAX as usize {
            return Err(Error::InvalidParameter);
        }
        return Ok(First {
            plan: Plan {
                reserved: reserve,
                source: Source::Caller {
                    routine: memory.routine,
                },
                base,
                backed: commit,
            },
            committed: commit,
            limit: reserve,
        });
    }
    let own = Source::Own { executable };
    let (reserved, limit, source) = match settings.shape {
        Shape::Fixed(most) => {
            if initial > round(most, page).ok_or(Error::NoMemory)? {
                return Err(Error::InvalidParameter);
            }
            let reserved = round(most.max(1), 0x2000).ok_or(Error::NoMemory)?;
            (reserved, reserved, own)
        }
        Shape::Growable | Shape::Limited(_) => {
            if let Shape::Limited(most) = settings.shape
                && initial.max(COMMIT_STEP) > most
            {
                return Err(Error::InvalidParameter);
            }
            let reserved = initial
                .checked_add(SLICE)
                .and_then(|sum| round(sum, SLICE))
                .ok_or(Error::NoMemory)?;
            let source = if executable || reserved > SLICE {
                own
            } else {
                Source::Slices
            };
            (reserved, reserved - GUARD, source)
        }
    };
    // Not more than a block's size can be counted in.
    if reserved > isize::MAX as usize / 2 {
        return Err(Error::NoMemory);
    }
    Ok(First {
        plan: Plan {
            reserved,
            source,
            base: ptr::null_mut(),
            backed: 0,
        },
        committed: initial.max(COMMIT_STEP).min(limit),
        limit,
    })
}

/// Makes a heap and enters it in the list, last or, for the process heap,
/// first. Before one is refused for want of room, what the process heap keeps is given back
/// where it is the process that can not have more; not for the process heap, which may be made
/// by whoever reports what comes to light then.
pub(super) fn create(settings: &Settings<'_>, is_first: bool) -> Result<Handle, Error> {
    // Whoever asks what lies at an address is told of heaps' memory from now on.
    #[cfg(all(unix, feature = "pages"))]
    crate::vm::query::ask(super::info::owned_at);
    let first = plan(settings)?;
    if !PROCESS.is_ready(&Config::new()) {
        return Err(Error::NoMemory);
    }
    let before = vm::refused();
    let made = make(settings, &first, is_first);
    if made != Err(Error::NoMemory) || is_first {
        return made;
    }
    let tables = memory::tables_size(first.plan.reserved);
    if !PROCESS.make_room(first.committed.saturating_add(tables), 1, before) {
        return made;
    }
    make(settings, &first, is_first)
}

/// [`create`] for a plan; nothing changed where it fails.
fn make(settings: &Settings<'_>, first: &First, is_first: bool) -> Result<Handle, Error> {
    let record = LIST.lock().take_record();
    if record.is_null() {
        return Err(Error::NoMemory);
    }
    // SAFETY: a caller's memory is as the settings say, by their contract.
    let mut made = unsafe { memory::make(&first.plan) };
    if !made.is_null() {
        // SAFETY: just made, and known to this thread alone.
        let region = unsafe { &mut *made };
        region.header = HEAP_HEADER;
        region.watch(watching());
        region.limit = first.limit;
        region.initial = first.committed;
        // SAFETY: nothing of the region is in use.
        if unsafe { region.backing.back(region.start, 0, first.committed) } {
            region.committed = first.committed;
            region.active = first.committed;
            region.begin();
            if watching() != 0 {
                region.write_header(settings.flags, watching(), &settings.shape, is_first);
            }
        } else {
            // SAFETY: as above.
            unsafe { memory::release(made) };
            made = ptr::null_mut();
        }
    }
    if made.is_null() {
        // SAFETY: taken above, and not used.
        unsafe { LIST.lock().give_record(record) };
        return Err(Error::NoMemory);
    }
    // SAFETY: both records are this thread's alone until the slice table leads
    // to them.
    unsafe {
        write(record, settings, made);
        #[cfg(feature = "debug")]
        super::guarded::begin(&*record, (*made).start);
        (*made)
            .descriptor
            .owner
            .store(record.cast(), Ordering::Relaxed);
        (*record).life.begin((*made).start);
        memory::enter(made);
        let handle = Handle((*made).start);
        let mut list = LIST.lock();
        list.roll.enter(record, is_first);
        if is_first {
            handle.be_process();
        }
        Ok(handle)
    }
}

/// The flags that global flags add to those of a heap that is made now.
fn watching() -> u32 {
    #[cfg(feature = "debug")]
    return crate::heap::debug::heap_flags();
    #[cfg(not(feature = "debug"))]
    0
}

/// Writes a fresh record, but for its handle.
///
/// # Safety
/// The record is the caller's, and so is the region.
unsafe fn write(record: *mut PrivateHeap, settings: &Settings<'_>, first: *mut Region) {
    let (name, name_len) = cut(settings.name);
    let limit = match settings.shape {
        Shape::Limited(bytes) => bytes,
        _ => usize::MAX,
    };
    let is_fixed = matches!(settings.shape, Shape::Fixed(_));
    let choices = Choices::of(&settings.tuning);
    let windows_rule = !is_fixed && settings.flags & flags::NO_SERIALIZE == 0;
    let is_allowed = match settings.buckets {
        super::Buckets::WindowsRule => windows_rule,
        super::Buckets::Always => !is_fixed,
        super::Buckets::Never => false,
    };
    let watching = watching();
    let (slices, slice_mask) = slices::table();
    // SAFETY: the caller's records.
    unsafe {
        let figures = Figures::default();
        add(&figures.reserved, (*first).reserved);
        add(&figures.backed, (*first).committed);
        record.write(PrivateHeap {
            free_link: 0,
            life: Life::none(),
            slices,
            slice_mask,
            near: [const { Shown::new((&raw const lfh::ASLEEP).cast_mut()) }; lfh::NEAR],
            table: Shown::new(ptr::null_mut()),
            flags: AtomicU32::new(settings.flags | watching),
            buckets_are_rigid: settings.buckets == super::Buckets::WindowsRule,
            action: AtomicU8::new(
                settings
                    .action
                    .map_or(AS_THE_PROCESS, |action| action as u8),
            ),
            compatibility: AtomicU8::new(0),
            buckets_allowed: is_allowed && watching == 0 && choices.allows_buckets(),
            shape: settings.shape,
            choices,
            lock: HeapLock::new(),
            budget: Budget::new((*first).committed, limit),
            core: UnsafeCell::new(Core {
                first,
                last: first,
                regions: 1,
                first_large: ptr::null_mut(),
                last_large: ptr::null_mut(),
                freed: 0,
                counts: [0; classes::LAST_BUCKET + 1],
                since_tick: 0,
            }),
            name,
            name_len,
            module: settings.module,
            links: Links::new(),
            figures,
        });
    }
}

/// The live heap whose handle is `address`, if there is one.
#[inline(always)]
pub(super) fn find(address: usize) -> Option<&'static PrivateHeap> {
    let descriptor = slices::find(address);
    // SAFETY: what `find` leads to is readable; an owner is a heap's record,
    // and those are never unmapped.
    let heap = unsafe {
        let owner = (*descriptor).owner.load(Ordering::Relaxed);
        owner.cast::<PrivateHeap>().as_ref()
    }?;
    // SAFETY: records are never unmapped.
    let handle = unsafe { Life::peek(&raw const heap.life) };
    (handle == address).then_some(heap)
}

/// The live heap whose handle is `address`, or why there is none.
#[inline]
pub(super) fn at(address: usize) -> Result<&'static PrivateHeap, Error> {
    find(address).ok_or_else(|| why_not(address))
}

#[cold]
#[inline(never)]
fn why_not(address: usize) -> Error {
    let descriptor = slices::find(address);
    // SAFETY: what `find` leads to is readable.
    let (what, base) = unsafe {
        (
            (*descriptor).what.load(Ordering::Relaxed),
            (*descriptor).base.load(Ordering::Relaxed),
        )
    };
    if what == REGION_GONE && base == address {
        Error::Destroyed
    } else {
        Error::InvalidHandle
    }
}

/// Ends a heap, whatever its blocks.
///
/// # Safety
/// Nobody uses the heap or its blocks, now or later.
pub(super) unsafe fn destroy(heap: &'static PrivateHeap) {
    let record = (&raw const *heap).cast_mut();
    #[cfg(feature = "debug")]
    if super::watched::is_watched(heap) {
        // SAFETY: nobody uses the heap's blocks any more.
        unsafe { super::guarded::end(heap) };
        crate::heap::debug::registry::remove_heap(heap.handle().address());
    }
    // Another thread that lists heaps, or was given an address of this one's, is
    // done with it when it is out of the list.
    // SAFETY: a heap is on the list until here.
    unsafe { LIST.lock().roll.leave(record) };
    // SAFETY: nobody else uses the heap. What is freed is on no list after
    // that, and each thing's successor is read before it.
    unsafe {
        lfh::destroy(heap.table.find());
        let core = &mut *heap.core.get();
        let mut block = core.first_large;
        while !block.is_null() {
            let next = (*block).next;
            large::release(heap, block);
            block = next;
        }
        let first = core.first;
        let mut region = (*first).next;
        while !region.is_null() {
            let next = (*region).next;
            memory::release(region);
            region = next;
        }
        list::retire(record, first);
    }
}

/// The smallest memory that a heap can begin in.
pub(super) const LEAST_MEMORY: usize = HEAP_HEADER + TAIL + 32;
const _: () = assert!(LEAST_MEMORY <= region::PAGE);
