//! Random calls against a model that is a list of what should be there.

use crate::support::{Numbers, at, own_heap, reported};
use ntheap::crt::debug::block::{FENCE, FENCE_SIZE, FREED, Header, NEW};
use ntheap::crt::debug::kind::{
    CLIENT_BLOCK, CRT_BLOCK, FREE_BLOCK, IGNORE_BLOCK, MAX_BLOCKS, NORMAL_BLOCK, flags,
};
use ntheap::crt::debug::{DebugHeap, State};
use std::ffi::c_void;
use std::slice;

/// A block that should be in the list.
#[derive(Clone)]
struct Expected {
    data: *mut u8,
    contents: Vec<u8>,
    block_use: i32,
    request: u64,
    line: i32,
}

/// What should be, newest last.
#[derive(Default)]
struct Model {
    blocks: Vec<Expected>,
    requests: u64,
    total: usize,
    highest: usize,
}

impl Model {
    fn current(&self) -> usize {
        self.blocks
            .iter()
            .filter(|block| block.block_use != FREE_BLOCK)
            .map(|block| block.contents.len())
            .sum()
    }

    fn add(&mut self, block: Expected) {
        self.total += block.contents.len();
        self.blocks.push(block);
        self.highest = self.highest.max(self.current());
    }

    fn state(&self) -> State {
        let mut state = State::EMPTY;
        for block in &self.blocks {
            let kind = (block.block_use & 0xFFFF) as usize;
            state.counts[kind] += 1;
            state.sizes[kind] += block.contents.len();
        }
        state.highest = self.highest;
        state.total = self.total;
        state.newest = self.blocks.last().map_or(std::ptr::null_mut(), |block| {
            block.data.wrapping_sub(size_of::<Header>()).cast()
        });
        state
    }
}

/// Every block, its surroundings and what is said of it are as they should be.
fn compare(heap: &'static DebugHeap, model: &Model) {
    assert_eq!(heap.checkpoint(), model.state());
    // From the newest along the headers that Microsoft documents.
    let mut header = heap.checkpoint().newest;
    let mut before: *mut Header = std::ptr::null_mut();
    for block in model.blocks.iter().rev() {
        // SAFETY: the block's header, its bytes and its fence; no other thread
        // uses this debug heap.
        unsafe {
            let found = &*header;
            assert_eq!(header.cast::<u8>().wrapping_add(48), block.data);
            assert_eq!(found.previous, before);
            assert_eq!(found.line, block.line);
            assert_eq!(found.block_use, block.block_use);
            assert_eq!(found.size, block.contents.len());
            assert_eq!(found.request, block.request as i32);
            assert_eq!(found.gap, [FENCE; FENCE_SIZE]);
            let bytes = slice::from_raw_parts(block.data, block.contents.len() + FENCE_SIZE);
            let (contents, fence) = bytes.split_at(block.contents.len());
            assert_eq!(contents, block.contents);
            assert_eq!(fence, [FENCE; FENCE_SIZE]);
            before = header;
            header = found.next;
        }
        let known = heap.block_at(block.data).expect("a block");
        assert_eq!(
            (
                known.size,
                known.block_use,
                known.request,
                known.origin.line()
            ),
            (
                block.contents.len(),
                block.block_use,
                block.request,
                block.line
            )
        );
        let is_free = block.block_use == FREE_BLOCK;
        assert_eq!(
            heap.block_type(block.data),
            if is_free { -1 } else { block.block_use }
        );
        assert_eq!(
            heap.block_of(block.data, block.contents.len()).is_some(),
            !is_free
        );
        assert!(
            heap.block_of(block.data, block.contents.len() + 1)
                .is_none()
        );
    }
    assert!(header.is_null());

    unsafe extern "C" fn visit(data: *mut c_void, seen: *mut c_void) {
        // SAFETY: the context is the vector below.
        unsafe { (*seen.cast::<Vec<*mut u8>>()).push(data.cast()) };
    }
    let mut seen: Vec<*mut u8> = Vec::new();
    // SAFETY: the context is what the function takes it for.
    unsafe { heap.for_all_client_blocks(visit, (&raw mut seen).cast()) };
    let clients: Vec<*mut u8> = model
        .blocks
        .iter()
        .rev()
        .filter(|block| block.block_use & 0xFFFF == CLIENT_BLOCK)
        .map(|block| block.data)
        .collect();
    assert_eq!(seen, clients);
    assert!(heap.check());
}

