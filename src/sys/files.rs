//! Files, and memory that is reached as a file is: opened, resized, mapped.
//!
//! Unlike the calls about address space these say why they fail, by the
//! system's number: a program has to be told whether a file is missing or
//! denied.

use super::counters::Call;
use super::{Protection, admit};
use core::ffi::{CStr, c_int, c_void};
use core::ptr;

/// The system's number of an open file.
pub type Descriptor = c_int;

/// Why a call about a file failed, by the system's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub c_int);

impl Errno {
    /// The calling thread's last failure.
    pub(super) fn last() -> Errno {
        Errno(super::os::errno())
    }
}

/// What becomes of a file that is to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It must not exist yet.
    New,
    /// It is made, or emptied if it exists.
    Always,
    /// It must exist.
    Existing,
    /// It is made if it does not exist.
    OpenOrNew,
    /// It must exist and is emptied.
    Truncated,
}

/// Which file is which, as long as one of them is open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Identity {
    /// The device.
    pub device: u64,
    /// The file's number there.
    pub number: u64,
}

/// What is known of an open file.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// Its length in bytes.
    pub size: u64,
    /// Which file it is.
    pub identity: Identity,
    /// Its owner's number.
    pub owner: u32,
    /// Whether it has bytes that can be mapped.
    pub is_regular: bool,
    /// Whether it is a folder.
    pub is_folder: bool,
}

fn checked(result: c_int) -> Result<c_int, Errno> {
    if result < 0 {
        Err(Errno::last())
    } else {
        Ok(result)
    }
}

fn open_with(path: &CStr, flags: c_int) -> Result<Descriptor, Errno> {
    // SAFETY: `path` ends with a NUL; the mode is the third argument that
    // O_CREAT asks for.
    checked(unsafe { libc::open(path.as_ptr(), flags | libc::O_CLOEXEC, 0o666 as c_int) })
}

/// Opens a file for reading, writing, or both; for neither, it can be asked
/// about. Tells as well whether it existed.
pub fn open(
    path: &CStr,
    read: bool,
    write: bool,
    disposition: Disposition,
) -> Result<(Descriptor, bool), Errno> {
    if !admit(Call::File) {
        return Err(Errno(libc::EIO));
    }
    let access = match (read, write) {
        (true, true) => libc::O_RDWR,
        (false, true) => libc::O_WRONLY,
        _ => libc::O_RDONLY,
    };
    let access = access | libc::O_NOCTTY;
    match disposition {
        Disposition::Existing => Ok((open_with(path, access)?, true)),
        Disposition::Truncated => Ok((open_with(path, access | libc::O_TRUNC)?, true)),
        Disposition::New => Ok((
            open_with(path, access | libc::O_CREAT | libc::O_EXCL)?,
            false,
        )),
        Disposition::Always | Disposition::OpenOrNew => {
            match open_with(path, access | libc::O_CREAT | libc::O_EXCL) {
                Err(Errno(libc::EEXIST)) => {}
                other => return Ok((other?, false)),
            }
            let truncate = if disposition == Disposition::Always {
                libc::O_TRUNC
            } else {
                0
            };
            Ok((open_with(path, access | libc::O_CREAT | truncate)?, true))
        }
    }
}

/// Opens again, as a file of its own, what process `process` has open as
/// `file`. The system asks for the rights to look into that process.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn open_others(process: u32, file: u32, write: bool) -> Result<Descriptor, Errno> {
    if !admit(Call::File) {
        return Err(Errno(libc::EIO));
    }
    let mut path = super::text::Text::<48>::new();
    path.push(b"/proc/");
    path.push_number(u64::from(process));
    path.push(b"/fd/");
    path.push_number(u64::from(file));
    let path = path.as_c_str().ok_or(Errno(libc::ENAMETOOLONG))?;
    let access = if write { libc::O_RDWR } else { libc::O_RDONLY };
    // What is there may be anything: it must neither block nor become the
    // process's terminal.
    open_with(path, access | libc::O_NONBLOCK | libc::O_NOCTTY)
}

