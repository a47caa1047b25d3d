//! The list of handles and their objects.

use super::super::types::{DWORD, HANDLE};
use crate::sync::Mutex;
use crate::sync::forks::{self, AtFork, Layer};
use crate::vm::table::Table;
use core::ptr;

/// What objects have in common, and how one ends.
pub(in crate::win32) struct Kind {
    /// Ends the object with this value. No lock is held.
    pub(in crate::win32) end: fn(value: usize),
    /// All rights that a handle can have.
    pub(in crate::win32) all: DWORD,
    /// What GENERIC_READ, _WRITE, _EXECUTE and _ALL stand for.
    pub(in crate::win32) generic: [DWORD; 4],
    /// Whether a second handle has at most the rights of the first. Where not, whoever
    /// has a handle may have all rights, as the owner of an object may.
    pub(in crate::win32) is_bounded: bool,
}

impl Kind {
    /// Rights without generic ones.
    pub(in crate::win32) fn rights(&self, wanted: DWORD) -> DWORD {
        const FIRST_GENERIC: DWORD = 0x8000_0000;
        let mut rights = wanted & 0x03ff_ffff;
        for (place, stands_for) in self.generic.iter().enumerate() {
            if wanted & FIRST_GENERIC >> place != 0 {
                rights |= stands_for;
            }
        }
        if rights & MAXIMUM_ALLOWED != 0 {
            rights = rights & !MAXIMUM_ALLOWED | self.all;
        }
        rights
    }

    /// The rights of a second handle beside one that has `first`; `None`: it may not
    /// have them.
    pub(super) fn second(&self, wanted: DWORD, first: DWORD) -> Option<DWORD> {
        if !self.is_bounded {
            return Some(self.rights(wanted));
        }
        let most = if wanted & MAXIMUM_ALLOWED != 0 {
            first
        } else {
            0
        };
        let rights = self.rights(wanted & !MAXIMUM_ALLOWED) | most;
        (rights & !first == 0).then_some(rights)
    }
}

const MAXIMUM_ALLOWED: DWORD = 0x0200_0000;

#[derive(Clone, Copy)]
struct Object {
    kind: Option<&'static Kind>,
    value: usize,
    /// Entries and calls that refer to it; of a free one, the next free one plus
    /// 1, or 0.
    count: u32,
}

#[derive(Clone, Copy)]
struct Entry {
    /// The object plus 1; 0 for a free entry.
    object: u32,
    access: DWORD,
    /// Of a free entry, the one that was freed after it, plus 1; or 0.
    next: u32,
}

struct Handles {
    entries: Table<Entry>,
    /// The entry that was freed first, plus 1; or 0.
    oldest: u32,
    /// The one that was freed last.
    newest: u32,
    /// How many are free.
    free: usize,
    objects: Table<Object>,
    free_object: u32,
}

static HANDLES: Mutex<Handles> = Mutex::new(Handles {
    entries: Table::new(),
    oldest: 0,
    newest: 0,
    free: 0,
    objects: Table::new(),
    free_object: 0,
});

/// Closed handles that are kept out of use at least.
const STALE: usize = 64;

fn start() {
    static FORK: AtFork = AtFork::locks(&[HANDLES.raw()]);
    forks::hold(Layer::Handles, &FORK);
}

/// The entry's place that a handle names.
fn place_of(handle: HANDLE) -> Option<usize> {
    (handle.addr() >> 2).checked_sub(1)
}

fn handle_of(place: usize) -> HANDLE {
    ptr::without_provenance_mut((place + 1) << 2)
}

impl Handles {
    fn object(&mut self, number: u32) -> Option<&mut Object> {
        let place = (number as usize).checked_sub(1)?;
        self.objects.records_mut().get_mut(place)
    }

    /// Makes an object that nothing refers to yet: its number.
    fn add_object(&mut self, kind: &'static Kind, value: usize) -> Option<u32> {
        let object = Object {
            kind: Some(kind),
            value,
            count: 0,
        };
        if self.free_object != 0 {
            let number = self.free_object;
            let place = self.object(number)?;
            let next = place.count;
            *place = object;
            self.free_object = next;
            return Some(number);
        }
        let place = self.objects.records().len();
        let number = u32::try_from(place + 1).ok()?;
        self.objects.insert(place, object).then_some(number)
    }

