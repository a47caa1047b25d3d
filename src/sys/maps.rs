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
    /// Whether what is written to it others see.
    pub is_shared: bool,
    /// The file's number, mixed with its device's; 0 for none.
    pub file: u64,
    /// Whether it has a name that the system gave it, such as `[stack]`.
    pub is_system: bool,
}

/// Shows `visit` the process's mappings in the order of their addresses until
/// it returns false. False where the system does not tell.
pub fn for_each_mapping(visit: &mut dyn FnMut(&Mapping) -> bool) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let mut parser = Parser::new();
        linux::read(&mut |byte| parser.take(byte).is_none_or(|mapping| visit(&mapping)))
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = visit;
        false
    }
}

/// Writes the name, without its folder, of the file that is mapped at
/// `address`, or whose data is there: what follows a file's mappings at once and is of no
/// file. It is cut to the buffer; returns its length, 0 where no file is mapped or the system
/// does not tell.
pub fn file_at(address: usize, name: &mut [u8]) -> usize {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let mut search = Search::new(address, name);
        let mut found = None;
        linux::read(&mut |byte| {
            found = search.take(byte);
            found.is_none()
        });
        found.unwrap_or(0)
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = (address, name);
        0
    }
}

/// Shows `visit` what the system says of all mappings, byte by byte.
#[cfg(all(target_os = "linux", feature = "debug"))]
pub(super) fn for_each_byte(visit: &mut dyn FnMut(u8)) {
    linux::read(&mut |byte| {
        visit(byte);
        true
    });
}

/// The last part of a line's path, as it is read.
struct FileName<'a> {
    bytes: &'a mut [u8],
    length: usize,
}

#[cfg_attr(
    not(any(target_os = "linux", target_os = "android", test)),
    allow(dead_code)
)]
impl<'a> FileName<'a> {
    fn new(bytes: &'a mut [u8]) -> FileName<'a> {
        FileName { bytes, length: 0 }
    }

    /// Takes one byte of the line's field of that number.
    fn take(&mut self, byte: u8, field: usize) {
        const PATH: usize = 5;
        match byte {
            _ if field < PATH => {}
            b'/' => self.length = 0,
            b'\n' => {}
            // The blanks before the path.
            b' ' if self.length == 0 => {}
            _ => {
                if let Some(place) = self.bytes.get_mut(self.length) {
                    *place = byte;
                    self.length += 1;
                }
            }
        }
    }
}

/// The search for the file at an address.
#[cfg_attr(
    not(any(target_os = "linux", target_os = "android", test)),
    allow(dead_code)
)]
struct Search<'a> {
    address: usize,
    parser: Parser,
    file: FileName<'a>,
    /// Where the last file's mappings end so far, and its name's length: the name is in the
    /// buffer until another one is.
    end: usize,
    length: usize,
}

#[cfg_attr(
    not(any(target_os = "linux", target_os = "android", test)),
    allow(dead_code)
)]
impl<'a> Search<'a> {
    fn new(address: usize, name: &'a mut [u8]) -> Search<'a> {
        Search {
            address,
            parser: Parser::new(),
            file: FileName::new(name),
            end: 0,
            length: 0,
        }
    }

    /// Takes one byte; the name's length at the end of the address's line.
    fn take(&mut self, byte: u8) -> Option<usize> {
        self.file.take(byte, self.parser.field);
        let mapping = self.parser.take(byte)?;
        let own = core::mem::take(&mut self.file.length);
        // Data that are zero at first are in no file.
        let is_data = mapping.writable && !mapping.executable && own == 0;
        if !is_data || mapping.start != self.end {
            self.length = own;
        }
        self.end = mapping.end;
        let is_found = (mapping.start..mapping.end).contains(&self.address);
        is_found.then_some(self.length)
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
                is_shared: false,
                file: 0,
                is_system: false,
            },
            field: 0,
            place: 0,
        }
    }

    /// Takes one byte; the mapping at the end of its line.
    fn take(&mut self, byte: u8) -> Option<Mapping> {
        const ADDRESSES: usize = 0;
        const RIGHTS: usize = 1;
        const DEVICE: usize = 3;
        const FILE: usize = 4;
        if byte == b'\n' {
            let mut whole = core::mem::replace(self, Parser::new());
            if !whole.mapping.is_view {
                whole.mapping.file = 0;
            }
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
                (3, b's') => (this.is_view, this.is_shared) = (true, true),
                _ => {}
            },
            DEVICE | FILE if byte != b':' => {
                // Some multiple of it, so that devices and files do not cancel.
                this.file = this.file.wrapping_mul(37);
                this.file += u64::from(byte - b'0'.min(byte));
                this.is_view |= self.field == FILE && byte != b'0';
            }
            _ if self.place == 0 && byte == b'[' => this.is_system = true,
            _ => {}
        }
        self.place += 1;
        None
    }
}

