//! What is known of a reservation as a whole.

use super::super::table::Table;
use super::protect::Protect;
use crate::vm::notes::Notes;

/// What the pages of a reservation are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The process's own, zero at first.
    Private,
    /// A section's.
    View(View),
    /// Nobody's: address space that another reservation is to replace.
    Placeholder,
    /// A window that pages of the program's are mapped into by their numbers.
    Physical,
}

/// Which part of which section a view shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    /// The section's identity: the same for all its views in the process.
    pub(crate) section: usize,
    /// Where in the section the view begins, in bytes.
    pub(crate) offset: u64,
    /// Where the section keeps which of its pages are committed, when that is
    /// told page by page: the address of a bit for each page, in 64-bit words,
    /// which all processes share and which lives as long as the view. In the word
    /// before them the changes of the bits are counted. 0 when all pages are.
    pub(crate) commits: usize,
    /// What is mapped, by its descriptor, which is open as long as the view is there.
    pub(crate) file: i32,
    /// Bytes that are charged for pages that are copied when they are written to,
    /// beside those of a view all of whose pages are.
    pub(crate) charged: usize,
    /// The section's owner's own; where pages are committed one by one, what
    /// `sections::first_view` takes.
    pub(crate) token: usize,
    /// How many of the changes this view knows; 0 at first.
    pub(crate) seen: u64,
    /// The next view of a section whose pages are committed one by one, by its
    /// area's number; 0 at first.
    pub(crate) next: u32,
}

/// A reservation, from `VirtualAlloc` or of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    /// The first byte.
    pub(crate) start: usize,
    /// The byte after the last page.
    pub(crate) end: usize,
    /// What its pages are.
    pub(crate) kind: Kind,
    /// The protection that it was made with.
    pub(crate) initial: Protect,
    /// Whether it replaced a placeholder, and may become one again.
    pub(crate) was_placeholder: bool,
    /// Whether it is of large pages, which are committed and stay so.
    pub(crate) is_large: bool,
    /// How a touch of its pages is answered.
    pub(crate) touch: Touch,
    /// Which pages were written to, where that is watched.
    pub(super) written: Notes,
    /// Which pages held anything when they were last offered to the system.
    pub(super) offered: Notes,
}

impl Area {
    /// Whether pages of it were ever offered to the system, which may take what they hold.
    pub(crate) const fn was_offered(&self) -> bool {
        !self.offered.is_none()
    }

    /// Ends what is noted about the pages.
    pub(super) fn free_notes(&self) {
        let pages = (self.end - self.start) / super::super::page_size();
        self.written.free(pages);
        self.offered.free(pages);
    }
}

/// How a touch of pages that cannot be accessed is answered, beyond guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Touch {
    /// Not at all.
    Fault,
    /// Reserved pages are committed.
    Commit,
    /// The guard page is committed and the one below becomes the guard.
    Grow,
}

/// An area's place in the list, as long as it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AreaId(u32);

impl AreaId {
    pub(super) const fn from_index(index: usize) -> AreaId {
        AreaId(index as u32)
    }

    /// A number for it, not 0.
    pub(super) const fn number(self) -> u32 {
        self.0.wrapping_add(1)
    }

    /// The area of a number; `None` for 0.
    pub(super) const fn from_number(number: u32) -> Option<AreaId> {
        match number.checked_sub(1) {
            Some(index) => Some(AreaId(index)),
            None => None,
        }
    }
}

#[derive(Clone, Copy)]
enum Slot {
    Taken(Area),
    /// The next free one plus 1, or 0.
    Free(u32),
}

pub(super) struct Areas {
    slots: Table<Slot>,
    /// The first free one plus 1, or 0.
    free: u32,
    /// How many are free.
    spare: usize,
}

impl Areas {
    pub(super) const fn new() -> Areas {
        Areas {
            slots: Table::new(),
            free: 0,
            spare: 0,
        }
    }

    /// Makes room for `more` areas, after which adding so many cannot fail.
    pub(super) fn room(&mut self, more: usize) -> bool {
        let all = self.slots.records().len() + more;
        u32::try_from(all).is_ok_and(|all| all < u32::MAX)
            && self.slots.reserve(more.saturating_sub(self.spare))
    }

    /// Adds an area. There is room for it.
    pub(super) fn add(&mut self, area: Area) -> AreaId {
        let index = match (self.free as usize).checked_sub(1) {
            Some(index) => index,
            None => self.slots.records().len(),
        };
        match self.slots.records_mut().get_mut(index) {
            Some(slot) => {
                if let Slot::Free(next) = *slot {
                    self.free = next;
                    self.spare -= 1;
                }
                *slot = Slot::Taken(area);
            }
            None => {
                self.slots.insert(index, Slot::Taken(area));
            }
        }
        AreaId::from_index(index)
    }

    pub(super) fn remove(&mut self, id: AreaId) {
        if let Some(slot) = self.slots.records_mut().get_mut(id.0 as usize) {
            *slot = Slot::Free(self.free);
            self.free = id.0 + 1;
            self.spare += 1;
        }
    }

    pub(super) fn get(&self, id: AreaId) -> Option<&Area> {
        match self.slots.records().get(id.0 as usize) {
            Some(Slot::Taken(area)) => Some(area),
            _ => None,
        }
    }

    pub(super) fn get_mut(&mut self, id: AreaId) -> Option<&mut Area> {
        match self.slots.records_mut().get_mut(id.0 as usize) {
            Some(Slot::Taken(area)) => Some(area),
            _ => None,
        }
    }

    /// Each area.
    pub(super) fn iter(&self) -> impl Iterator<Item = (AreaId, &Area)> {
        let slots = self.slots.records().iter().enumerate();
        slots.filter_map(|(index, slot)| match slot {
            Slot::Taken(area) => Some((AreaId::from_index(index), area)),
            Slot::Free(_) => None,
        })
    }
}
