//! What a fault's address was formed from.
//!
//! On Linux on x86-64 the instruction is looked at; on aarch64 any register that lies near
//! the address will have been it. Elsewhere nothing is known but the address.

use super::faults::{Fault, Wanted};

/// How far from what an operand says an access by it is believed to be, in bytes: short
/// displacements of vectors that count in units are taken for none, and large operands run
/// over into the next page.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const NEAR: usize = 16 * 1024;

/// How far from a register an access by it is believed to be, in bytes.
#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
const NEAR: usize = 64 * 1024;

/// A value that an address was formed from, and where it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The register's name; empty where the value was in memory.
    pub register: &'static str,
    /// What it held.
    pub value: usize,
    /// Whether it counted elements from another address.
    pub is_index: bool,
}

/// The address of a fault's access, and what it was formed from.
#[derive(Clone, Copy, Debug)]
pub struct Formed {
    /// The address; as near as it is known where the processor does not tell it.
    pub address: usize,
    /// What was wanted; none where neither the processor nor the instruction tells.
    pub wanted: Option<Wanted>,
    /// What the address was formed from; nothing where that is not known.
    pub parts: [Option<Part>; 2],
}

/// Looks at what the address of a fault was formed from.
pub fn formed(fault: &Fault) -> Formed {
    #[cfg_attr(
        not(all(
            target_os = "linux",
            any(target_arch = "x86_64", target_arch = "aarch64")
        )),
        allow(unused_mut, reason = "elsewhere no more is known")
    )]
    let mut formed = Formed {
        address: fault.address,
        wanted: (fault.address != usize::MAX).then_some(fault.wanted),
        parts: [None; 2],
    };
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    x86_64::look(fault, &mut formed);
    #[cfg(all(target_os = "linux", target_arch = "aarch64"))]
    aarch64::look(fault, &mut formed);
    formed
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
mod x86_64 {
    use super::super::operand::{MOST, NAMES, What, operand};
    use super::*;
    use core::ffi::c_int;

    /// Where the kernel keeps the registers, by their numbers in instructions.
    const PLACES: [c_int; 16] = [
        libc::REG_RAX,
        libc::REG_RCX,
        libc::REG_RDX,
        libc::REG_RBX,
        libc::REG_RSP,
        libc::REG_RBP,
        libc::REG_RSI,
        libc::REG_RDI,
        libc::REG_R8,
        libc::REG_R9,
        libc::REG_R10,
        libc::REG_R11,
        libc::REG_R12,
        libc::REG_R13,
        libc::REG_R14,
        libc::REG_R15,
    ];

    /// Copies what is at `from`; how many bytes could be read, from the first on.
    fn read<const N: usize>(from: usize, to: &mut [u8; N]) -> usize {
        let to = to.as_mut_ptr().expose_provenance();
        super::super::copy(to, from, N).unwrap_or(0)
    }

    pub(super) fn look(fault: &Fault, formed: &mut Formed) {
        let context = fault.registers.cast::<libc::ucontext_t>();
        // SAFETY: the kernel passed the thread's registers, which stay until the handler
        // returns.
        let general = unsafe { &(*context).uc_mcontext.gregs };
        let at = |place: c_int| general.get(place as usize).map_or(0, |&held| held as usize);
        let code = at(libc::REG_RIP);
        let mut bytes = [0; MOST];
        let is_told = fault.address != usize::MAX;
        // What is there may be read, and yet be no code.
        let is_fetch = is_told && fault.wanted == Wanted::Execute;
        let readable = if is_fetch { 0 } else { read(code, &mut bytes) };
        if readable == 0 {
            // What is run is what is wrong.
            (formed.address, formed.wanted) = (code, Some(Wanted::Execute));
            formed.parts[0] = Some(Part {
                register: "rip",
                value: code,
                is_index: false,
            });
            return;
        }
        let Some(found) = operand(bytes.get(..readable).unwrap_or_default()) else {
            return;
        };
        let part = |number: Option<u8>, is_index: bool| {
            let number = usize::from(number?);
            Some(Part {
                register: NAMES.get(number)?,
                value: at(*PLACES.get(number)?),
                is_index,
            })
        };
        // A copy's second address has no scale.
        let parts = [part(found.base, false), part(found.index, found.scale != 0)];
        let value = |part: Option<Part>| part.map_or(0, |part| part.value);
        let address = value(parts[0])
            .wrapping_add(value(parts[1]).wrapping_mul(found.scale))
            .wrapping_add(found.displacement);
        // Where the processor told the address it is believed: the instruction may have failed
        // elsewhere, as a call that finds no room for its return address, or be read wrongly.
        let is_it = |address: usize| {
            let distance = fault.address.wrapping_sub(address);
            !is_told || distance.wrapping_add(NEAR) <= 2 * NEAR
        };
        // A copy's second address is one of its own.
        let is_copy = found.scale == 0 && parts[1].is_some();
        if !is_copy && !is_it(address) {
            return;
        }
        formed.parts = match is_copy {
            true => parts.map(|part| part.filter(|part| is_it(part.value))),
            false => parts,
        };
        match found.what {
            What::Memory => {}
            What::Code => formed.wanted = Some(Wanted::Execute),
            What::CodeAt => {
                let mut target = [0; size_of::<usize>()];
                if read(address, &mut target) == target.len() {
                    let value = usize::from_le_bytes(target);
                    (formed.address, formed.wanted) = (value, Some(Wanted::Execute));
                    formed.parts = [None; 2];
                    formed.parts[0] = Some(Part {
                        register: "",
                        value,
                        is_index: false,
                    });
                    return;
                }
            }
        }
        if formed.address == usize::MAX {
            let is_known = |address: usize| matches!(address as isize >> 47, 0 | -1);
            formed.address = match parts[1] {
                Some(second) if found.scale == 0 && is_known(address) => second.value,
                _ => address,
            };
        }
    }
}

#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
mod aarch64 {
    use super::*;

    const NAMES: [&str; 31] = [
        "x0", "x1", "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13",
        "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25", "x26",
        "x27", "x28", "x29", "x30",
    ];

    /// The processor ignores the rest of a pointer, and the kernel does not tell it.
    const ADDRESS: usize = (1 << 56) - 1;

    pub(super) fn look(fault: &Fault, formed: &mut Formed) {
        let context = fault.registers.cast::<libc::ucontext_t>();
        // SAFETY: the kernel passed the thread's registers, which stay until the handler
        // returns.
        let general = unsafe { &(*context).uc_mcontext.regs };
        let near = |value: usize| {
            let distance = (value & ADDRESS).wrapping_sub(fault.address & ADDRESS);
            distance.wrapping_add(NEAR) <= 2 * NEAR
        };
        let mut places = formed.parts.iter_mut();
        for (register, &held) in NAMES.into_iter().zip(general) {
            let value = held as usize;
            if near(value)
                && let Some(place) = places.next()
            {
                *place = Some(Part {
                    register,
                    value,
                    is_index: false,
                });
            }
        }
    }
}
