//! Global and local memory: a model, threads, and what MoveableBlock promises.

use crate::support::{holds, passes_alone, this_test, with_error};
use ntheap::win32::*;
use std::collections::{HashMap, HashSet};
use std::ffi::c_void;
use std::sync::Mutex;

/// A sequence of numbers without rhyme or reason.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 16) as usize % limit
    }
}

/// What a handle should be.
#[derive(Clone, Debug)]
struct Model {
    moveable: bool,
    discardable: bool,
    shared: bool,
    empty: bool,
    locks: usize,
    contents: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Face {
    Global,
    Local,
}

type Handle = *mut c_void;

// SAFETY (all below): handles are the test's own, and one thread uses them.
impl Face {
    fn alloc(self, flags: UINT, size: usize) -> Handle {
        // SAFETY: no promise to keep.
        unsafe {
            match self {
                Face::Global => GlobalAlloc(flags, size),
                Face::Local => LocalAlloc(flags, size),
            }
        }
    }

    fn realloc(self, handle: Handle, size: usize, flags: UINT) -> Handle {
        // SAFETY: the test keeps no address over this.
        unsafe {
            match self {
                Face::Global => GlobalReAlloc(handle, size, flags),
                Face::Local => LocalReAlloc(handle, size, flags),
            }
        }
    }

    fn free(self, handle: Handle) -> Handle {
        // SAFETY: the test does not use it any more.
        unsafe {
            match self {
                Face::Global => GlobalFree(handle),
                Face::Local => LocalFree(handle),
            }
        }
    }

    fn size(self, handle: Handle) -> usize {
        // SAFETY: no promise to keep.
        unsafe {
            match self {
                Face::Global => GlobalSize(handle),
                Face::Local => LocalSize(handle),
            }
        }
    }

    fn flags(self, handle: Handle) -> UINT {
        // SAFETY: no promise to keep.
        unsafe {
            match self {
                Face::Global => GlobalFlags(handle),
                Face::Local => LocalFlags(handle),
            }
        }
    }

    fn lock(self, handle: Handle) -> *mut u8 {
        // SAFETY: no promise to keep.
        unsafe {
            match self {
                Face::Global => GlobalLock(handle),
                Face::Local => LocalLock(handle),
            }
        }
        .cast()
    }

