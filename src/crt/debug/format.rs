//! Texts of a program's reports, made from a format and arguments as printf
//! makes them, in Windows' dialect, without the C library.
//!
//! Flags, widths, precisions and `*` as in C; lengths `hh`, `h`, `l`, `ll`, `w`,
//! `I`, `I32`, `I64`, `j`, `t`, `z`, `L`; conversions `d i u o x X c C s S p e E
//! f F g G a A %`, and `n`, which is ignored. A long has 32 bits in Windows'
//! formats and 64 in those of programs compiled here, so that `l` follows the
//! platform. `S`, `ls` and `ws` are UTF-16 in narrow formats and narrow in wide
//! ones, as Windows has it; `p` is 16 digits in capitals.
//!
//! Source: "Format specification syntax: printf and wprintf functions".

#[cfg(all(target_arch = "x86_64", not(windows)))]
mod va_list;

#[cfg(all(target_arch = "x86_64", not(windows)))]
pub use va_list::VaList;

use super::text::Text;
use core::fmt::{self, Write};
use core::num::FpCategory;

/// Where the arguments of a format come from, in order.
///
/// # Safety
/// What `word` returns for a text's conversion is null or leads to a text.
pub unsafe trait Arguments {
    /// The next argument of an integer or pointer type; narrower ones in its low
    /// half.
    fn word(&mut self) -> u64;
    /// The next double.
    fn double(&mut self) -> f64;
    /// The next long double.
    fn long_double(&mut self) -> f64;
}

/// A format's characters.
pub trait Letters {
    /// The next one; none at the end.
    fn next(&mut self) -> Option<u32>;
    /// Whether they are wide.
    const IS_WIDE: bool;
}

/// Narrow text that ends with 0.
pub struct Narrow(*const u8);
/// UTF-16 that ends with 0.
pub struct Wide(*const u16);

impl Narrow {
    /// The text at an address.
    ///
    /// # Safety
    /// A text that ends with 0 lies there, and stays as it is while it is read.
    pub unsafe fn at(text: *const core::ffi::c_char) -> Narrow {
        Narrow(text.cast())
    }
}

impl Wide {
    /// The text at an address.
    ///
    /// # Safety
    /// As for [`Narrow::at`].
    pub unsafe fn at(text: *const u16) -> Wide {
        Wide(text)
    }
}

impl Letters for Narrow {
    fn next(&mut self) -> Option<u32> {
        // SAFETY: at most at the 0, since it moves on over other bytes only.
        let byte = unsafe { *self.0 };
        (byte != 0).then(|| {
            self.0 = self.0.wrapping_add(1);
            u32::from(byte)
        })
    }
    const IS_WIDE: bool = false;
}

impl Letters for Wide {
    fn next(&mut self) -> Option<u32> {
        // SAFETY: at most at the 0, since it moves on over other units only.
        let unit = unsafe { *self.0 };
        (unit != 0).then(|| {
            self.0 = self.0.wrapping_add(1);
            u32::from(unit)
        })
    }
    const IS_WIDE: bool = true;
}

/// Appends characters of a format or text: bytes as they are, UTF-16 as UTF-8.
struct Sink<'a, const N: usize> {
    out: &'a mut Text<N>,
    /// The first half of a pair.
    high: Option<u16>,
}

impl<const N: usize> Sink<'_, N> {
    fn put(&mut self, letter: u32, is_wide: bool) {
        if !is_wide {
            self.out.push(letter as u8);
            return;
        }
        let unit = letter as u16;
        let pair = [self.high.take().unwrap_or(unit), unit];
        let units = match pair {
            [high, low] if high != low => &pair[..],
            _ => &pair[1..],
        };
        if units.len() == 1 && (0xD800..0xDC00).contains(&unit) {
            self.high = Some(unit);
            return;
        }
        for letter in char::decode_utf16(units.iter().copied()) {
            self.out
                .push_char(letter.unwrap_or(char::REPLACEMENT_CHARACTER));
        }
    }
}

