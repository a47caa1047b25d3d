//! The arguments of a C function as its caller passed them.

use super::Arguments;

/// The arguments of a C function that takes as many as its format wants: the
/// platform's `va_list`.
///
/// Source: "System V Application Binary Interface, AMD64 Architecture Processor
/// Supplement", section "Variable Argument Lists".
#[derive(Debug)]
#[repr(C)]
pub struct VaList {
    /// Where the next word lies in `saved`; 48 when there is none.
    pub words: u32,
    /// Where the next double lies in `saved`; 176 when there is none.
    pub doubles: u32,
    /// The next argument on the stack.
    pub stack: *const u64,
    /// The registers' arguments: six words, and eight doubles of 16 bytes.
    pub saved: *const u8,
}

impl VaList {
    fn next_of_stack(&mut self) -> u64 {
        // SAFETY: whoever made the list promised what the format wants.
        let word = unsafe { self.stack.read() };
        self.stack = self.stack.wrapping_add(1);
        word
    }

    fn saved_at(&self, place: u32) -> u64 {
        // SAFETY: below the end of what was saved, which is checked.
        unsafe { self.saved.wrapping_add(place as usize).cast::<u64>().read() }
    }
}

// SAFETY: a list that lies about its arguments is its maker's promise broken.
unsafe impl Arguments for VaList {
    fn word(&mut self) -> u64 {
        if self.words >= 48 {
            return self.next_of_stack();
        }
        let word = self.saved_at(self.words);
        self.words += 8;
        word
    }

    fn double(&mut self) -> f64 {
        if self.doubles >= 176 {
            return f64::from_bits(self.next_of_stack());
        }
        let word = self.saved_at(self.doubles);
        self.doubles += 16;
        f64::from_bits(word)
    }

    fn long_double(&mut self) -> f64 {
        // On the stack, at a multiple of 16.
        if !self.stack.addr().is_multiple_of(16) {
            self.stack = self.stack.wrapping_add(1);
        }
        let mantissa = self.next_of_stack();
        let top = self.next_of_stack();
        of_extended(mantissa, top as u16)
    }
}

/// The double nearest to an 80-bit number, but for rounding twice.
fn of_extended(mantissa: u64, top: u16) -> f64 {
    let sign = if top & 0x8000 != 0 { -1.0 } else { 1.0 };
    let power = i32::from(top & 0x7FFF);
    if power == 0x7FFF {
        let is_infinite = mantissa << 1 == 0;
        return if is_infinite {
            sign * f64::INFINITY
        } else {
            f64::NAN
        };
    }
    // In steps that each stay in a double's range.
    let mut value = mantissa as f64 * sign;
    let mut power = power - 16_383 - 63;
    while power != 0 && value != 0.0 && value.is_finite() {
        let step = power.clamp(-1000, 1000);
        value *= f64::from_bits(((1023 + step) as u64) << 52);
        power -= step;
    }
    value
}
