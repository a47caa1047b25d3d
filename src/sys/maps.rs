//! What the system has mapped into this process: the list that Linux shows as
//! `/proc/self/maps`, read through a buffer on the stack.
//!
//! The list is a picture of one moment per read; other threads may change it
//! meanwhile. Nothing here is fast: a few hundred lines are read and parsed.

/// One mapping of the process, as the system tells it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mapping {
    /// Its first byte.
    pub start: usize,
    /// The byte after its last.
    pub end: usize,
    /// Whether it can be read.
    pub readable: bool,
    /// Whether it can be written to.
    pub writable: bool,
    /// Whether code in it can run.
    pub executable: bool,
    /// Whether it is a file's contents, or memory shared with others.
    pub is_view: bool,
}

/// Shows `visit` the process's mappings in the order of their addresses until
/// it returns false. False where the system does not tell.
pub fn for_each_mapping(visit: &mut dyn FnMut(&Mapping) -> bool) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        linux::read(visit)
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = visit;
        false
    }
}

/// Reads lines such as
/// `7f0000000000-7f0000021000 rw-p 00000000 00:00 0 /a/name`
/// byte by byte, so that no line is too long.
#[cfg_attr(
    not(any(target_os = "linux", target_os = "android", test)),
    allow(dead_code)
)]
struct Parser {
    mapping: Mapping,
    /// Which of the fields, which blanks part, comes next.
    field: usize,
    /// The byte's place in its field.
    place: usize,
}

#[cfg_attr(
    not(any(target_os = "linux", target_os = "android", test)),
    allow(dead_code)
)]
impl Parser {
    const fn new() -> Parser {
        Parser {
            mapping: Mapping {
                start: 0,
                end: 0,
                readable: false,
                writable: false,
                executable: false,
                is_view: false,
            },
            field: 0,
            place: 0,
        }
    }

    /// Takes one byte; the mapping at the end of its line.
    fn take(&mut self, byte: u8) -> Option<Mapping> {
        const ADDRESSES: usize = 0;
        const RIGHTS: usize = 1;
        const FILE: usize = 4;
        if byte == b'\n' {
            let whole = core::mem::replace(self, Parser::new());
            return (whole.field >= FILE).then_some(whole.mapping);
        }
        if byte == b' ' {
            self.field += 1;
            self.place = 0;
            return None;
        }
        let this = &mut self.mapping;
        match self.field {
            ADDRESSES if byte == b'-' => {
                this.start = this.end;
                this.end = 0;
            }
            ADDRESSES => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0) as usize;
                this.end = this.end << 4 | digit;
            }
            RIGHTS => match (self.place, byte) {
                (0, b'r') => this.readable = true,
                (1, b'w') => this.writable = true,
                (2, b'x') => this.executable = true,
                (3, b's') => this.is_view = true,
                _ => {}
            },
            FILE if byte != b'0' => this.is_view = true,
            _ => {}
        }
        self.place += 1;
        None
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use super::{Mapping, Parser};
    use crate::sys::c;
    use core::ffi::c_int;

    pub(super) fn read(visit: &mut dyn FnMut(&Mapping) -> bool) -> bool {
        // SAFETY: a constant path; the flags need no third argument.
        let file = unsafe { c::open(c"/proc/self/maps".as_ptr(), c::O_RDONLY | c::O_CLOEXEC) };
        if file < 0 {
            return false;
        }
        let done = read_from(file, visit);
        // SAFETY: the file was opened above and nobody else knows it.
        unsafe { c::close(file) };
        done
    }

    fn read_from(file: c_int, visit: &mut dyn FnMut(&Mapping) -> bool) -> bool {
        let mut buffer = [0u8; 4096];
        let mut parser = Parser::new();
        loop {
            // SAFETY: the kernel writes at most the buffer's length into it.
            let got = unsafe { c::read(file, buffer.as_mut_ptr().cast(), buffer.len()) };
            let Ok(got) = usize::try_from(got) else {
                return false;
            };
            if got == 0 {
                return true;
            }
            for &byte in buffer.get(..got).unwrap_or_default() {
                if let Some(mapping) = parser.take(byte)
                    && !visit(&mapping)
                {
                    return true;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Mapping, Parser};
    use std::vec::Vec;

    fn parse(text: &str) -> Vec<Mapping> {
        let mut parser = Parser::new();
        text.bytes().filter_map(|byte| parser.take(byte)).collect()
    }

    #[test]
    fn lines_tell_addresses_rights_and_what_is_a_view() {
        let text = "\
00400000-0040b000 r-xp 00001000 08:02 173521      /usr/bin/a name with blanks - rw
7f0000000000-7f0000021000 rw-p 00000000 00:00 0
7f0000021000-7f0000030000 ---p 00000000 00:00 0 
7f0000030000-7f0000031000 r--s 00000000 00:01 0   /dev/zero (deleted)
7ffff7ffb000-7ffff7fff000 r-xp 00000000 00:00 0                          [vdso]
";
        let expected = [
            (0x40_0000, 0x40_b000, true, false, true, true),
            (0x7f00_0000_0000, 0x7f00_0002_1000, true, true, false, false),
            (
                0x7f00_0002_1000,
                0x7f00_0003_0000,
                false,
                false,
                false,
                false,
            ),
            (0x7f00_0003_0000, 0x7f00_0003_1000, true, false, false, true),
            (0x7fff_f7ff_b000, 0x7fff_f7ff_f000, true, false, true, false),
        ];
        let found = parse(text);
        assert_eq!(found.len(), expected.len());
        for (found, (start, end, readable, writable, executable, is_view)) in
            found.iter().zip(expected)
        {
            let expected = Mapping {
                start,
                end,
                readable,
                writable,
                executable,
                is_view,
            };
            assert_eq!(*found, expected);
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn the_process_list_holds_this_code_and_this_stack() {
        let code = lines_tell_addresses_rights_and_what_is_a_view as fn() as usize;
        let local = 0u8;
        let stack = (&raw const local).addr();
        let mut found = [false; 2];
        let mut before = 0;
        let told = super::for_each_mapping(&mut |mapping| {
            assert!(before <= mapping.start && mapping.start < mapping.end);
            before = mapping.end;
            if (mapping.start..mapping.end).contains(&code) {
                found[0] = mapping.executable && !mapping.writable && mapping.is_view;
            }
            if (mapping.start..mapping.end).contains(&stack) {
                found[1] = mapping.readable && mapping.writable && !mapping.is_view;
            }
            true
        });
        assert!(told);
        assert_eq!(found, [true; 2]);
    }
}
