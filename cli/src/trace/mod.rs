//! `ntheap trace`: a program's calls, layer by layer.
//!
//! The program runs with two libraries preloaded: libntheap_trace.so, which sees
//! what the program calls, and libntheap.so, which tells it what that comes to
//! below. Both write a line an event to a file in a private folder, which is
//! read while the program runs.
//!
//! ```text
//!   new ─> malloc ─> HeapAlloc ─> NtAllocateVirtualMemory ─> mmap
//!     └───────┴──────────┴───────────────┴────────────────────┴─> lines
//!   lines ─> events ─> tree (a call with the calls inside it) ─> text or JSON
//! ```
//!
//! A call is shown when it has ended. One that never ends, because an exception
//! or a longjmp left it or the process went away, is shown without a result.

#[cfg(target_os = "linux")]
mod events;
#[cfg(target_os = "linux")]
mod show;
#[cfg(target_os = "linux")]
mod start;
#[cfg(target_os = "linux")]
mod tree;
#[cfg(target_os = "linux")]
mod words;

#[cfg(target_os = "linux")]
pub(crate) use start::main;

/// Preloading as it is done here is the Linux loader's.
#[cfg(not(target_os = "linux"))]
pub(crate) fn main(_: &crate::args::Trace) -> std::process::ExitCode {
    eprintln!("ntheap: `ntheap trace` works on Linux only");
    std::process::ExitCode::from(120)
}
