//! A heap profile, decoded from its bytes.
//!
//! ```text
//!   Anchor::Profile --> header --> records: the noted blocks    --> sites
//!                              --> sites: what was allocated    --> stacks
//!                              --> database of stacks --> base + 8 * number --> frames
//! ```

use super::{half, word};
use crate::heap::debug::profile::{self, Header};
use crate::heap::debug::stacks::{self, Database};
use core::mem::offset_of;

pub use crate::heap::debug::profile::{ONE, weight};
pub use crate::heap::debug::stacks::MOST_FRAMES;

/// Bytes of the header, which [`Facts::decode`] needs.
pub const HEADER_BYTES: usize = size_of::<Header>();
/// Bytes of a record, which [`record`] needs.
pub const RECORD_BYTES: usize = size_of::<profile::Record>();
/// Bytes of a site, which [`site`] needs.
pub const SITE_BYTES: usize = size_of::<profile::Site>();
/// Bytes of the database's first words, which [`database`] needs.
pub const DATABASE_BYTES: usize = size_of::<Database>();
/// Bytes of a stack before its frames, which [`frames`] needs.
pub const STACK_BYTES: usize = stacks::FRAMES_AT;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// One byte of so many is looked at.
    pub rate: u64,
    /// Where the records are, the first of which is none.
    pub records: usize,
    /// How many.
    pub record_count: usize,
    /// Where the sites are.
    pub sites: usize,
    /// How many.
    pub site_count: usize,
    /// Blocks that were to be noted when there was no room.
    pub lost: u32,
    /// Where the database of stacks is.
    pub database: usize,
}

impl Facts {
    /// Decodes [`HEADER_BYTES`] bytes; `None` for fewer, for those of another layout, and
    /// where nothing is profiled.
    pub fn decode(bytes: &[u8]) -> Option<Facts> {
        let facts = Facts {
            rate: word(bytes, offset_of!(Header, rate))? as u64,
            records: word(bytes, offset_of!(Header, records))?,
            record_count: half(bytes, offset_of!(Header, records_used))? as usize,
            sites: word(bytes, offset_of!(Header, sites))?,
            site_count: half(bytes, offset_of!(Header, sites_used))? as usize,
            lost: half(bytes, offset_of!(Header, lost))?,
            database: word(bytes, offset_of!(Header, stacks))?,
        };
        let layout = word(bytes, offset_of!(Header, layout))?;
        (layout == profile::LAYOUT && facts.rate != 0).then_some(facts)
    }
}

/// A noted block that is not freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Noted {
    /// Its address.
    pub address: usize,
    /// The bytes that were asked for.
    pub size: usize,
    /// The bytes that its weight comes from.
    pub counted: usize,
    /// The number of its site.
    pub site: usize,
}

/// Decodes a record; `None` for fewer bytes, and for one that is not in use.
pub fn record(bytes: &[u8]) -> Option<Noted> {
    let noted = Noted {
        address: word(bytes, offset_of!(profile::Record, address))?,
        size: word(bytes, offset_of!(profile::Record, size))?,
        counted: word(bytes, offset_of!(profile::Record, counted))?,
        site: half(bytes, offset_of!(profile::Record, site))? as usize,
    };
    (noted.address != 0).then_some(noted)
}

/// What was allocated from one stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allocated {
    /// Blocks by their weights, in units of 1 / [`ONE`].
    pub objects: u64,
    /// The bytes that they were asked for.
    pub bytes: u64,
    /// Blocks noted.
    pub noted: u64,
    /// The number of the stack; 0 where it is not known.
    pub stack: u32,
}

/// Decodes a site; `None` for fewer bytes.
pub fn site(bytes: &[u8]) -> Option<Allocated> {
    Some(Allocated {
        objects: word(bytes, offset_of!(profile::Site, objects))? as u64,
        bytes: word(bytes, offset_of!(profile::Site, bytes))? as u64,
        noted: word(bytes, offset_of!(profile::Site, noted))? as u64,
        stack: half(bytes, offset_of!(profile::Site, stack))?,
    })
}

/// Where the stacks are, and the bytes in use from there, by the database's first
/// [`DATABASE_BYTES`] bytes.
pub fn database(bytes: &[u8]) -> Option<(usize, usize)> {
    let base = word(bytes, offset_of!(Database, base))?;
    Some((base, word(bytes, offset_of!(Database, used))?))
}

/// Where in the database a stack is, by its number.
pub const fn stack_at(number: u32) -> usize {
    number as usize * 8
}

/// The number of a stack's frames, by its first [`STACK_BYTES`] bytes: addresses of eight
/// bytes, which follow.
pub fn frames(bytes: &[u8]) -> Option<usize> {
    let count = half(bytes, stacks::COUNT_AT)? as usize;
    (count <= MOST_FRAMES).then_some(count)
}
