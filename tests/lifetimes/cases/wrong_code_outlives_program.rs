//! A code segment that runs on when its program is gone.

use ntheap::win16::{Definition, GlobalHeap, Image, Module};

fn run(heap: &GlobalHeap<'_>, image: &dyn Image) {
    let module = Module::load(heap, &Definition::new(), image).expect("a program");
    let code = module.code(0).expect("a code segment");
    drop(module);
    code.len();
}

fn main() {
    let _ = run;
}
