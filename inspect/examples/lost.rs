//! A program on `NtHeap` that loses blocks in each of the ways that Rust calls safe, says
//! `ready`, and ends when its input does.

use std::cell::RefCell;
use std::hint::black_box;
use std::io::{Read, Write};
use std::mem;
use std::rc::Rc;

#[global_allocator]
static ALLOCATOR: ntheap::NtHeap = ntheap::NtHeap::new();

struct Node {
    other: RefCell<Option<Rc<Node>>>,
    _bytes: [u8; 600],
}

fn node() -> Rc<Node> {
    Rc::new(Node {
        other: RefCell::new(None),
        _bytes: [1; 600],
    })
}

/// What loses each of them.
#[inline(never)]
fn lose() {
    // A destructor that does not run.
    mem::forget(black_box(vec![1u8; 3200]));
    // What was made to live as long as the program, and nobody knows any more.
    black_box(Box::leak(Box::new([1u8; 2800])));
    black_box(Box::into_raw(Box::new([1u8; 2700])));
    // A ring, which keeps itself.
    let (first, second) = (node(), node());
    *first.other.borrow_mut() = Some(Rc::clone(&second));
    *second.other.borrow_mut() = Some(first);
}

/// Writes over what calls left on the stack.
#[inline(never)]
fn wipe() {
    let mut stack = [0u8; 1 << 15];
    black_box(&mut stack);
}

fn main() {
    let kept: Vec<Vec<u8>> = (0..100).map(|_| vec![1; 3200]).collect();
    lose();
    wipe();
    let mut out = std::io::stdout().lock();
    out.write_all(b"ready\n").expect("written");
    out.flush().expect("written");
    let _ = std::io::stdin().read(&mut [0; 1]);
    black_box(kept);
}
