//! Names of sections, as systems have them.

use super::pages::PageError;

/// Most units of a name.
const LONGEST: usize = 260;

/// A name in 16-bit units, with a 0 behind it.
pub(super) struct Name {
    units: [u16; LONGEST + 1],
    length: usize,
}

impl Name {
    /// A name of 1 to 260 units, no backslash and no NUL.
    pub(super) fn new(text: &str) -> Result<Name, PageError> {
        let mut name = Name {
            units: [0; LONGEST + 1],
            length: 0,
        };
        if text.is_empty() || text.contains(['\\', '\0']) {
            return Err(PageError::Invalid);
        }
        for unit in text.encode_utf16() {
            let room = name.units.get_mut(..LONGEST).unwrap_or_default();
            *room.get_mut(name.length).ok_or(PageError::Invalid)? = unit;
            name.length += 1;
        }
        Ok(name)
    }

    /// Its units.
    #[cfg(unix)]
    pub(super) fn units(&self) -> &[u16] {
        self.units.get(..self.length).unwrap_or_default()
    }

    /// Its first unit: the last is followed by a 0.
    #[cfg(windows)]
    pub(super) fn as_ptr(&self) -> *const u16 {
        self.units.as_ptr()
    }
}
