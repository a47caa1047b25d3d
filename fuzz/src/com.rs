//! COM's task memory and strings.

use crate::blocks::{Blocks, at, below};
use crate::turn;
use arbitrary::Unstructured;
use ntheap::win32::*;
use std::ffi::c_void;
use std::ptr::{null, null_mut};

/// Operations of one input at most.
const MAX_OPERATIONS: usize = 300;
/// Bytes alive at most.
const MAX_BYTES: usize = 16 << 20;

fn block_at(address: usize) -> *mut c_void {
    at(address).cast()
}

fn size(input: &mut Unstructured<'_>) -> usize {
    match below(input, 6) {
        0 => below(input, 65),
        1..=4 => below(input, 2000),
        _ => below(input, 0x10_0000),
    }
}

/// A string, and what should be in it.
struct Text {
    string: BSTR,
    bytes: Vec<u8>,
}

impl Text {
    fn check(&self) {
        let (string, count) = (self.string, self.bytes.len());
        assert_eq!(string.addr() % 4, 0);
        // SAFETY: a string of so many bytes, with a 0 behind them.
        unsafe {
            assert_eq!(SysStringByteLen(string) as usize, count);
            assert_eq!(SysStringLen(string) as usize, count / 2);
            let found = std::slice::from_raw_parts(string.cast::<u8>(), count + 2);
            assert_eq!(found[..count], self.bytes);
            assert_eq!(found[count..], [0, 0]);
        }
    }
}

/// Letters, none of them 0.
fn letters(input: &mut Unstructured<'_>) -> Vec<u16> {
    let count = match below(input, 8) {
        0 => below(input, 20_000),
        _ => below(input, 100),
    };
    let seed = below(input, 1000);
    (0..count)
        .map(|nth| 1 + ((seed + nth * 7) % 0xfffe) as u16)
        .collect()
}

fn bytes_of(letters: &[u16]) -> Vec<u8> {
    letters
        .iter()
        .flat_map(|letter| letter.to_le_bytes())
        .collect()
}

fn new_text(input: &mut Unstructured<'_>) -> Text {
    let text = letters(input);
    let ended: Vec<u16> = text.iter().copied().chain([0]).collect();
    let mut bytes = bytes_of(&text);
    // SAFETY: texts that end with 0, or are as long as is said.
    let string = unsafe {
        match below(input, 4) {
            0 => SysAllocString(ended.as_ptr()),
            1 => SysAllocStringLen(ended.as_ptr(), text.len() as UINT),
            _ => {
                // Of any number of bytes.
                bytes.truncate(bytes.len().saturating_sub(below(input, 2)));
                SysAllocStringByteLen(bytes.as_ptr().cast(), bytes.len() as UINT)
            }
        }
    };
    assert!(!string.is_null());
    Text { string, bytes }
}

fn change(text: &mut Text, input: &mut Unstructured<'_>) {
    let new = letters(input);
    let ended: Vec<u16> = new.iter().copied().chain([0]).collect();
    // SAFETY: the model's string; the text ends with 0 and is as long as is said.
    let done = unsafe {
        if below(input, 2) == 0 {
            SysReAllocString(&raw mut text.string, ended.as_ptr())
        } else {
            SysReAllocStringLen(&raw mut text.string, ended.as_ptr(), new.len() as UINT)
        }
    };
    assert_eq!(done, TRUE);
    text.bytes = bytes_of(&new);
}

/// The allocator's object.
fn task_malloc() -> LPMALLOC {
    let mut object = null_mut();
    // SAFETY: a place for the object.
    assert_eq!(unsafe { CoGetMalloc(1, &raw mut object) }, S_OK);
    object
}

fn allocate(blocks: &mut Blocks, input: &mut Unstructured<'_>) {
    let size = size(input);
    if blocks.bytes + size > MAX_BYTES {
        return;
    }
    let object = task_malloc();
    // SAFETY: the object's own methods.
    let block = unsafe {
        if below(input, 2) == 0 {
            CoTaskMemAlloc(size)
        } else {
            ((*(*object).lpVtbl).Alloc)(object, size)
        }
    };
    assert!(!block.is_null());
    // SAFETY: a block of the task allocator, and one of nobody.
    unsafe {
        assert_eq!(((*(*object).lpVtbl).GetSize)(object, block), size);
        assert_eq!(((*(*object).lpVtbl).DidAlloc)(object, block), 1);
        assert_eq!(((*(*object).lpVtbl).DidAlloc)(object, null_mut()), -1);
    }
    blocks.enter(block.expose_provenance(), size);
}

fn resize(blocks: &mut Blocks, input: &mut Unstructured<'_>) {
    let Some(block) = blocks.take(input) else {
        return;
    };
    let size = 1 + size(input);
    // SAFETY: the block is the model's.
    let new = unsafe { CoTaskMemRealloc(block_at(block.address), size) };
    assert!(!new.is_null());
    let address = new.expose_provenance();
    blocks.verify(block, address, block.size.min(size));
    blocks.enter(address, size);
}

fn free(blocks: &mut Blocks, input: &mut Unstructured<'_>) {
    let Some(block) = blocks.take(input) else {
        return;
    };
    let gone = block_at(block.address);
    // SAFETY: the model uses the block no more.
    unsafe {
        if below(input, 2) == 0 {
            CoTaskMemFree(gone);
        } else {
            assert!(CoTaskMemRealloc(gone, 0).is_null());
        }
    }
}

/// Performs the operations that `data` encodes and checks the answers.
///
/// # Panics
/// Whenever an answer is wrong.
pub fn run(data: &[u8]) {
    let _turn = turn();
    let mut input = Unstructured::new(data);
    let input = &mut input;
    let mut blocks = Blocks::default();
    let mut texts: Vec<Text> = Vec::new();
    for _ in 0..MAX_OPERATIONS {
        if input.is_empty() {
            break;
        }
        let nth = below(input, texts.len().max(1));
        match below(input, 12) {
            0..=2 => allocate(&mut blocks, input),
            3 => resize(&mut blocks, input),
            4 | 5 => free(&mut blocks, input),
            6 | 7 if texts.len() < 100 => texts.push(new_text(input)),
            8 | 9 if !texts.is_empty() => {
                let text = texts.swap_remove(nth);
                text.check();
                // SAFETY: the model's string, used no more.
                unsafe { SysFreeString(text.string) };
            }
            10 if !texts.is_empty() => change(&mut texts[nth], input),
            _ => texts.iter().for_each(Text::check),
        }
    }
    // SAFETY: null is no string.
    unsafe {
        SysFreeString(null_mut());
        assert!(SysAllocString(null()).is_null());
    }
    for text in texts {
        text.check();
        // SAFETY: the model's string, used no more.
        unsafe { SysFreeString(text.string) };
    }
    for block in blocks.take_all() {
        // SAFETY: the model's block, used no more.
        unsafe { CoTaskMemFree(block_at(block.address)) };
    }
}