/// What stands between the `%` and the conversion.
#[derive(Clone, Copy, Default)]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zeros: bool,
    width: usize,
    precision: Option<usize>,
    length: Length,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Length {
    #[default]
    None,
    Char,
    Short,
    /// 32 bits.
    Int,
    /// A long, or wide text.
    Long,
    /// 64 bits.
    Word,
    LongDouble,
}

/// Whether C's long is as short as an int.
const LONG_HAS_32_BITS: bool = size_of::<core::ffi::c_long>() == 4;

/// Widths and precisions above this are cut to it: no message is longer.
const WIDEST: usize = 4096;

/// Appends what a format says of its arguments.
pub(super) fn format<L: Letters, const N: usize>(
    out: &mut Text<N>,
    mut letters: L,
    arguments: &mut dyn Arguments,
) {
    let mut sink = Sink { out, high: None };
    while let Some(letter) = letters.next() {
        if letter != u32::from(b'%') {
            sink.put(letter, L::IS_WIDE);
            continue;
        }
        let mut spec = Spec::default();
        let Some(conversion) = read(&mut letters, &mut spec, arguments) else {
            return;
        };
        convert(sink.out, spec, conversion, L::IS_WIDE, arguments);
    }
}

/// A character of a format as ASCII; `?` for what is none, which means nothing.
fn ascii(letter: u32) -> u8 {
    u8::try_from(letter).unwrap_or(b'?')
}

/// Reads a number, or takes it from the arguments for `*`; `letter` is the one
/// behind it then.
fn number(
    letters: &mut impl Letters,
    letter: &mut u32,
    arguments: &mut dyn Arguments,
) -> Option<i64> {
    if ascii(*letter) == b'*' {
        *letter = letters.next()?;
        return Some(i64::from(arguments.word() as i32));
    }
    let mut value = 0_i64;
    while let digit @ b'0'..=b'9' = ascii(*letter) {
        value = (value * 10 + i64::from(digit - b'0')).min(WIDEST as i64);
        *letter = letters.next()?;
    }
    Some(value)
}

/// Reads flags, width, precision and length; the conversion.
fn read(letters: &mut impl Letters, spec: &mut Spec, arguments: &mut dyn Arguments) -> Option<u8> {
    let mut letter = letters.next()?;
    loop {
        match ascii(letter) {
            b'-' => spec.left = true,
            b'+' => spec.plus = true,
            b' ' => spec.space = true,
            b'#' => spec.alternate = true,
            b'0' => spec.zeros = true,
            _ => break,
        }
        letter = letters.next()?;
    }
    let width = number(letters, &mut letter, arguments)?;
    spec.left |= width < 0;
    spec.width = (width.unsigned_abs() as usize).min(WIDEST);
    if ascii(letter) == b'.' {
        letter = letters.next()?;
        let precision = number(letters, &mut letter, arguments)?;
        spec.precision = usize::try_from(precision).ok().map(|it| it.min(WIDEST));
    }
    loop {
        spec.length = match (ascii(letter), spec.length) {
            (b'h', Length::Short) => Length::Char,
            (b'h', _) => Length::Short,
            (b'l', Length::Long) => Length::Word,
            (b'l' | b'w', _) => Length::Long,
            (b'j' | b't' | b'z', _) => Length::Word,
            (b'L', _) => Length::LongDouble,
            (b'I', _) => Length::Word,
            // I64 and I32: an I goes before.
            (b'6', Length::Word) => {
                letter = letters.next()?;
                if ascii(letter) != b'4' {
                    return Some(ascii(letter));
                }
                Length::Word
            }
            (b'3', Length::Word) => {
                letter = letters.next()?;
                if ascii(letter) != b'2' {
                    return Some(ascii(letter));
                }
                Length::Int
            }
            (conversion, _) => return Some(conversion),
        };
        letter = letters.next()?;
    }
}

