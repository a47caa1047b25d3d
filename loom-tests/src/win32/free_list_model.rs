//! The list of free entries: threads take entries from it and put them back, and an entry is
//! one thread's at a time.

use super::{free_list, free_list_gives_relaxed, free_list_looks_relaxed, free_list_without_turns};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::cell::UnsafeCell;
use crate::{are_caught, check};
use loom::sync::Arc;
use loom::thread;

const ENTRIES: usize = 2;
/// Where the region lies that the entries stand in, as the list is told it.
const BASE: usize = 3 * free_list::REGION + free_list::HANDLE;

/// The list of one of the compiled files.
trait Model: Send + Sync + 'static {
    fn new() -> Self;
    fn pop(&self, link: &dyn Fn(usize) -> usize) -> Option<usize>;
    fn push(&self, handle: usize, set_link: &dyn Fn(usize));
}

macro_rules! models {
    ($($file:ident)*) => {$(
        impl Model for $file::FreeList {
            fn new() -> Self {
                $file::FreeList::new()
            }
            fn pop(&self, link: &dyn Fn(usize) -> usize) -> Option<usize> {
                $file::FreeList::pop(self, || BASE, link)
            }
            fn push(&self, handle: usize, set_link: &dyn Fn(usize)) {
                $file::FreeList::push(self, handle, set_link);
            }
        }
    )*};
}

models!(free_list free_list_without_turns free_list_gives_relaxed free_list_looks_relaxed);

struct Shared<L> {
    list: L,
    links: [AtomicUsize; ENTRIES],
    /// What each entry holds: the model checker knows who uses it.
    contents: [UnsafeCell<usize>; ENTRIES],
}

fn handle(entry: usize) -> usize {
    BASE + 16 * (entry + 1)
}

fn number(handle: usize) -> usize {
    (handle - BASE) / 16 - 1
}

impl<L: Model> Shared<L> {
    fn new() -> Self {
        let shared = Shared {
            list: L::new(),
            links: [(); ENTRIES].map(|()| AtomicUsize::new(0)),
            contents: [(); ENTRIES].map(|()| UnsafeCell::new(0)),
        };
        for entry in 0..ENTRIES {
            shared.push(handle(entry));
        }
        shared
    }

    fn pop(&self) -> Option<usize> {
        let link = |handle| self.links[number(handle)].load(Ordering::Relaxed);
        let handle = self.list.pop(&link)?;
        assert!(number(handle) < ENTRIES, "no entry");
        // As an entry in use has another word.
        self.links[number(handle)].store(3, Ordering::Relaxed);
        // SAFETY: the entry is this thread's; the cell tells if it is not.
        unsafe { *self.contents[number(handle)].get() += 1 };
        Some(handle)
    }

    fn push(&self, handle: usize) {
        let set_link = |next| self.links[number(handle)].store(next, Ordering::Relaxed);
        self.list.push(handle, &set_link);
    }
}

/// One thread takes an entry and puts it back; the other takes two and puts the first back,
/// then the second.
fn exchange<L: Model>() {
    let shared = Arc::new(Shared::<L>::new());
    let other = {
        let shared = shared.clone();
        thread::spawn(move || {
            let (first, second) = (shared.pop(), shared.pop());
            if let Some(first) = first {
                shared.push(first);
            }
            second
        })
    };
    let own = shared.pop();
    if let Some(own) = own {
        shared.push(own);
    }
    if let Some(second) = other.join().unwrap() {
        shared.push(second);
    }
    let mut seen = [false; ENTRIES];
    for _ in 0..ENTRIES {
        let handle = shared.pop().expect("none is lost");
        let twice = std::mem::replace(&mut seen[number(handle)], true);
        assert!(!twice, "doubled");
    }
    assert!(shared.pop().is_none());
}

#[test]
fn two_threads_share_the_list() {
    check(3, exchange::<free_list::FreeList>);
}

#[test]
fn mutants_are_caught() {
    are_caught(
        "win32::free_list_model::mutants_are_caught",
        &[
            ("without turns", "", || {
                check(3, exchange::<free_list_without_turns::FreeList>)
            }),
            ("gives relaxed", "", || {
                check(3, exchange::<free_list_gives_relaxed::FreeList>)
            }),
            ("looks relaxed", "", || {
                check(3, exchange::<free_list_looks_relaxed::FreeList>)
            }),
        ],
    );
}
