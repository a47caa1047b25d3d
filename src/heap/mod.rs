//! Floor 2: the NT heap.
//!
//! Size routes, as in the modern NT heap:
//!
//! ```text
//!   request <= 16 KiB    LFH: 128 buckets of subsegments          bucket.rs
//!   ... <= 1 MiB         page runs: subsegments of few blocks     bucket.rs
//!   larger, or aligned   straight to pages                        large.rs
//!   to more than 64 KiB
//! ```
//!
//! and the way of a block through them:
//!
//! ```text
//!   program <-> thread's bins <-> depot <-> free bits <-> segments <-> pages
//!               cache.rs,         front.rs  bucket.rs,    segment.rs   vm
//!               foreign.rs                  refill.rs
//!               no lock           bucket's lock           back end's lock
//! ```
//!
//! Invariants:
//! - No word of the heap's own lies in a block, handed out or free: an overrun
//!   or a write after free cannot lead the heap astray.
//! - A subsegment belongs to the heap, not to a thread. Any thread frees any
//!   block into bins of its own cache; a thread that ends gives them back. Small
//!   blocks of another thread's shard have bins of their own there, and go home
//!   from them (foreign.rs): a matter of speed, never of what is right.
//! - An address leads to its block through the slice table alone (slices.rs),
//!   and any address may be asked about.
//! - A special case is a bin that is always empty and always full; fast paths
//!   test for nothing else.
//! - What a slow path changes in a thread's cache, it changes under the lock of
//!   the class's bucket; others may then seize what the cache keeps (seize.rs),
//!   and a forked child finds it whole.
//! - Locks are taken in this order: reclaiming, a front end's list of caches, buckets,
//!   magazine pool, large list, back end, slice table, records. The fork
//!   handlers take all of them.
//!
//! A heap has front ends that differ in what a free is told. [`plain`] knows
//! the size (Rust's Layout); [`checked`] knows only the address, and marks
//! every block. Their blocks never share a subsegment.

mod bin;
mod bucket;
mod cache;
#[cfg(any(debug_assertions, feature = "marks"))]
pub mod checked;
mod claims;
pub mod classes;
mod counted;
#[cfg(feature = "debug")]
pub mod debug;
mod descriptor;
mod fence;
mod figures;
mod fingerprint;
mod foreign;
mod fork;
mod front;
#[cfg(feature = "hardened")]
mod hard;
mod idle;
mod large;
#[cfg(feature = "debug")]
pub(crate) mod layout;
mod lost;
mod magazine;
mod meta;
mod misuse;
#[cfg(feature = "hardened")]
mod nothing;
#[cfg(feature = "outside")]
pub mod outside;
pub mod plain;
mod pool;
#[cfg(feature = "heaps")]
pub mod private;
#[cfg(not(feature = "heaps"))]
#[path = "no_private.rs"]
mod private;
mod refill;
mod roster;
mod screen;
mod segment;
mod seize;
mod slices;
mod sparse;
#[cfg(any(feature = "debug", feature = "hardened"))]
mod splitmix;
mod swap;
mod threads;
#[cfg(any(feature = "debug", feature = "outside"))]
pub mod traces;
#[cfg(any(feature = "debug", feature = "hardened"))]
mod way;
mod word;

pub use cache::{Marked, Push, ThreadCache, UNBORN};
pub use descriptor::Kind;
pub(crate) use figures::collect as collect_stats;
pub use figures::counted_allocations;
pub use front::Diversion;
#[cfg(feature = "hardened")]
pub use hard::{Keep, Put, Taken};
pub use word::Word;

use crate::config::{self, Action, Config, HugePages};
use crate::sync::{Mutex, Once};
use crate::vm::{self, root};
use bucket::Totals;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use front::{Front, Shared};
use large::{LargeList, Need};
use segment::Backend;

/// Whether the system takes advice on huge pages.
const HAS_HUGE_ADVICE: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// The process heap's name in reports.
const PROCESS_HEAP: &str = "process heap";

