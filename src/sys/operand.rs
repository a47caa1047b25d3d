//! Which registers an instruction of x86-64 forms the address of its access from.
//!
//! An address that is none the processor knows (not canonical) comes with a fault that does
//! not tell it, so the instruction is asked. Only where an operand lies is understood, not
//! what is done with it; what is not understood has no operand.

/// Most bytes of an instruction.
pub(super) const MOST: usize = 15;

/// What is accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// Memory at the address.
    Memory,
    /// The address is code that is called or jumped to.
    Code,
    /// Memory at the address, which holds that of code that is called or jumped to.
    CodeAt,
}

/// An operand: `base + index * scale + displacement`, registers by their numbers in
/// instructions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operand {
    pub(super) what: What,
    pub(super) base: Option<u8>,
    pub(super) index: Option<u8>,
    pub(super) scale: usize,
    pub(super) displacement: usize,
}

/// The names of the registers, by their numbers in instructions.
pub(super) const NAMES: [&str; 16] = [
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13",
    "r14", "r15",
];

const RSP: u8 = 4;
const RBP: u8 = 5;
const RSI: u8 = 6;
const RDI: u8 = 7;

/// Bytes that are read from the front.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn next(&mut self) -> Option<u8> {
        let (&first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(first)
    }

    /// A number with its sign, of one byte or of four.
    fn displacement(&mut self, is_byte: bool) -> Option<usize> {
        if is_byte {
            return Some(self.next()? as i8 as usize);
        }
        let number = self.0.first_chunk::<4>()?;
        self.0 = self.0.get(4..)?;
        Some(i32::from_le_bytes(*number) as usize)
    }
}

/// What is said before the operand.
struct Head {
    opcode: u8,
    /// 0 for opcodes of one byte, 1 for those behind 0F, 2 and 3 behind 0F 38 and 0F 3A.
    map: u8,
    /// The upper bits of the registers' numbers.
    base_high: u8,
    index_high: u8,
    /// Whether it is one of the vector encodings, and of the last of them, whose short
    /// displacements count in units that depend on the instruction.
    is_vector: bool,
    is_scaled: bool,
}

/// The operand in memory of the instruction that `code` begins with.
pub(super) fn operand(code: &[u8]) -> Option<Operand> {
    let mut bytes = Bytes(code);
    let head = head(&mut bytes)?;
    match (head.map, head.opcode) {
        // Copies and searches by rsi and rdi, which need no more bytes.
        (0, 0xA4..=0xA7) => return Some(plain(RSI, Some(RDI))),
        (0, 0xAA | 0xAB | 0xAE | 0xAF) => return Some(plain(RDI, None)),
        (0, 0xAC | 0xAD) => return Some(plain(RSI, None)),
        (0, opcode) if !has_operand(opcode) => return None,
        (1, 0x05..=0x0B | 0x30..=0x37 | 0x77 | 0x80..=0x8F | 0xA0..=0xA2 | 0xA8..=0xAA)
        | (1, 0xC8..=0xCF) => return None,
        _ => {}
    }
    let form = bytes.next()?;
    let (mode, extension, low) = (form >> 6, form >> 3 & 7, form & 7);
    let is_call = (head.map, head.opcode) == (0, 0xFF) && matches!(extension, 2 | 4);
    if mode == 3 {
        let base = Some(low | head.base_high);
        return is_call.then_some(Operand {
            what: What::Code,
            base,
            ..plain(0, None)
        });
    }
    let (mut base, mut index, mut scale) = (Some(low | head.base_high), None, 1);
    let mut has_base = true;
    if low == RSP {
        let more = bytes.next()?;
        let number = more >> 3 & 7 | head.index_high;
        // Gathering takes its indices from a vector.
        let gathers = head.is_vector
            && head.map == 2
            && matches!(head.opcode, 0x90..=0x93 | 0xA0..=0xA3 | 0xC6 | 0xC7);
        index = (number != RSP && !gathers).then_some(number);
        scale = 1 << (more >> 6);
        base = Some(more & 7 | head.base_high);
        has_base = mode != 0 || more & 7 != RBP;
    } else if mode == 0 && low == RBP {
        // Beside the code itself.
        return None;
    }
    let displacement = match mode {
        0 if has_base => 0,
        // Of so many units, which the instruction would have to be known for.
        1 if head.is_scaled => 0,
        1 => bytes.displacement(true)?,
        _ => bytes.displacement(false)?,
    };
    Some(Operand {
        what: if is_call { What::CodeAt } else { What::Memory },
        base: base.filter(|_| has_base),
        index,
        scale,
        displacement,
    })
}

