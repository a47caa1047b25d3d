//! Text in a fixed buffer: bytes of any kind, cut where the buffer ends.

use core::ffi::c_char;
use core::fmt;

/// Text of at most `N - 1` bytes. What does not fit is left out, from the first
/// piece on that did not; writing never fails.
pub struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
    full: bool,
}

impl<const N: usize> Text<N> {
    pub(super) const fn new() -> Text<N> {
        Text {
            bytes: [0; N],
            len: 0,
            full: false,
        }
    }

    /// What was written.
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// Appends a byte, if there is room for it and the 0 behind it.
    pub(super) fn push(&mut self, byte: u8) {
        if self.full || self.len + 1 >= N {
            self.full = true;
        } else if let Some(place) = self.bytes.get_mut(self.len) {
            *place = byte;
            self.len += 1;
        }
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.push(byte);
        }
    }

    /// Appends a character as UTF-8, all of it or nothing.
    pub(super) fn push_char(&mut self, letter: char) {
        let mut bytes = [0; 4];
        let bytes = letter.encode_utf8(&mut bytes).as_bytes();
        if self.len + bytes.len() >= N {
            self.full = true;
        }
        self.append(bytes);
    }

    /// The text, with a 0 behind it, to be read or changed.
    pub(super) fn as_c_string(&mut self) -> *mut c_char {
        // The last byte stays free.
        if let Some(end) = self.bytes.get_mut(self.len) {
            *end = 0;
        }
        self.bytes.as_mut_ptr().cast()
    }

    /// The text as UTF-16, as far as `N` units hold it, with a 0 behind it.
    pub(super) fn to_wide(&self) -> [u16; N] {
        let mut units = [0; N];
        let room = N.saturating_sub(1);
        let letters = self.as_bytes().utf8_chunks().flat_map(|chunk| {
            let broken = (!chunk.invalid().is_empty()).then_some(char::REPLACEMENT_CHARACTER);
            chunk.valid().chars().chain(broken)
        });
        let mut used = 0;
        for letter in letters {
            let mut pair = [0; 2];
            let pair = letter.encode_utf16(&mut pair);
            let Some(places) = units.get_mut(used..used + pair.len()) else {
                break;
            };
            if used + pair.len() > room {
                break;
            }
            places.copy_from_slice(pair);
            used += pair.len();
        }
        units
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for letter in text.chars() {
            self.push_char(letter);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use super::*;
    use std::fmt::Write as _;
    use std::string::String;

    #[test]
    fn text_is_cut_before_the_last_byte() {
        let mut text = Text::<8>::new();
        text.append(b"1234");
        text.append(b"56789");
        text.append(b"0");
        assert_eq!(text.as_bytes(), b"1234567");
        let string = text.as_c_string();
        // SAFETY: the text's 8 bytes.
        assert_eq!(unsafe { *string.wrapping_add(7) }, 0);
    }

    #[test]
    fn a_character_that_does_not_fit_is_left_out_whole() {
        let mut text = Text::<4>::new();
        write!(text, "ab\u{e4}c").expect("never fails");
        assert_eq!(text.as_bytes(), b"ab");
    }

    #[test]
    fn wide_text_replaces_what_is_no_character() {
        let mut text = Text::<16>::new();
        text.append(b"a\xffb");
        write!(text, "\u{1f600}").expect("never fails");
        let wide = text.to_wide();
        let end = wide.iter().position(|&unit| unit == 0).expect("a 0");
        assert_eq!(
            String::from_utf16(&wide[..end]).expect("UTF-16"),
            "a\u{fffd}b\u{1f600}"
        );
        let mut text = Text::<3>::new();
        text.append(b"abcdef");
        assert_eq!(text.to_wide(), [u16::from(b'a'), u16::from(b'b'), 0]);
    }
}