fn random_use(numbers: &mut Numbers) -> i32 {
    match numbers.below(5) {
        0 => CRT_BLOCK,
        1 => IGNORE_BLOCK,
        2 => CLIENT_BLOCK | (numbers.below(100) as i32) << 16,
        _ => NORMAL_BLOCK,
    }
}

fn random_size(numbers: &mut Numbers) -> usize {
    match numbers.below(20) {
        0 => 0,
        1 => numbers.below(100_000),
        _ => numbers.below(200),
    }
}

/// Random calls; freed blocks are kept at times when `delayed`.
fn run(heap: &'static DebugHeap, seed: u64, delayed: bool) {
    let mut numbers = Numbers(seed);
    let mut model = Model::default();
    let mut earlier: Vec<State> = vec![State::EMPTY];
    let mut is_delaying = false;
    for step in 0..4000 {
        if delayed && numbers.below(50) == 0 {
            is_delaying = !is_delaying;
            let delay = if is_delaying {
                flags::DELAY_FREE_MEM
            } else {
                0
            };
            heap.set_flags(flags::ALLOC_MEM | delay).expect("flags");
        }
        let live: Vec<usize> = (0..model.blocks.len())
            .filter(|&index| model.blocks[index].block_use != FREE_BLOCK)
            .collect();
        let line = numbers.below(10_000) as i32;
        match numbers.below(10) {
            // A new block.
            0..5 => {
                let (block_use, size) = (random_use(&mut numbers), random_size(&mut numbers));
                let zero = numbers.below(2) == 0;
                let data = match zero {
                    true => heap.allocate_zeroed(1, size, block_use, at(line)),
                    false => heap.allocate(size, block_use, at(line)),
                };
                assert!(!data.is_null());
                assert_eq!(data.addr() % 16, 0);
                model.requests += 1;
                model.add(Expected {
                    data,
                    contents: vec![if zero { 0 } else { NEW }; size],
                    block_use,
                    request: model.requests,
                    line,
                });
            }
            // One goes.
            5..8 if !live.is_empty() => {
                let index = live[numbers.below(live.len())];
                let block = model.blocks[index].clone();
                // SAFETY: the model forgets the block, or its contents.
                unsafe { heap.free(block.data, block.block_use) };
                if is_delaying {
                    model.blocks[index].block_use = FREE_BLOCK;
                    model.blocks[index].contents.fill(FREED);
                } else {
                    model.blocks.remove(index);
                }
            }
            // One changes its size.
            8 if !live.is_empty() => {
                let index = live[numbers.below(live.len())];
                let old = model.blocks[index].clone();
                let size = random_size(&mut numbers).max(1);
                let zero = numbers.below(2) == 0;
                // SAFETY: the model forgets the old address.
                let data = unsafe {
                    match zero {
                        true => heap.reallocate_zeroed(old.data, size, 1, old.block_use, at(line)),
                        false => heap.reallocate(old.data, size, old.block_use, at(line)),
                    }
                };
                assert!(!data.is_null());
                model.requests += 1;
                let mut contents = old.contents.clone();
                contents.resize(size, if zero { 0 } else { NEW });
                let new = Expected {
                    data,
                    contents,
                    request: model.requests,
                    line,
                    ..old.clone()
                };
                // A block that moves is there twice for a moment.
                let moved = data != old.data;
                if moved {
                    model.highest = model.highest.max(model.current() + size);
                    if is_delaying {
                        model.blocks[index].block_use = FREE_BLOCK;
                        model.blocks[index].contents.fill(FREED);
                    } else {
                        model.blocks.remove(index);
                    }
                } else {
                    model.blocks.remove(index);
                }
                model.add(new);
            }
            // One is written to.
            _ if !live.is_empty() => {
                let index = live[numbers.below(live.len())];
                let block = &mut model.blocks[index];
                for place in 0..block.contents.len() {
                    let value = numbers.below(256) as u8;
                    block.contents[place] = value;
                    // SAFETY: the block's own bytes.
                    unsafe { block.data.wrapping_add(place).write(value) };
                }
            }
            _ => {}
        }
        if step % 100 == 0 {
            compare(heap, &model);
            let state = heap.checkpoint();
            let old = earlier[numbers.below(earlier.len())];
            let (difference, differs) = old.difference(&state, false);
            for kind in 0..MAX_BLOCKS {
                assert_eq!(
                    old.counts[kind].wrapping_add(difference.counts[kind]),
                    state.counts[kind]
                );
                assert_eq!(
                    old.sizes[kind].wrapping_add(difference.sizes[kind]),
                    state.sizes[kind]
                );
            }
            let significant = [NORMAL_BLOCK, IGNORE_BLOCK, CLIENT_BLOCK].map(|kind| kind as usize);
            let expected = significant.into_iter().any(|kind| {
                old.counts[kind] != state.counts[kind] || old.sizes[kind] != state.sizes[kind]
            });
            assert_eq!(differs, expected);
            earlier.push(state);
        }
    }
    compare(heap, &model);
}