/// Sets the diversion of the process heap's front end of `kind`. Threads that
/// have a cache follow at their next slow call; their next frees are sent
/// there.
///
/// # Safety
/// `word` is the calling thread's word for that front end.
pub unsafe fn divert(kind: Kind, word: &Word, config: &Config, diversion: Diversion) {
    if PROCESS.is_ready(config) {
        PROCESS
            .front(kind)
            .divert(PROCESS.shared(kind), word, diversion);
    }
}

/// What follows a report of the process heap's misuse.
pub fn on_corruption() -> Action {
    PROCESS.is_ready(&Config::new());
    PROCESS.action()
}

/// A heap: its front ends, its segments and its large blocks.
// In this order what every process writes is together: the heap's words, those of the front
// end that C uses, and its smallest classes' buckets. Of a front end that nobody uses no page
// is touched.
#[repr(C)]
pub(crate) struct Heap {
    large: Mutex<LargeList>,
    back_end: Mutex<Backend>,
    /// Where private heaps have their first regions.
    sparse: Mutex<Backend>,
    totals: Totals,
    ready: Once,
    /// Whether what follows once the heap serves was done too.
    is_complete: AtomicBool,
    shows_stats: AtomicBool,
    on_corruption: AtomicU8,
    /// Whether the plain front end serves, and not the debug layer or the hardened
    /// heap.
    #[cfg(any(feature = "debug", feature = "hardened"))]
    serves_plain: AtomicBool,
    /// Held while a thread gives back what is free, to have something to
    /// allocate.
    reclaiming: Mutex<()>,
    #[cfg(any(debug_assertions, feature = "marks"))]
    checked: Front,
    plain: Front,
}

// Every word is zero, so that it takes no room in the library's file, and in memory
// only the pages that are used: `configure` sets the rest.
static PROCESS: Heap = Heap {
    large: Mutex::new(LargeList::new()),
    back_end: Mutex::new(Backend::new()),
    sparse: Mutex::new(Backend::new()),
    totals: Totals {
        active: AtomicUsize::new(0),
        out: AtomicUsize::new(0),
        stored: AtomicUsize::new(0),
        thinned: AtomicUsize::new(0),
        is_shrinking: AtomicBool::new(false),
        shrinkings: AtomicUsize::new(0),
    },
    ready: Once::new(),
    is_complete: AtomicBool::new(false),
    shows_stats: AtomicBool::new(false),
    on_corruption: AtomicU8::new(Action::Abort as u8),
    #[cfg(any(feature = "debug", feature = "hardened"))]
    serves_plain: AtomicBool::new(false),
    reclaiming: Mutex::new(()),
    #[cfg(any(debug_assertions, feature = "marks"))]
    checked: Front::new(),
    plain: Front::new(),
};

impl Heap {
    /// Whether the heap can serve, made ready if it was not. False when the
    /// system has no room for its tables; a later call tries again.
    #[inline]
    fn is_ready(&self, config: &Config) -> bool {
        self.ready.is_ready() || self.start(config)
    }

    /// Whether the plain front end serves. False before the heap's first use too:
    /// [`Heap::is_ready`] is asked then.
    #[inline]
    fn serves_plain(&self, config: &Config) -> bool {
        #[cfg(any(feature = "debug", feature = "hardened"))]
        {
            let _ = config;
            self.serves_plain.load(Ordering::Acquire)
        }
        #[cfg(not(any(feature = "debug", feature = "hardened")))]
        self.is_ready(config)
    }

    /// Once the heap can serve: has the plain front end serve, unless the heap is
    /// hardened; leads the front ends to the debug layer, if a global flag is on. Without
    /// memory for its heap they serve themselves.
    #[cfg(any(feature = "debug", feature = "hardened"))]
    fn choose_plain(&self) {
        #[cfg(feature = "hardened")]
        if hard::is_on() {
            return;
        }
        #[cfg(feature = "debug")]
        if debug::is_on()
            && let Ok(process) = private::Handle::process()
        {
            private::met::serve_malloc(process);
            return;
        }
        self.serves_plain.store(true, Ordering::Release);
        #[cfg(feature = "debug")]
        if debug::sample::is_on() {
            return;
        }
        plain::resize_at_once();
    }

