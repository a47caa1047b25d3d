//! COM's task memory: spies on several threads, owners, the strings' cache.

use crate::support::{passes_alone, this_test};
use ntheap::win32::*;
use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What a spy is in the middle of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Within {
    Nothing,
    Alloc(usize),
    Free,
    Realloc(usize),
    GetSize,
    DidAlloc,
    Minimize,
}

/// Bytes that it puts before each block.
const BEFORE: usize = 48;

/// A spy that changes sizes and addresses, and checks that each Pre has its Post.
struct Strict {
    /// What is under way, by which thread.
    within: Mutex<(Within, Option<std::thread::ThreadId>)>,
    pairs: AtomicUsize,
    refused: AtomicUsize,
    released: AtomicUsize,
}

impl Strict {
    fn begin(&self, what: Within) {
        let mut within = self.within.lock().unwrap();
        assert_eq!(within.0, Within::Nothing, "two at a time");
        *within = (what, Some(std::thread::current().id()));
    }

    fn end(&self, is_it: impl Fn(Within) -> bool) {
        let mut within = self.within.lock().unwrap();
        assert!(is_it(within.0), "a Post of another Pre: {within:?}");
        assert_eq!(within.1, Some(std::thread::current().id()));
        *within = (Within::Nothing, None);
        self.pairs.fetch_add(1, Relaxed);
    }

    /// A Pre that has no Post.
    fn cancel(&self) {
        *self.within.lock().unwrap() = (Within::Nothing, None);
        self.refused.fetch_add(1, Relaxed);
    }
}

fn behind(block: *mut c_void) -> *mut c_void {
    if block.is_null() {
        return block;
    }
    block.wrapping_byte_add(BEFORE)
}

fn ahead(block: *mut c_void, spied: bool) -> *mut c_void {
    if block.is_null() || !spied {
        return block;
    }
    block.wrapping_byte_sub(BEFORE)
}

/// A size that it refuses.
const REFUSED: usize = 777;

// SAFETY: blocks are as much larger as they are moved, and moved back.
unsafe impl MallocSpy for Strict {
    fn pre_alloc(&self, size: usize) -> usize {
        self.begin(Within::Alloc(size));
        // A spy may use task memory itself; it is not told of that.
        let own = TaskMem::new(size).unwrap();
        assert_eq!(*own, size);
        if size == REFUSED {
            self.cancel();
            return 0;
        }
        size + BEFORE
    }

    fn post_alloc(&self, block: *mut c_void) -> *mut c_void {
        self.end(|within| matches!(within, Within::Alloc(_)));
        behind(block)
    }

    fn pre_free(&self, block: *mut c_void, spied: bool) -> *mut c_void {
        self.begin(Within::Free);
        ahead(block, spied)
    }

    fn post_free(&self, _spied: bool) {
        self.end(|within| within == Within::Free);
    }

    fn pre_realloc(&self, block: *mut c_void, size: usize, spied: bool) -> (*mut c_void, usize) {
        self.begin(Within::Realloc(size));
        let request = ahead(block, spied);
        if size == 0 {
            self.cancel();
            return (request, 0);
        }
        if size == REFUSED {
            self.cancel();
            return (request, 0);
        }
        (request, if spied { size + BEFORE } else { size })
    }

    fn post_realloc(&self, block: *mut c_void, spied: bool) -> *mut c_void {
        self.end(|within| matches!(within, Within::Realloc(_)));
        if spied { behind(block) } else { block }
    }

    fn pre_get_size(&self, block: *mut c_void, spied: bool) -> *mut c_void {
        self.begin(Within::GetSize);
        ahead(block, spied)
    }

    fn post_get_size(&self, size: usize, spied: bool) -> usize {
        self.end(|within| within == Within::GetSize);
        if spied { size - BEFORE } else { size }
    }

    fn pre_did_alloc(&self, block: *mut c_void, spied: bool) -> *mut c_void {
        self.begin(Within::DidAlloc);
        ahead(block, spied)
    }

    fn post_did_alloc(&self, _block: *mut c_void, _spied: bool, answer: i32) -> i32 {
        self.end(|within| within == Within::DidAlloc);
        answer
    }

