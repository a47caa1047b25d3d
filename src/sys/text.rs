//! Short texts in a buffer of their own: paths and names for the system.

use core::ffi::CStr;

/// A text of fewer than `N` bytes. What does not fit makes it no text at all.
#[derive(Clone, Copy)]
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
    overflowed: bool,
}

impl<const N: usize> Text<N> {
    pub(crate) const fn new() -> Self {
        Text {
            bytes: [0; N],
            len: 0,
            overflowed: false,
        }
    }

    /// Adds bytes.
    pub(crate) fn push(&mut self, more: &[u8]) {
        let end = self.len + more.len();
        // One byte is kept for the NUL.
        match self.bytes.get_mut(self.len..end) {
            Some(room) if end < N => {
                room.copy_from_slice(more);
                self.len = end;
            }
            _ => self.overflowed = true,
        }
    }

    /// Adds a number in decimal digits.
    pub(crate) fn push_number(&mut self, number: u64) {
        let mut digits = [0u8; 20];
        let mut at = digits.len();
        let mut rest = number;
        loop {
            at -= 1;
            if let Some(digit) = digits.get_mut(at) {
                *digit = b'0' + (rest % 10) as u8;
            }
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        self.push(digits.get(at..).unwrap_or_default());
    }

    /// Adds a number in sixteen hexadecimal digits.
    pub(crate) fn push_hex(&mut self, number: u64) {
        let mut digits = [0u8; 16];
        for (place, digit) in digits.iter_mut().enumerate() {
            let nibble = (number >> (60 - 4 * place)) as u8 & 0xf;
            *digit = if nibble < 10 {
                b'0' + nibble
            } else {
                b'a' + nibble - 10
            };
        }
        self.push(&digits);
    }

    /// The bytes; nothing if not all fitted.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        if self.overflowed {
            return &[];
        }
        self.bytes.get(..self.len).unwrap_or_default()
    }

    /// The text for the system; `None` if not all fitted or a NUL is in it.
    #[cfg_attr(
        target_os = "freebsd",
        allow(dead_code, reason = "names of shared memory differ")
    )]
    pub(crate) fn as_c_str(&self) -> Option<&CStr> {
        if self.overflowed {
            return None;
        }
        let with_end = self.bytes.get(..self.len + 1)?;
        CStr::from_bytes_with_nul(with_end).ok()
    }
}

/// The decimal number that `text` is, whole.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |sum, &byte| {
        let digit = u64::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        sum.checked_mul(10)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::{Text, number};

    #[test]
    fn a_text_is_all_that_was_added_or_nothing() {
        let mut text = Text::<24>::new();
        text.push(b"a/");
        text.push_number(0);
        text.push(b"/");
        text.push_number(4711);
        assert_eq!(text.as_bytes(), b"a/0/4711");
        assert_eq!(text.as_c_str(), Some(c"a/0/4711"));
        text.push_hex(0x1f);
        assert_eq!(text.as_bytes(), b"");
        assert_eq!(text.as_c_str(), None);
        let mut text = Text::<24>::new();
        text.push_hex(0xfedc_ba98_7654_3210);
        assert_eq!(text.as_c_str(), Some(c"fedcba9876543210"));
    }

    #[test]
    fn a_number_is_digits_only() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(number(b"007"), Some(7));
        for none in [&b""[..], b"-1", b"1x", b" 1", b"18446744073709551616"] {
            assert_eq!(number(none), None);
        }
    }
}
