//! What is counted: each row of the table.

use std::fmt;

/// Bytes of the blocks in loops of pairs.
const PAIR_SIZES: [usize; 7] = [16, 64, 256, 1024, 8 << 10, 64 << 10, 1 << 20];
/// Bytes of the blocks in loops of batches.
const BATCH_SIZES: [usize; 4] = [16, 64, 256, 1024];
/// Bytes of the blocks in loops of pairs in a hardened heap. (Larger ones are guarded as time
/// allows.)
const HARD_SIZES: [usize; 6] = [16, 64, 256, 1000, 8 << 10, 64 << 10];
/// Bytes of the blocks in the other loops.
const OTHER_SIZE: usize = 64;
/// Blocks in a batch; what `c/loops.c` says.
const BATCH: usize = 10_000;
/// Heaps where there are many.
const HEAPS: [usize; 3] = [1, 100, 10_000];
/// Turns of a loop of single calls.
const SINGLE_TURNS: usize = 1000;
/// Turns of a loop of batches.
const BATCH_TURNS: usize = 2;

/// What a loop does in each turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// `malloc` and `free`.
    CPair,
    /// `malloc` 10,000 times, then `free` in the same order.
    CBatch,
    /// `calloc` and `free`.
    CCalloc,
    /// `aligned_alloc` at 64 bytes and `free`.
    CAligned,
    /// `realloc` to 97 and to 112 bytes, which one class serves.
    CRealloc,
    /// `malloc_usable_size`.
    CSize,
    /// `malloc` and `free` in a hardened heap.
    HardPair,
    /// `malloc` 10,000 times, then `free` in the same order, in a hardened heap.
    HardBatch,
    /// `calloc` and `free` in a hardened heap.
    HardCalloc,
    /// `NtHeap`'s `alloc` and `dealloc`, with a Layout that the compiler knows.
    RustConstant,
    /// `NtHeap`'s `alloc` and `dealloc`, with a Layout that it cannot know.
    RustRuntime,
    /// The standard library's `alloc` and `dealloc`, with a Layout that the
    /// compiler knows.
    RustGlobal,
    /// `alloc_zeroed` and `dealloc`.
    RustZeroed,
    /// `alloc` at 64 bytes and `dealloc`.
    RustAligned,
    /// `realloc` to 97 and to 112 bytes, with Layouts it cannot know.
    RustRealloc,
    /// A pair in a private heap, its handle checked, as HeapAlloc and HeapFree
    /// do it.
    HeapHandle,
    /// A pair in a private heap that is serialized.
    HeapShared,
    /// A pair in a private heap that is not.
    HeapLocal,
    /// A pair of 64 bytes in each of many private heaps in turn.
    HeapAmong,
    /// `CrtHeap`'s `alloc` and `dealloc`, which looks the owner up.
    Crt,
    /// The same with the comparison of the owner compiled out.
    CrtUnowned,
    /// `HeapAlloc` and `HeapFree`, as libntheap.so exports them, on a heap of
    /// its own, of a size that is hot.
    WindowsPair,
    /// The same through libntheap_win32.so.
    WindowsForwarded,
    /// `GlobalAlloc` of a moveable block, `GlobalLock`, `GlobalUnlock` and
    /// `GlobalFree`, as libntheap.so exports them, of a size that is hot.
    WindowsMoveable,
}

/// A loop and the size of its blocks. `Display` is what the table and the
/// file of figures call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// What the loop does.
    pub load: Load,
    /// Bytes of a block, where the load lets them be chosen; of
    /// [`Load::HeapAmong`], the number of heaps.
    pub size: usize,
}

/// The program that has a row's loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Program {
    /// `c/loops.c`, under any malloc.
    C,
    /// The same with the heap hardened.
    Hardened,
    /// `c/windows.c`, linked with libntheap.so and libntheap_win32.so.
    Windows,
    /// The Rust loops.
    Rust,
}

/// How a row is counted.
pub(crate) struct Plan {
    /// The program.
    pub(crate) program: Program,
    /// What the program calls the loop, and the same loop of nothing.
    pub(crate) loops: [&'static str; 2],
    /// What the program is told to do in its first count.
    pub(crate) turns: usize,
    /// How many of what is counted a turn has.
    pub(crate) per_turn: usize,
    /// Instructions that the functions of nothing execute for each of what is
    /// counted: a move and a return to allocate or reallocate, a return to
    /// free.
    pub(crate) empty: usize,
}

impl Row {
    /// All rows, in the table's order.
    pub fn all() -> Vec<Row> {
        let rows = |load: Load, sizes: &[usize]| -> Vec<Row> {
            sizes.iter().map(|&size| Row { load, size }).collect()
        };
        [
            rows(Load::CPair, &PAIR_SIZES),
            rows(Load::CBatch, &BATCH_SIZES),
            rows(Load::CCalloc, &[OTHER_SIZE]),
            rows(Load::CAligned, &[OTHER_SIZE]),
            rows(Load::CRealloc, &[112]),
            rows(Load::CSize, &[OTHER_SIZE]),
            rows(Load::HardPair, &HARD_SIZES),
            rows(Load::HardBatch, &[OTHER_SIZE]),
            rows(Load::HardCalloc, &[OTHER_SIZE]),
            rows(Load::RustConstant, &PAIR_SIZES),
            rows(Load::RustRuntime, &PAIR_SIZES),
            rows(Load::RustGlobal, &[OTHER_SIZE]),
            rows(Load::RustZeroed, &[OTHER_SIZE]),
            rows(Load::RustAligned, &[OTHER_SIZE]),
            rows(Load::RustRealloc, &[112]),
            rows(Load::HeapHandle, &[OTHER_SIZE]),
            rows(Load::HeapShared, &[OTHER_SIZE]),
            rows(Load::HeapLocal, &[OTHER_SIZE]),
            rows(Load::HeapAmong, &HEAPS),
            rows(Load::Crt, &[OTHER_SIZE]),
            rows(Load::CrtUnowned, &[OTHER_SIZE]),
            rows(Load::WindowsPair, &[OTHER_SIZE]),
            rows(Load::WindowsForwarded, &[OTHER_SIZE]),
            rows(Load::WindowsMoveable, &[OTHER_SIZE]),
        ]
        .concat()
    }