/// Memory of `size` bytes, zero, that is mapped as a file is and has no name.
/// Nobody can make it shorter or longer. No disk is full when it fails, whatever the
/// system says: ENOMEM, or what opening a file fails with.
pub fn anonymous(size: u64) -> Result<Descriptor, Errno> {
    if !admit(Call::File) {
        return Err(Errno(libc::ENOMEM));
    }
    let file = unnamed()?;
    if set_size(file, size).is_err() {
        close(file);
        return Err(Errno(libc::ENOMEM));
    }
    seal(file);
    Ok(file)
}

/// The same in large pages ([`super::large_page_size`]), of which `size` is a multiple:
/// all of them are taken from the system's pool at once. ENOMEM when that has too few,
/// or what opening a file fails with.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub fn anonymous_large(size: u64) -> Result<Descriptor, Errno> {
    if !admit(Call::File) {
        return Err(Errno(libc::ENOMEM));
    }
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING | libc::MFD_HUGETLB;
    // SAFETY: a constant text; the name is for the system's lists only.
    let file = checked(unsafe { libc::memfd_create(c"ntheap".as_ptr(), flags) })?;
    // Without this the pool would be asked at the first touch, whose failure is a fault.
    if set_size(file, size).is_err() || !populate(file, 0, size) {
        close(file);
        return Err(Errno(libc::ENOMEM));
    }
    seal(file);
    Ok(file)
}

/// Elsewhere there is no pool of large pages.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub fn anonymous_large(_: u64) -> Result<Descriptor, Errno> {
    Err(Errno(libc::ENOMEM))
}

