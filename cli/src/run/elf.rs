//! As much of the ELF format as tells whether a program can be preloaded.
//!
//! Layout: System V ABI, "ELF Header" and "Program Header".

/// What a file's headers say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A program for this machine that asks for the dynamic loader named.
    Dynamic(String),
    /// A program for this machine without a dynamic loader.
    Static,
    /// For another machine or word size.
    Foreign,
    /// An ELF file, but not a program, or broken.
    NotProgram,
}

/// The first four bytes of every ELF file.
pub(crate) const MAGIC: &[u8] = b"\x7fELF";

const CLASS_64: u8 = 2;
const DATA_NATIVE: u8 = if cfg!(target_endian = "little") { 1 } else { 2 };
const TYPE_EXEC: u16 = 2;
const TYPE_DYN: u16 = 3;
const SEGMENT_INTERP: u32 = 3;
const HEADER: usize = 64;
const SEGMENT_HEADER: usize = 56;

/// The machine this command was built for, as ELF numbers it.
const MACHINE: Option<u16> = if cfg!(target_arch = "x86_64") {
    Some(62)
} else if cfg!(target_arch = "aarch64") {
    Some(183)
} else if cfg!(target_arch = "riscv64") {
    Some(243)
} else {
    None
};

/// Reads the kind from a file through `read(offset, length)`, which gives
/// `None` where the file is shorter.
pub(crate) fn kind(read: impl Fn(u64, usize) -> Option<Vec<u8>>) -> Kind {
    examine(read).unwrap_or(Kind::NotProgram)
}

fn examine(read: impl Fn(u64, usize) -> Option<Vec<u8>>) -> Option<Kind> {
    let ident = read(0, 20)?;
    if ident[4] != CLASS_64 || ident[5] != DATA_NATIVE {
        return Some(Kind::Foreign);
    }
    if MACHINE.is_some_and(|m| m != half(&ident, 18)) {
        return Some(Kind::Foreign);
    }
    let header = read(0, HEADER)?;
    if !matches!(half(&header, 16), TYPE_EXEC | TYPE_DYN) {
        return Some(Kind::NotProgram);
    }
    let (table, entry, entries) = (wide(&header, 32), half(&header, 54), half(&header, 56));
    if usize::from(entry) < SEGMENT_HEADER {
        return Some(Kind::NotProgram);
    }
    for i in 0..u64::from(entries) {
        let segment = read(table.checked_add(i * u64::from(entry))?, SEGMENT_HEADER)?;
        if word(&segment, 0) == SEGMENT_INTERP {
            let size = usize::try_from(wide(&segment, 32)).ok()?;
            // The kernel accepts no longer path either.
            if size > 4096 {
                return Some(Kind::NotProgram);
            }
            let path = read(wide(&segment, 8), size)?;
            let path = path.split(|&b| b == 0).next().unwrap_or_default();
            return Some(Kind::Dynamic(String::from_utf8_lossy(path).into_owned()));
        }
    }
    Some(Kind::Static)
}

// Offsets are constants below the lengths read.
fn half(bytes: &[u8], at: usize) -> u16 {
    u16::from_ne_bytes([bytes[at], bytes[at + 1]])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(std::array::from_fn(|i| bytes[at + i]))
}

fn wide(bytes: &[u8], at: usize) -> u64 {
    u64::from_ne_bytes(std::array::from_fn(|i| bytes[at + i]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A header followed by one segment header of the type given and a path.
    fn image(segment: u32) -> Vec<u8> {
        let mut image = vec![0; HEADER + SEGMENT_HEADER];
        image[..4].copy_from_slice(MAGIC);
        image[4] = CLASS_64;
        image[5] = DATA_NATIVE;
        image[16..18].copy_from_slice(&TYPE_DYN.to_ne_bytes());
        image[18..20].copy_from_slice(&MACHINE.unwrap_or(0).to_ne_bytes());
        image[32..40].copy_from_slice(&(HEADER as u64).to_ne_bytes());
        image[54..56].copy_from_slice(&(SEGMENT_HEADER as u16).to_ne_bytes());
        image[56..58].copy_from_slice(&1u16.to_ne_bytes());
        image[64..68].copy_from_slice(&segment.to_ne_bytes());
        let path = b"/lib/ld.so\0";
        let at = image.len() as u64;
        image[72..80].copy_from_slice(&at.to_ne_bytes());
        image[96..104].copy_from_slice(&(path.len() as u64).to_ne_bytes());
        image.extend_from_slice(path);
        image
    }

    fn kind_of(image: &[u8]) -> Kind {
        kind(|offset, length| {
            let from = usize::try_from(offset).ok()?;
            image
                .get(from..from.checked_add(length)?)
                .map(<[u8]>::to_vec)
        })
    }

    #[test]
    fn a_loader_makes_a_program_dynamic() {
        assert_eq!(
            kind_of(&image(SEGMENT_INTERP)),
            Kind::Dynamic("/lib/ld.so".to_owned())
        );
        assert_eq!(kind_of(&image(1)), Kind::Static);
    }

    #[test]
    fn other_machines_and_word_sizes_are_foreign() {
        let mut small = image(SEGMENT_INTERP);
        small[4] = 1;
        assert_eq!(kind_of(&small), Kind::Foreign);
        let mut other = image(SEGMENT_INTERP);
        other[18] ^= 0xff;
        assert_eq!(kind_of(&other), Kind::Foreign);
    }

    #[test]
    fn every_shortened_file_is_no_program() {
        let whole = image(SEGMENT_INTERP);
        for length in 0..whole.len() {
            assert_eq!(kind_of(&whole[..length]), Kind::NotProgram, "{length}");
        }
    }

    #[test]
    fn wild_offsets_are_no_program() {
        let mut wild = image(SEGMENT_INTERP);
        wild[32..40].copy_from_slice(&u64::MAX.to_ne_bytes());
        assert_eq!(kind_of(&wild), Kind::NotProgram);
    }
}