fn convert<const N: usize>(
    out: &mut Text<N>,
    spec: Spec,
    conversion: u8,
    is_wide: bool,
    arguments: &mut dyn Arguments,
) {
    match conversion {
        b'd' | b'i' => {
            let value = signed(arguments.word(), spec.length);
            let sign = match value < 0 {
                true => "-",
                false if spec.plus => "+",
                false if spec.space => " ",
                false => "",
            };
            digits(out, spec, sign, value.unsigned_abs(), 10, false);
        }
        b'u' => digits(
            out,
            spec,
            "",
            unsigned(arguments.word(), spec.length),
            10,
            false,
        ),
        b'o' => {
            let value = unsigned(arguments.word(), spec.length);
            digits(out, spec, "", value, 8, false);
        }
        b'x' | b'X' => {
            let value = unsigned(arguments.word(), spec.length);
            let is_upper = conversion == b'X';
            let prefix = match spec.alternate && value != 0 {
                true if is_upper => "0X",
                true => "0x",
                false => "",
            };
            digits(out, spec, prefix, value, 16, is_upper);
        }
        b'p' => {
            let spec = Spec {
                precision: Some(2 * size_of::<usize>()),
                ..spec
            };
            digits(out, spec, "", arguments.word(), 16, true);
        }
        b'c' | b'C' => {
            let is_wide = text_is_wide(spec.length, conversion == b'C', is_wide);
            let letter = arguments.word() as u32;
            padded(out, spec, b' ', 1, |out| {
                Sink { out, high: None }.put(letter, is_wide);
            });
        }
        b's' | b'S' => {
            let is_wide = text_is_wide(spec.length, conversion == b'S', is_wide);
            let text = arguments.word() as usize;
            string(out, spec, text, is_wide);
        }
        b'e' | b'E' | b'f' | b'F' | b'g' | b'G' | b'a' | b'A' => {
            let value = match spec.length {
                Length::LongDouble => arguments.long_double(),
                _ => arguments.double(),
            };
            floating(out, spec, conversion, value);
        }
        b'n' => {
            // Windows refuses it by default; nothing is written anywhere.
            arguments.word();
        }
        other => out.push(other),
    }
}

/// Whether a text or character is UTF-16: as the length says, else by the
/// format's width, the other way round for `C` and `S`.
fn text_is_wide(length: Length, is_capital: bool, format_is_wide: bool) -> bool {
    match length {
        Length::Short => false,
        Length::Long => true,
        _ => format_is_wide != is_capital,
    }
}

fn signed(word: u64, length: Length) -> i64 {
    match length {
        Length::Char => i64::from(word as i8),
        Length::Short => i64::from(word as i16),
        Length::None | Length::Int => i64::from(word as i32),
        Length::Long if LONG_HAS_32_BITS => i64::from(word as i32),
        Length::Long | Length::Word | Length::LongDouble => word as i64,
    }
}

fn unsigned(word: u64, length: Length) -> u64 {
    match length {
        Length::Char => u64::from(word as u8),
        Length::Short => u64::from(word as u16),
        Length::None | Length::Int => u64::from(word as u32),
        Length::Long if LONG_HAS_32_BITS => u64::from(word as u32),
        Length::Long | Length::Word | Length::LongDouble => word,
    }
}

/// Appends something `length` characters long, padded to the width.
fn padded<const N: usize>(
    out: &mut Text<N>,
    spec: Spec,
    pad: u8,
    length: usize,
    body: impl FnOnce(&mut Text<N>),
) {
    let missing = spec.width.saturating_sub(length);
    if !spec.left {
        (0..missing).for_each(|_| out.push(pad));
    }
    body(out);
    if spec.left {
        (0..missing).for_each(|_| out.push(b' '));
    }
}

