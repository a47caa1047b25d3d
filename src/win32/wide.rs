//! Texts of 16-bit characters.

use super::types::LPCWSTR;
use core::ffi::CStr;

/// The characters of a text, without the 0 at its end.
///
/// # Safety
/// The text ends with 0, and stays as it is while the slice is used.
pub(super) unsafe fn until_zero<'a>(text: LPCWSTR) -> &'a [u16] {
    let mut length = 0;
    // SAFETY: no character behind the end is looked at.
    while unsafe { text.add(length).read() } != 0 {
        length += 1;
    }
    // SAFETY: `length` characters were read above.
    unsafe { core::slice::from_raw_parts(text, length) }
}

/// A text in UTF-8, with a NUL at its end, in `bytes`; `None` if it does not
/// fit or has a 0 in it. What is no character becomes U+FFFD.
pub(super) fn to_utf8<'a>(text: &[u16], bytes: &'a mut [u8]) -> Option<&'a CStr> {
    let mut end = 0;
    for character in char::decode_utf16(text.iter().copied()) {
        let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
        let mut units = [0; 4];
        let units = character.encode_utf8(&mut units).as_bytes();
        bytes
            .get_mut(end..end + units.len())?
            .copy_from_slice(units);
        end += units.len();
    }
    *bytes.get_mut(end)? = 0;
    CStr::from_bytes_with_nul(bytes.get(..=end)?).ok()
}

/// A text in UTF-16, in `units`; `None` if it does not fit. What is no UTF-8
/// becomes U+FFFD.
pub(super) fn from_utf8<'a>(text: &[u8], units: &'a mut [u16]) -> Option<&'a [u16]> {
    let mut end = 0;
    for part in text.utf8_chunks() {
        let replacement = if part.invalid().is_empty() {
            None
        } else {
            Some(char::REPLACEMENT_CHARACTER)
        };
        for character in part.valid().chars().chain(replacement) {
            let mut two = [0; 2];
            let two = character.encode_utf16(&mut two);
            units.get_mut(end..end + two.len())?.copy_from_slice(two);
            end += two.len();
        }
    }
    units.get(..end)
}

#[cfg(test)]
mod tests {
    use super::{from_utf8, to_utf8};
    use std::vec::Vec;

    #[test]
    fn texts_go_over_and_come_back() {
        for text in ["", "a", "/tmp/été", "未来/𝄞"] {
            let mut units = [0; 16];
            let units = from_utf8(text.as_bytes(), &mut units).expect("it fits");
            assert_eq!(units, text.encode_utf16().collect::<Vec<u16>>());
            let mut bytes = [0; 32];
            let back = to_utf8(units, &mut bytes).expect("it fits");
            assert_eq!(back.to_bytes(), text.as_bytes());
        }
        let mut few = [0; 3];
        assert_eq!(from_utf8(b"abcd", &mut few), None);
        assert_eq!(from_utf8(b"a\xff", &mut few), Some(&[0x61, 0xfffd][..]));
        let mut few = [0; 3];
        assert!(to_utf8(&[0x61, 0x62, 0x63], &mut few).is_none());
        assert!(to_utf8(&[0x61, 0], &mut few).is_none());
        assert!(to_utf8(&[0xd800], &mut [0; 8]).is_some());
    }
}
