//! The operations target: an input is a list of operations on the heap by two
//! threads; a model follows them and says what the heap must answer.
//!
//! What is checked of every block: that it overlaps no other, that it is
//! aligned, that it is as large as asked for, that zeroed ones are zero, and
//! that its contents stay, through resizing and in the other thread's hands.
//! At rest, and at the end, the heap's statistics must be the model's to the
//! byte.

use crate::actor::{Actor, Actors, Call, Door};
use crate::model::{Model, Wish};
use crate::turn;
use arbitrary::{Result, Unstructured};
use ntheap::heap::classes::{self, COUNT, MAX_CLASS_SIZE};
use std::alloc::Layout;

/// Operations of one input at most.
const MAX_OPERATIONS: usize = 200;
/// Blocks alive at most.
const MAX_BLOCKS: usize = 3000;
/// Bytes alive at most.
const MAX_BYTES: usize = 96 << 20;

/// Performs the operations that `data` encodes and checks the heap's answers.
///
/// # Panics
/// Whenever an answer is wrong.
pub fn run(data: &[u8]) {
    let _turn = turn();
    let mut model = Model::default();
    let mut input = Unstructured::new(data);
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() || step(&mut model, &mut input).is_err() {
            break;
        }
    }
    end_faults(&mut model);
    model.verify_all(Actor::First);
    model.verify_stats();
    model.free_many(Actor::First, 0, 0, usize::MAX);
    model.verify_stats();
    model.actors.end_second();
    model.verify_stats();
}

/// One operation.
fn step(model: &mut Model, input: &mut Unstructured<'_>) -> Result<()> {
    let actor = *input.choose(&[Actor::First, Actor::Second])?;
    match input.int_in_range(0..=15)? {
        0 | 1 => {
            let wish = wish(input)?;
            if has_room(model, wish, 1) {
                model.allocate(actor, wish);
            }
        }
        2 | 3 => {
            if let Some(index) = choose_block(model, input)? {
                let size = size(input)?.max(1);
                if model.bytes + size <= MAX_BYTES {
                    model.reallocate(actor, index, size);
                }
            }
        }
        4 => {
            if let Some(index) = choose_block(model, input)? {
                model.free_many(actor, index, 0, 1);
            }
        }
        5 | 6 => {
            let (wish, count) = (class_wish(input)?, count(input)?);
            if has_room(model, wish, count) {
                model.allocate_many(actor, wish, count);
            }
        }
        7 | 8 => {
            if let Some(first) = choose_block(model, input)? {
                let step = input.int_in_range(0..=7)?;
                model.free_many(actor, first, step, count(input)?);
            }
        }
        9 => {
            let (wish, count) = (class_wish(input)?, count(input)?);
            if has_room(model, wish, count) {
                let first = choose_block(model, input)?.unwrap_or(0);
                model.both(actor, wish, first, count);
            }
        }
        10 => {
            model.actors.one(actor, Call::Purge);
        }
        11 => model.actors.end_second(),
        12 => model.verify_stats(),
        13 => model.verify_all(actor),
        14 => refuse(model, actor, input)?,
        _ => faults(model, input)?,
    }
    Ok(())
}

fn has_room(model: &Model, wish: Wish, count: usize) -> bool {
    let bytes = wish.layout.size().saturating_mul(count);
    model.blocks.len() + count <= MAX_BLOCKS && model.bytes.saturating_add(bytes) <= MAX_BYTES
}

/// The index of a block, if there is one.
fn choose_block(model: &Model, input: &mut Unstructured<'_>) -> Result<Option<usize>> {
    let number = usize::from(input.arbitrary::<u16>()?);
    Ok(number.checked_rem(model.blocks.len()))
}

/// How many blocks at once: up to four full magazines.
fn count(input: &mut Unstructured<'_>) -> Result<usize> {
    input.int_in_range(1..=250)
}

fn door(input: &mut Unstructured<'_>) -> Result<Door> {
    Ok(*input.choose(&[Door::Rust, Door::Rust, Door::Plain, Door::C])?)
}