    fn unlock(self, handle: Handle) -> BOOL {
        // SAFETY: no promise to keep.
        unsafe {
            match self {
                Face::Global => GlobalUnlock(handle),
                Face::Local => LocalUnlock(handle),
            }
        }
    }
}

/// Where the bytes of a block are.
fn data(handle: Handle, model: &Model) -> *mut u8 {
    if model.moveable {
        // SAFETY: a live moveable handle leads to its data's address.
        unsafe { handle.cast::<*mut u8>().read() }
    } else {
        handle.cast()
    }
}

fn write(handle: Handle, model: &mut Model, numbers: &mut Numbers) {
    let seed = numbers.next() as u8;
    for (nth, byte) in model.contents.iter_mut().enumerate() {
        *byte = seed.wrapping_add((nth * 31) as u8);
    }
    // SAFETY: the block has as many bytes.
    unsafe {
        data(handle, model).copy_from_nonoverlapping(model.contents.as_ptr(), model.contents.len());
    }
}

fn check(face: Face, handle: Handle, model: &Model) {
    assert_eq!(face.size(handle), model.contents.len(), "{model:?}");
    if model.moveable {
        let discardable = match face {
            Face::Global => GMEM_DISCARDABLE,
            Face::Local => LMEM_DISCARDABLE,
        };
        let bit = |set: bool, flag: UINT| if set { flag } else { 0 };
        let expected = model.locks as UINT
            | bit(model.discardable, discardable)
            | bit(model.empty, GMEM_DISCARDED)
            | bit(model.shared && face == Face::Global, GMEM_DDESHARE);
        assert_eq!(face.flags(handle), expected, "{model:?}");
    } else {
        assert_eq!(face.flags(handle), 0);
    }
    if !model.contents.is_empty() {
        // SAFETY: the block has as many bytes.
        let bytes =
            unsafe { std::slice::from_raw_parts(data(handle, model), model.contents.len()) };
        assert!(bytes == model.contents, "contents of {} bytes", bytes.len());
    }
}

/// What ReAlloc should do; `None`: fail.
fn realloc(face: Face, model: &Model, size: usize, flags: UINT) -> Option<Model> {
    let mut new = model.clone();
    let discardable = match face {
        Face::Global => GMEM_DISCARDABLE,
        Face::Local => LMEM_DISCARDABLE,
    };
    if flags & GMEM_MODIFY != 0 {
        if model.moveable {
            new.discardable |= flags & discardable != 0;
        } else if face == Face::Global && flags & GMEM_MOVEABLE != 0 {
            new.moveable = true;
            new.shared = false;
            new.discardable = flags & discardable != 0;
            new.empty = model.contents.is_empty();
        }
        return Some(new);
    }
    if flags & discardable != 0 {
        return None;
    }
    if model.moveable && size == 0 {
        if model.locks != 0 || flags & GMEM_MOVEABLE == 0 {
            return None;
        }
        new.contents.clear();
        new.empty = true;
        return Some(new);
    }
    new.contents.resize(size, 0);
    if model.moveable {
        new.empty = false;
    }
    Some(new)
}

/// Whether a block may fail to be resized all the same: it must stay where it is.
fn must_stay(model: &Model, flags: UINT) -> bool {
    let is_pinned = !model.moveable || model.locks != 0;
    is_pinned && flags & (GMEM_MODIFY | GMEM_MOVEABLE) == 0
}

/// What freeing a freed block again leaves: its pages may be gone as well.
fn double_free_error(handle: Handle) -> DWORD {
    // SAFETY: no promise to keep.
    match unsafe { IsBadReadPtr(handle, 1) } {
        FALSE => ERROR_INVALID_HANDLE,
        _ => ERROR_NOACCESS,
    }
}

fn against_a_model(seed: u64) {
    let mut numbers = Numbers(seed);
    let mut live: Vec<(Face, Handle, Model)> = Vec::new();
    let sizes = [
        0, 1, 8, 12, 16, 33, 100, 500, 1000, 1008, 1009, 5000, 40_000, 0x20_0000,
    ];
    for step in 0..30_000 {
        if step % 64 == 0 {
            for (face, handle, model) in &live {
                check(*face, *handle, model);
            }
        }
        let size = sizes[numbers.below(if step % 100 == 0 { 14 } else { 12 })];
        if live.len() < 100 && numbers.below(3) == 0 || live.is_empty() {
            let face = [Face::Global, Face::Local][numbers.below(2)];
            let mut flags = [0, GMEM_MOVEABLE, GMEM_MOVEABLE][numbers.below(3)];
            flags |= [0, GMEM_DISCARDABLE][numbers.below(2)];
            flags |= [0, GMEM_DDESHARE][numbers.below(2)];
            flags |= [0, GMEM_ZEROINIT][numbers.below(2)];
            let handle = face.alloc(flags, size);
            holds!(!handle.is_null());
            let moveable = flags & GMEM_MOVEABLE != 0;
            assert_eq!(handle.addr() % 16, if moveable { 8 } else { 0 });
            let size = if !moveable && face == Face::Global {
                size.max(1)
            } else {
                size
            };
            let mut model = Model {
                moveable,
                discardable: flags & GMEM_DISCARDABLE != 0,
                shared: flags & GMEM_DDESHARE != 0,
                empty: moveable && size == 0,
                locks: 0,
                contents: vec![0; size],
            };
            if flags & GMEM_ZEROINIT != 0 {
                check(face, handle, &model);
            }
            write(handle, &mut model, &mut numbers);
            live.push((face, handle, model));
            continue;
        }
        let chosen = numbers.below(live.len());
        let (face, handle, model) = &mut live[chosen];
        match numbers.below(8) {
            0 | 1 => {
                let (face, handle, model) = live.swap_remove(chosen);
                check(face, handle, &model);
                assert!(face.free(handle).is_null());
                let error = double_free_error(handle);
                assert_eq!(with_error(|| face.free(handle)), (handle, error));
            }
            2 => {
                let locked = face.lock(*handle);
                if model.moveable && model.empty {
                    assert!(locked.is_null());
                } else {
                    assert_eq!(locked, data(*handle, model));
                    model.locks += usize::from(model.moveable);
                }
            }
            3 => {
                let expected = match (model.moveable, model.locks, *face) {
                    (false, _, Face::Global) => TRUE,
                    (_, 2.., _) => TRUE,
                    _ => FALSE,
                };
                assert_eq!(face.unlock(*handle), expected, "{model:?}");
                model.locks = model.locks.saturating_sub(1);
            }
            _ => {
                let mut flags = [0, GMEM_MOVEABLE, GMEM_MOVEABLE][numbers.below(3)];
                flags |= [0, 0, 0, GMEM_MODIFY][numbers.below(4)];
                flags |= [0, 0, 0, GMEM_DISCARDABLE][numbers.below(4)];
                flags |= GMEM_ZEROINIT;
                let before = data(*handle, model);
                let expected = realloc(*face, model, size, flags);
                let new = face.realloc(*handle, size, flags);
                match expected {
                    None => assert!(new.is_null(), "{model:?} {size} {flags:#x}"),
                    Some(_) if new.is_null() => {
                        assert!(must_stay(model, flags), "{model:?} {size} {flags:#x}");
                        if model.moveable {
                            assert!(size > model.contents.len(), "shrinking was refused");
                        }
                    }
                    Some(expected) => {
                        if model.moveable == expected.moveable && model.moveable {
                            assert_eq!(new, *handle);
                            if !expected.empty && expected.contents.len() <= model.contents.len() {
                                assert_eq!(data(new, &expected), before, "moved to shrink");
                            }
                        }
                        if must_stay(model, flags) && !model.empty {
                            assert_eq!(data(new, &expected), before, "moved");
                        }
                        (*handle, *model) = (new, expected);
                    }
                }
                check(*face, *handle, model);
                write(*handle, model, &mut numbers);
            }
        }
    }
    for (face, handle, model) in live {
        check(face, handle, &model);
        assert!(face.free(handle).is_null());
    }
    // SAFETY: no promise to keep.
    unsafe { assert_eq!(HeapValidate(GetProcessHeap(), 0, std::ptr::null()), TRUE) };
}

#[test]
fn blocks_do_what_a_model_does() {
    passes_alone(this_test!(blocks_do_what_a_model_does), || {
        for seed in [1, 0x1234_5678, 0xfeed_beef_cafe] {
            against_a_model(seed);
        }
    });
}

#[test]
fn four_threads_lose_no_handle() {
    const THREADS: usize = 4;
    const EACH: usize = 0x1_0000 / THREADS;
    passes_alone(this_test!(four_threads_lose_no_handle), || {
        for round in 0..3 {
            // All that there are, by four threads at once.
            let all = Mutex::new(HashSet::new());
            std::thread::scope(|scope| {
                for thread in 0..THREADS {
                    let all = &all;
                    scope.spawn(move || {
                        let mut numbers = Numbers(thread as u64 * 77 + round + 1);
                        let mut own: Vec<usize> = Vec::new();
                        // Taken and given back in any order meanwhile.
                        while own.len() < EACH {
                            // SAFETY: no promise to keep.
                            let handle = unsafe { GlobalAlloc(GMEM_MOVEABLE, 8) };
                            holds!(!handle.is_null());
                            // SAFETY: the block has 8 bytes.
                            unsafe { GlobalLock(handle).cast::<usize>().write(handle.addr()) };
                            own.push(handle.expose_provenance());
                            if numbers.below(4) == 0 {
                                let gone = own.swap_remove(numbers.below(own.len()));
                                free(gone);
                            }
                        }
                        let mut all = all.lock().unwrap();
                        for handle in own {
                            assert!(all.insert(handle), "a handle was handed out twice");
                        }
                    });
                }
            });
            let mut all: Vec<usize> = all.into_inner().unwrap().into_iter().collect();
            assert_eq!(all.len(), 0x1_0000);
            // SAFETY: no promise to keep.
            let (one_more, error) = with_error(|| unsafe { LocalAlloc(LMEM_MOVEABLE, 8) });
            assert_eq!(
                (one_more, error),
                (std::ptr::null_mut(), ERROR_NOT_ENOUGH_MEMORY)
            );
            let mut numbers = Numbers(round + 99);
            for place in (1..all.len()).rev() {
                all.swap(place, numbers.below(place + 1));
            }
            std::thread::scope(|scope| {
                for part in all.chunks(EACH) {
                    scope.spawn(move || part.iter().copied().for_each(free));
                }
            });
        }
    });

    fn free(handle: usize) {
        let handle: Handle = std::ptr::with_exposed_provenance_mut(handle);
        // SAFETY: a live handle of this test's, whose block holds its address.
        unsafe {
            assert_eq!(GlobalLock(handle).cast::<usize>().read(), handle.addr());
            assert!(GlobalFree(handle).is_null());
        }
    }
}

#[test]
fn one_handle_bears_many_threads() {
    // SAFETY: the handle is the test's; its data is not used.
    unsafe {
        let handle = GlobalAlloc(GMEM_MOVEABLE, 100);
        let address = handle.expose_provenance();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(move || {
                    let handle: Handle = std::ptr::with_exposed_provenance_mut(address);
                    for _ in 0..20_000 {
                        assert!(!GlobalLock(handle).is_null());
                        GlobalUnlock(handle);
                    }
                });
            }
            scope.spawn(move || {
                let handle: Handle = std::ptr::with_exposed_provenance_mut(address);
                for size in 0..5000 {
                    let moved = GlobalReAlloc(handle, 100 + size % 700, GMEM_MOVEABLE);
                    assert_eq!(moved, handle);
                }
            });
        });
        assert_eq!(GlobalFlags(handle) & GMEM_LOCKCOUNT, 0);
        assert_eq!(GlobalHandle(GlobalLock(handle)), handle);
        assert!(GlobalFree(handle).is_null());
    }
}

