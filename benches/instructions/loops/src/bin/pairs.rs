//! The loops whose instructions are counted, with `NtHeap` as the program's
//! allocator. As in `c/loops.c`: once to warm up, then `n` times, then `2 * n`
//! times, with a call of `mark` after each.
//!
//! `ntheap-loop-pairs constant|runtime|global|zeroed|aligned|reallocs|handle|shared|local|crt|crt_unowned|empty|sizes N SIZE`
//! `ntheap-loop-pairs among|no_among N HEAPS`

use ntheap::heap::private::{self, Buckets, Handle, HeapRef, Settings, flags};
use std::alloc::{GlobalAlloc, Layout, alloc, alloc_zeroed, dealloc, realloc};
use std::hint::black_box;

#[global_allocator]
static HEAP: ntheap::NtHeap = ntheap::NtHeap::new();

// SAFETY: no other object of this program has a symbol of this name.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn mark() {
    black_box(());
}

/// A Layout the compiler knows.
const fn layout(size: usize, align: usize) -> Layout {
    match Layout::from_size_align(size, align) {
        Ok(layout) => layout,
        Err(_) => panic!("no Layout"),
    }
}

#[inline(never)]
fn constant<const SIZE: usize>(n: usize) {
    let layout = const { layout(SIZE, 8) };
    for _ in 0..n {
        // SAFETY: the layout is not of size 0; the block is freed once, with
        // the layout it was allocated with.
        unsafe { HEAP.dealloc(black_box(HEAP.alloc(layout)), layout) };
    }
}

/// As `constant`, by the functions of the standard library, which call a marker
/// of their own before each allocation.
#[inline(never)]
fn global<const SIZE: usize>(n: usize) {
    let layout = const { layout(SIZE, 8) };
    for _ in 0..n {
        // SAFETY: as in `constant`.
        unsafe { dealloc(black_box(alloc(layout)), layout) };
    }
}

#[inline(never)]
fn runtime<const SIZE: usize>(n: usize) {
    for _ in 0..n {
        // A size known in this turn only: as in a collection's code.
        // SAFETY: sizes and alignments are as in `constant`.
        unsafe {
            let layout = Layout::from_size_align_unchecked(black_box(SIZE), 8);
            HEAP.dealloc(black_box(HEAP.alloc(layout)), layout);
        }
    }
}

#[inline(never)]
fn zeroed<const SIZE: usize>(n: usize) {
    let layout = const { layout(SIZE, 8) };
    for _ in 0..n {
        // SAFETY: as in `constant`.
        unsafe { dealloc(black_box(alloc_zeroed(layout)), layout) };
    }
}

#[inline(never)]
fn aligned<const SIZE: usize>(n: usize) {
    let layout = const { layout(SIZE, 64) };
    for _ in 0..n {
        // SAFETY: as in `constant`.
        unsafe { dealloc(black_box(alloc(layout)), layout) };
    }
}

#[inline(never)]
fn reallocs<const SIZE: usize>(n: usize) {
    // Unknown sizes: with known ones the compiler may find nothing to do.
    let large = black_box(layout(SIZE, 8));
    let small = black_box(layout(SIZE - 15, 8));
    // SAFETY: no layout is of size 0; each call has the layout that the one
    // before left the block with, and the last frees it.
    unsafe {
        let mut block = alloc(large);
        for _ in 0..n {
            block = black_box(realloc(block, large, small.size()));
            block = black_box(realloc(block, small, large.size()));
        }
        dealloc(block, large);
    }
}

/// A heap of its own, in which the bucket of blocks of `size` bytes is awake.
fn heap(flags: u32, size: usize) -> Handle {
    let settings = Settings {
        flags,
        buckets: Buckets::Always,
        ..Settings::DEFAULT
    };
    // SAFETY: no memory of the program's; the heap is this thread's, and each
    // block freed once.
    unsafe {
        let heap = private::create(&settings).expect("there is memory for a heap");
        let blocks = [(); 64].map(|()| private::allocate(heap, 0, size).expect("and a block"));
        for block in blocks {
            private::free(heap, 0, block.as_ptr()).expect("a block of the heap's");
        }
        heap
    }
}

#[inline(never)]
fn allocate_rest(heap: Handle, size: usize) -> *mut u8 {
    // SAFETY: the heap lives.
    let block = unsafe { private::allocate(heap, 0, size) };
    block.expect("there is memory for a block").as_ptr()
}

/// A pair in a heap of its own, by its handle, as HeapAlloc and HeapFree do it.
#[inline(never)]
fn handle<const SIZE: usize>(n: usize) {
    let heap = black_box(heap(0, SIZE));
    for _ in 0..n {
        // SAFETY: the heap lives; the block is freed once.
        unsafe {
            let mut block = private::at_hand(heap, 0, SIZE);
            if block.is_null() {
                block = allocate_rest(heap, SIZE);
            }
            let _ = private::free(heap, 0, black_box(block));
        }
    }
}

