//! Against the C library's own, where the two dialects agree.

extern crate std;

use super::*;
use core::ffi::{c_char, c_void};
use std::ffi::CString;
use std::string::String;
use std::vec::Vec;

/// Arguments from a list.
struct Listed {
    words: Vec<u64>,
    doubles: Vec<f64>,
}

// SAFETY: the tests list addresses of texts only where one is asked for.
unsafe impl Arguments for Listed {
    fn word(&mut self) -> u64 {
        self.words.remove(0)
    }
    fn double(&mut self) -> f64 {
        self.doubles.remove(0)
    }
    fn long_double(&mut self) -> f64 {
        self.doubles.remove(0)
    }
}

fn made(format: &str, words: &[u64], doubles: &[f64]) -> String {
    let format = CString::new(format).expect("no 0");
    let mut out = Text::<4096>::new();
    let mut arguments = Listed {
        words: words.to_vec(),
        doubles: doubles.to_vec(),
    };
    // SAFETY: a text that ends with 0.
    super::format(
        &mut out,
        unsafe { Narrow::at(format.as_ptr()) },
        &mut arguments,
    );
    assert!(arguments.words.is_empty(), "{format:?}");
    assert!(arguments.doubles.is_empty(), "{format:?}");
    String::from_utf8(out.as_bytes().to_vec()).expect("UTF-8")
}

unsafe extern "C" {
    fn snprintf(buffer: *mut c_char, size: usize, format: *const c_char, ...) -> i32;
}

fn libc_word(format: &str, word: u64) -> String {
    let format = CString::new(format).expect("no 0");
    let mut buffer = [0_u8; 4096];
    // SAFETY: the formats take one integer or pointer.
    let length = unsafe {
        snprintf(
            buffer.as_mut_ptr().cast(),
            4096,
            format.as_ptr(),
            word as *const c_void,
        )
    };
    String::from_utf8_lossy(&buffer[..length as usize]).into_owned()
}

fn libc_double(format: &str, value: f64) -> String {
    let format = CString::new(format).expect("no 0");
    let mut buffer = [0_u8; 4096];
    // SAFETY: the formats take one double.
    let length = unsafe { snprintf(buffer.as_mut_ptr().cast(), 4096, format.as_ptr(), value) };
    String::from_utf8_lossy(&buffer[..length as usize]).into_owned()
}

/// Every format of flags, width, precision, length and conversion.
fn formats(lengths: &[&str], conversions: &[&str]) -> Vec<String> {
    let mut all = Vec::new();
    for flags in ["", "-", "+", " ", "#", "0", "+0", "-0", "#0", "- "] {
        for width in ["", "1", "7", "23"] {
            for precision in ["", ".", ".0", ".1", ".5", ".12"] {
                for length in lengths {
                    for conversion in conversions {
                        all.push(std::format!(
                            "<%{flags}{width}{precision}{length}{conversion}>"
                        ));
                    }
                }
            }
        }
    }
    all
}

#[test]
fn integers_are_as_in_c() {
    let values = [
        0,
        1,
        7,
        8,
        255,
        256,
        65_535,
        0x7FFF_FFFF,
        0x8000_0000,
        0xFFFF_FFFF,
        0x1_0000_0000,
        0xDEAD_BEEF_0BAD_F00D,
        u64::MAX,
        1 << 63,
    ];
    let formats = formats(
        &["", "hh", "h", "l", "ll", "z", "j", "t"],
        &["d", "i", "u", "o", "x", "X"],
    );
    for format in &formats {
        for value in values {
            assert_eq!(
                made(format, &[value], &[]),
                libc_word(format, value),
                "{format} {value:#x}"
            );
        }
    }
    assert!(formats.len() > 10_000);
}

