//! COM's task memory: CoTaskMemAlloc and its kin, IMalloc, spies, and the strings
//! of Automation.
//!
//! ```text
//!   CoTaskMemAlloc ─┐                      ┌─ PreAlloc ──> size
//!   IMalloc::Alloc ─┼─ a spy registered? ──┤  process heap
//!   SysAllocString ─┘   no: process heap   └─ PostAlloc ─> block
//!     (bstr.rs: freed
//!      strings are kept)
//! ```
//!
//! Task memory is blocks of the process heap (allocator.rs). While a program has
//! a spy registered, every call of the allocator tells it before and after, and
//! uses the sizes and addresses that it answers (spy.rs). Addresses handed out then
//! are remembered until they are freed (spied.rs): a spy may have made them
//! whatever it likes, so nothing in the heap could tell them.
//!
//! Invariants:
//! - From a spy's Pre to its Post one thread at a time is in the allocator, and no
//!   lock of the heap's is held when a spy is called, so it may use any heap.
//! - What a spy itself does with task memory, from within its methods, is not told to
//!   it: no recursion.
//! - A spy is released when none of the blocks that it was told of is left, after the
//!   last of its methods has returned.
//! - The lock of spies comes before all others; that of what is known of them is held
//!   over no call of the program's.

mod allocator;
mod bstr;
mod malloc;
mod spied;
mod spy;
mod spy_object;
mod task;
mod told;
mod types;

pub use bstr::{
    SetOaNoCache, SysAllocString, SysAllocStringByteLen, SysAllocStringLen, SysFreeString,
    SysReAllocString, SysReAllocStringLen, SysStringByteLen, SysStringLen,
};
pub use malloc::{CoGetMalloc, CoTaskMemAlloc, CoTaskMemFree, CoTaskMemRealloc};
pub use spy::{CoRegisterMallocSpy, CoRevokeMallocSpy};
pub use spy_object::{MallocSpy, Revoked, SpyError, SpyObject, revoke_malloc_spy};
pub use task::{TaskMem, TaskMemError};
pub use types::*;
