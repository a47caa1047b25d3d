//! Named sections: how processes find them, and why a name never outlives its
//! holders.
//!
//! A process that has a handle of a named section holds an address of the
//! system (`sys::names`) that says where to look:
//!
//! ```text
//!   ntheap-1/section/1000/9c0fd1…/4711/5/4
//!                    user  name   process, descriptors of control and data
//! ```
//!
//! To open a section, a process looks through the held addresses for the name,
//! opens control and data through `/proc/4711/fd`, checks that they are what
//! they should be, and holds an address of its own. When a process closes its last
//! handle, or dies, the system takes the address away, and when the last process
//! has done so there is nothing left: no file, no memory, no name.
//!
//! The protocol:
//! - Whoever looks a name up holds its lock, which is a held address too, until
//!   it has found nothing and published a section of its own, or has opened one
//!   and holds an address for it. So nobody makes a second section of a name
//!   that another is just making or opening.
//! - A section is published as the last step of making it. Whoever is killed
//!   before has published nothing; after, the system takes all of it away.
//! - Closing takes no lock. A process that is found but gone before its
//!   descriptors were opened is passed over; one that is opened in time has been
//!   opened before it was closed.
//! - What descriptors lead to may have changed since the address was read:
//!   control is believed by its owner, magic and name, data by its identity,
//!   which control has.
//! - A forked child has its parent's sockets and so holds all names from its
//!   first instruction; it exchanges them for addresses with its own number
//!   before it runs on. Between the parent's death and that an address leads
//!   nowhere: whoever finds it so waits a moment and looks again.

use super::control::Control;
use super::{Failure, RESERVED, Record, SECTIONS, Section, enter};
use crate::sync::Lock;
use crate::sys::files::{self, Descriptor, Errno};
use crate::sys::text::Text;

/// Held by the thread of this process that looks a name up.
pub(super) static LOOKUP: Lock = Lock::new();

/// How a name is spelled in addresses.
pub(super) type Key = Text<108>;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    pub(super) use crate::sys::names::*;
}

/// Elsewhere there are no such addresses, and no names.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use super::{Descriptor, Errno};

    pub(super) struct NameLock;

    pub(super) fn lock(_: &[u8]) -> Result<NameLock, Errno> {
        Err(Errno(libc::ENOSYS))
    }

    pub(super) fn hold(_: &[u8]) -> Result<Descriptor, Errno> {
        Err(Errno(libc::ENOSYS))
    }

    pub(super) fn for_each_held(_: &[u8], _: &mut dyn FnMut(&[u8]) -> bool) -> Result<(), Errno> {
        Err(Errno(libc::ENOENT))
    }

    pub(super) fn user() -> u32 {
        0
    }

    pub(super) fn process_space() -> u64 {
        0
    }

    pub(super) fn rest() {}
}

/// A number for a name, the same in all processes that can share it.
fn number_of(name: &[u16]) -> u64 {
    const PRIME: u64 = 0x100_0000_01b3;
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut mix = |byte: u8| hash = (hash ^ u64::from(byte)).wrapping_mul(PRIME);
    system::process_space()
        .to_le_bytes()
        .into_iter()
        .for_each(&mut mix);
    for unit in name {
        unit.to_le_bytes().into_iter().for_each(&mut mix);
    }
    hash
}

fn key_of(what: &[u8], name: &[u16]) -> Key {
    let mut key = Key::new();
    key.push(b"ntheap-1/");
    key.push(what);
    key.push(b"/");
    key.push_number(u64::from(system::user()));
    key.push(b"/");
    key.push_hex(number_of(name));
    key.push(b"/");
    key
}

/// Runs `act` with the lock of a name held, and the name's key.
pub(super) fn with_lock<R>(
    name: &[u16],
    act: impl FnOnce(&Key) -> Result<R, Failure>,
) -> Result<R, Failure> {
    LOOKUP.acquire();
    let result = match system::lock(key_of(b"lock", name).as_bytes()) {
        Ok(lock) => {
            let result = act(&key_of(b"section", name));
            drop(lock);
            result
        }
        Err(error) => Err(error.into()),
    };
    LOOKUP.release();
    result
}

/// What came of following an address.
enum Found {
    Section(Record),
    /// It was another name's.
    Other,
    /// It led nowhere.
    Gone,
}

