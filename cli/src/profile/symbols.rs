//! From addresses of code to functions and lines, by what the modules' files say.
//!
//! ```text
//!   address --> mapping --> place in the file --> address in the module --> DWARF, or
//!                                                                          its symbols
//! ```
//!
//! A file may have been replaced since the process began; then what it says is wrong,
//! as with any such tool.

use addr2line::Loader;
use object::read::{Object, ObjectSegment, ReadCache};
use std::collections::HashMap;
use std::fs::{self, File};

/// A mapping of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Code {
    pub(crate) start: u64,
    pub(crate) end: u64,
    /// Where in the file it begins.
    pub(crate) offset: u64,
    pub(crate) file: String,
}

/// The mappings of code that a process has, by address.
pub(crate) fn codes(pid: i32) -> Vec<Code> {
    let text = fs::read(format!("/proc/{pid}/maps")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text).into_owned();
    text.lines().filter_map(code).collect()
}

/// `start-end rwxp offset device inode name`.
fn code(line: &str) -> Option<Code> {
    let mut fields = line.splitn(6, ' ');
    let (start, end) = fields.next()?.split_once('-')?;
    let rights = fields.next()?;
    let offset = fields.next()?;
    let file = fields.nth(2)?.trim();
    let number = |text| u64::from_str_radix(text, 16).ok();
    (rights.get(2..3) == Some("x")).then_some(Code {
        start: number(start)?,
        end: number(end)?,
        offset: number(offset)?,
        file: file.to_owned(),
    })
}

/// A function that an address lies in; the first of several is inlined into the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    /// As people write it.
    pub(crate) name: String,
    /// As the linker knows it.
    pub(crate) symbol: String,
    pub(crate) file: String,
    /// 0 where it is not known.
    pub(crate) line: u32,
}

/// What a module's file says.
struct Module {
    loader: Option<Loader>,
    /// Where parts of the file are in the module: offset, bytes, address.
    parts: Vec<(u64, u64, u64)>,
    build_id: String,
}

impl Module {
    fn open(path: &str) -> Module {
        let mut module = Module {
            loader: None,
            parts: Vec::new(),
            build_id: String::new(),
        };
        let Ok(file) = File::open(path) else {
            return module;
        };
        let cache = ReadCache::new(file);
        let Ok(object) = object::File::parse(&cache) else {
            return module;
        };
        for segment in object.segments() {
            let (offset, size) = segment.file_range();
            module.parts.push((offset, size, segment.address()));
        }
        if let Ok(Some(id)) = object.build_id() {
            module.build_id = id.iter().map(|byte| format!("{byte:02x}")).collect();
        }
        module.loader = Loader::new(path).ok();
        module
    }

    fn address(&self, offset: u64) -> Option<u64> {
        let mut parts = self.parts.iter();
        let (start, _, address) = parts
            .find(|(start, size, _)| offset.checked_sub(*start).is_some_and(|into| into < *size))?;
        Some(offset - start + address)
    }

    fn frames(&self, offset: u64) -> Option<Vec<Frame>> {
        let address = self.address(offset)?;
        let loader = self.loader.as_ref()?;
        let mut found = Vec::new();
        if let Ok(mut frames) = loader.find_frames(address) {
            while let Ok(Some(frame)) = frames.next() {
                let Some(function) = frame.function else {
                    continue;
                };
                let symbol = function.raw_name().unwrap_or_default().into_owned();
                let name = function.demangle().unwrap_or_default().into_owned();
                let place = frame.location;
                found.push(Frame {
                    name,
                    symbol,
                    file: place
                        .as_ref()
                        .and_then(|place| place.file)
                        .unwrap_or_default()
                        .to_owned(),
                    line: place.and_then(|place| place.line).unwrap_or(0),
                });
            }
        }
        if found.is_empty() {
            let symbol = loader.find_symbol(address)?;
            found.push(Frame {
                name: addr2line::demangle_auto(symbol.into(), None).into_owned(),
                symbol: symbol.to_owned(),
                ..Frame::default()
            });
        }
        Some(found)
    }
}

/// The modules of a process, each opened once.
pub(crate) struct Symbols {
    codes: Vec<Code>,
    modules: HashMap<String, Module>,
}

impl Symbols {
    pub(crate) fn of(codes: Vec<Code>) -> Symbols {
        Symbols {
            codes,
            modules: HashMap::new(),
        }
    }

    pub(crate) fn codes(&self) -> &[Code] {
        &self.codes
    }

    /// The number of the mapping that an address lies in.
    pub(crate) fn code_at(&self, address: u64) -> Option<usize> {
        let after = self.codes.partition_point(|code| code.start <= address);
        let at = after.checked_sub(1)?;
        (address < self.codes.get(at)?.end).then_some(at)
    }

    /// The functions that an address lies in, innermost first; none where nothing is
    /// known of it.
    pub(crate) fn frames(&mut self, address: u64) -> Vec<Frame> {
        let Some(code) = self.code_at(address).and_then(|at| self.codes.get(at)) else {
            return Vec::new();
        };
        if !code.file.starts_with('/') {
            return Vec::new();
        }
        let (file, offset) = (code.file.clone(), address - code.start + code.offset);
        self.module(&file).frames(offset).unwrap_or_default()
    }

    /// The build's number that a file says it has; empty where it says none.
    pub(crate) fn build_id(&mut self, file: &str) -> String {
        self.module(file).build_id.clone()
    }

    fn module(&mut self, file: &str) -> &Module {
        self.modules
            .entry(file.to_owned())
            .or_insert_with(|| Module::open(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_of_code_are_read() {
        let line = "55d0c0001000-55d0c0003000 r-xp 00001000 08:01 1234    /usr/bin/some thing";
        let expected = Code {
            start: 0x55d0_c000_1000,
            end: 0x55d0_c000_3000,
            offset: 0x1000,
            file: "/usr/bin/some thing".to_owned(),
        };
        assert_eq!(code(line), Some(expected));
        for other in ["", "x", "1-2 rw-p 0 0 0 x", "1-2 r-xp"] {
            assert_eq!(code(other), None, "{other}");
        }
    }

    #[test]
    fn this_very_function_is_found() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let mut symbols = Symbols::of(codes(pid));
        let address = this_very_function_is_found as *const () as u64;
        let frames = symbols.frames(address);
        let last = frames.last().expect("a function");
        assert!(
            last.name.ends_with("this_very_function_is_found"),
            "{last:?}"
        );
        assert!(
            last.file.ends_with("symbols.rs") && last.line > 0,
            "{last:?}"
        );
        assert_eq!(symbols.frames(1), []);
        assert_eq!(symbols.code_at(u64::MAX), None);
    }
}