/// A size on one of the routes, or at the edge of a class.
fn size(input: &mut Unstructured<'_>) -> Result<usize> {
    match input.int_in_range(0..=7)? {
        0 => input.int_in_range(0..=64),
        1 | 2 => input.int_in_range(0..=1024),
        3 => input.int_in_range(0..=classes::MAX_BUCKET_SIZE),
        4 => input.int_in_range(0..=classes::SLICE),
        5 => input.int_in_range(0..=MAX_CLASS_SIZE),
        6 => input.int_in_range(MAX_CLASS_SIZE..=40 << 20),
        _ => edge(input),
    }
}

/// The largest size of a class, or one more.
fn edge(input: &mut Unstructured<'_>) -> Result<usize> {
    let class = input.int_in_range(0..=COUNT - 1)?;
    Ok(classes::size_of(class) + usize::from(input.arbitrary::<bool>()?))
}

/// Mostly an alignment that any block has, else one up to 2 MiB.
fn align(input: &mut Unstructured<'_>) -> Result<usize> {
    let shift = input.int_in_range(0..=63)?;
    Ok(1 << if shift <= 21 { shift } else { shift % 5 })
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("sizes here are far from the end")
}

fn wish(input: &mut Unstructured<'_>) -> Result<Wish> {
    Ok(Wish {
        door: door(input)?,
        layout: layout(size(input)?, align(input)?),
        zero: input.arbitrary()?,
    })
}

/// An allocation that comes from a class, small enough to be made often.
fn class_wish(input: &mut Unstructured<'_>) -> Result<Wish> {
    let size = match input.int_in_range(0..=3)? {
        0 => input.int_in_range(1..=classes::SLICE)?,
        1 => edge(input)?.min(MAX_CLASS_SIZE),
        _ => input.int_in_range(1..=1024)?,
    };
    let align = align(input)?.min(4096);
    let align = if size > MAX_CLASS_SIZE / 2 { 16 } else { align };
    Ok(Wish {
        door: door(input)?,
        layout: layout(size, align),
        zero: input.arbitrary()?,
    })
}

/// Asks for more than there is: always null, and nothing changes.
fn refuse(model: &mut Model, actor: Actor, input: &mut Unstructured<'_>) -> Result<()> {
    let (door, align) = (door(input)?, align(input)?);
    let short = usize::from(input.arbitrary::<u16>()?);
    let most = isize::MAX as usize + 1 - align;
    let call = Call::Allocate {
        door,
        layout: layout(most - short, align),
        zero: input.arbitrary()?,
    };
    let actor = Actors::who(actor, door);
    assert_eq!(model.actors.one(actor, call), 0, "{call:?}");
    Ok(())
}

/// From some call on, and for some calls, the system refuses. Not the end of
/// a reservation: what it leaves behind would gather over many inputs.
#[cfg(feature = "mock")]
fn faults(model: &mut Model, input: &mut Unstructured<'_>) -> Result<()> {
    use ntheap::sys::{Call, fault};
    let first = input.int_in_range(0..=20)?;
    let count = match input.int_in_range(0..=3)? {
        0 => u64::MAX,
        1 => {
            end_faults(model);
            return Ok(());
        }
        count => count - 1,
    };
    let kinds = Call::ALL.map(|kind| match kind {
        Call::Release => Call::Reserve,
        kind => kind,
    });
    fault::plan(first, count, &kinds);
    model.is_faulty = true;
    Ok(())
}

#[cfg(feature = "mock")]
fn end_faults(model: &mut Model) {
    ntheap::sys::fault::end();
    model.is_faulty = false;
}

/// Without the mock no call fails.
#[cfg(not(feature = "mock"))]
fn faults(_model: &mut Model, _input: &mut Unstructured<'_>) -> Result<()> {
    Ok(())
}

#[cfg(not(feature = "mock"))]
fn end_faults(_model: &mut Model) {}