    #[cold]
    fn start(&self, config: &Config) -> bool {
        // First, so that a fork meanwhile finds the locks free. It may allocate.
        fork::register();
        if !self.ready.begin() {
            return true;
        }
        let limit = crate::sys::address_space_limit();
        if !root::publish(limit) || !slices::create(limit) {
            self.ready.end(false);
            return false;
        }
        let config = config::from_environment(*config);
        #[cfg(feature = "debug")]
        debug::configure();
        self.configure(&config);
        #[cfg(feature = "debug")]
        self.begin_debugging(&config);
        root::set_anchor(root::Anchor::ProcessHeap, (&raw const *self).addr());
        root::set_anchor(root::Anchor::DescriptorSize, descriptor::HEADER);
        root::set_anchor(root::Anchor::PlainFront, (&raw const self.plain).addr());
        root::set_anchor(root::Anchor::Layout, fingerprint::LAYOUT);
        self.shows_stats
            .store(config.show_stats(), Ordering::Relaxed);
        self.ready.end(true);
        self.complete();
        true
    }

    /// Does what may allocate, once the heap serves.
    fn complete(&self) {
        #[cfg(any(feature = "debug", feature = "hardened"))]
        self.choose_plain();
        #[cfg(feature = "debug")]
        debug::begun();
        if self.shows_stats.load(Ordering::Relaxed) {
            figures::show_at_exit();
        }
        self.is_complete.store(true, Ordering::Relaxed);
    }

    /// In the child of a fork, whose parent's thread may have been at [`Heap::complete`].
    fn complete_in_child(&self) {
        if self.ready.is_ready() && !self.is_complete.load(Ordering::Relaxed) {
            self.complete();
        }
    }

    #[cfg(feature = "debug")]
    fn begin_debugging(&self, config: &Config) {
        debug::begin(config);
        #[cfg(feature = "hardened")]
        if hard::is_on() {
            return;
        }
        if debug::profile::is_on() {
            screen::begin();
            way::go(way::COUNTED);
        }
        if debug::sample::is_on() {
            for (_, front) in self.fronts() {
                front.count_refills();
            }
            root::set_anchor(root::Anchor::Sampled, 1);
        }
    }

    fn configure(&self, config: &Config) {
        vm::set_commit_limit(config.commit_limit());
        for (kind, front) in self.fronts() {
            front.begin(kind, config.cache_bytes());
            #[cfg_attr(not(feature = "debug"), allow(unused_mut))]
            let mut is_diverted = config.count_calls();
            #[cfg(feature = "debug")]
            {
                is_diverted |= debug::is_on();
            }
            if is_diverted {
                front.set_diverted(true);
            }
        }
        let (segments, blocks) = match config.huge_pages() {
            // Elsewhere there is no such advice to give.
            _ if !HAS_HUGE_ADVICE => (usize::MAX, usize::MAX),
            HugePages::Never => (usize::MAX, usize::MAX),
            HugePages::Default => (HugePages::THRESHOLD, HugePages::THRESHOLD / 8),
            HugePages::Always => (0, 2 * classes::MAX_CLASS_SIZE),
        };
        self.back_end.lock().begin(config.retain(), segments);
        self.sparse.lock().begin_sparse(config.retain());
        {
            let mut large = self.large.lock();
            large.retain = config.retain().saturating_mul(2);
            large.huge_above = blocks;
        }
        self.on_corruption
            .store(config.on_corruption() as u8, Ordering::Relaxed);
        #[cfg(feature = "hardened")]
        if config.hardened() {
            self.harden();
        }
    }

    /// Has blocks be guarded against misuse, unless global flags see to that.
    #[cfg(feature = "hardened")]
    fn harden(&self) {
        #[cfg(feature = "debug")]
        if debug::is_on() {
            return;
        }
        hard::begin();
        ThreadCache::shut_gate();
        self.checked.harden();
        self.back_end.lock().randomise();
        self.large.lock().harden();
    }

