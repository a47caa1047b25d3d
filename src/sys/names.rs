//! Names that processes share and that die with their holders, however these
//! end: the abstract addresses of local sockets.
//!
//! A process that holds a name has a socket bound to an address that begins
//! with the name and goes on with what the process tells of itself. The system
//! takes the address away when the last descriptor of the socket is closed, by
//! a call or by a signal that kills; nothing is left to be cleaned up. All
//! addresses are in a list that anybody can read, so what is found there is
//! believed only after it was checked.
//!
//! A name's lock is an address too, of a socket that listens: whoever finds it
//! taken connects and sleeps until the connection breaks, which it does when
//! the holder closes the socket or dies.

use super::counters::Call;
use super::files::{Descriptor, Errno, close};
use super::{admit, yield_now};
use core::ffi::c_int;
use core::ptr;

/// Most bytes of an address.
pub const LONGEST: usize = 107;

type Address = (libc::sockaddr_un, libc::socklen_t);

fn address_of(name: &[u8]) -> Result<Address, Errno> {
    // SAFETY: all zero is a value of the structure.
    let mut address: libc::sockaddr_un = unsafe { core::mem::zeroed() };
    address.sun_family = libc::AF_UNIX as libc::sa_family_t;
    // An address that begins with a zero byte is no path.
    let room = address.sun_path.get_mut(1..=name.len());
    let room = room.ok_or(Errno(libc::ENAMETOOLONG))?;
    for (to, from) in room.iter_mut().zip(name) {
        *to = *from as libc::c_char;
    }
    let used = core::mem::offset_of!(libc::sockaddr_un, sun_path) + 1 + name.len();
    Ok((address, used as libc::socklen_t))
}

fn socket(kind: c_int) -> Result<Descriptor, Errno> {
    if !admit(Call::File) {
        return Err(Errno(libc::EMFILE));
    }
    // SAFETY: no memory is passed.
    let socket = unsafe { libc::socket(libc::AF_UNIX, kind | libc::SOCK_CLOEXEC, 0) };
    if socket < 0 {
        return Err(Errno::last());
    }
    Ok(socket)
}

fn bind(socket: Descriptor, name: &[u8]) -> Result<(), Errno> {
    if !admit(Call::File) {
        return Err(Errno(libc::ENOMEM));
    }
    let (address, length) = address_of(name)?;
    // SAFETY: `length` bytes of the address are written.
    let result = unsafe { libc::bind(socket, (&raw const address).cast(), length) };
    if result != 0 {
        return Err(Errno::last());
    }
    Ok(())
}

/// Holds `name` until the descriptor is closed. It must not be held yet.
pub fn hold(name: &[u8]) -> Result<Descriptor, Errno> {
    let socket = socket(libc::SOCK_DGRAM)?;
    match bind(socket, name) {
        Ok(()) => Ok(socket),
        Err(error) => {
            close(socket);
            Err(error)
        }
    }
}

