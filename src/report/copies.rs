//! A copy of each report for the command that runs the program, `ntheap run`: it tells the
//! names of what the stacks' addresses lie in, for which the process is no longer there.
//!
//! ```text
//!   NTHEAP_RUN_STOPS=FOLDER   FOLDER/PID.1   the report as one line of JSON,
//!                             FOLDER/PID.2   and then what /proc/PID/maps said
//! ```
//!
//! Invariants: as of reports themselves; a copy that cannot be written is left out.

use super::{FixedBuffer, Report, json::Json};
use crate::sys;
use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::fmt::Write;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Most bytes of the folder's name, and of a file's in it.
const FOLDER_MAX: usize = 512;
const PATH_MAX: usize = FOLDER_MAX + 32;

/// Reports of a process that are copied: one that goes on at each may make millions.
const COPIES: u32 = 64;

struct Folder {
    name: UnsafeCell<[u8; FOLDER_MAX]>,
    /// Bytes of the name; 0 while none is known.
    length: AtomicUsize,
}

// SAFETY: the name is written by `begin` alone, before it stores the length that readers
// look at first.
unsafe impl Sync for Folder {}

static FOLDER: Folder = Folder {
    name: UnsafeCell::new([0; FOLDER_MAX]),
    length: AtomicUsize::new(0),
};
static COUNT: AtomicU32 = AtomicU32::new(0);

/// Reads from the environment where copies go. Called once, by the thread that makes the
/// heap ready, before it is.
pub(crate) fn begin() {
    if sys::is_privileged() {
        return;
    }
    // Looked for at each start: with a name it lies with what a process's first calls read.
    static NAME: [u8; 16] = *b"NTHEAP_RUN_STOPS";
    sys::for_each_env(&NAME, &mut |name, value| {
        let fits = !value.is_empty() && value.len() <= FOLDER_MAX;
        if name != b"NTHEAP_RUN_STOPS" || !fits || FOLDER.length.load(Ordering::Relaxed) != 0 {
            return;
        }
        // SAFETY: nobody reads the name while the length is 0, and this is called once.
        let to = unsafe { &mut *FOLDER.name.get() };
        for (to, from) in to.iter_mut().zip(value) {
            *to = *from;
        }
        FOLDER.length.store(value.len(), Ordering::Release);
    });
}

/// Writes a copy, if somebody asks for it. Errno stays as it was.
pub(super) fn write(report: &Report<'_>) {
    let length = FOLDER.length.load(Ordering::Acquire);
    if length == 0 || COUNT.load(Ordering::Relaxed) >= COPIES {
        return;
    }
    // SAFETY: the length is not 0, so `begin` has written the name, and nobody writes to it
    // again.
    let folder = unsafe { &*FOLDER.name.get() };
    let folder = folder.get(..length).unwrap_or_default();
    sys::keeping_errno(&mut || {
        // A program that was there before in this process, or another copy of this crate,
        // has files of the same names.
        for _ in 0..COPIES {
            let nth = COUNT.fetch_add(1, Ordering::Relaxed).saturating_add(1);
            if nth > COPIES {
                return;
            }
            if let Some(mut note) = path(folder, nth).and_then(create) {
                // It never fails.
                let _ = write!(note, "{}", Json(report));
                note.add_mappings();
                return;
            }
        }
    });
}

fn path(folder: &[u8], nth: u32) -> Option<FixedBuffer<PATH_MAX>> {
    let mut path = FixedBuffer::new();
    folder.iter().for_each(|&byte| path.push(byte));
    // The buffer never fails.
    let _ = write!(path, "/{}.{nth}", sys::process_id());
    path.push(0);
    (!path.is_full()).then_some(path)
}

fn create(path: FixedBuffer<PATH_MAX>) -> Option<sys::Note> {
    let path = CStr::from_bytes_with_nul(path.as_bytes()).ok()?;
    sys::Note::create(path)
}
