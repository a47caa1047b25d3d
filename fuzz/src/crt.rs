//! The C runtime: an instance's malloc and its kin, and aligned blocks.

use crate::blocks::{Block, Blocks, at, below};
use crate::turn;
use arbitrary::Unstructured;
use ntheap::crt::Crt;
use ntheap::crt::check::HEAPOK;
use std::collections::BTreeMap;

static CRT: Crt = Crt::private("fuzzed");

/// Operations of one input at most.
const MAX_OPERATIONS: usize = 300;
/// Bytes alive at most.
const MAX_BYTES: usize = 16 << 20;

fn size(input: &mut Unstructured<'_>) -> usize {
    match below(input, 6) {
        0 => 1 + below(input, 64),
        1..=3 => 1 + below(input, 1024),
        4 => 1 + below(input, 0x4100),
        _ => 1 + below(input, 0x18_0000),
    }
}

/// Blocks with an alignment and an offset, which are freed in another way.
type Aligned = BTreeMap<usize, (usize, usize)>;

struct Model {
    plain: Blocks,
    aligned: Blocks,
    ways: Aligned,
}

impl Model {
    fn plain(&mut self, input: &mut Unstructured<'_>) {
        let size = size(input);
        if self.plain.bytes + size > MAX_BYTES {
            return;
        }
        let zero = below(input, 3) == 0;
        let block = if zero {
            CRT.calloc(size.div_ceil(8), 8)
        } else {
            CRT.malloc(size)
        };
        assert!(!block.is_null());
        let size = if zero { size.next_multiple_of(8) } else { size };
        assert_eq!(CRT.msize(block), size);
        if zero {
            // SAFETY: the block was just handed out, with so many bytes.
            unsafe { crate::pattern::verify_zero(block, size) };
        }
        self.plain.enter(block.expose_provenance(), size);
    }

    fn aligned(&mut self, input: &mut Unstructured<'_>) {
        let size = size(input);
        if self.aligned.bytes + size > MAX_BYTES {
            return;
        }
        let align = 1 << below(input, 14);
        let offset = below(input, size);
        let block = CRT.aligned_offset_malloc(size, align, offset);
        assert!(!block.is_null());
        assert!((block.addr() + offset).is_multiple_of(align.max(8)));
        assert_eq!(CRT.aligned_msize(block, align, offset), size);
        let address = block.expose_provenance();
        self.aligned.enter(address, size);
        self.ways.insert(address, (align, offset));
    }

    fn resize(&mut self, input: &mut Unstructured<'_>) {
        let Some(block) = self.plain.take(input) else {
            return;
        };
        let size = size(input);
        let old = at(block.address);
        // SAFETY: the block is the model's; one that cannot be expanded stays.
        let new = unsafe {
            match below(input, 3) {
                0 => CRT.expand(old, size),
                1 => CRT.recalloc(old, 1, size),
                _ => CRT.realloc(old, size),
            }
        };
        if new.is_null() {
            return self.plain.put_back(block);
        }
        let address = new.expose_provenance();
        self.plain.verify(block, address, block.size.min(size));
        assert!(CRT.msize(new) >= size);
        self.plain.enter(address, size);
    }

    fn resize_aligned(&mut self, input: &mut Unstructured<'_>) {
        let Some(block) = self.aligned.take(input) else {
            return;
        };
        let (align, offset) = self.ways.remove(&block.address).expect("its way");
        let size = size(input).max(offset + 1);
        // SAFETY: the block is the model's, of this alignment and offset.
        let new = unsafe { CRT.aligned_offset_realloc(at(block.address), size, align, offset) };
        assert!(!new.is_null());
        assert!((new.addr() + offset).is_multiple_of(align.max(8)));
        let address = new.expose_provenance();
        self.aligned.verify(block, address, block.size.min(size));
        self.aligned.enter(address, size);
        self.ways.insert(address, (align, offset));
    }

    fn free(&mut self, input: &mut Unstructured<'_>) {
        if below(input, 2) == 0 {
            if let Some(block) = self.plain.take(input) {
                free_plain(block);
            }
        } else if let Some(block) = self.aligned.take(input) {
            self.ways.remove(&block.address);
            free_aligned(block);
        }
    }
}

fn free_plain(block: Block) {
    // SAFETY: the model uses the block no more.
    unsafe { CRT.free(at(block.address)) }.expect("a block");
}

fn free_aligned(block: Block) {
    // SAFETY: as above.
    unsafe { CRT.aligned_free(at(block.address)) };
}

/// Performs the operations that `data` encodes and checks the answers.
///
/// # Panics
/// Whenever an answer is wrong.
pub fn run(data: &[u8]) {
    let _turn = turn();
    let mut input = Unstructured::new(data);
    let input = &mut input;
    let mut model = Model {
        plain: Blocks::default(),
        aligned: Blocks::default(),
        ways: Aligned::new(),
    };
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        match below(input, 12) {
            0..=3 => model.plain(input),
            4 | 5 => model.aligned(input),
            6 => model.resize(input),
            7 => model.resize_aligned(input),
            8..=10 => model.free(input),
            _ => assert_eq!(CRT.heapchk(), HEAPOK),
        }
    }
    model.plain.take_all().into_iter().for_each(free_plain);
    model.aligned.take_all().into_iter().for_each(free_aligned);
    let heap = CRT.heap().expect("it was made");
    assert_eq!(CRT.heapchk(), HEAPOK);
    let left = ntheap::heap::private::summary(heap).expect("a heap");
    assert_eq!(left.blocks, 0, "{} bytes are left", left.allocated);
}