/// Appends an integer.
fn digits<const N: usize>(
    out: &mut Text<N>,
    spec: Spec,
    prefix: &str,
    mut value: u64,
    base: u64,
    is_upper: bool,
) {
    let mut buffer = [0_u8; 24];
    let mut count = 0;
    while value != 0 {
        let digit = (value % base) as u8;
        let letter = match digit {
            0..10 => b'0' + digit,
            _ if is_upper => b'A' + digit - 10,
            _ => b'a' + digit - 10,
        };
        if let Some(place) = buffer.get_mut(count) {
            *place = letter;
        }
        count += 1;
        value /= base;
    }
    let mut least = spec.precision.unwrap_or(1);
    if base == 8 && spec.alternate {
        least = least.max(count + 1);
    }
    // Zeros stand between a sign and the digits, where no precision is given.
    if spec.zeros && !spec.left && spec.precision.is_none() {
        least = least.max(spec.width.saturating_sub(prefix.len()));
    }
    padded(out, spec, b' ', count.max(least) + prefix.len(), |out| {
        out.append(prefix.as_bytes());
        (count..least).for_each(|_| out.push(b'0'));
        for &digit in buffer.iter().take(count).rev() {
            out.push(digit);
        }
    });
}

/// Appends a text, at most `precision` characters of it.
fn string<const N: usize>(out: &mut Text<N>, spec: Spec, text: usize, is_wide: bool) {
    let most = spec.precision.unwrap_or(usize::MAX);
    if text == 0 {
        let null = b"(null)";
        let shown = null.get(..most.min(null.len())).unwrap_or_default();
        padded(out, spec, b' ', shown.len(), |out| out.append(shown));
        return;
    }
    let letter_at = |index: usize| -> u32 {
        // SAFETY: the arguments' promise: a text lies there, and no character
        // behind its 0 or behind the precision is looked at.
        unsafe {
            if is_wide {
                let text: *const u16 = core::ptr::with_exposed_provenance(text);
                u32::from(text.wrapping_add(index).read_unaligned())
            } else {
                let text: *const u8 = core::ptr::with_exposed_provenance(text);
                u32::from(text.wrapping_add(index).read())
            }
        }
    };
    let mut length = 0;
    while length < most.min(WIDEST) && letter_at(length) != 0 {
        length += 1;
    }
    padded(out, spec, b' ', length, |out| {
        let mut sink = Sink { out, high: None };
        (0..length).for_each(|index| sink.put(letter_at(index), is_wide));
    });
}

/// Appends a floating-point number.
fn floating<const N: usize>(out: &mut Text<N>, spec: Spec, conversion: u8, value: f64) {
    let is_upper = conversion.is_ascii_uppercase();
    let sign = match value.is_sign_negative() {
        true => "-",
        false if spec.plus => "+",
        false if spec.space => " ",
        false => "",
    };
    let value = value.abs();
    let mut body = Text::<512>::new();
    let is_number = !matches!(value.classify(), FpCategory::Nan | FpCategory::Infinite);
    // The buffer truncates and never fails.
    let _ = match (is_number, conversion.to_ascii_lowercase()) {
        (false, _) => body.write_str(if value.is_nan() { "nan" } else { "inf" }),
        (true, b'f') => fixed(&mut body, spec, value),
        (true, b'e') => exponent(
            &mut body,
            spec.precision.unwrap_or(6),
            spec.alternate,
            value,
        ),
        (true, b'g') => shortest(&mut body, spec, value),
        _ => hexadecimal(&mut body, spec, value),
    };
    let text = body.as_bytes();
    let zeros = if spec.zeros && !spec.left && is_number {
        spec.width.saturating_sub(sign.len() + text.len())
    } else {
        0
    };
    padded(out, spec, b' ', sign.len() + zeros + text.len(), |out| {
        out.append(sign.as_bytes());
        (0..zeros).for_each(|_| out.push(b'0'));
        for &byte in text {
            out.push(if is_upper {
                byte.to_ascii_uppercase()
            } else {
                byte
            });
        }
    });
}

/// The most digits behind the point that are worked out.
const DIGITS: usize = 120;