    /// Whether it is a row of a C program, which any malloc can be put under.
    pub fn is_c(&self) -> bool {
        self.plan().program == Program::C
    }

    /// Whether it is a row of a Rust program, in which `NtHeap` can be built without what
    /// global flags need.
    pub fn is_rust(&self) -> bool {
        self.plan().program == Program::Rust
    }

    pub(crate) fn plan(&self) -> Plan {
        let single = |program, loops, empty| Plan {
            program,
            loops,
            turns: SINGLE_TURNS,
            per_turn: 1,
            empty,
        };
        match self.load {
            Load::CPair => single(Program::C, ["pairs", "no_pairs"], 3),
            Load::CBatch => Plan {
                program: Program::C,
                loops: ["batches", "no_batches"],
                turns: BATCH_TURNS,
                per_turn: BATCH,
                empty: 3,
            },
            Load::CCalloc => single(Program::C, ["callocs", "no_callocs"], 3),
            Load::CAligned => single(Program::C, ["aligned", "no_aligned"], 3),
            Load::CRealloc => Plan {
                per_turn: 2,
                ..single(Program::C, ["reallocs", "no_reallocs"], 2)
            },
            Load::CSize => single(Program::C, ["sizes", "no_sizes"], 2),
            Load::HardPair => single(Program::Hardened, ["pairs", "no_pairs"], 3),
            Load::HardBatch => Plan {
                program: Program::Hardened,
                loops: ["batches", "no_batches"],
                turns: BATCH_TURNS,
                per_turn: BATCH,
                empty: 3,
            },
            Load::HardCalloc => single(Program::Hardened, ["callocs", "no_callocs"], 3),
            Load::RustConstant => single(Program::Rust, ["constant", "empty"], 0),
            Load::RustRuntime => single(Program::Rust, ["runtime", "sizes"], 0),
            Load::RustGlobal => single(Program::Rust, ["global", "empty"], 0),
            Load::RustZeroed => single(Program::Rust, ["zeroed", "empty"], 0),
            Load::RustAligned => single(Program::Rust, ["aligned", "empty"], 0),
            Load::RustRealloc => Plan {
                per_turn: 2,
                ..single(Program::Rust, ["reallocs", "empty"], 0)
            },
            Load::HeapHandle => single(Program::Rust, ["handle", "empty"], 0),
            Load::HeapShared => single(Program::Rust, ["shared", "empty"], 0),
            Load::HeapLocal => single(Program::Rust, ["local", "empty"], 0),
            Load::HeapAmong => single(Program::Rust, ["among", "no_among"], 0),
            Load::Crt => single(Program::Rust, ["crt", "empty"], 0),
            Load::CrtUnowned => single(Program::Rust, ["crt_unowned", "empty"], 0),
            Load::WindowsPair => single(Program::Windows, ["pairs", "no_pairs"], 3),
            Load::WindowsForwarded => single(Program::Windows, ["forwarded", "no_pairs"], 3),
            Load::WindowsMoveable => single(Program::Windows, ["moveable", "no_moveable"], 6),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let load = match self.load {
            Load::CPair => "C, pair",
            Load::CBatch => "C, batch of 10,000",
            Load::CCalloc => "C, calloc",
            Load::CAligned => "C, aligned_alloc at 64",
            Load::CRealloc => "C, realloc within a class",
            Load::CSize => "C, malloc_usable_size",
            Load::HardPair => "C, hardened, pair",
            Load::HardBatch => "C, hardened, batch of 10,000",
            Load::HardCalloc => "C, hardened, calloc",
            Load::RustConstant => "Rust, pair, constant Layout",
            Load::RustRuntime => "Rust, pair, run-time Layout",
            Load::RustGlobal => "Rust, pair by std::alloc, constant Layout",
            Load::RustZeroed => "Rust, alloc_zeroed",
            Load::RustAligned => "Rust, alloc at 64",
            Load::RustRealloc => "Rust, realloc within a class",
            Load::HeapHandle => "private heap, pair by handle",
            Load::HeapShared => "private heap, pair, serialized",
            Load::HeapLocal => "private heap, pair, one thread's",
            Load::HeapAmong => {
                let heaps = self.size;
                return write!(f, "private heaps, pair of 64 B in each of {heaps} in turn");
            }
            Load::Crt => "CrtHeap, pair",
            Load::CrtUnowned => "CrtHeap, pair, owner not looked up",
            Load::WindowsPair => "Windows names, HeapAlloc and HeapFree",
            Load::WindowsForwarded => "Windows names, by libntheap_win32.so",
            Load::WindowsMoveable => "Windows names, moveable alloc, lock, unlock, free",
        };
        write!(f, "{load}, {}", Bytes(self.size))
    }
}

/// A size as people write it.
struct Bytes(usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            size if size >= 1 << 20 => write!(f, "{} MiB", size >> 20),
            size if size >= 8 << 10 => write!(f, "{} KiB", size >> 10),
            size => write!(f, "{size} B"),
        }
    }
}