#[test]
fn of_two_frees_at_once_one_succeeds() {
    // Alone: what another test was given between the two would be freed by the second.
    passes_alone(this_test!(of_two_frees_at_once_one_succeeds), || {
        for _ in 0..2000 {
            // SAFETY: no promise to keep.
            let handle = unsafe { GlobalAlloc(GMEM_MOVEABLE, 40) }.expose_provenance();
            let freed = std::sync::atomic::AtomicUsize::new(0);
            let start = std::sync::Barrier::new(2);
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        let handle: Handle = std::ptr::with_exposed_provenance_mut(handle);
                        start.wait();
                        // SAFETY: nobody uses the block.
                        let left = unsafe { GlobalFree(handle) };
                        if left.is_null() {
                            freed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        }
                    });
                }
            });
            assert_eq!(freed.into_inner(), 1);
        }
    });
}

#[test]
fn a_child_of_a_fork_goes_on_with_handles() {
    passes_alone(this_test!(a_child_of_a_fork_goes_on_with_handles), || {
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut block = MoveableBlock::new(10).unwrap();
                let mut size = 0;
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    size = (size + 777) % 50_000;
                    block.resize(size + 1).unwrap();
                }
            });
            for _ in 0..50 {
                // SAFETY: the child only uses the library, and ends.
                unsafe {
                    let child = libc::fork();
                    if child == 0 {
                        libc::alarm(20);
                        let handle = GlobalAlloc(GMEM_MOVEABLE, 100);
                        let moved = GlobalReAlloc(handle, 70_000, GMEM_MOVEABLE);
                        let good =
                            !handle.is_null() && moved == handle && GlobalFree(handle).is_null();
                        libc::_exit(i32::from(!good));
                    }
                    let mut status = 0;
                    assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
                    assert_eq!(status, 0);
                }
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    });
}