fn fixed<const N: usize>(out: &mut Text<N>, spec: Spec, value: f64) -> fmt::Result {
    let precision = spec.precision.unwrap_or(6).min(DIGITS);
    write!(out, "{value:.precision$}")?;
    match precision == 0 && spec.alternate {
        true => out.write_str("."),
        false => Ok(()),
    }
}

/// `1.234e+05`: the exponent has a sign and at least two digits.
fn exponent<const N: usize>(
    out: &mut Text<N>,
    precision: usize,
    alternate: bool,
    value: f64,
) -> fmt::Result {
    let precision = precision.min(DIGITS);
    let mut text = Text::<256>::new();
    write!(text, "{value:.precision$e}")?;
    let text = core::str::from_utf8(text.as_bytes()).unwrap_or_default();
    let (digits, power) = text.split_once('e').unwrap_or((text, "0"));
    out.write_str(digits)?;
    if precision == 0 && alternate {
        out.write_str(".")?;
    }
    let power: i32 = power.parse().unwrap_or(0);
    let sign = if power < 0 { '-' } else { '+' };
    write!(out, "e{sign}{:02}", power.unsigned_abs())
}

/// The shorter of the two, without zeros at the end.
fn shortest<const N: usize>(out: &mut Text<N>, spec: Spec, value: f64) -> fmt::Result {
    let precision = spec.precision.unwrap_or(6).clamp(1, DIGITS);
    let mut text = Text::<256>::new();
    exponent(&mut text, precision - 1, spec.alternate, value)?;
    let whole = core::str::from_utf8(text.as_bytes()).unwrap_or_default();
    let (digits, power) = whole.split_once('e').unwrap_or((whole, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    let strip = |digits: &'_ str| -> usize {
        match digits.contains('.') && !spec.alternate {
            true => digits.trim_end_matches('0').trim_end_matches('.').len(),
            false => digits.len(),
        }
    };
    if power < -4 || power >= precision as i32 {
        out.write_str(digits.get(..strip(digits)).unwrap_or_default())?;
        return out.write_str(whole.get(digits.len()..).unwrap_or_default());
    }
    let behind = (precision as i32 - 1 - power).max(0) as usize;
    let mut text = Text::<256>::new();
    write!(text, "{value:.behind$}")?;
    if behind == 0 && spec.alternate {
        text.write_str(".")?;
    }
    let digits = core::str::from_utf8(text.as_bytes()).unwrap_or_default();
    out.write_str(digits.get(..strip(digits)).unwrap_or_default())
}

/// `0x1.8p+1`.
fn hexadecimal<const N: usize>(out: &mut Text<N>, spec: Spec, value: f64) -> fmt::Result {
    let bits = value.to_bits();
    let (power, mut mantissa) = ((bits >> 52) & 0x7FF, bits & ((1 << 52) - 1));
    let (mut first, power) = match (power, mantissa) {
        (0, 0) => (0, 0),
        (0, _) => (0, -1022),
        _ => (1, power as i32 - 1023),
    };
    let count = spec.precision.unwrap_or(13).min(13);
    let cut = 4 * (13 - count);
    if cut != 0 {
        // To the nearest, ties to even.
        let (kept, rest) = (mantissa >> cut, mantissa & ((1 << cut) - 1));
        let half = 1_u64 << (cut - 1);
        let last = if count == 0 { first } else { kept & 1 };
        let up = rest > half || (rest == half && last & 1 == 1);
        let kept = kept + u64::from(up);
        first += kept >> (4 * count);
        mantissa = kept & ((1 << (4 * count)) - 1);
    }
    let mut count = count;
    if spec.precision.is_none() {
        while count > 0 && mantissa & 0xF == 0 {
            mantissa >>= 4;
            count -= 1;
        }
    }
    write!(out, "0x{first}")?;
    if count > 0 || spec.alternate {
        out.write_str(".")?;
    }
    if count > 0 {
        write!(out, "{mantissa:0count$x}")?;
    }
    let sign = if power < 0 { '-' } else { '+' };
    write!(out, "p{sign}{}", power.unsigned_abs())
}

#[cfg(test)]
mod tests;
