//! What the system's list of mappings says of a page that is none of ours.
//!
//! The list knows neither reservations nor images: a mapping stands for the one, and
//! mappings of one file in a row, in one of which code can run, for the other.

use super::{Found, PageKind};
use crate::sys::{self, Mapping, USER_END};
use crate::vm::GRANULARITY;
use crate::vm::regions::{self, Protect};

/// What the system's list says of a page that is none of ours.
struct Listed {
    /// The mapping that has the page.
    mapping: Option<Mapping>,
    /// Where free addresses around the page begin and end, if it has none.
    gap: (usize, usize),
    /// Where mappings of one file follow each other around the page: an image,
    /// with the memory that it has behind its file.
    image: Option<(usize, usize)>,
}

/// Mappings in a row that are of one file.
#[derive(Clone, Copy, Default)]
struct Group {
    start: usize,
    end: usize,
    file: u64,
    runs_code: bool,
    has_page: bool,
}

impl Group {
    /// Whether a mapping goes on with the group: the file's, or memory behind an
    /// image.
    fn takes(&self, mapping: &Mapping) -> bool {
        let follows = mapping.start == self.end && self.file != 0;
        let is_memory = mapping.file == 0 && !mapping.is_system && self.runs_code;
        follows && !mapping.is_shared && (mapping.file == self.file || is_memory)
    }
}

fn look_up(page: usize) -> Option<Listed> {
    let mut listed = Listed {
        mapping: None,
        gap: (0, USER_END),
        image: None,
    };
    let mut group = Group::default();
    let told = sys::for_each_mapping(&mut |mapping| {
        let has_page = (mapping.start..mapping.end).contains(&page);
        if group.takes(mapping) {
            group.end = mapping.end;
            group.runs_code |= mapping.executable;
            group.has_page |= has_page;
            // Memory behind an image ends it.
            if mapping.file == 0 {
                group.file = 0;
            }
        } else if group.has_page {
            return false;
        } else {
            group = Group {
                start: mapping.start,
                end: mapping.end,
                file: mapping.file,
                runs_code: mapping.executable,
                has_page,
            };
        }
        if has_page {
            listed.mapping = Some(*mapping);
        } else if mapping.end <= page {
            listed.gap.0 = mapping.end;
        } else if listed.mapping.is_none() {
            listed.gap.1 = mapping.start.min(USER_END);
            return false;
        }
        true
    });
    if group.has_page && group.runs_code && listed.mapping.is_some() {
        let is_file = listed.mapping.is_some_and(|mapping| mapping.file != 0);
        let has_file = is_file || group.start != listed.mapping.map_or(0, |m| m.start);
        listed.image = has_file.then_some((group.start, group.end));
    }
    told.then_some(listed)
}

/// What the system tells of a page that is nobody's here; `None` where it has no list.
pub(super) fn about(page: usize) -> Option<Found> {
    let listed = look_up(page)?;
    if let Some(told) = stack_pages(page, &listed) {
        return Some(told);
    }
    let Some(mapping) = listed.mapping else {
        return Some(Found::free(page, listed.gap.1));
    };
    let mapping = beside_regions(beside_owned(mapping, page), page);
    let protect = protection_of(&mapping);
    let is_private = !mapping.is_view;
    let reserved = protect == Protect::NONE && is_private && listed.image.is_none();
    Some(Found {
        start: page,
        end: mapping.end,
        allocation: listed.image.map_or(mapping.start, |image| image.0),
        initial: match listed.image {
            Some(_) => Protect::EXECUTE_WRITE_COPY,
            None => protect,
        },
        protect: (!reserved).then_some(protect),
        kind: Some(match listed.image {
            Some(_) => PageKind::Image,
            None if is_private => PageKind::Private,
            None => PageKind::Mapped,
        }),
    })
}

/// What the calling thread's stack has at a page, if it lies there: what it may
/// still grow into is reserved, below a guard page. A stack that the system's
/// library made is committed whole, above its guard pages.
fn stack_pages(page: usize, listed: &Listed) -> Option<Found> {
    let stack = sys::own_stack()?;
    // A stack without limit ends at what lies below it.
    let low = match listed.mapping {
        None => stack.low.max(listed.gap.0),
        Some(_) => stack.low,
    };
    if page < low || page >= stack.high {
        return None;
    }
    let size = sys::page_size();
    let (start, end, protect) = match listed.mapping {
        Some(mapping) if page < stack.usable => {
            let end = mapping.end.min(stack.usable);
            let protect = mapping.readable.then_some(Protect::READ_WRITE);
            (page, end, protect)
        }
        Some(mapping) => (page, mapping.end.min(stack.high), Some(Protect::READ_WRITE)),
        None if page + size == listed.gap.1 => {
            (page, page + size, Some(Protect::READ_WRITE.with_guard()))
        }
        None => (page, listed.gap.1 - size, None),
    };
    Some(Found {
        start,
        end,
        allocation: low,
        initial: Protect::READ_WRITE,
        protect,
        kind: Some(PageKind::Private),
    })
}

/// The part of a mapping, around `page`, that is no region's: the system joins
/// mappings that are alike.
fn beside_regions(mapping: Mapping, page: usize) -> Mapping {
    let (before, after) = regions::around(page);
    Mapping {
        start: mapping.start.max(before),
        end: mapping.end.min(after),
        ..mapping
    }
}

/// The part of a mapping, around `page`, that has nothing of the layer above in it,
/// whose slices lie in mappings that they share.
fn beside_owned(mapping: Mapping, page: usize) -> Mapping {
    /// Slices that are looked at on either side: as many as a mapping of
    /// theirs has.
    const NEAR: usize = 2048;
    let unit = GRANULARITY;
    let is_owned = |at: usize| super::owned(at).is_some();
    let own = page & !(unit - 1);
    let start = (0..NEAR)
        .map(|back| own.saturating_sub(back * unit))
        .take_while(|&at| at > mapping.start)
        .find(|&at| is_owned(at - 1));
    let end = (1..NEAR)
        .map(|on| own.saturating_add(on * unit))
        .take_while(|&at| at < mapping.end)
        .find(|&at| is_owned(at));
    Mapping {
        start: start.unwrap_or(mapping.start),
        end: end.unwrap_or(mapping.end),
        ..mapping
    }
}

fn protection_of(mapping: &Mapping) -> Protect {
    match (mapping.executable, mapping.writable, mapping.readable) {
        (true, true, _) => Protect::EXECUTE_READ_WRITE,
        (true, false, true) => Protect::EXECUTE_READ,
        (true, false, false) => Protect::EXECUTE,
        // Writing to a file's page makes a copy of it.
        (false, true, _) if mapping.file != 0 && !mapping.is_shared => Protect::WRITE_COPY,
        (false, true, _) => Protect::READ_WRITE,
        (false, false, true) => Protect::READ,
        (false, false, false) => Protect::NONE,
    }
}