    /// Makes an entry for an object.
    fn add_entry(&mut self, object: u32, access: DWORD) -> Option<HANDLE> {
        let entry = Entry {
            object,
            access,
            next: 0,
        };
        let count = self.entries.records().len();
        let place = if self.oldest != 0 && self.free > STALE {
            let place = (self.oldest - 1) as usize;
            let old = self.entries.records_mut().get_mut(place)?;
            self.oldest = old.next;
            if self.oldest == 0 {
                self.newest = 0;
            }
            *old = entry;
            self.free -= 1;
            place
        } else {
            u32::try_from(count + 1).ok()?;
            if !self.entries.insert(count, entry) {
                return None;
            }
            count
        };
        if let Some(object) = self.object(object) {
            object.count += 1;
        }
        Some(handle_of(place))
    }

    fn entry(&self, handle: HANDLE) -> Option<Entry> {
        let entry = self.entries.records().get(place_of(handle)?)?;
        (entry.object != 0).then_some(*entry)
    }

    fn remove_entry(&mut self, handle: HANDLE) -> Option<Entry> {
        let place = place_of(handle)?;
        let entry = self.entries.records_mut().get_mut(place)?;
        if entry.object == 0 {
            return None;
        }
        let was = *entry;
        *entry = Entry {
            object: 0,
            access: 0,
            next: 0,
        };
        let number = place as u32 + 1;
        match (self.newest as usize).checked_sub(1) {
            Some(last) => {
                if let Some(last) = self.entries.records_mut().get_mut(last) {
                    last.next = number;
                }
            }
            None => self.oldest = number,
        }
        self.newest = number;
        self.free += 1;
        Some(was)
    }

    /// Counts a reference less; what is to be ended, if it was the last.
    fn let_go(&mut self, number: u32) -> Option<(&'static Kind, usize)> {
        let free = self.free_object;
        let object = self.object(number)?;
        object.count = object.count.saturating_sub(1);
        if object.count != 0 {
            return None;
        }
        let ended = (object.kind.take()?, object.value);
        object.count = free;
        self.free_object = number;
        Some(ended)
    }
}

fn end(ended: Option<(&'static Kind, usize)>) {
    if let Some((kind, value)) = ended {
        (kind.end)(value);
    }
}

/// A new handle of a new object; without memory the object is ended.
pub(in crate::win32) fn open(kind: &'static Kind, value: usize, access: DWORD) -> Option<HANDLE> {
    start();
    let mut handles = HANDLES.lock();
    let opened = match handles.add_object(kind, value) {
        None => Err(Some((kind, value))),
        Some(object) => handles
            .add_entry(object, access)
            // Nothing refers to the object: counting one less ends it.
            .ok_or_else(|| handles.let_go(object)),
    };
    drop(handles);
    opened.map_err(end).ok()
}

/// An object that a call uses: it is there as long as this is.
pub(in crate::win32) struct Borrowed {
    object: u32,
    kind: &'static Kind,
    /// The object's value.
    pub(in crate::win32) value: usize,
    /// The rights of the handle.
    pub(in crate::win32) access: DWORD,
}

impl Borrowed {
    /// Whether the object is of a kind.
    pub(in crate::win32) fn is(&self, kind: &'static Kind) -> bool {
        ptr::eq(self.kind, kind)
    }

    /// The object's kind.
    pub(super) fn kind(&self) -> &'static Kind {
        self.kind
    }

    /// Gives the object another value.
    pub(in crate::win32) fn set_value(&self, value: usize) {
        if let Some(object) = HANDLES.lock().object(self.object) {
            object.value = value;
        }
    }

    /// Another handle of the object.
    pub(super) fn duplicate(&self, access: DWORD) -> Option<HANDLE> {
        HANDLES.lock().add_entry(self.object, access)
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let ended = HANDLES.lock().let_go(self.object);
        end(ended);
    }
}

/// The object of a handle; `None` for a number that is no open handle.
pub(super) fn any(handle: HANDLE) -> Option<Borrowed> {
    start();
    let mut handles = HANDLES.lock();
    let entry = handles.entry(handle)?;
    let object = handles.object(entry.object)?;
    object.count += 1;
    Some(Borrowed {
        object: entry.object,
        kind: object.kind?,
        value: object.value,
        access: entry.access,
    })
}

/// The object of a handle, if it is of that kind.
pub(in crate::win32) fn borrow(handle: HANDLE, kind: &'static Kind) -> Option<Borrowed> {
    any(handle).filter(|borrowed| borrowed.is(kind))
}

/// A handle of an object of that kind and value whose rights `suit`.
pub(in crate::win32) fn find(
    kind: &'static Kind,
    value: usize,
    suit: impl Fn(DWORD) -> bool,
) -> Option<HANDLE> {
    start();
    let mut handles = HANDLES.lock();
    let count = handles.entries.records().len();
    (0..count).map(handle_of).find(|&handle| {
        let Some(entry) = handles.entry(handle) else {
            return false;
        };
        if !suit(entry.access) {
            return false;
        }
        handles.object(entry.object).is_some_and(|object| {
            object.kind.is_some_and(|own| ptr::eq(own, kind)) && object.value == value
        })
    })
}

