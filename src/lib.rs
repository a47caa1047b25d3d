//! The Windows NT heap as a drop-in Rust global allocator.
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: ntheap::NtHeap = ntheap::NtHeap::new();
//! # fn main() { drop(String::from("on the NT heap")) }
//! ```
//!
//! The layers are Windows' own, and each uses only those below it:
//!
//! | floor | module | what it is |
//! |---|---|---|
//! | 4 | [`NtHeap`] | the process heap behind `#[global_allocator]` |
//! | 4 | [`Heap`], [`LocalHeap`] | heaps of a program's own |
//! | 4 | `win32` | the Windows names: heaps, pages, last errors, exceptions |
//! | 4 | `win16` | heaps whose blocks move, as in 16-bit Windows |
//! | 3 | `crt` | the C runtime above the heap: malloc, its instances and their heaps |
//! | 2 | `heap` | buckets, segments, large blocks, caches |
//! | 1 | [`vm`] | address space and commit, with an account |
//! | 0 | `sys` | what the operating system gives |
//!
//! Beside them stand the options ([`Config`], and `NTHEAP_…` in the
//! environment), the statistics ([`stats()`]) and the one reporter of
//! corruption and misuse ([`set_hook`]).
//!
//! Nothing in this crate allocates from the global allocator, takes a lock of
//! the standard library, or panics.
//!
//! It needs no standard library on x86-64 Linux; elsewhere a thread finds its
//! cache by the standard library's `thread_local!`.
//!
//! # Features
//!
//! None is on by default: a program that wants [`NtHeap`] alone compiles the allocator alone.
//!
//! | feature | adds |
//! |---|---|
//! | `heaps` | [`Heap`], [`LocalHeap`] and [`heaps()`] |
//! | `allocator-api2-02`, `allocator-api2-04` | `heaps`, and `&Heap` as an allocator of that crate's 0.2 or 0.4 |
//! | `nightly` | `heaps`, and `&Heap` as an allocator of the standard library's trait |
//! | `win32` | `heaps`, and the Windows names: on Windows itself, the system's own |
//! | `win16` | memory as 16-bit Windows had it, whose blocks move |
//! | `crt` | `heaps`, and the C runtime above them: `CrtHeap` and `crt` |
//! | `pages` | [`vm`]'s types for programs: reservations, placeholders, sections, views, physical pages, arrays and stacks that grow |
//! | `debug` | `heaps`, and global flags (`NTHEAP_GFLAGS`): blocks checked, and recorded with their stacks |
//! | `memmap2` | `vm::MappedFile`, `MappedFileMut`: files as slices, over the crate of that name; the standard library |
//! | `trace` | a listener that is told of calls from layer to layer, for `ntheap trace` |
//! | `outside` | `heaps`, and what the bytes of another process's heaps mean, for `ntheap walk` and its kin |
//! | `hardened` | `marks`, and guards against misuse, which `Config::with_hardened` turns on |
//! | `marks` | blocks known by their address alone, as C frees them; other features bring it |
//! | `mock` | calls into the system that fail at will, for tests |

#![cfg_attr(docsrs, feature(doc_cfg))]
// The table above names what only features add.
#![cfg_attr(not(feature = "heaps"), allow(rustdoc::broken_intra_doc_links))]
#![cfg_attr(feature = "nightly", feature(allocator_api))]
#![no_std]

#[cfg(any(
    test,
    feature = "memmap2",
    ntheap_portable,
    not(all(target_os = "linux", target_env = "gnu", target_arch = "x86_64"))
))]
extern crate std;

mod config;
#[cfg(all(unix, feature = "crt"))]
#[cfg_attr(docsrs, doc(cfg(all(unix, feature = "crt"))))]
pub mod crt;
mod global;
#[cfg(feature = "marks")]
#[doc(hidden)]
pub mod heap;
#[cfg(not(feature = "marks"))]
#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "features use what NtHeap does not"
)]
mod heap;
#[cfg(feature = "outside")]
#[cfg_attr(docsrs, doc(cfg(feature = "outside")))]
pub mod outside;
#[cfg(feature = "heaps")]
mod own;
mod report;
#[cfg(all(target_os = "linux", feature = "debug"))]
mod snapshot;
mod stats;
mod sync;
#[cfg(feature = "marks")]
#[doc(hidden)]
pub mod sys;
#[cfg(not(feature = "marks"))]
#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "features use what NtHeap does not"
)]
mod sys;
#[cfg(feature = "marks")]
#[doc(hidden)]
pub mod trace;
#[cfg(not(feature = "marks"))]
#[allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "features use what NtHeap does not"
)]
mod trace;
pub mod vm;
#[cfg(feature = "win16")]
#[cfg_attr(docsrs, doc(cfg(feature = "win16")))]
pub mod win16;
#[cfg(all(not(windows), feature = "win32"))]
#[cfg_attr(docsrs, doc(cfg(all(not(windows), feature = "win32"))))]
pub mod win32;
#[cfg(all(windows, feature = "win32"))]
#[cfg_attr(docsrs, doc(cfg(feature = "win32")))]
#[path = "win32/windows.rs"]
pub mod win32;

pub use config::{Action, Config, HugePages};
#[cfg(all(unix, feature = "crt"))]
#[cfg_attr(docsrs, doc(cfg(all(unix, feature = "crt"))))]
pub use crt::CrtHeap;
pub use global::{NtHeap, purge, stats};
#[cfg(feature = "heaps")]
#[cfg_attr(docsrs, doc(cfg(feature = "heaps")))]
pub use own::{
    Heap, HeapBlock, HeapChange, HeapChanges, HeapEntry, HeapError, HeapGuard, HeapInfo,
    HeapOptions, HeapShape, HeapSnapshot, HeapSummary, HeapWalk, Heaps, LocalHeap, heaps,
};
pub use report::{
    Block, BlockLayout, BlockState, Damage, Families, Hook, Layouts, Report, Stop, Stray,
    StrayOrigin, ThreadName, Trace, set_hook,
};
#[cfg(all(target_os = "linux", feature = "debug"))]
#[cfg_attr(docsrs, doc(cfg(all(target_os = "linux", feature = "debug"))))]
pub use snapshot::{SnapshotError, Written, write_snapshot};
pub use stats::{BUCKETS, BucketStats, Stats};

/// The README's programs are tests, too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