fn plain(base: u8, index: Option<u8>) -> Operand {
    Operand {
        what: What::Memory,
        base: Some(base),
        index,
        // The second register of a copy is an address of its own.
        scale: 0,
        displacement: 0,
    }
}

/// Reads the prefixes and the opcode.
fn head(bytes: &mut Bytes<'_>) -> Option<Head> {
    // Segments of a thread's own and short addresses are left alone.
    while matches!(
        bytes.peek()?,
        0x66 | 0xF2 | 0xF3 | 0xF0 | 0x2E | 0x36 | 0x3E | 0x26
    ) {
        bytes.next();
    }
    let mut head = Head {
        opcode: 0,
        map: 0,
        base_high: 0,
        index_high: 0,
        is_vector: false,
        is_scaled: false,
    };
    let first = bytes.next()?;
    match first {
        // Upper bits are told inverted, in three of the four encodings.
        0xC5 => {
            bytes.next()?;
            (head.map, head.is_vector) = (1, true);
        }
        0xC4 | 0x62 => {
            let bits = bytes.next()?;
            (head.map, head.is_vector) = (bits & 7, true);
            head.base_high = (!bits & 0x20) >> 2;
            head.index_high = (!bits & 0x40) >> 3;
            head.is_scaled = first == 0x62;
            for _ in 0..if head.is_scaled { 2 } else { 1 } {
                bytes.next()?;
            }
        }
        _ => {
            let mut opcode = first;
            if first & 0xF0 == 0x40 {
                head.base_high = (first & 1) << 3;
                head.index_high = (first & 2) << 2;
                opcode = bytes.next()?;
            }
            if opcode == 0x0F {
                head.map = 1;
                opcode = bytes.next()?;
                if matches!(opcode, 0x38 | 0x3A) {
                    head.map = if opcode == 0x38 { 2 } else { 3 };
                    opcode = bytes.next()?;
                }
            }
            head.opcode = opcode;
            return Some(head);
        }
    }
    head.opcode = bytes.next()?;
    matches!(head.map, 1..=3).then_some(head)
}

