//! A code segment's bytes taken for writing.

use ntheap::win16::Code;

fn patch(code: &Code<'_>) {
    code[0].set(0x90);
}

fn main() {
    let _ = patch;
}
