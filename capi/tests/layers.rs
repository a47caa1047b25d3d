//! What a listener is told of calls from layer to layer: each call's name, arguments and
//! result, those inside it between its begin and its end.
//!
//! One test, since the listener is the process's.

#![cfg(target_os = "linux")]

use heap::Config;
use heap::heap::private::{self, Settings, flags};
use heap::heap::{Diversion, Kind, Word, checked, divert};
use heap::trace::{Call, listen};
use std::alloc::Layout;
use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    static WORD: Word = const { Word::new() };
}

const CONFIG: Config = Config::new();

/// What a listener was told, which may not allocate.
#[derive(Clone, Copy)]
struct Told {
    name: &'static CStr,
    arguments: [(&'static CStr, u64); MOST],
    count: usize,
    ended: bool,
    result: u64,
}

const MOST: usize = 6;
const ROOM: usize = 4096;
static mut TOLD: [Told; ROOM] = [Told {
    name: c"",
    arguments: [(c"", 0); MOST],
    count: 0,
    ended: false,
    result: 0,
}; ROOM];
static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Notes a call. The test's thread alone calls the heap.
unsafe extern "C" fn note(call: &Call) {
    let at = COUNT.fetch_add(1, Ordering::Relaxed);
    // SAFETY: names are C strings of the library's own, and as many arguments as it says; the
    // one thread that calls writes a place that was not written before.
    unsafe {
        let place = &mut *(&raw mut TOLD).cast::<Told>().add(at % ROOM);
        place.name = CStr::from_ptr(call.name);
        place.count = call.count;
        for (nth, to) in place.arguments.iter_mut().enumerate().take(call.count) {
            let argument = &*call.arguments.add(nth);
            *to = (CStr::from_ptr(argument.name), argument.value);
        }
        place.ended = call.ended;
        place.result = call.result;
    }
}

/// A call with those inside it.
#[derive(Debug)]
struct Node {
    name: String,
    arguments: Vec<(String, u64)>,
    result: u64,
    inside: Vec<Node>,
}

impl Node {
    fn of(&self, argument: &str) -> u64 {
        let found = self.arguments.iter().find(|(name, _)| name == argument);
        found.unwrap_or_else(|| panic!("{argument}: {self:?}")).1
    }

    /// The first call of this name inside it, however deep.
    fn find(&self, name: &str) -> Option<&Node> {
        self.inside.iter().find_map(|node| {
            Some(node)
                .filter(|node| node.name == name)
                .or(node.find(name))
        })
    }
}

/// Runs `body`; what was told meanwhile, which must begin and end in turn.
fn calls<R>(body: impl FnOnce() -> R) -> (R, Vec<Node>) {
    let before = COUNT.load(Ordering::Relaxed);
    let result = body();
    let after = COUNT.load(Ordering::Relaxed);
    assert!(after - before < ROOM);
    let mut open: Vec<Node> = Vec::new();
    let mut done = Vec::new();
    for at in before..after {
        // SAFETY: written by now, and by this thread.
        let told = unsafe { (&raw const TOLD).cast::<Told>().add(at % ROOM).read() };
        let name = told.name.to_str().unwrap().to_owned();
        let arguments = told.arguments[..told.count].iter();
        let arguments: Vec<(String, u64)> = arguments
            .map(|(name, value)| (name.to_str().unwrap().to_owned(), *value))
            .collect();
        if !told.ended {
            assert_eq!(told.result, 0);
            open.push(Node {
                name,
                arguments,
                result: 0,
                inside: Vec::new(),
            });
            continue;
        }
        let mut node = open.pop().expect("it began");
        assert_eq!((&node.name, &node.arguments), (&name, &arguments));
        node.result = told.result;
        match open.last_mut() {
            Some(outer) => outer.inside.push(node),
            None => done.push(node),
        }
    }
    assert!(open.is_empty(), "{open:?}");
    (result, done)
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 8).unwrap()
}

fn allocate(size: usize, is_zero: bool) -> *mut u8 {
    // SAFETY: the word is this thread's own.
    WORD.with(|word| unsafe { checked::allocate_layout(word, &CONFIG, layout(size), is_zero) })
}

fn free(block: *mut u8, size: usize) {
    // SAFETY: the word is this thread's own; each block is freed once.
    WORD.with(|word| unsafe { checked::free_layout(word, block, layout(size)) });
}

/// The only call of a layer, which must be `name`.
#[track_caller]
fn only(calls: Vec<Node>, name: &str) -> Node {
    let [call] = <[Node; 1]>::try_from(calls).unwrap();
    assert_eq!(call.name, name);
    call
}

#[test]
fn each_layer_tells_of_its_calls() {
    // Without a listener nothing is told.
    free(allocate(100, false), 100);
    assert_eq!(COUNT.load(Ordering::Relaxed), 0);
    // SAFETY: the word is this thread's own.
    WORD.with(|word| unsafe {
        let everything = Diversion { everything: true };
        divert(Kind::Checked, word, &CONFIG, everything);
    });
    listen(note);

    // The process heap, which is asked for zeroes where there are many.
    for (size, is_zero, flags) in [(100, false, 0), (100, true, 0), (20_000, true, 8)] {
        let (block, told) = calls(|| allocate(size, is_zero));
        let call = only(told, "RtlAllocateHeap");
        assert_eq!(
            (call.of("heap"), call.of("flags"), call.of("size")),
            (0, flags, size as u64)
        );
        assert_eq!(call.result, block.addr() as u64);
        let ((), told) = calls(|| free(block, size));
        let call = only(told, "RtlFreeHeap");
        assert_eq!(
            (call.of("heap"), call.of("flags"), call.of("block")),
            (0, 0, block.addr() as u64)
        );
        assert_eq!(call.result, 1);
    }

    // A large block's pages, and the system's call for them.
    let size = 40 << 20;
    let (block, told) = calls(|| allocate(size, false));
    let call = only(told, "RtlAllocateHeap");
    assert_eq!(call.result, block.addr() as u64);
    let pages = call.find("NtAllocateVirtualMemory").expect("pages");
    assert!(pages.of("size") >= size as u64 && pages.of("type") & 0x2000 != 0);
    assert_eq!(pages.result, 0, "STATUS_SUCCESS");
    let mapping = pages.find("mmap").expect("a mapping");
    assert!(mapping.of("length") >= size as u64);
    assert!((mapping.result..mapping.result + mapping.of("length")).contains(&call.result));
    free(block, size);

    // What nothing can hold.
    let (block, told) = calls(|| allocate(1 << 47, false));
    assert!(block.is_null());
    let call = told.iter().rfind(|call| call.name == "RtlAllocateHeap");
    let call = call.expect("a call");
    assert_eq!((call.of("size"), call.result), (1 << 47, 0));
    let pages = call.find("NtAllocateVirtualMemory").expect("pages");
    assert_eq!(pages.result, 0xC000_0017, "STATUS_NO_MEMORY");

    // A private heap.
    // SAFETY: the settings name no memory; the heap is serialized, and its blocks are used
    // here alone.
    unsafe {
        let (heap, _) = calls(|| private::create(&Settings::DEFAULT).unwrap());
        let handle = heap.address() as u64;
        let (block, told) = calls(|| {
            private::allocate(heap, flags::ZERO_MEMORY, 40)
                .unwrap()
                .as_ptr()
        });
        let call = only(told, "RtlAllocateHeap");
        assert_eq!(
            (call.of("heap"), call.of("flags"), call.of("size")),
            (handle, 8, 40)
        );
        assert_eq!(call.result, block.addr() as u64);
        let (moved, told) = calls(|| private::reallocate(heap, 0, block, 5000).unwrap().as_ptr());
        let call = only(told, "RtlReAllocateHeap");
        assert_eq!((call.of("heap"), call.of("size")), (handle, 5000));
        assert_eq!(call.result, moved.addr() as u64);
        let (result, told) = calls(|| private::reallocate(heap, 0, moved, 1 << 47));
        assert!(result.is_err());
        let call = only(told, "RtlReAllocateHeap");
        assert_eq!((call.of("size"), call.result), (1 << 47, 0));
        let (result, told) = calls(|| private::free(heap, 0, moved));
        result.unwrap();
        let call = only(told, "RtlFreeHeap");
        assert_eq!(
            (call.of("heap"), call.of("block"), call.result),
            (handle, moved.addr() as u64, 1)
        );
        private::destroy(heap).unwrap();
    }
}