/// The most mappings that a process may have; `usize::MAX` where that is not known.
#[cfg(feature = "debug")]
pub fn mapping_limit() -> usize {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let mut limit = 0usize;
        let told = linux::read_file(c"/proc/sys/vm/max_map_count", &mut |byte| {
            if byte.is_ascii_digit() {
                limit = limit
                    .saturating_mul(10)
                    .saturating_add(usize::from(byte - b'0'));
            }
            byte.is_ascii_digit()
        });
        if told && limit != 0 {
            return limit;
        }
    }
    usize::MAX
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod linux {
    use crate::sys::{Call, admit, c};
    use core::ffi::c_int;

    /// Shows `visit` the list byte by byte until it returns false.
    pub(super) fn read(visit: &mut dyn FnMut(u8) -> bool) -> bool {
        read_file(c"/proc/self/maps", visit)
    }

    /// Shows `visit` a file byte by byte until it returns false.
    pub(super) fn read_file(path: &core::ffi::CStr, visit: &mut dyn FnMut(u8) -> bool) -> bool {
        if !admit(Call::File) {
            return false;
        }
        // SAFETY: the path ends in a zero; the flags need no third argument.
        let file = unsafe { c::open(path.as_ptr(), c::O_RDONLY | c::O_CLOEXEC) };
        if file < 0 {
            return false;
        }
        let done = read_from(file, visit);
        // SAFETY: the file was opened above and nobody else knows it.
        unsafe { c::close(file) };
        done
    }

    fn read_from(file: c_int, visit: &mut dyn FnMut(u8) -> bool) -> bool {
        let mut buffer = [0u8; 4096];
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
                if !visit(byte) {
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
        for (found, expected) in found.iter().zip(expected) {
            let rights = (found.readable, found.writable, found.executable);
            let (start, end, readable, writable, executable, is_view) = expected;
            assert_eq!((found.start, found.end), (start, end));
            assert_eq!(rights, (readable, writable, executable));
            assert_eq!(found.is_view, is_view);
        }
        let files: Vec<bool> = found.iter().map(|mapping| mapping.file != 0).collect();
        assert_eq!(files, [true, false, false, true, false]);
        let shared: Vec<bool> = found.iter().map(|mapping| mapping.is_shared).collect();
        assert_eq!(shared, [false, false, false, true, false]);
        let system: Vec<bool> = found.iter().map(|mapping| mapping.is_system).collect();
        assert_eq!(system, [false, false, false, false, true]);
    }

    #[test]
    fn a_file_is_named_without_its_folder() {
        let name = |text: &str, room: usize| {
            let mut bytes = std::vec![0; room];
            let mut file = super::FileName::new(&mut bytes);
            let mut parser = Parser::new();
            for byte in text.bytes() {
                file.take(byte, parser.field);
                parser.take(byte);
            }
            let length = file.length;
            std::string::String::from_utf8(bytes[..length].to_vec()).unwrap()
        };
        let line = "00400000-0040b000 r-xp 00001000 08:02 173521      /usr/lib/a name.so";
        assert_eq!(name(line, 64), "a name.so");
        assert_eq!(name(line, 4), "a na");
        assert_eq!(
            name("7f0000000000-7f0000021000 rw-p 00000000 00:00 0 ", 64),
            ""
        );
    }

    #[test]
    fn data_behind_a_file_are_its_own() {
        let text = "\
1000-2000 r-xp 00000000 08:02 17 /lib/a.so
2000-3000 rw-p 00001000 08:02 17 /lib/a.so
3000-4000 rw-p 00000000 00:00 0 
4000-5000 rw-p 00000000 00:00 0 
5000-6000 rwxp 00000000 00:00 0 
6000-7000 rw-p 00000000 00:00 0 
7000-8000 r--p 00000000 08:02 19 /lib/another.so
8000-9000 ---p 00000000 00:00 0 
9000-a000 rw-p 00000000 00:00 0 
b000-c000 r--p 00000000 08:02 18 /lib/b
d000-e000 rw-p 00000000 00:00 0 
e000-f000 rw-p 00000000 00:00 0                          [stack]
";
        let at = |address: usize| {
            let mut bytes = [0; 64];
            let mut search = super::Search::new(address, &mut bytes);
            let length = text.bytes().find_map(|byte| search.take(byte));
            let name = bytes.get(..length?).unwrap();
            Some(std::string::String::from_utf8(name.to_vec()).unwrap())
        };
        for (address, name) in [
            (0x1000, "a.so"),
            (0x2fff, "a.so"),
            (0x3000, "a.so"),
            (0x4fff, "a.so"),
            (0x5000, ""),
            (0x6000, ""),
            (0x7000, "another.so"),
            (0x8000, ""),
            (0x9000, ""),
            (0xb000, "b"),
            (0xd000, ""),
            (0xe000, "[stack]"),
        ] {
            assert_eq!(at(address).as_deref(), Some(name), "{address:#x}");
        }
        assert_eq!(at(0xa000), None);
        assert_eq!(at(0xf000), None);
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[test]
    fn a_file_is_found_by_any_address_in_it() {
        let code = a_file_is_found_by_any_address_in_it as fn() as usize;
        let mut name = [0; 256];
        let length = super::file_at(code, &mut name);
        let own = std::env::current_exe().unwrap();
        let own = own.file_name().unwrap().to_str().unwrap().as_bytes();
        assert_eq!(&name[..length], own);
        // More than any page: most of it is in no file.
        static ZEROES: [std::sync::atomic::AtomicU8; 1 << 20] =
            [const { std::sync::atomic::AtomicU8::new(0) }; 1 << 20];
        let length = super::file_at((&raw const ZEROES).addr() + (1 << 19), &mut name);
        assert_eq!(&name[..length], own);
        assert_eq!(super::file_at(0, &mut name), 0);
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
