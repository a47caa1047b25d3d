//! What keeps a process or a file from being read.

use std::fmt;
use std::io;

/// Why nothing could be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// There is no such process, or it has ended.
    NoProcess(i32),
    /// The system does not let the caller look into it.
    NotOurs(i32),
    /// The process has no copy of ntheap, or none that was used yet.
    NoHeap,
    /// It has one whose records are of another version: that, and this one's.
    OtherVersion(u32, u32),
    /// It has one that was built so that its records are laid out differently.
    OtherBuild,
    /// A thread of the process could not be stopped.
    NotStopped(i32, io::Error),
    /// The file is no snapshot.
    NotASnapshot,
    /// The file is a snapshot of a version that is not known here.
    FileVersion(u32),
    /// The file ends too early.
    Truncated,
    /// The file says what cannot be.
    Damaged(&'static str),
    /// The system's own word.
    Io(io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoProcess(pid) => write!(f, "there is no process {pid}, or it has ended"),
            Error::NotOurs(pid) => write!(
                f,
                "process {pid} may not be looked into: it is another user's, or the system forbids it \
                 (see ptrace(2), \"Ptrace access mode checking\"; /proc/sys/kernel/yama/ptrace_scope)"
            ),
            Error::NoHeap => f.write_str(
                "the process has no heap of ntheap: it is not linked with it or preloaded by it, or \
                 has not allocated yet",
            ),
            Error::OtherVersion(found, own) => write!(
                f,
                "its records are of version {found}, and this command reads version {own}; use the \
                 command that was built with it"
            ),
            Error::OtherBuild => f.write_str(
                "its records are laid out differently from this command's: both must be built from \
                 the same sources by the same compiler",
            ),
            Error::NotStopped(pid, why) => write!(f, "process {pid} cannot be stopped: {why}"),
            Error::NotASnapshot => f.write_str("the file is no snapshot of heaps"),
            Error::FileVersion(version) => {
                write!(f, "the snapshot is of version {version}, which is not known here")
            }
            Error::Truncated => f.write_str("the snapshot ends too early: it was cut"),
            Error::Damaged(what) => write!(f, "the snapshot is damaged: {what}"),
            Error::Io(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(why: io::Error) -> Error {
        Error::Io(why)
    }
}