/// The same as [`anonymous`], to be resized by its owner.
pub fn anonymous_growing() -> Result<Descriptor, Errno> {
    if !admit(Call::File) {
        return Err(Errno(libc::ENOMEM));
    }
    unnamed()
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn unnamed() -> Result<Descriptor, Errno> {
    let flags = libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING;
    // SAFETY: a constant text; the name is for the system's lists only.
    checked(unsafe { libc::memfd_create(c"ntheap".as_ptr(), flags) })
}

/// Elsewhere it has a name for a moment.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn unnamed() -> Result<Descriptor, Errno> {
    let mut name = super::text::Text::<48>::new();
    name.push(b"/ntheap-");
    name.push_number(super::random());
    let name = name.as_c_str().ok_or(Errno(libc::ENAMETOOLONG))?;
    let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
    // SAFETY: `name` ends with a NUL; the mode follows as O_CREAT asks.
    let file = checked(unsafe { libc::shm_open(name.as_ptr(), flags, 0o600 as libc::c_uint) })?;
    // SAFETY: as above.
    unsafe { libc::shm_unlink(name.as_ptr()) };
    Ok(file)
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn seal(file: Descriptor) {
    let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
    // SAFETY: a call about an open file, without memory. Without the seals
    // nothing works differently.
    unsafe { libc::fcntl(file, libc::F_ADD_SEALS, seals) };
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn seal(_: Descriptor) {}

/// A second number for the same open file.
pub fn duplicate(file: Descriptor) -> Result<Descriptor, Errno> {
    if !admit(Call::File) {
        return Err(Errno(libc::EMFILE));
    }
    // SAFETY: a call about an open file, without memory.
    checked(unsafe { libc::fcntl(file, libc::F_DUPFD_CLOEXEC, 3) })
}

/// Closes a file; its number is free from then on, whatever happens.
pub fn close(file: Descriptor) {
    // SAFETY: the caller owns the number.
    unsafe { libc::close(file) };
}

/// What is known of an open file.
pub fn status(file: Descriptor) -> Result<Status, Errno> {
    if !admit(Call::File) {
        return Err(Errno(libc::ENOMEM));
    }
    // SAFETY: all zero is a value of the structure.
    let mut stat: libc::stat = unsafe { core::mem::zeroed() };
    // SAFETY: the call writes one structure.
    checked(unsafe { libc::fstat(file, &raw mut stat) })?;
    let kind = stat.st_mode & libc::S_IFMT;
    Ok(Status {
        size: u64::try_from(stat.st_size).unwrap_or(0),
        identity: Identity {
            device: stat.st_dev as u64,
            number: stat.st_ino as u64,
        },
        owner: stat.st_uid,
        is_regular: kind == libc::S_IFREG,
        is_folder: kind == libc::S_IFDIR,
    })
}

/// Whether an open file may be read and written to.
pub fn rights(file: Descriptor) -> Result<(bool, bool), Errno> {
    if !admit(Call::File) {
        return Err(Errno(libc::ENOMEM));
    }
    // SAFETY: a call about an open file, without memory.
    let flags = checked(unsafe { libc::fcntl(file, libc::F_GETFL) })?;
    Ok(match flags & libc::O_ACCMODE {
        libc::O_RDWR => (true, true),
        libc::O_WRONLY => (false, true),
        _ => (true, false),
    })
}

/// Gives a file a length; what is added reads zero and takes no room.
pub fn set_size(file: Descriptor, size: u64) -> Result<(), Errno> {
    if !admit(Call::File) {
        return Err(Errno(libc::ENOSPC));
    }
    let size = libc::off_t::try_from(size).map_err(|_| Errno(libc::EFBIG))?;
    // SAFETY: a call about an open file, without memory.
    checked(unsafe { libc::ftruncate(file, size) }).map(|_| ())
}

/// Takes memory for a part of such memory, so that touching it cannot fail any more. False
/// when there is none.
pub fn populate(file: Descriptor, offset: u64, size: u64) -> bool {
    if !admit(Call::File) {
        return false;
    }
    let (Ok(offset), Ok(size)) = (libc::off_t::try_from(offset), libc::off_t::try_from(size))
    else {
        return false;
    };
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // A call that a signal interrupts takes nothing: in memory the system undoes what it
        // did. A piece is short enough to be done between two ticks of a timer.
        const PIECE: libc::off_t = 4 << 20;
        let Some(end) = offset.checked_add(size) else {
            return false;
        };
        let mut next = offset;
        while next < end {
            let piece = PIECE.min(end - next);
            // SAFETY: a call about an open file, without memory.
            if unsafe { libc::fallocate(file, 0, next, piece) } == 0 {
                next += piece;
            } else if Errno::last() != Errno(libc::EINTR) {
                return false;
            }
        }
        true
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = (file, offset, size);
        true
    }
}

/// Gives the memory of such a part back; it reads zero afterwards. False, and
/// nothing changed, when the system refuses.
pub fn punch(file: Descriptor, offset: u64, size: u64) -> bool {
    if !admit(Call::File) {
        return false;
    }
    let (Ok(offset), Ok(size)) = (libc::off_t::try_from(offset), libc::off_t::try_from(size))
    else {
        return false;
    };
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: a call about an open file, without memory.
    unsafe {
        let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
        libc::fallocate(file, mode, offset, size) == 0
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = (file, offset, size);
        false
    }
}

/// Maps `size` bytes of a file from `offset` on over a reserved range, with
/// the rights of `protection`; `private` makes written pages the process's own.
///
/// # Safety
/// The range lies in one reservation, the caller owns it, and nothing in it
/// is used any more.
pub unsafe fn map(
    base: *mut u8,
    size: usize,
    file: Descriptor,
    offset: u64,
    protection: Protection,
    private: bool,
) -> Result<(), Errno> {
    if !admit(Call::Map) {
        return Err(Errno(libc::ENOMEM));
    }
    let offset = libc::off_t::try_from(offset).map_err(|_| Errno(libc::EOVERFLOW))?;
    let sharing = if private {
        libc::MAP_PRIVATE | super::os::UNCHARGED
    } else {
        libc::MAP_SHARED
    };
    let bits = super::os::bits_of(protection);
    let flags = sharing | libc::MAP_FIXED;
    // SAFETY: the caller owns the range that MAP_FIXED replaces.
    let got = unsafe { libc::mmap(base.cast(), size, bits, flags, file, offset) };
    if got == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    Ok(())
}

/// Maps all `size` bytes of a file anywhere, shared, to read and to write if
/// `write`. Null when the system refuses. Ended by [`super::release`].
pub fn map_shared(file: Descriptor, size: usize, write: bool) -> *mut u8 {
    if !admit(Call::Map) {
        return ptr::null_mut();
    }
    let bits = if write {
        libc::PROT_READ | libc::PROT_WRITE
    } else {
        libc::PROT_READ
    };
    // SAFETY: without MAP_FIXED no existing mapping can be touched.
    let got = unsafe { libc::mmap(ptr::null_mut(), size, bits, libc::MAP_SHARED, file, 0) };
    if got == libc::MAP_FAILED {
        ptr::null_mut()
    } else {
        got.cast()
    }
}

/// Writes what was changed in a mapped range to its file, and waits for it.
///
/// # Safety
/// The range is mapped, and stays so meanwhile.
pub unsafe fn flush(base: *mut u8, size: usize) -> Result<(), Errno> {
    if !admit(Call::File) {
        return Err(Errno(libc::EIO));
    }
    // SAFETY: the caller keeps the range mapped; contents are only read.
    checked(unsafe { libc::msync(base.cast::<c_void>(), size, libc::MS_SYNC) }).map(|_| ())
}

/// Reads from a file, at `offset` or where it stands; the bytes read.
///
/// # Safety
/// `buffer` leads to `size` bytes that can be written to, or to memory that
/// cannot be accessed: the system then refuses.
pub unsafe fn read(
    file: Descriptor,
    buffer: *mut u8,
    size: usize,
    offset: Option<u64>,
) -> Result<usize, Errno> {
    let offset = offset.map(libc::off_t::try_from).transpose();
    let offset = offset.map_err(|_| Errno(libc::EINVAL))?;
    undisturbed(|| match offset {
        // SAFETY: the system writes at most `size` bytes, or refuses.
        None => unsafe { libc::read(file, buffer.cast(), size) },
        // SAFETY: as above.
        Some(offset) => unsafe { libc::pread(file, buffer.cast(), size, offset) },
    })
}

/// Makes a call until no signal comes between; the bytes that it moved.
fn undisturbed(mut call: impl FnMut() -> isize) -> Result<usize, Errno> {
    if !admit(Call::File) {
        return Err(Errno(libc::EIO));
    }
    loop {
        match usize::try_from(call()).map_err(|_| Errno::last()) {
            Err(error) if error.0 == libc::EINTR => {}
            moved => return moved,
        }
    }
}

/// Writes to a file, at `offset` or where it stands; the bytes written.
///
/// # Safety
/// `buffer` leads to `size` bytes that can be read, or to memory that cannot
/// be accessed: the system then refuses.
pub unsafe fn write(
    file: Descriptor,
    buffer: *const u8,
    size: usize,
    offset: Option<u64>,
) -> Result<usize, Errno> {
    let offset = offset.map(libc::off_t::try_from).transpose();
    let offset = offset.map_err(|_| Errno(libc::EINVAL))?;
    undisturbed(|| match offset {
        // SAFETY: the system reads at most `size` bytes, or refuses.
        None => unsafe { libc::write(file, buffer.cast(), size) },
        // SAFETY: as above.
        Some(offset) => unsafe { libc::pwrite(file, buffer.cast(), size, offset) },
    })
}

/// From where a file's place is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// The file's start.
    Start,
    /// Where it stands.
    Here,
    /// Its end.
    End,
}

/// Moves the place where the next read or write happens; where that is.
pub fn seek(file: Descriptor, distance: i64, from: From) -> Result<u64, Errno> {
    if !admit(Call::File) {
        return Err(Errno(libc::EIO));
    }
    let whence = match from {
        From::Start => libc::SEEK_SET,
        From::Here => libc::SEEK_CUR,
        From::End => libc::SEEK_END,
    };
    // SAFETY: a call about an open file, without memory.
    let place = unsafe { libc::lseek(file, distance as libc::off_t, whence) };
    u64::try_from(place).map_err(|_| Errno::last())
}

/// Has all that was written to a file reach its device.
pub fn sync(file: Descriptor) -> Result<(), Errno> {
    if !admit(Call::File) {
        return Err(Errno(libc::EIO));
    }
    // SAFETY: a call about an open file, without memory.
    checked(unsafe { libc::fsync(file) }).map(|_| ())
}

/// Whether the number is that of an open file.
pub fn is_open(file: Descriptor) -> bool {
    // SAFETY: a call about a number, without memory.
    unsafe { libc::fcntl(file, libc::F_GETFD) >= 0 }
}