/// A pair in a heap of its own that any thread may use, or this one alone.
#[inline(always)]
fn own_heap<const LOCAL: bool>(flags: u32, size: usize, n: usize) {
    let heap = black_box(HeapRef::new(heap(flags, size)).expect("the heap lives"));
    for _ in 0..n {
        // SAFETY: the heap lives, and is this thread's; the block is freed
        // once.
        unsafe {
            let block = black_box(heap.allocate_or_null::<LOCAL>(size, 16));
            let _ = heap.free::<LOCAL>(block);
        }
    }
}

#[inline(never)]
fn shared<const SIZE: usize>(n: usize) {
    own_heap::<false>(0, SIZE, n);
}

#[inline(never)]
fn local<const SIZE: usize>(n: usize) {
    own_heap::<true>(flags::NO_SERIALIZE, SIZE, n);
}

/// A module's runtime.
static MODULE: ntheap::CrtHeap = ntheap::CrtHeap::new("module");

/// Makes a size hot in the module's heap.
fn warm_module(layout: Layout) {
    // SAFETY: each block is freed once, with its Layout.
    unsafe {
        let blocks = [(); 64].map(|()| MODULE.alloc(layout));
        for block in blocks {
            MODULE.dealloc(block, layout);
        }
    }
}

/// A pair in a module's heap, which looks the owner up.
#[inline(never)]
fn crt<const SIZE: usize>(n: usize) {
    let layout = const { layout(SIZE, 8) };
    warm_module(layout);
    for _ in 0..n {
        // SAFETY: the block is freed once, with its Layout.
        unsafe {
            let block = black_box(MODULE.alloc(layout));
            MODULE.dealloc(block, layout);
        }
    }
}

/// The same without the comparison of the owner.
#[inline(never)]
fn crt_unowned<const SIZE: usize>(n: usize) {
    let layout = const { layout(SIZE, 8) };
    warm_module(layout);
    for _ in 0..n {
        // SAFETY: the block is this heap's, and freed once.
        unsafe {
            let block = black_box(MODULE.alloc(layout));
            MODULE.free_unowned(block);
        }
    }
}

/// Bytes of the blocks where there are many heaps.
const AMONG: usize = 64;

/// A pair in each of many heaps in turn.
#[inline(never)]
fn among(heaps: &[HeapRef], n: usize) {
    for heap in heaps.iter().cycle().take(n) {
        let heap = black_box(*heap);
        // SAFETY: the heap lives; the block is freed once.
        unsafe {
            let block = black_box(heap.allocate_or_null::<false>(AMONG, 16));
            let _ = heap.free::<false>(block);
        }
    }
}

/// As `among`, with nothing done in the heaps.
#[inline(never)]
fn no_among(heaps: &[HeapRef], n: usize) {
    for heap in heaps.iter().cycle().take(n) {
        black_box(*heap);
        black_box(&raw const HEAP);
    }
}

#[inline(never)]
fn empty<const SIZE: usize>(n: usize) {
    // What `black_box` gives is used, as in the other loops: it stores the
    // address and loads it again.
    let mut used = 0;
    for _ in 0..n {
        used ^= black_box(&raw const HEAP).addr();
    }
    black_box(used);
}

/// As `empty`, with a size known in each turn only.
#[inline(never)]
fn sizes<const SIZE: usize>(n: usize) {
    let mut used = 0;
    for _ in 0..n {
        used ^= black_box(SIZE);
        used ^= black_box(&raw const HEAP).addr();
    }
    black_box(used);
}

/// The loop of a name for blocks of `SIZE` bytes.
fn of_size<const SIZE: usize>(name: &str) -> fn(usize) {
    match name {
        "constant" => constant::<SIZE>,
        "global" => global::<SIZE>,
        "runtime" => runtime::<SIZE>,
        "zeroed" => zeroed::<SIZE>,
        "aligned" => aligned::<SIZE>,
        "reallocs" => reallocs::<SIZE>,
        "handle" => handle::<SIZE>,
        "shared" => shared::<SIZE>,
        "local" => local::<SIZE>,
        "crt" => crt::<SIZE>,
        "crt_unowned" => crt_unowned::<SIZE>,
        "empty" => empty::<SIZE>,
        "sizes" => sizes::<SIZE>,
        _ => panic!("no loop is called {name:?}"),
    }
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let mut number = || -> usize {
        let argument = arguments.next().and_then(|n| n.parse().ok());
        argument.expect("a number of turns, and one of bytes")
    };
    let n = number();
    if let "among" | "no_among" = name.as_str() {
        let heaps: Vec<_> = (0..number())
            .map(|_| HeapRef::new(heap(0, AMONG)).expect("the heap lives"))
            .collect();
        let run = if name == "among" { among } else { no_among };
        return three_times(n, |n| run(&heaps, n));
    }
    let run = match number() {
        16 => of_size::<16>(&name),
        64 => of_size::<64>(&name),
        112 => of_size::<112>(&name),
        256 => of_size::<256>(&name),
        1024 => of_size::<1024>(&name),
        8192 => of_size::<8192>(&name),
        65536 => of_size::<65536>(&name),
        1048576 => of_size::<1048576>(&name),
        size => panic!("no loop has blocks of {size} bytes"),
    };
    three_times(n, black_box(run));
}

fn three_times(n: usize, run: impl Fn(usize)) {
    run(n);
    mark();
    run(n);
    mark();
    run(2 * n);
    mark();
}