/// The section of a name, opened: its number, with a handle counted. The name's
/// lock is held.
pub(super) fn find(key: &Key, name: &[u16]) -> Result<usize, Failure> {
    /// Milliseconds that an address may lead nowhere.
    const PATIENCE: usize = 500;
    let own = {
        let mut sections = SECTIONS.lock();
        let own = sections.named(name);
        if let Some(record) = own.and_then(|number| sections.get_mut(number)) {
            record.handles += 1;
        }
        own
    };
    if let Some(number) = own {
        return Ok(number);
    }
    let mut patience = PATIENCE;
    let mut empty_lists = 0;
    loop {
        let mut gone = false;
        let mut result = Ok(None);
        let told = system::for_each_held(key.as_bytes(), &mut |rest| {
            match follow(rest, name) {
                Ok(Found::Section(record)) => result = Ok(Some(record)),
                Ok(Found::Other) => return true,
                Ok(Found::Gone) => {
                    gone = true;
                    return true;
                }
                Err(failure) => result = Err(failure),
            }
            false
        });
        match told {
            Ok(()) => {}
            Err(Errno(libc::ENOENT)) => return Err(Failure::System(Errno(libc::ENOSYS))),
            Err(error) => return Err(error.into()),
        }
        if let Some(mut record) = result? {
            match publish(key, &record) {
                Ok(holder) => record.holder = Some(holder),
                Err(error) => {
                    record.end();
                    return Err(error.into());
                }
            }
            return enter(record);
        }
        if !gone {
            // The list may pass over an entry while its neighbours change.
            empty_lists += 1;
            if empty_lists == 2 {
                return Err(Failure::NotFound);
            }
            continue;
        }
        empty_lists = 0;
        patience -= 1;
        if patience == 0 {
            return Err(Failure::System(Errno(libc::EACCES)));
        }
        system::rest();
    }
}

/// The three numbers that an address ends with.
fn place(rest: &[u8]) -> Option<(u32, u32, u32)> {
    let mut parts = rest
        .split(|&byte| byte == b'/')
        .map(crate::sys::text::number);
    let mut next = || parts.next()??.try_into().ok();
    Some((next()?, next()?, next()?))
}

/// Opens what an address leads to, if it is the section of that name.
fn follow(rest: &[u8], name: &[u16]) -> Result<Found, Failure> {
    let Some((process, control, data)) = place(rest) else {
        return Ok(Found::Other);
    };
    let control = match open_others(process, control, true) {
        Ok(Some(file)) => file,
        Ok(None) => return Ok(Found::Gone),
        Err(error) => return Err(error.into()),
    };
    let adopted = files::status(control)
        .ok()
        .filter(|status| status.is_regular && status.owner == system::user());
    let Some(control) = adopted.and_then(|status| Control::adopt(control, status.size)) else {
        files::close(control);
        return Ok(Found::Gone);
    };
    let said = control.description();
    if said.name() != name {
        control.drop_it();
        return Ok(Found::Other);
    }
    let data = match open_others(process, data, said.writes != 0) {
        Ok(Some(file)) => file,
        other => {
            control.drop_it();
            return other.map(|_| Found::Gone).map_err(Failure::from);
        }
    };
    let is_it = files::status(data).is_ok_and(|status| {
        status.identity == said.data && (said.is_file != 0 || status.size >= said.size)
    });
    let mut record = Record {
        section: Section {
            data,
            is_file: said.is_file != 0,
            size: said.size,
            protect: said.protect,
            attributes: said.attributes,
            commits: 0,
            charges: 0,
        },
        control: Some(control),
        holder: None,
        charged: 0,
        handles: 1,
        views: 0,
    };
    if !is_it {
        record.end();
        return Ok(Found::Gone);
    }
    if !record.section.is_file && said.attributes & RESERVED != 0 {
        record.commit_by_page()?;
    }
    Ok(Found::Section(record))
}

/// Opens another process's file; `None` if there is no such process or file.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn open_others(process: u32, file: u32, write: bool) -> Result<Option<Descriptor>, Errno> {
    match files::open_others(process, file, write) {
        Ok(file) => Ok(Some(file)),
        // What a descriptor leads to now may be no file at all.
        Err(Errno(libc::ENOENT | libc::ESRCH | libc::ENXIO | libc::ENODEV | libc::EISDIR)) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn open_others(_: u32, _: u32, _: bool) -> Result<Option<Descriptor>, Errno> {
    Ok(None)
}

/// Holds an address for a section of this process: the socket.
pub(super) fn publish(key: &Key, record: &Record) -> Result<Descriptor, Errno> {
    let control = record.control.ok_or(Errno(libc::EINVAL))?;
    let mut address = *key;
    address.push_number(u64::from(crate::sys::process_id()));
    for file in [control.file, record.section.data] {
        address.push(b"/");
        address.push_number(u64::from(file.unsigned_abs()));
    }
    system::hold(address.as_bytes())
}

/// In a forked child: holds an address of its own in place of the parent's.
/// Without one, the parent's stays held.
pub(super) fn hold_in_child(record: &mut Record) {
    let (Some(parents), Some(control)) = (record.holder, record.control) else {
        return;
    };
    let said = control.description();
    if let Ok(own) = publish(&key_of(b"section", said.name()), record) {
        record.holder = Some(own);
        files::close(parents);
    }
}
