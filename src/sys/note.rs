//! A file that is written from any state of this process: in a signal handler, with locks
//! held, without a word allocated. The mappings of the process can be added to it.

use super::counters::Call;
use super::{admit, os};
use core::ffi::{CStr, c_int};
use core::fmt::{self, Write};

/// A new file, written a piece at a time.
pub struct Note {
    file: c_int,
    bytes: [u8; 512],
    length: usize,
}

impl Note {
    /// A file that was not there before; `None` where there is one of the name, or the
    /// system refuses. Only its owner may read it.
    pub fn create(path: &CStr) -> Option<Note> {
        if !admit(Call::File) {
            return None;
        }
        let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
        let mode: libc::c_uint = 0o600;
        // SAFETY: the path ends in a zero, and the mode follows as O_CREAT asks.
        let file = unsafe { libc::open(path.as_ptr(), flags, mode) };
        (file >= 0).then_some(Note {
            file,
            bytes: [0; 512],
            length: 0,
        })
    }

    /// Adds what the system says of the process's mappings.
    pub fn add_mappings(&mut self) {
        super::maps::for_each_byte(&mut |byte| self.push(byte));
    }

    fn push(&mut self, byte: u8) {
        if self.length == self.bytes.len() {
            self.flush();
        }
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
    }

    fn flush(&mut self) {
        os::write_to(self.file, self.bytes.get(..self.length).unwrap_or_default());
        self.length = 0;
    }
}

impl Write for Note {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.bytes().for_each(|byte| self.push(byte));
        Ok(())
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        self.flush();
        // SAFETY: `create` opened the file, and nobody else knows it.
        unsafe { libc::close(self.file) };
    }
}
