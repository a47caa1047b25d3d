//! Sections, placeholders and physical pages in Rust: a ring whose end is its beginning, a
//! file that is searched through a view, and more memory than a window has addresses.
//!
//! ```console
//! $ cargo run --example pages --features pages
//! ```

#[cfg(unix)]
use ntheap::vm::{
    PageError, PhysicalPages, Placeholder, Section, View, ViewAccess, Window, page_size,
};

/// A queue of bytes in memory that is mapped twice, one view behind the other: what is
/// written over the end lies at the beginning, and no copy is ever cut in two.
#[cfg(unix)]
struct Ring {
    low: View,
    _high: View,
    size: usize,
    read: usize,
    written: usize,
}

#[cfg(unix)]
impl Ring {
    fn new(size: usize) -> Result<Ring, PageError> {
        let section = Section::new(size)?;
        let (low, high) = Placeholder::new(2 * size)?.split(size)?;
        Ok(Ring {
            low: low.map(&section, 0, ViewAccess::ReadWrite)?,
            _high: high.map(&section, 0, ViewAccess::ReadWrite)?,
            size,
            read: 0,
            written: 0,
        })
    }

    /// Adds bytes, if there is room for all of them.
    fn push(&mut self, bytes: &[u8]) -> bool {
        if self.size - (self.written - self.read) < bytes.len() {
            return false;
        }
        let at = self.low.as_ptr().wrapping_add(self.written % self.size);
        // SAFETY: two views of the ring's size lie behind each other, and the bytes are
        // fewer than one has; nobody else knows the section.
        unsafe { at.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        self.written += bytes.len();
        true
    }

    /// Takes as many bytes out.
    fn pop(&mut self, bytes: &mut [u8]) -> bool {
        if self.written - self.read < bytes.len() {
            return false;
        }
        let at = self.low.as_ptr().wrapping_add(self.read % self.size);
        // SAFETY: as in `push`.
        unsafe { at.copy_to_nonoverlapping(bytes.as_mut_ptr(), bytes.len()) };
        self.read += bytes.len();
        true
    }
}

/// Sums what 1,000 turns put into a ring that is much smaller.
#[cfg(unix)]
fn ring() -> Result<u64, PageError> {
    let mut ring = Ring::new(64 << 10)?;
    let mut sum = 0;
    for turn in 0..1000u64 {
        // No divisor of the ring's size: many lie across its end.
        let sent = [turn; 777].map(u64::to_ne_bytes);
        assert!(ring.push(sent.as_flattened()));
        let mut got = [[0; 8]; 777];
        assert!(ring.pop(got.as_flattened_mut()));
        assert_eq!(got, sent);
        sum += u64::from_ne_bytes(got[776]);
    }
    Ok(sum)
}

/// Counts this program's letters through a view of its source.
#[cfg(unix)]
fn count(letter: u8) -> Result<usize, Box<dyn std::error::Error>> {
    use std::os::fd::AsRawFd;
    let file = std::fs::File::open(file!())?;
    // SAFETY: the descriptor is the file's, which is open.
    let section = unsafe { Section::options().of_file(file.as_raw_fd(), 0, false) }?;
    let view = section.map(0, 0, ViewAccess::Read)?;
    let mut piece = [0; 512];
    let mut sum = 0;
    for offset in (0..view.size()).step_by(piece.len()) {
        view.read_bytes(offset, &mut piece)?;
        sum += piece.iter().filter(|&&byte| byte == letter).count();
    }
    Ok(sum)
}

/// Writes to 256 pages through four pages of addresses, and reads them back.
#[cfg(unix)]
fn windows() -> Result<u64, PageError> {
    let pages = PhysicalPages::new(256)?;
    let mut window = Window::new(4 * page_size())?;
    let mut shown = window.show(&pages)?;
    let turns = pages.len() / 4;
    for turn in 0..turns {
        shown.map(0, 4 * turn..4 * turn + 4)?;
        shown.bytes_mut(0..4 * page_size())?.fill(turn as u8);
    }
    let mut sum = 0;
    for turn in (0..turns).rev() {
        shown.map(0, 4 * turn..4 * turn + 4)?;
        sum += u64::from(shown.bytes(0..1)?[0]);
    }
    Ok(sum)
}

#[cfg(unix)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("the ring's sum: {}", ring()?);
    println!("an e is in this source {} times", count(b'e')?);
    println!("the windows' sum: {}", windows()?);
    Ok(())
}

#[cfg(not(unix))]
fn main() {
    println!("Sections and physical pages are the system's own here: see ntheap::win32.");
}