/// Shows `visit` the rest of each held name that begins with `start`, until it
/// returns false. Every name that is held all the while is shown, but one that
/// the list loses because another of its neighbours was just let go. ENOENT where the
/// system does not tell.
pub fn for_each_held(start: &[u8], visit: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Errno> {
    if !admit(Call::File) {
        return Err(Errno(libc::EMFILE));
    }
    // SAFETY: a constant path; the flags need no third argument.
    let file = unsafe {
        libc::open(
            c"/proc/self/net/unix".as_ptr(),
            libc::O_RDONLY | libc::O_CLOEXEC,
        )
    };
    if file < 0 {
        return Err(Errno::last());
    }
    let done = read_list(file, start, visit);
    close(file);
    done
}

fn read_list(
    file: Descriptor,
    start: &[u8],
    visit: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<(), Errno> {
    let mut buffer = [0u8; 4096];
    // The end of a line, from the mark of such an address on.
    let mut line = [0u8; LONGEST + 1];
    let mut length = None::<usize>;
    loop {
        // SAFETY: the system writes at most the buffer's length into it.
        let got = unsafe { libc::read(file, buffer.as_mut_ptr().cast(), buffer.len()) };
        let Ok(got) = usize::try_from(got) else {
            return Err(Errno::last());
        };
        if got == 0 {
            return Ok(());
        }
        for &byte in buffer.get(..got).unwrap_or_default() {
            match (byte, length) {
                (b'\n', _) => {
                    let name = length.and_then(|length| line.get(..length));
                    if let Some(rest) = name.and_then(|name| name.strip_prefix(start))
                        && !visit(rest)
                    {
                        return Ok(());
                    }
                    length = None;
                }
                (b'@', None) => length = Some(0),
                (_, Some(used)) => {
                    if let Some(place) = line.get_mut(used) {
                        *place = byte;
                        length = Some(used + 1);
                    }
                }
                _ => {}
            }
        }
    }
}

/// A name's lock, held until it is dropped.
pub struct NameLock {
    socket: Descriptor,
}

impl Drop for NameLock {
    fn drop(&mut self) {
        close(self.socket);
    }
}

/// Takes the lock of `name`, and waits while another process has it. Refused
/// with EACCES when another user has taken the address.
pub fn lock(name: &[u8]) -> Result<NameLock, Errno> {
    loop {
        let socket = socket(libc::SOCK_STREAM)?;
        let lock = NameLock { socket };
        match bind(socket, name) {
            Ok(()) => {
                if !admit(Call::File) {
                    return Err(Errno(libc::ENOMEM));
                }
                // Who waits is in the queue; those for whom it has no room ask
                // again.
                // SAFETY: no memory is passed.
                if unsafe { libc::listen(socket, 4096) } != 0 {
                    return Err(Errno::last());
                }
                return Ok(lock);
            }
            Err(Errno(libc::EADDRINUSE)) => wait_for(socket, name)?,
            Err(error) => return Err(error),
        }
    }
}

/// Waits until the lock is free, or may be.
fn wait_for(socket: Descriptor, name: &[u8]) -> Result<(), Errno> {
    let (address, length) = address_of(name)?;
    // SAFETY: `length` bytes of the address are written.
    if unsafe { libc::connect(socket, (&raw const address).cast(), length) } != 0 {
        return match Errno::last() {
            // Free again, or not listening yet.
            Errno(libc::ECONNREFUSED | libc::EINTR | libc::EAGAIN | libc::ECONNRESET) => {
                yield_now();
                Ok(())
            }
            error => Err(error),
        };
    }
    if peer_of(socket)? != user() {
        return Err(Errno(libc::EACCES));
    }
    let mut poll = libc::pollfd {
        fd: socket,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one structure is passed. Interrupted, the caller asks again.
    unsafe { libc::poll(&raw mut poll, 1, -1) };
    Ok(())
}

/// The user of the process that listens at the other end.
fn peer_of(socket: Descriptor) -> Result<u32, Errno> {
    let mut peer = libc::ucred {
        pid: 0,
        uid: 0,
        gid: 0,
    };
    let mut length = size_of::<libc::ucred>() as libc::socklen_t;
    // SAFETY: the system writes at most `length` bytes into the structure.
    let result = unsafe {
        libc::getsockopt(
            socket,
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut peer).cast(),
            &raw mut length,
        )
    };
    if result != 0 {
        return Err(Errno::last());
    }
    Ok(peer.uid)
}

/// The user on whose behalf the process acts.
pub fn user() -> u32 {
    // SAFETY: no arguments, no memory.
    unsafe { libc::geteuid() }
}

/// A number that those processes have in common whose process numbers mean the
/// same; 0 where the system does not tell.
pub fn process_space() -> u64 {
    let mut text = [0u8; 64];
    // SAFETY: the system writes at most the buffer's length into it.
    let got = unsafe {
        libc::readlink(
            c"/proc/self/ns/pid".as_ptr(),
            text.as_mut_ptr().cast(),
            text.len(),
        )
    };
    let text = usize::try_from(got).ok().and_then(|got| text.get(..got));
    let digits = text
        .unwrap_or_default()
        .iter()
        .filter(|byte| byte.is_ascii_digit());
    digits.fold(0, |sum: u64, &digit| {
        sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0'))
    })
}

/// Sleeps about a millisecond.
pub fn rest() {
    let time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 1_000_000,
    };
    // SAFETY: one structure is read; the rest of an interrupted sleep is not
    // wanted.
    unsafe { libc::nanosleep(&raw const time, ptr::null_mut()) };
}

#[cfg(test)]
mod tests {
    use super::super::text::Text;
    use super::*;
    use std::vec::Vec;

    fn own(name: &str) -> Text<LONGEST> {
        let mut text = Text::new();
        text.push(b"ntheap-test/");
        text.push_number(u64::from(super::super::process_id()));
        text.push(b"/");
        text.push(name.as_bytes());
        text
    }

    fn held(start: &[u8]) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        for_each_held(start, &mut |rest| {
            all.push(rest.to_vec());
            true
        })
        .expect("the list");
        all.sort();
        all
    }

    #[test]
    fn a_name_is_listed_as_long_as_it_is_held() {
        let (one, two) = (own("list/one"), own("list/two"));
        let start = own("list/");
        assert!(held(start.as_bytes()).is_empty());
        let first = hold(one.as_bytes()).expect("held");
        let second = hold(two.as_bytes()).expect("held");
        assert_eq!(hold(one.as_bytes()), Err(Errno(libc::EADDRINUSE)));
        assert_eq!(held(start.as_bytes()), [b"one", b"two"]);
        close(first);
        assert_eq!(held(start.as_bytes()), [b"two"]);
        close(second);
        assert!(held(start.as_bytes()).is_empty());
        assert!(hold(&[b'x'; LONGEST + 1]).is_err());
    }

    #[test]
    fn one_holds_a_lock_and_the_others_wait() {
        use std::sync::atomic::{AtomicU32, Ordering};
        static INSIDE: AtomicU32 = AtomicU32::new(0);
        let name = own("lock");
        let work = || {
            for _ in 0..100 {
                let lock = lock(name.as_bytes()).expect("the lock");
                assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0);
                yield_now();
                INSIDE.fetch_sub(1, Ordering::SeqCst);
                drop(lock);
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(work);
            }
        });
    }
}
