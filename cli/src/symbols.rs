//! From addresses of code to functions and lines, by what the modules' files say.
//!
//! ```text
//!   address --> mapping --> place in the file --+
//!                                               +--> address in the module --> DWARF, or
//!   program+0x1189, as stacks are told ---------+                              its symbols
//! ```
//!
//! The process need not be there any more: its mappings are what was noted of them. A file
//! may have been replaced since the process began; then what it says is wrong, as with any
//! such tool.

use crate::look::output;
use addr2line::Loader;
use ntheap_inspect::model::Mapping;
use object::read::{Object, ObjectSegment, ReadCache};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

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

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        match (self.file.as_str(), self.line) {
            ("", _) => Ok(()),
            (file, 0) => write!(f, " in {file}"),
            (file, line) => write!(f, " at {file}:{line}"),
        }
    }
}

impl Frame {
    pub(crate) fn json(&self) -> Value {
        let mut value = json!({ "name": self.name });
        if !self.file.is_empty() {
            value["file"] = self.file.as_str().into();
        }
        if self.line != 0 {
            value["line"] = self.line.into();
        }
        value
    }
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

    /// The place in the file of an address in the module.
    fn offset(&self, address: u64) -> Option<u64> {
        let mut parts = self.parts.iter();
        let (offset, _, start) = parts.find(|(_, size, start)| {
            address.checked_sub(*start).is_some_and(|into| into < *size)
        })?;
        Some(address - start + offset)
    }