#[test]
fn random_calls_leave_what_the_model_says() {
    own_heap!(HEAP);
    let ((), reports) = reported(|| run(&HEAP, 0x1234_5678_9abc_def1, false));
    assert_eq!(reports, []);
}

#[test]
fn random_calls_with_freed_blocks_kept_leave_what_the_model_says() {
    own_heap!(HEAP);
    let ((), reports) = reported(|| run(&HEAP, 0xfeed_f00d_dead_beef, true));
    assert_eq!(reports, []);
}

/// The blocks asked for since a state, by what a dump of them says.
#[test]
fn a_dump_since_a_state_has_what_was_asked_for_since() {
    own_heap!(HEAP);
    let mut numbers = Numbers(0x0ddb_a11c_afe5_0001);
    let mut blocks: Vec<(*mut u8, u64)> = Vec::new();
    let mut states: Vec<(State, u64)> = Vec::new();
    let mut request = 0;
    for step in 0..3000 {
        if numbers.below(3) != 0 || blocks.is_empty() {
            request += 1;
            // No empty blocks: those can be ambiguous, and are told then.
            let data = HEAP.allocate(1 + numbers.below(50), NORMAL_BLOCK, at(0));
            blocks.push((data, request));
        } else {
            let (data, _) = blocks.swap_remove(numbers.below(blocks.len()));
            // SAFETY: the block is used no more.
            unsafe { HEAP.free(data, NORMAL_BLOCK) };
        }
        if numbers.below(30) == 0 {
            states.push((HEAP.checkpoint(), request));
        }
        if step % 200 == 0 && !states.is_empty() {
            let (state, last) = states[numbers.below(states.len())];
            let ((), reports) = reported(|| HEAP.dump_since(Some(&state)));
            let found: Vec<u64> = reports
                .iter()
                .filter_map(|(_, line)| line.split_once('{')?.1.split_once('}')?.0.parse().ok())
                .collect();
            let mut expected: Vec<u64> = blocks
                .iter()
                .map(|&(_, request)| request)
                .filter(|&request| request > last)
                .collect();
            expected.sort_by(|a, b| b.cmp(a));
            assert_eq!(found, expected);
        }
    }
}

#[test]
fn empty_blocks_since_a_state_are_told_while_its_newest_block_is_there() {
    own_heap!(HEAP);
    let empty_before = HEAP.allocate(0, NORMAL_BLOCK, at(1));
    let last_before = HEAP.allocate(0, NORMAL_BLOCK, at(2));
    let state = HEAP.checkpoint();
    let empty_after = HEAP.allocate(0, NORMAL_BLOCK, at(3));
    let dumped = |state: &State| {
        let ((), reports) = reported(|| HEAP.dump_since(Some(state)));
        reports
            .iter()
            .filter_map(|(_, line)| {
                line.strip_prefix("test.rs(")?
                    .split_once(')')?
                    .0
                    .parse()
                    .ok()
            })
            .collect::<Vec<i32>>()
    };
    assert_eq!(dumped(&state), [3]);
    // SAFETY: the blocks are used no more.
    unsafe {
        HEAP.free(last_before, NORMAL_BLOCK);
        // Which of the empty ones was there cannot be known any more.
        assert_eq!(dumped(&state), [3, 1]);
        HEAP.free(empty_before, NORMAL_BLOCK);
        HEAP.free(empty_after, NORMAL_BLOCK);
    }
}