#[test]
fn floating_point_numbers_are_as_in_c() {
    let values = [
        0.0,
        -0.0,
        1.0,
        -1.5,
        0.1,
        9.995,
        99_999.95,
        123_456.0,
        999_999.5,
        1e-5,
        1.5e-4,
        0.000_123_456_7,
        1e15,
        1.25e17,
        -2.5e100,
        5e-324,
        f64::MAX,
        f64::MIN_POSITIVE,
        f64::INFINITY,
        f64::NEG_INFINITY,
        core::f64::consts::PI,
    ];
    for format in formats(&["", "l"], &["e", "E", "f", "F", "g", "G"]) {
        let keeps_zeros = format.contains('#') && format.contains(['g', 'G']);
        for value in values {
            // Where rounding leads to the next power of ten, the GNU library
            // drops the zeros that it was told to keep.
            if keeps_zeros && [9.995, 99_999.95, 999_999.5].contains(&value) {
                continue;
            }
            assert_eq!(
                made(&format, &[], &[value]),
                libc_double(&format, value),
                "{format} {value:e}"
            );
        }
    }
    for format in [
        "%a", "%A", "%.0a", "%.3a", "%.13a", "%#.0a", "%20a", "%-20a", "%+a",
    ] {
        for value in values.into_iter().filter(|value| value.is_normal()) {
            assert_eq!(
                made(format, &[], &[value]),
                libc_double(format, value),
                "{format} {value:e}"
            );
        }
    }
}

#[test]
fn texts_and_characters_have_width_and_precision() {
    let text = CString::new("abcdef").expect("no 0");
    let word = text.as_ptr().expose_provenance() as u64;
    for format in ["%s", "%10s|", "%-10s|", "%.3s", "%8.3s|", "%-8.3s|", "%.0s"] {
        assert_eq!(
            made(format, &[word], &[]),
            libc_word(format, word),
            "{format}"
        );
    }
    for format in ["%c", "%5c|", "%-5c|"] {
        let word = u64::from(b'x');
        assert_eq!(
            made(format, &[word], &[]),
            libc_word(format, word),
            "{format}"
        );
    }
    assert_eq!(made("%s", &[0], &[]), "(null)");
    assert_eq!(made("%*.*s|", &[6, 2, word], &[]), "    ab|");
    assert_eq!(
        made("%-*s|", &[(-8_i64).cast_unsigned(), word], &[]),
        "abcdef  |"
    );
    assert_eq!(made("100%% %", &[], &[]), "100% ");
}

#[test]
fn windows_own_lengths_and_conversions() {
    let wide: Vec<u16> = "gr\u{fc}\u{1f600}\0".encode_utf16().collect();
    let word = wide.as_ptr().expose_provenance() as u64;
    for format in ["%ls", "%ws", "%S"] {
        assert_eq!(made(format, &[word], &[]), "gr\u{fc}\u{1f600}", "{format}");
    }
    assert_eq!(made("%I64x", &[u64::MAX], &[]), "ffffffffffffffff");
    assert_eq!(made("%I32d", &[u64::MAX], &[]), "-1");
    assert_eq!(made("%Iu", &[1 << 40], &[]), "1099511627776");
    assert_eq!(made("%p", &[0xBEEF], &[]), "000000000000BEEF");
    assert_eq!(made("%d%n%d", &[1, 0, 2], &[]), "12");
    assert_eq!(made("%C", &[0xFC], &[]), "\u{fc}");
}

#[test]
fn wide_formats_take_wide_texts() {
    let format: Vec<u16> = "%s \u{e4}%hs %S %d\0".encode_utf16().collect();
    let wide: Vec<u16> = "\u{1f600}\0".encode_utf16().collect();
    let narrow = CString::new("narrow").expect("no 0");
    let narrow = narrow.as_ptr().expose_provenance() as u64;
    let mut arguments = Listed {
        words: std::vec![wide.as_ptr().expose_provenance() as u64, narrow, narrow, 5],
        doubles: Vec::new(),
    };
    let mut out = Text::<128>::new();
    // SAFETY: a text that ends with 0.
    super::format(
        &mut out,
        unsafe { Wide::at(format.as_ptr()) },
        &mut arguments,
    );
    assert_eq!(out.as_bytes(), "\u{1f600} \u{e4}narrow narrow 5".as_bytes());
}

#[test]
fn a_message_longer_than_the_buffer_is_cut() {
    let mut out = Text::<16>::new();
    let mut arguments = Listed {
        words: std::vec![1],
        doubles: Vec::new(),
    };
    // SAFETY: a text that ends with 0.
    super::format(
        &mut out,
        unsafe { Narrow::at(c"%4000d".as_ptr()) },
        &mut arguments,
    );
    assert_eq!(out.as_bytes(), [b' '; 15]);
}