    /// The functions that an address in the module lies in.
    fn frames(&self, address: u64) -> Option<Vec<Frame>> {
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
#[derive(Default)]
pub(crate) struct Symbols {
    /// The mappings of code, by address.
    codes: Vec<Mapping>,
    modules: HashMap<String, Module>,
    /// The functions of frames that were asked for, as stacks are told.
    known: HashMap<String, Vec<Frame>>,
    /// Of each file, addresses with a name and without.
    asked: BTreeMap<String, (usize, usize)>,
}

impl Symbols {
    pub(crate) fn of(mut mappings: Vec<Mapping>) -> Symbols {
        mappings.retain(|mapping| mapping.is_executable);
        Symbols {
            codes: mappings,
            ..Symbols::default()
        }
    }

    pub(crate) fn codes(&self) -> &[Mapping] {
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
            return self.found("no file", Vec::new());
        };
        let (file, offset) = (code.name.clone(), address - code.start + code.offset);
        if !file.starts_with('/') {
            return self.found(&file, Vec::new());
        }
        let module = self.module(&file);
        let frames = module
            .address(offset)
            .and_then(|address| module.frames(address));
        self.found(&file, frames.unwrap_or_default())
    }

    /// The functions that the call of a stack's frame lies in: the frame is told as
    /// `program+0x1189`, or as `0x7f0012345678` where no file is, and is what the call
    /// returns to.
    pub(crate) fn call(&mut self, frame: &str) -> &[Frame] {
        if !self.known.contains_key(frame) {
            let found = self.find(frame);
            self.known.insert(frame.to_owned(), found);
        }
        self.known.get(frame).map_or(&[], |frames| frames)
    }

    fn find(&mut self, frame: &str) -> Vec<Frame> {
        let Some((name, address)) = parts(frame) else {
            return Vec::new();
        };
        if name.is_empty() {
            return self.frames(before(address));
        }
        let Some(file) = self.file(name) else {
            return self.found(name, Vec::new());
        };
        let frames = self.module(&file).frames(before(address));
        self.found(&file, frames.unwrap_or_default())
    }

    /// The file of this name that code of the process is from; none where there are two.
    fn file(&self, name: &str) -> Option<String> {
        let is_it = |file: &Path| file.file_name().is_some_and(|own| own == name);
        let files = self.codes.iter().map(|code| &code.name);
        let mut files = files.filter(|file| is_it(Path::new(file)));
        let file = files.next()?;
        files.all(|other| other == file).then(|| file.clone())
    }

    /// Where in the process's memory a frame was.
    pub(crate) fn address(&mut self, frame: &str) -> Option<u64> {
        let (name, address) = parts(frame)?;
        if name.is_empty() {
            return Some(address);
        }
        let file = self.file(name)?;
        let offset = self.module(&file).offset(address)?;
        let mut codes = self.codes.iter().filter(|code| code.name == file);
        codes.find_map(|code| {
            let into = offset.checked_sub(code.offset)?;
            (into < code.end - code.start).then(|| code.start + into)
        })
    }

    fn found(&mut self, file: &str, frames: Vec<Frame>) -> Vec<Frame> {
        let asked = self.asked.entry(file.to_owned()).or_default();
        if frames.is_empty() {
            asked.1 += 1;
        } else {
            asked.0 += 1;
        }
        frames
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

    /// A stack for people, a line for each function, behind `before`: the function, its line
    /// and the frame; the frame alone where nothing else is known.
    pub(crate) fn write(
        &mut self,
        out: &mut dyn Write,
        stack: &[String],
        before: &str,
    ) -> io::Result<()> {
        for frame in stack {
            for line in self.lines(frame) {
                writeln!(out, "{before}{line}")?;
            }
        }
        Ok(())
    }

    /// A frame's lines.
    pub(crate) fn lines(&mut self, frame: &str) -> Vec<String> {
        let functions = self.call(frame);
        let last = functions.len().saturating_sub(1);
        let lines = functions.iter().enumerate().map(|(at, function)| {
            let place = if at == last {
                format!("({frame})")
            } else {
                "(inlined)".to_owned()
            };
            output::plain(&format!("{function} {place}"))
        });
        let lines: Vec<String> = lines.collect();
        if lines.is_empty() {
            return vec![output::plain(frame)];
        }
        lines
    }

    /// A frame as UMDH writes it: `program!main (main.c, 12)`.
    pub(crate) fn umdh(&mut self, frame: &str) -> String {
        let module = parts(frame).map_or("", |(name, _)| name).to_owned();
        let Some(function) = self.call(frame).first() else {
            return frame.to_owned();
        };
        let mut text = format!("{module}!{}", function.name);
        if !function.file.is_empty() {
            text.push_str(&format!(" ({}, {})", function.file, function.line));
        }
        output::plain(&text)
    }

    /// A stack for programs: each frame, and its functions.
    pub(crate) fn json(&mut self, stack: &[String]) -> Value {
        let frames = stack.iter().map(|frame| {
            let functions = self.call(frame).iter().map(Frame::json);
            json!({ "frame": frame, "functions": functions.collect::<Vec<Value>>() })
        });
        frames.collect()
    }

    /// Which files gave none of the names they were asked for, a line for each.
    pub(crate) fn nameless(&self) -> impl Iterator<Item = String> {
        let nameless = self.asked.iter().filter(|(_, (named, _))| *named == 0);
        nameless.map(|(file, (_, count))| {
            let (addresses, have) = match count {
                1 => ("address", "has"),
                _ => ("addresses", "have"),
            };
            let why = match File::open(file) {
                Err(_) if file.starts_with('/') => "the file cannot be read any more",
                _ => "it says nothing of them, as a stripped file does",
            };
            let file = output::plain(file);
            format!("{count} {addresses} in {file} {have} no name: {why}")
        })
    }

    /// Says so on standard error.
    pub(crate) fn tell_nameless(&self) {
        for line in self.nameless() {
            // Nobody is left to tell if standard error is gone.
            let _ = writeln!(io::stderr(), "ntheap: {line}");
        }
    }
}

/// A frame's module, which may be none, and its address there.
fn parts(frame: &str) -> Option<(&str, u64)> {
    let (name, address) = frame.rsplit_once('+').unwrap_or(("", frame));
    let digits = address.strip_prefix("0x")?;
    Some((name, u64::from_str_radix(digits, 16).ok()?))
}

/// The address of a call, by the one that it returns to.
pub(crate) fn before(address: u64) -> u64 {
    address.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_very_function_is_found() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let maps = ntheap_inspect::maps::of_process(pid).unwrap();
        let mut symbols = Symbols::of(maps);
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
        // The same as stacks are told, by what the call returns to.
        let code = symbols.codes[symbols.code_at(address).unwrap()].clone();
        let file = code.name.clone();
        let at = symbols
            .module(&file)
            .address(address - code.start + code.offset);
        let name = Path::new(&file).file_name().unwrap().to_str().unwrap();
        let frame = format!("{name}+{:#x}", at.unwrap() + 1);
        assert_eq!(symbols.call(&frame), frames);
        assert_eq!(symbols.address(&frame), Some(address + 1));
        assert_eq!(symbols.call(&format!("{:#x}", address + 1)), frames);
        let line = format!("{} at {}:{} ({frame})", last.name, last.file, last.line);
        assert_eq!(symbols.lines(&frame).last(), Some(&line));
        let told = symbols.json(std::slice::from_ref(&frame));
        assert_eq!(told[0]["frame"], frame.as_str());
        let functions = told[0]["functions"].as_array().unwrap();
        assert_eq!(functions.last().unwrap()["line"], last.line);
        // What no module has.
        for nothing in ["nowhere+0x10", "x", "", "+", "a+b", "0x10"] {
            assert_eq!(symbols.call(nothing), [], "{nothing}");
            assert_eq!(symbols.lines(nothing), [nothing]);
        }
        assert_eq!(symbols.address("nowhere+0x10"), None);
    }

    #[test]
    fn two_files_of_one_name_are_none() {
        let code = |start, name: &str| Mapping {
            start,
            end: start + 0x1000,
            is_executable: true,
            is_file: true,
            name: name.to_owned(),
            ..Mapping::default()
        };
        let symbols = Symbols::of(vec![code(0x1000, "/a/x.so"), code(0x2000, "/b/x.so")]);
        assert_eq!(symbols.file("x.so"), None);
        let symbols = Symbols::of(vec![code(0x1000, "/a/x.so"), code(0x2000, "/a/x.so")]);
        assert_eq!(symbols.file("x.so").as_deref(), Some("/a/x.so"));
    }
}
