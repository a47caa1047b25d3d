//! Another process's memory, copied out a piece at a time.

use crate::model::Range;
use crate::{Error, held_pages};
use std::cell::Cell;
use std::fs;
use std::io;

/// The most bytes that are copied at a time: the tables of a region of 16 GiB.
const MOST: usize = 1 << 30;

/// Whose bytes can be read by their addresses.
pub trait Memory {
    /// Copies the bytes at `address`; false when not all of them can be read.
    fn read(&self, address: usize, to: &mut [u8]) -> bool;

    /// Copies the bytes of ranges, one after the other, until some cannot be read; how many
    /// bytes were copied.
    fn read_many(&self, ranges: &[Range], to: &mut [u8]) -> usize {
        let mut done = 0;
        for range in ranges {
            let length = (range.end - range.start) as usize;
            let bytes = to.get_mut(done..done + length);
            if !bytes.is_some_and(|bytes| self.read(range.start as usize, bytes)) {
                break;
            }
            done += length;
        }
        done
    }

    /// The parts of a range of whole pages that hold something; the range itself where that is
    /// not known.
    fn held(&self, range: Range) -> Vec<Range> {
        vec![range]
    }

    /// Copies `bytes` bytes into a fresh array. What is asked for is what another
    /// process says, so there may be no room for it: not more than a gigabyte.
    fn bytes(&self, address: usize, bytes: usize) -> Option<Vec<u8>> {
        let mut copy = Vec::new();
        if bytes > MOST || copy.try_reserve_exact(bytes).is_err() {
            return None;
        }
        copy.resize(bytes, 0);
        self.read(address, &mut copy).then_some(copy)
    }

    /// Copies the whole words of `bytes` bytes.
    fn words(&self, address: usize, bytes: usize) -> Option<Vec<u64>> {
        let copy = self.bytes(address, bytes)?;
        let words = copy.as_chunks::<8>().0.iter();
        Some(words.map(|word| u64::from_ne_bytes(*word)).collect())
    }
}

/// A running process's memory. Reading it stops nothing and changes nothing.
#[derive(Debug)]
pub struct Process {
    pid: i32,
    is_gone: Cell<bool>,
}

impl Process {
    /// The process `pid`.
    ///
    /// # Errors
    /// [`Error::NoProcess`], or [`Error::NotOurs`] where the system does not let
    /// the caller look into it: it wants the rights of ptrace.
    pub fn open(pid: i32) -> Result<Process, Error> {
        let maps = fs::read(format!("/proc/{pid}/maps"));
        let first = match maps.as_deref().map(String::from_utf8_lossy) {
            Ok(maps) => maps.split_once('-').map(|(start, _)| start.to_owned()),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                return Err(Error::NotOurs(pid));
            }
            Err(_) => None,
        };
        // One that has ended and was not waited for has no mappings.
        let first = first.ok_or(Error::NoProcess(pid))?;
        let process = Process {
            pid,
            is_gone: Cell::new(false),
        };
        let address = usize::from_str_radix(&first, 16).unwrap_or(0);
        match process.copy(address, &mut [0; 1]) {
            Err(e) if e.raw_os_error() == Some(libc::EPERM) => Err(Error::NotOurs(pid)),
            Err(e) if e.raw_os_error() == Some(libc::ESRCH) => Err(Error::NoProcess(pid)),
            _ => Ok(process),
        }
    }

    /// Its number.
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it was found to have ended.
    pub fn is_gone(&self) -> bool {
        self.is_gone.get()
    }

    fn copy(&self, address: usize, to: &mut [u8]) -> io::Result<usize> {
        let remote = libc::iovec {
            iov_base: std::ptr::without_provenance_mut(address),
            iov_len: to.len(),
        };
        self.copy_from(&[remote], to)
    }

    /// Copies what lies in other process's ranges, one after the other, as far as `to` has
    /// room; of few enough for one call.
    fn copy_from(&self, remote: &[libc::iovec], to: &mut [u8]) -> io::Result<usize> {
        let local = libc::iovec {
            iov_base: to.as_mut_ptr().cast(),
            iov_len: to.len(),
        };
        let count = remote.len() as libc::c_ulong;
        // SAFETY: the one local range is `to`, which is borrowed for writing; what
        // the remote ranges name is the other process's and is checked by the
        // system.
        let copied =
            unsafe { libc::process_vm_readv(self.pid, &local, 1, remote.as_ptr(), count, 0) };
        usize::try_from(copied).map_err(|_| io::Error::last_os_error())
    }
}

impl Memory for Process {
    fn held(&self, range: Range) -> Vec<Range> {
        held_pages::of(self.pid, range)
    }

    fn read_many(&self, ranges: &[Range], to: &mut [u8]) -> usize {
        /// As many as the system takes at a time (UIO_MAXIOV).
        const MOST: usize = 1024;
        let mut done = 0;
        for ranges in ranges.chunks(MOST) {
            let remote = ranges.iter().map(|range| libc::iovec {
                iov_base: std::ptr::without_provenance_mut(range.start as usize),
                iov_len: (range.end - range.start) as usize,
            });
            let remote: Vec<libc::iovec> = remote.collect();
            let bytes: usize = remote.iter().map(|range| range.iov_len).sum();
            let Some(to) = to.get_mut(done..done + bytes) else {
                break;
            };
            let copied = self.copy_from(&remote, to).unwrap_or(0);
            done += copied;
            if copied < bytes {
                break;
            }
        }
        done
    }

    fn read(&self, address: usize, to: &mut [u8]) -> bool {
        let mut done = 0;
        while done < to.len() {
            match self.copy(address.wrapping_add(done), &mut to[done..]) {
                Ok(0) => return false,
                Ok(copied) => done += copied,
                Err(e) if e.raw_os_error() == Some(libc::EINTR) => {}
                Err(e) => {
                    if e.raw_os_error() == Some(libc::ESRCH) {
                        self.is_gone.set(true);
                    }
                    return false;
                }
            }
        }
        true
    }
}
