//! The loads that allocators are compared by.
//!
//! A Rust program has one global allocator, so every allocator gets a program
//! of its own, which is this crate's [`main`] and a `#[global_allocator]`:
//!
//! ```ignore
//! #[global_allocator]
//! static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
//!
//! fn main() -> std::process::ExitCode {
//!     ntheap_loads::main(&ALLOCATOR)
//! }
//! ```
//!
//! `PROGRAM --list` prints a line `name<TAB>group` for each load; `PROGRAM LOAD
//! [--scale F]` runs one, and prints one line of JSON. Times are of the timed
//! part, memory and faults of the process. Each load checks what it finds in
//! its blocks; when that is wrong, or when there is no such load, the program
//! says so on standard error and its status is 1, or 2.
//!
//! An allocator that has heaps of their own besides, to be created and
//! destroyed, implements [`Heap`] and calls [`main_with_heaps`]; an arena that
//! is no global allocator implements it too, with the system's beside it.
//!
//! All loads are generic over the allocator's type, although none calls the
//! allocator but through `std::alloc` and collections. Thus their code is
//! generated in the allocator's program, as that of a program's own generic
//! code is, where calls of the allocator can be inlined; what other crates
//! compile themselves (regex, syn, tokio) calls functions, as anywhere.

mod block;
mod catalogue;
mod corpus;
mod heaps;
mod loads;
mod measure;
mod output;
mod sizes;
mod team;
mod tree;

pub use catalogue::{Group, Load, Scale, all, on_heaps};
pub use heaps::Heap;
pub use output::{main, main_of_heaps, main_with_heaps, run};