    fn shared(&self, kind: Kind) -> Shared<'_> {
        Shared {
            back_end: &self.back_end,
            totals: &self.totals,
            thread_exit: match kind {
                Kind::Plain => plain::thread_exit,
                #[cfg(any(debug_assertions, feature = "marks"))]
                Kind::Checked => checked::thread_exit,
                #[cfg(not(any(debug_assertions, feature = "marks")))]
                Kind::Checked => plain::thread_exit,
            },
        }
    }

    fn front(&self, kind: Kind) -> &Front {
        match kind {
            Kind::Plain => &self.plain,
            #[cfg(any(debug_assertions, feature = "marks"))]
            Kind::Checked => &self.checked,
            #[cfg(not(any(debug_assertions, feature = "marks")))]
            Kind::Checked => &self.plain,
        }
    }

    /// The front ends that the crate is built with.
    fn fronts(&self) -> impl Iterator<Item = (Kind, &Front)> {
        Kind::ALL.iter().map(|&kind| (kind, self.front(kind)))
    }

    /// A block for any size and alignment, zeroed if `zero`; null when the
    /// system has nothing to give, even after all that is free was given back.
    fn allocate(&self, kind: Kind, word: &Word, size: usize, align: usize, zero: bool) -> *mut u8 {
        self.insist(kind, word, size, align, &|| {
            self.try_allocate(kind, word, size, align, zero)
        })
    }

    /// What `attempt` gives, once more if need be after all that is free was given back.
    #[inline(always)]
    fn insist(
        &self,
        kind: Kind,
        word: &Word,
        size: usize,
        align: usize,
        attempt: &impl Fn() -> *mut u8,
    ) -> *mut u8 {
        let block = attempt();
        misuse::report_late();
        if !block.is_null() || !may_be_had(size) {
            return block;
        }
        self.reclaim(kind, Some(word), size, align);
        let block = attempt();
        misuse::report_late();
        block
    }

    /// Gives all that is free back to the system, for a block of `size` bytes.
    fn reclaim(&self, kind: Kind, word: Option<&Word>, size: usize, align: usize) {
        // One thread at a time; whoever waits finds what was given back.
        let _reclaiming = self.reclaiming.lock();
        self.give_back(kind, word);
        let need = chunk_for(size).max(with_slack(size, align));
        self.back_end.lock().decommit_unused(need);
        self.sparse.lock().decommit_unused(need);
    }

    /// Gives back all that is free for `size` bytes and what a region of a private heap takes
    /// beside, if somebody refused something since [`vm::refused`] was `before`. Whether it is
    /// worth another try: not in a heap that may not grow and was full, nor for more than there
    /// can be. What threads' caches keep stays where the system has no process-wide barrier, the
    /// calling thread's as well. No lock may be held.
    #[cfg(feature = "heaps")]
    pub(crate) fn make_room(&self, size: usize, align: usize, before: usize) -> bool {
        if vm::refused() == before || !may_be_had(size) {
            return false;
        }
        let wanted = size.saturating_add(private::BESIDE);
        self.reclaim(Kind::Checked, None, wanted, align);
        true
    }

    fn try_allocate(
        &self,
        kind: Kind,
        word: &Word,
        size: usize,
        align: usize,
        zero: bool,
    ) -> *mut u8 {
        let class = classes::class_for(size, align);
        #[cfg(feature = "debug")]
        if debug::sample::is_on() {
            let front = self.front(kind);
            let block = debug::sample::take(front, self.shared(kind), word, size, align, zero);
            if !block.is_null() {
                return block;
            }
        }
        #[cfg(feature = "debug")]
        if counted::is_on() {
            return self.allocate_counted(kind, word, (size, align), class, zero);
        }
        self.allocate_unwatched(kind, word, (size, align), class, zero)
    }

    /// [`Heap::try_allocate`] where every allocation is counted. What is at hand is taken
    /// without a lock.
    #[cfg(feature = "debug")]
    #[inline(never)]
    fn allocate_counted(
        &self,
        kind: Kind,
        word: &Word,
        (size, align): (usize, usize),
        class: Option<usize>,
        zero: bool,
    ) -> *mut u8 {
        let mut block = core::ptr::null_mut();
        if let Some(class) = class
            && !zero
        {
            // SAFETY: a word leads to its thread's cache or a shared one, whose bins are
            // closed.
            block = unsafe {
                let bin = (*word.own()).bin(class);
                match kind {
                    Kind::Plain => ThreadCache::pop::<false>(bin),
                    Kind::Checked => ThreadCache::pop::<true>(bin),
                }
            };
        }
        if block.is_null() {
            block = self.allocate_unwatched(kind, word, (size, align), class, zero);
        }
        self.count(kind, word, block, size, class);
        block
    }

    /// Counts a block of this class that was just taken for `size` bytes, where a profile
    /// wants to know; null is allowed.
    #[cfg(feature = "debug")]
    fn count(&self, kind: Kind, word: &Word, block: *mut u8, size: usize, class: Option<usize>) {
        if !counted::is_on() || block.is_null() {
            return;
        }
        let cache = self.front(kind).cache(self.shared(kind), word);
        if !cache.is(cache::State::Live) {
            return;
        }
        let bytes = class.map_or(size, classes::size_of);
        match kind {
            Kind::Plain => counted::took::<false>(cache, block, size, bytes),
            Kind::Checked => counted::took::<true>(cache, block, size, bytes),
        }
    }

    /// [`Heap::try_allocate`], whoever watches; for a layout of this class.
    #[inline(always)]
    fn allocate_unwatched(
        &self,
        kind: Kind,
        word: &Word,
        (size, align): (usize, usize),
        class: Option<usize>,
        zero: bool,
    ) -> *mut u8 {
        let Some(class) = class else {
            let need = if zero { Need::Zeroed } else { Need::Any };
            return self.large.lock().allocate(kind, size, align, need);
        };
        let front = self.front(kind);
        if zero {
            let block = front.allocate_fresh(self.shared(kind), word, class);
            if !block.is_null() {
                return block;
            }
        }
        let block = front.allocate(self.shared(kind), word, class);
        if zero && !block.is_null() {
            // SAFETY: the block holds at least `size` bytes.
            unsafe { block.write_bytes(0, size) };
        }
        block
    }

    /// A block to move one to that has outgrown the classes; null when it has
    /// not, or the system has nothing to give.
    fn allocate_growing(&self, kind: Kind, word: &Word, size: usize, align: usize) -> *mut u8 {
        if classes::class_for(size, align).is_some() {
            return core::ptr::null_mut();
        }
        let block = self.large.lock().allocate(kind, size, align, Need::Growing);
        #[cfg(feature = "debug")]
        self.count(kind, word, block, size, None);
        #[cfg(not(feature = "debug"))]
        let _ = word;
        block
    }

    /// Resizes a large block without copying, as [`plain::resize_large`] does.
    ///
    /// # Safety
    /// As there; the word is the calling thread's.
    unsafe fn resize_large(
        &self,
        kind: Kind,
        word: &Word,
        descriptor: *mut descriptor::Descriptor,
        block: *mut u8,
        (size, align): (usize, usize),
    ) -> *mut u8 {
        // Before its address may be another block's.
        #[cfg(feature = "debug")]
        let lifted = debug::profile::lift(block.addr());
        // SAFETY: the caller's promise is the callee's.
        let resized = unsafe { plain::resize_large(descriptor, block, size, align) };
        #[cfg(feature = "debug")]
        if resized.is_null() {
            debug::profile::put_back(block.addr(), lifted);
        } else {
            self.count(kind, word, resized, size, None);
        }
        #[cfg(not(feature = "debug"))]
        let _ = (kind, word);
        resized
    }

    /// [`Heap::resize_large`] once more, after a block to copy it to was refused: what is free
    /// was given back for that, and may be room enough for the growth. One that shrinks stays
    /// as it is then. Null also for what is no large block, or would be none.
    ///
    /// # Safety
    /// The word is the calling thread's own. The block is the caller's, who uses no pointer to
    /// its old place after a move.
    #[cold]
    #[inline(never)]
    unsafe fn resize_large_again(
        &self,
        kind: Kind,
        word: &Word,
        block: *mut u8,
        to: (usize, usize),
    ) -> *mut u8 {
        if classes::class_for(to.0, to.1).is_some() {
            return core::ptr::null_mut();
        }
        let descriptor = slices::find(block.addr());
        // SAFETY: the caller's promise; whether the block is a large one is looked at there.
        let resized = unsafe { self.resize_large(kind, word, descriptor, block, to) };
        // SAFETY: what `find` leads to is readable; a large block's span is its own.
        let has_room = || unsafe {
            let _list = self.large.lock();
            LargeList::is_block(descriptor, block.addr())
                && (*descriptor).span.load(Ordering::Relaxed) >= to.0
                && block.addr().is_multiple_of(to.1)
        };
        if resized.is_null() && has_room() {
            return block;
        }
        resized
    }

    fn action(&self) -> Action {
        if self.on_corruption.load(Ordering::Relaxed) == Action::Continue as u8 {
            Action::Continue
        } else {
            Action::Abort
        }
    }

    /// Gives back to the system all that is free: what the threads' caches
    /// and depots keep, dirty slices, kept large regions.
    fn purge(&self, kind: Kind, word: &Word) {
        self.give_back(kind, Some(word));
        for (_, front) in self.fronts() {
            front.purge_free_pages();
        }
        misuse::report_late();
    }

    /// [`Heap::purge`], but for the pages between blocks, which nobody else can have: going through
    /// them takes as long as the heap is large. Without the calling thread's word its cache is
    /// emptied as others' are.
    fn give_back(&self, kind: Kind, word: Option<&Word>) {
        if !self.ready.is_ready() {
            return;
        }
        // Of a hardened heap, every word leads to a cache of that front end.
        #[cfg(feature = "hardened")]
        let kind = if hard::is_on() { Kind::Checked } else { kind };
        let is_told = self.shows_stats.load(Ordering::Relaxed);
        for (of, front) in self.fronts() {
            front.take_lost(self.shared(of), is_told);
            front.purge(self.shared(of), word.filter(|_| of == kind));
        }
        self.large.lock().trim(0);
        self.back_end.lock().purge_down_to(0);
        self.sparse.lock().purge_down_to(0);
    }
}