/// Whether an opcode of one byte has an operand that may lie in memory.
fn has_operand(opcode: u8) -> bool {
    match opcode {
        0x00..=0x3F => opcode & 7 < 4,
        0x63 | 0x69 | 0x6B | 0x80..=0x8F | 0xC0 | 0xC1 | 0xC6 | 0xC7 => true,
        0xD0..=0xD3 | 0xD8..=0xDF | 0xF6 | 0xF7 | 0xFE | 0xFF => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An operand in words, as an assembler writes it.
    fn told(code: &[u8]) -> std::string::String {
        let Some(operand) = operand(code) else {
            return "none".into();
        };
        let name = |number: Option<u8>| number.map_or("", |number| NAMES[number as usize]);
        let what = match operand.what {
            What::Memory => "",
            What::Code => "code ",
            What::CodeAt => "code at ",
        };
        std::format!(
            "{what}{}+{}*{}{:+}",
            name(operand.base),
            name(operand.index),
            operand.scale,
            operand.displacement as isize
        )
    }

    /// What GNU's assembler makes of instructions, and where their operands are.
    #[test]
    fn operands_are_found_in_each_encoding() {
        let known: &[(&[u8], &str)] = &[
            // mov eax, [rax]; mov rax, [r12 + 8]; mov [r13 - 0x80], al
            (&[0x8B, 0x00], "rax+*1+0"),
            (&[0x49, 0x8B, 0x44, 0x24, 0x08], "r12+*1+8"),
            (&[0x41, 0x88, 0x45, 0x80], "r13+*1-128"),
            // mov ecx, [rdi + r9*4 + 0x100]; mov eax, [r9*8 + 0x10]
            (&[0x42, 0x8B, 0x8C, 0x8F, 0, 1, 0, 0], "rdi+r9*4+256"),
            (&[0x42, 0x8B, 0x04, 0xCD, 0x10, 0, 0, 0], "+r9*8+16"),
            // movzx eax, byte [rdx]; lock xadd [rbx], ecx; cmpxchg16b [rsi]
            (&[0x0F, 0xB6, 0x02], "rdx+*1+0"),
            (&[0xF0, 0x0F, 0xC1, 0x0B], "rbx+*1+0"),
            (&[0x48, 0x0F, 0xC7, 0x0E], "rsi+*1+0"),
            // movaps xmm0, [rbp - 16]; pshufb xmm1, [r8]; pextrb [rcx], xmm0, 1
            (&[0x0F, 0x28, 0x45, 0xF0], "rbp+*1-16"),
            (&[0x66, 0x41, 0x0F, 0x38, 0x00, 0x08], "r8+*1+0"),
            (&[0x66, 0x0F, 0x3A, 0x14, 0x01, 0x01], "rcx+*1+0"),
            // vmovdqu ymm0, [rsi]; vmovdqu ymm8, [r10 + r11]; vpbroadcastb ymm0, [r9]
            (&[0xC5, 0xFE, 0x6F, 0x06], "rsi+*1+0"),
            (&[0xC4, 0x01, 0x7E, 0x6F, 0x04, 0x1A], "r10+r11*1+0"),
            (&[0xC4, 0xC2, 0x7D, 0x78, 0x01], "r9+*1+0"),
            // vmovdqu64 ymm16, [rsi]; vmovdqu64 ymm17, [rsi + 32], told by a unit
            (&[0x62, 0xE1, 0xFE, 0x28, 0x6F, 0x06], "rsi+*1+0"),
            (&[0x62, 0xE1, 0xFE, 0x28, 0x6F, 0x4E, 0x01], "rsi+*1+0"),
            // vpgatherdd xmm0, [rax + xmm1*4], xmm2
            (&[0xC4, 0xE2, 0x69, 0x90, 0x04, 0x88], "rax+*4+0"),
            // call rax; jmp r11; call [rax + 16]; call [rbx + rcx*8]
            (&[0xFF, 0xD0], "code rax+*0+0"),
            (&[0x41, 0xFF, 0xE3], "code r11+*0+0"),
            (&[0xFF, 0x50, 0x10], "code at rax+*1+16"),
            (&[0xFF, 0x14, 0xCB], "code at rbx+rcx*8+0"),
            // rep movsb; rep stosq; lodsb
            (&[0xF3, 0xA4], "rsi+rdi*0+0"),
            (&[0xF3, 0x48, 0xAB], "rdi+*0+0"),
            (&[0xAC], "rsi+*0+0"),
            // Nothing in memory by a register: add eax, ebx; mov eax, [rip + 8]; ret; push rax;
            // syscall; mov eax, fs:[rax]; inc eax.
            (&[0x01, 0xD8], "none"),
            (&[0x8B, 0x05, 8, 0, 0, 0], "none"),
            (&[0xC3], "none"),
            (&[0x50], "none"),
            (&[0x0F, 0x05], "none"),
            (&[0x64, 0x8B, 0x00], "none"),
            (&[0xFF, 0xC0], "none"),
        ];
        for &(code, expected) in known {
            assert_eq!(told(code), expected, "{code:02x?}");
            // Cut short it has none, or the same if what is missing is no part of it.
            for length in 0..code.len() {
                let cut = told(&code[..length]);
                assert!(cut == "none" || cut == expected, "{code:02x?} {length}");
            }
        }
    }

    #[test]
    fn no_bytes_are_too_wild() {
        let mut state = 1u64;
        for _ in 0..200_000 {
            let mut code = [0; MOST];
            for byte in &mut code {
                state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
                *byte = (state >> 56) as u8;
            }
            if let Some(found) = operand(&code) {
                let is_one = |number: Option<u8>| number.is_none_or(|number| number < 16);
                assert!(is_one(found.base) && is_one(found.index), "{code:02x?}");
            }
        }
    }
}