    fn pre_heap_minimize(&self) {
        self.begin(Within::Minimize);
    }

    fn post_heap_minimize(&self) {
        self.end(|within| within == Within::Minimize);
    }

    fn released(&self) {
        self.released.fetch_add(1, Relaxed);
    }
}

static STRICT: SpyObject<Strict> = SpyObject::new(Strict {
    within: Mutex::new((Within::Nothing, None)),
    pairs: AtomicUsize::new(0),
    refused: AtomicUsize::new(0),
    released: AtomicUsize::new(0),
});

/// The task allocator.
fn allocator() -> LPMALLOC {
    let mut found = null_mut();
    // SAFETY: room for an address.
    assert_eq!(unsafe { CoGetMalloc(MEMCTX_TASK, &raw mut found) }, S_OK);
    found
}

fn fill(block: *mut c_void, size: usize, with: u8) {
    // SAFETY: the callers' block has as many bytes.
    unsafe { block.cast::<u8>().write_bytes(with, size) };
}

fn is_filled(block: *mut c_void, size: usize, with: u8) -> bool {
    // SAFETY: the callers' block has as many bytes, all written.
    unsafe { std::slice::from_raw_parts(block.cast::<u8>(), size) }
        .iter()
        .all(|byte| *byte == with)
}

#[test]
fn a_spy_on_four_threads_sees_every_call_in_order() {
    const OPERATIONS: usize = 25_000;
    passes_alone(
        this_test!(a_spy_on_four_threads_sees_every_call_in_order),
        || {
            // SAFETY: blocks are used by the thread that has them.
            let old: Vec<usize> = (0..400)
                .map(|_| unsafe { CoTaskMemAlloc(64) }.expose_provenance())
                .collect();
            STRICT.register().unwrap();
            assert_eq!(STRICT.register(), Err(SpyError::AlreadyRegistered));
            let calls = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for thread in 0..4usize {
                    let (calls, old) = (&calls, &old[thread * 100..][..100]);
                    scope.spawn(move || {
                        let mut blocks: HashMap<usize, (usize, u8)> = HashMap::new();
                        for &address in old {
                            fill(std::ptr::with_exposed_provenance_mut(address), 64, 1);
                            blocks.insert(address, (64, 1));
                        }
                        random_operations(thread as u64 + 1, OPERATIONS, &mut blocks, calls);
                        for (address, (size, with)) in blocks {
                            let block = std::ptr::with_exposed_provenance_mut(address);
                            assert!(is_filled(block, size, with));
                            // SAFETY: nobody uses it any more.
                            unsafe { CoTaskMemFree(block) };
                            calls.fetch_add(1, Relaxed);
                        }
                    });
                }
            });
            let spy = STRICT.spy();
            assert_eq!(
                spy.pairs.load(Relaxed) + spy.refused.load(Relaxed),
                calls.load(Relaxed),
                "each call is told once"
            );
            assert!(spy.pairs.load(Relaxed) > 80_000 && spy.refused.load(Relaxed) > 100);
            assert_eq!(spy.within.lock().unwrap().0, Within::Nothing);
            assert_eq!(revoke_malloc_spy(), Ok(Revoked::Now));
            assert_eq!(spy.released.load(Relaxed), 1);
            assert_eq!(revoke_malloc_spy(), Err(SpyError::NotRegistered));
            // SAFETY: no promise to keep.
            unsafe { assert_eq!(HeapValidate(GetProcessHeap(), 0, null()), TRUE) };
        },
    );
}