/// What `attempt` gives for `size` bytes; once more if need be after the process heap gave back
/// what it keeps. No lock may be held.
#[cfg(all(unix, feature = "win32"))]
pub(crate) fn insist<R, E>(size: usize, attempt: impl Fn() -> Result<R, E>) -> Result<R, E> {
    let before = vm::refused();
    let done = attempt();
    if done.is_err() && PROCESS.make_room(size, 1, before) {
        return attempt();
    }
    done
}

/// Bytes of the process heap's and private heaps' subsegments whose pages may hold memory.
fn active_bytes() -> usize {
    PROCESS.totals.active.load(Ordering::Relaxed) + private::active_bytes()
}

/// Whether there may be `size` bytes once all that is free was given back. Where nothing is
/// limited, the system refuses what is far more than there is.
fn may_be_had(size: usize) -> bool {
    let (_, limit) = vm::charge_and_limit();
    let most = limit.min(crate::sys::address_space_limit());
    if most == usize::MAX {
        return size <= vm::account().total().committed;
    }
    size <= most
}

/// Bytes that a block of `size` bytes takes at most in pages of its own.
fn with_slack(size: usize, align: usize) -> usize {
    size.saturating_add(align)
        .saturating_add(2 * classes::SLICE)
}

/// Bytes of the smallest chunk that a block of `size` bytes can come from.
const fn chunk_for(size: usize) -> usize {
    let slices = if size > 4 * classes::SLICE { 18 } else { 5 };
    slices * classes::SLICE
}
