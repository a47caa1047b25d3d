//! `libntheap_trace.so`: what `ntheap trace` preloads before `libntheap.so`.
//!
//! It stands between the program and the allocator: each function that a
//! program may call (`operator new`, malloc and its kin, the Windows names)
//! exists here too, says that it is called, calls the next one of its name, and
//! says what that gave. What happens below, the library itself says, to the
//! listener that is set here.
//!
//! ```text
//!   program --new-----> here --new-----> libstdc++.so --malloc--> here ─┐
//!           --malloc--> here --malloc--> libntheap.so <─────────────────┘
//!                                          └─ RtlAllocateHeap, NtAllocate…, mmap ─> here
//!   libntheap_win32.so --ntheap_HeapAlloc--> here --ntheap_HeapAlloc--> libntheap.so
//! ```
//!
//! Each event is a line appended to the file that `NTHEAP_RUN_TRACE` names, in one
//! write: process, thread, `+` or `-`, name, arguments or result, between tabs.
//! Without that name nothing is said.
//!
//! Nothing here allocates, or uses Rust's standard library where panics abort.
//! Exceptions of C++ pass through `operator new`, which is assembly for that
//! reason; on processors it is not written for, C++'s calls are seen from malloc
//! on.

#![cfg_attr(panic = "abort", no_std)]

pub mod functions;
mod next;
mod operators;
mod record;

include!("../../no_std.rs");