fn random_operations(
    seed: u64,
    count: usize,
    blocks: &mut HashMap<usize, (usize, u8)>,
    calls: &AtomicUsize,
) {
    let this = allocator();
    // SAFETY: the table is the allocator's.
    let methods = unsafe { &*(*this).lpVtbl };
    let mut state = seed;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize
    };
    for _ in 0..count {
        let size = match next() % 40 {
            0 => REFUSED,
            1 => 5000 + next() % 60_000,
            _ => 1 + next() % 300,
        };
        let chosen = blocks.keys().copied().nth(next() % 8 % blocks.len().max(1));
        let with = next() as u8;
        calls.fetch_add(1, Relaxed);
        // SAFETY: blocks are this thread's.
        unsafe {
            match (next() % 8, chosen) {
                (0..3, _) | (_, None) => {
                    let block = (methods.Alloc)(this, size);
                    assert_eq!(block.is_null(), size == REFUSED);
                    if !block.is_null() {
                        fill(block, size, with);
                        let twice = blocks.insert(block.expose_provenance(), (size, with));
                        assert!(twice.is_none());
                    }
                }
                (kind, Some(address)) => {
                    let block: *mut c_void = std::ptr::with_exposed_provenance_mut(address);
                    let (old, filled) = blocks[&address];
                    assert!(is_filled(block, old, filled));
                    match kind {
                        3 => {
                            (methods.Free)(this, block);
                            blocks.remove(&address);
                        }
                        4 => assert_eq!((methods.GetSize)(this, block), old),
                        5 => assert_eq!((methods.DidAlloc)(this, block), 1),
                        6 if size % 16 == 0 => {
                            assert!((methods.Realloc)(this, block, 0).is_null());
                            blocks.remove(&address);
                        }
                        6 if size % 512 == 1 => (methods.HeapMinimize)(this),
                        _ => {
                            let new = (methods.Realloc)(this, block, size);
                            assert_eq!(new.is_null(), size == REFUSED);
                            if !new.is_null() {
                                assert!(is_filled(new, old.min(size), filled));
                                fill(new, size, with);
                                blocks.remove(&address);
                                blocks.insert(new.expose_provenance(), (size, with));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// A spy that ends its own registration when a block is freed.
struct Ending(AtomicUsize);

// SAFETY: nothing is changed.
unsafe impl MallocSpy for Ending {
    fn pre_free(&self, block: *mut c_void, spied: bool) -> *mut c_void {
        assert!(spied);
        assert_eq!(revoke_malloc_spy(), Ok(Revoked::Later));
        block
    }

    fn released(&self) {
        self.0.fetch_add(1, Relaxed);
    }
}

static ENDING: SpyObject<Ending> = SpyObject::new(Ending(AtomicUsize::new(0)));

#[test]
fn a_spy_may_end_itself() {
    passes_alone(this_test!(a_spy_may_end_itself), || {
        ENDING.register().unwrap();
        let block = TaskMem::new(1).unwrap();
        drop(block);
        assert_eq!(ENDING.spy().0.load(Relaxed), 1);
        assert_eq!(revoke_malloc_spy(), Err(SpyError::NotRegistered));
        drop(TaskMem::new(2).unwrap());
    });
}

#[test]
fn a_child_of_a_fork_is_not_held_up_by_a_spy() {
    passes_alone(
        this_test!(a_child_of_a_fork_is_not_held_up_by_a_spy),
        || {
            STRICT.register().unwrap();
            let stop = std::sync::atomic::AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !stop.load(Relaxed) {
                        drop(TaskMem::new(5).unwrap());
                    }
                });
                for _ in 0..30 {
                    // SAFETY: the child only uses the library, and ends.
                    unsafe {
                        let child = libc::fork();
                        if child == 0 {
                            libc::alarm(20);
                            // No spy of Rust's here: its own locks may be held for ever.
                            CoRevokeMallocSpy();
                            libc::_exit(0);
                        }
                        let mut status = 0;
                        assert_eq!(libc::waitpid(child, &raw mut status, 0), child);
                        assert_eq!(status, 0);
                    }
                }
                stop.store(true, Relaxed);
            });
            assert_eq!(revoke_malloc_spy(), Ok(Revoked::Now));
        },
    );
}

#[test]
fn task_memory_has_an_owner() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Counted(#[allow(dead_code, reason = "is dropped")] u64);
    impl Drop for Counted {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Relaxed);
        }
    }

    let one = TaskMem::new(Counted(1)).unwrap();
    drop(one);
    assert_eq!(DROPPED.load(Relaxed), 1);
    let raw = TaskMem::new(Counted(2)).unwrap().into_raw();
    assert_eq!(DROPPED.load(Relaxed), 1);
    // SAFETY: just given away.
    drop(unsafe { TaskMem::from_raw(raw) });
    assert_eq!(DROPPED.load(Relaxed), 2);

    let mut numbers = TaskMem::from_slice(&[1u16, 2, 3]).unwrap();
    numbers[1] = 7;
    assert_eq!(&*numbers, [1, 7, 3]);
    assert_eq!(format!("{numbers:?}"), "TaskMem([1, 7, 3])");
    // SAFETY: a block of the allocator's.
    unsafe {
        let this = allocator();
        let block = numbers.into_raw();
        assert_eq!(((*(*this).lpVtbl).GetSize)(this, block.cast()), 6);
        CoTaskMemFree(block.cast());
    }
    let nothing = TaskMem::<[u64]>::from_slice(&[]).unwrap();
    assert!(nothing.is_empty());
    drop(TaskMem::new(()).unwrap());
}

#[test]
fn a_foreign_block_is_left_alone() {
    // Alone: once termination on corruption is on, it is on for the process.
    passes_alone(this_test!(a_foreign_block_is_left_alone), || {
        let mut local = [0u8; 64];
        let this = allocator();
        // SAFETY: no block is freed.
        unsafe {
            let methods = &*(*this).lpVtbl;
            let block = CoTaskMemAlloc(100);
            let interior = block.wrapping_byte_add(16);
            assert_eq!((methods.DidAlloc)(this, interior), 0);
            assert_eq!((methods.DidAlloc)(this, local.as_mut_ptr().cast()), 0);
            CoTaskMemFree(interior);
            CoTaskMemFree(local.as_mut_ptr().cast());
            assert!(CoTaskMemRealloc(interior, 20).is_null());
            assert_eq!((methods.GetSize)(this, block), 100);
            CoTaskMemFree(block);
            assert_eq!((methods.DidAlloc)(this, block), 0);
            CoTaskMemFree(block);
            assert_eq!(HeapValidate(GetProcessHeap(), 0, null()), TRUE);
        }
    });
}

/// Whether a freed string is kept.
fn keeps() -> bool {
    let text: Vec<u16> = "a string".encode_utf16().chain([0]).collect();
    let this = allocator();
    // SAFETY: the string is not used once it is freed.
    unsafe {
        let string = SysAllocString(text.as_ptr());
        let block = string.wrapping_byte_sub(8).cast();
        SysFreeString(string);
        ((*(*this).lpVtbl).DidAlloc)(this, block) == 1
    }
}

#[test]
fn strings_are_kept_until_that_is_turned_off() {
    passes_alone(
        this_test!(strings_are_kept_until_that_is_turned_off),
        || {
            assert!(keeps());
            // SAFETY: no promise to keep.
            unsafe { SetOaNoCache() };
            assert!(!keeps());
        },
    );
}

#[test]
fn oanocache_turns_it_off() {
    const ASKED: &str = "TASK_MEMORY_TEST_CHILD";
    if std::env::var_os(ASKED).is_some() {
        assert_eq!(keeps(), std::env::var_os("OANOCACHE").is_none());
        return;
    }
    for is_off in [false, true] {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", this_test!(oanocache_turns_it_off)])
            .env(ASKED, "1")
            .env_remove("OANOCACHE");
        if is_off {
            command.env("OANOCACHE", "1");
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}"
        );
    }
}

#[test]
fn a_string_freed_twice_is_kept_once() {
    passes_alone(this_test!(a_string_freed_twice_is_kept_once), || {
        let text: Vec<u16> = "twice".encode_utf16().chain([0]).collect();
        // SAFETY: freed twice on purpose; its length is read from what is kept.
        unsafe {
            let string = SysAllocString(text.as_ptr());
            SysFreeString(string);
            SysFreeString(string);
            let one = SysAllocString(text.as_ptr());
            let another = SysAllocString(text.as_ptr());
            assert_ne!(one, another);
            SysFreeString(one);
            SysFreeString(another);
        }
    });
}