/// Ends a handle; false for a number that is none.
pub(super) fn close(handle: HANDLE) -> bool {
    start();
    let mut handles = HANDLES.lock();
    let Some(entry) = handles.remove_entry(handle) else {
        return false;
    };
    let ended = handles.let_go(entry.object);
    drop(handles);
    end(ended);
    true
}

/// How many handles are open.
pub(in crate::win32) fn count() -> usize {
    start();
    let handles = HANDLES.lock();
    let entries = handles.entries.records().iter();
    entries.filter(|entry| entry.object != 0).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::vec::Vec;

    static ENDED: AtomicUsize = AtomicUsize::new(0);

    fn note(value: usize) {
        ENDED.fetch_add(value, Ordering::SeqCst);
    }

    static KIND: Kind = Kind {
        end: note,
        all: 0xff,
        generic: [1, 2, 4, 0xff],
        is_bounded: false,
    };
    static OTHER: Kind = Kind {
        end: note,
        all: 0xff,
        generic: [1, 2, 4, 0xff],
        is_bounded: false,
    };

    #[test]
    fn an_object_ends_with_the_last_that_refers_to_it() {
        let before = ENDED.load(Ordering::SeqCst);
        let ended = || ENDED.load(Ordering::SeqCst) - before;
        let first = open(&KIND, 1000, 3).expect("a handle");
        assert_eq!(first.addr() % 4, 0);
        let tagged = ptr::without_provenance_mut(first.addr() | 3);
        let borrowed = borrow(tagged, &KIND).expect("the same handle");
        assert_eq!((borrowed.value, borrowed.access), (1000, 3));
        assert!(borrow(first, &OTHER).is_none());
        let second = borrowed.duplicate(1).expect("a handle");
        assert_eq!(find(&KIND, 1000, |_| true), Some(first));
        assert!(close(first));
        assert!(!close(first) && any(first).is_none());
        assert!(close(second));
        assert_eq!(ended(), 0, "a call uses it");
        drop(borrowed);
        assert_eq!(ended(), 1000);
        for garbage in [0, 1, 3, 0x7fff_fff0, usize::MAX, usize::MAX - 1] {
            assert!(!close(ptr::without_provenance_mut(garbage)), "{garbage:#x}");
        }
    }

    #[test]
    fn a_closed_number_stays_out_of_use() {
        // However many are open.
        let held: Vec<HANDLE> = (0..2 * STALE)
            .map(|_| open(&OTHER, 0, 0).expect("a handle"))
            .collect();
        let mut closed = Vec::new();
        for _ in 0..4 * STALE {
            let handle = open(&OTHER, 0, 0).expect("a handle");
            let recent = closed.iter().rev().take(STALE / 2);
            assert!(recent.into_iter().all(|&stale| stale != handle));
            assert!(close(handle));
            closed.push(handle);
        }
        assert!(closed[1..].contains(&closed[0]));
        assert!(held.into_iter().all(close));
    }

    #[test]
    fn generic_rights_stand_for_the_kinds_own() {
        assert_eq!(KIND.rights(0x8000_0000), 1);
        assert_eq!(KIND.rights(0x4000_0008), 2 | 8);
        assert_eq!(KIND.rights(0x2000_0000), 4);
        assert_eq!(KIND.rights(0x1000_0000), 0xff);
        assert_eq!(KIND.rights(MAXIMUM_ALLOWED), 0xff);
    }

    #[test]
    fn a_second_handle_has_no_more_rights_where_the_kind_says_so() {
        static BOUNDED: Kind = Kind {
            end: note,
            all: 0xff,
            generic: [1, 2, 4, 0xff],
            is_bounded: true,
        };
        assert_eq!(BOUNDED.second(0x8000_0000, 3), Some(1));
        assert_eq!(BOUNDED.second(0x4000_0001, 3), Some(3));
        assert_eq!(BOUNDED.second(0, 3), Some(0));
        assert_eq!(BOUNDED.second(0x2000_0000, 3), None);
        assert_eq!(BOUNDED.second(0x1000_0000, 3), None);
        assert_eq!(BOUNDED.second(MAXIMUM_ALLOWED, 3), Some(3));
        assert_eq!(BOUNDED.second(MAXIMUM_ALLOWED | 4, 3), None);
        assert_eq!(KIND.second(0x1000_0000, 3), Some(0xff));
    }
}