#[test]
fn a_moveable_block_keeps_its_bytes_wherever_it_goes() {
    let mut numbers = Numbers(5);
    let mut blocks: HashMap<usize, (MoveableBlock, Vec<u8>)> = HashMap::new();
    for step in 0..5000 {
        let key = numbers.below(40);
        let size = 1 + numbers.below(2000);
        let (block, bytes) = blocks
            .entry(key)
            .or_insert_with(|| (MoveableBlock::new(size).unwrap(), vec![0; size]));
        assert_eq!(&*block.lock().unwrap(), &bytes[..]);
        block.resize(size).unwrap();
        bytes.resize(size, 0);
        let place = numbers.below(size);
        block.lock_mut().unwrap()[place] = step as u8;
        bytes[place] = step as u8;
        if numbers.below(10) == 0 {
            blocks.remove(&key);
        }
    }
}

#[test]
fn guards_count_as_locks() {
    let mut block = MoveableBlock::new(10).unwrap();
    assert_eq!((block.lock_count(), block.size()), (0, 10));
    let guards: Vec<_> = (0..300).map(|_| block.lock().unwrap()).collect();
    assert_eq!(block.lock_count(), 255);
    assert!(guards.iter().all(|guard| **guard == [0; 10]));
    drop(guards);
    assert_eq!(block.lock_count(), 0);
    std::mem::forget(block.lock().unwrap());
    assert_eq!(block.discard(), Err(MoveableError::Locked));
    block.resize(50_000).unwrap();
    assert_eq!(block.size(), 50_000);
    assert!(format!("{block:?}").contains("lock_count: 1"));
}

#[test]
fn a_block_goes_to_windows_names_and_back() {
    let mut block = MoveableBlock::new(4).unwrap();
    block.lock_mut().unwrap().copy_from_slice(b"word");
    let handle = block.into_handle();
    // SAFETY: the handle is the test's, and zeroed when it was made.
    unsafe {
        assert_eq!(GlobalSize(handle), 4);
        assert!(MoveableBlock::from_handle(std::ptr::null_mut()).is_none());
        let block = MoveableBlock::from_handle(handle).unwrap();
        assert_eq!(&*block.lock().unwrap(), b"word");
        drop(block);
        assert!(MoveableBlock::from_handle(handle).is_none());
    }
    let empty = MoveableBlock::new(0).unwrap();
    assert!(empty.is_discarded());
    assert_eq!(empty.lock().unwrap_err(), MoveableError::Discarded);
}
