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
use crate::look::progress::Doing;
use addr2line::Loader;
use ntheap_inspect::model::Mapping;
use ntheap_inspect::progress::Work;
use object::read::{Object, ObjectSegment, ReadCache};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::rc::Rc;

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

/// Opens a file whose path another process chose. A pipe would be waited for, and a device
/// has no end, so these are refused; what comes in between is not waited for either.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let refused = || io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
    if !fs::metadata(path)?.is_file() {
        return Err(refused());
    }
    let mut options = OpenOptions::new();
    let file = options
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(path)?;
    if !file.metadata()?.is_file() {
        return Err(refused());
    }
    Ok(file)
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
        let Ok(file) = open_regular(Path::new(path)) else {
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
        // The file may say anything of where its parts are.
        (offset - start).checked_add(*address)
    }

    /// The place in the file of an address in the module.
    fn offset(&self, address: u64) -> Option<u64> {
        let mut parts = self.parts.iter();
        let (offset, _, start) = parts.find(|(_, size, start)| {
            address.checked_sub(*start).is_some_and(|into| into < *size)
        })?;
        (address - start).checked_add(*offset)
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

/// Modules by their files' paths, each opened once; shared by those that look at several
/// processes.
#[derive(Clone, Default)]
pub(crate) struct Modules(Rc<RefCell<HashMap<String, Rc<Module>>>>);

impl Modules {
    fn of(&self, file: &str) -> Rc<Module> {
        let mut modules = self.0.borrow_mut();
        if let Some(module) = modules.get(file) {
            return Rc::clone(module);
        }
        let module = Rc::new(Module::open(file));
        modules.insert(file.to_owned(), Rc::clone(&module));
        module
    }
}

/// What addresses that no file was found for are counted under.
const NO_FILE: &str = "no file";

/// The functions of a process's code.
#[derive(Default)]
pub(crate) struct Symbols {
    /// The mappings of code, by address.
    codes: Vec<Mapping>,
    modules: Modules,
    /// The functions of frames that were asked for, as stacks are told.
    known: HashMap<String, Vec<Frame>>,
    /// Of each file, addresses with a name and without.
    asked: BTreeMap<String, (usize, usize)>,
}

impl Symbols {
    pub(crate) fn of(mappings: Vec<Mapping>) -> Symbols {
        Symbols::sharing(&Modules::default(), mappings)
    }

    /// The same, with modules that others have a use for.
    pub(crate) fn sharing(modules: &Modules, mut mappings: Vec<Mapping>) -> Symbols {
        mappings.retain(|mapping| mapping.is_executable);
        // They may be another program's list.
        mappings.sort_by_key(|mapping| mapping.start);
        Symbols {
            codes: mappings,
            modules: modules.clone(),
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
            return self.found(NO_FILE, Vec::new());
        };
        let into = address.checked_sub(code.start);
        let offset = into.and_then(|into| into.checked_add(code.offset));
        let file = code.name.clone();
        if file.is_empty() {
            return self.found(NO_FILE, Vec::new());
        }
        if !file.starts_with('/') {
            return self.found(&file, Vec::new());
        }
        let module = self.modules.of(&file);
        let frames = offset
            .and_then(|offset| module.address(offset))
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

    /// Finds the functions of frames that will be asked for, and says so meanwhile where it
    /// takes long.
    pub(crate) fn learn<'a>(&mut self, frames: impl Iterator<Item = &'a String>) {
        let new: BTreeSet<&String> = frames
            .filter(|&frame| !self.known.contains_key(frame))
            .collect();
        if new.is_empty() {
            return;
        }
        let _doing = Doing::begin("looking for functions' names");
        let work = Work::of(new.len() as u64);
        for (done, frame) in (0..).zip(new) {
            work.at(done);
            self.call(frame);
        }
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
        let frames = self.modules.of(&file).frames(before(address));
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
        let offset = self.modules.of(&file).offset(address)?;
        let mut codes = self.codes.iter().filter(|code| code.name == file);
        codes.find_map(|code| {
            let into = offset.checked_sub(code.offset)?;
            let at = code.start.checked_add(into)?;
            (at < code.end).then_some(at)
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
    pub(crate) fn build_id(&self, file: &str) -> String {
        self.modules.of(file).build_id.clone()
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
        self.lines_at(frame, frame)
    }

    /// The lines of a frame that is asked for in another way than it is shown.
    pub(crate) fn lines_at(&mut self, asked: &str, frame: &str) -> Vec<String> {
        let functions = self.call(asked);
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
        let frames = stack.iter().map(|frame| self.json_at(frame, frame));
        frames.collect()
    }

    /// A frame for programs that is asked for in another way than it is shown.
    pub(crate) fn json_at(&mut self, asked: &str, frame: &str) -> Value {
        let functions = self.call(asked).iter().map(Frame::json);
        json!({ "frame": frame, "functions": functions.collect::<Vec<Value>>() })
    }

    /// Counts what another was asked for as asked here.
    pub(crate) fn count_also(&mut self, other: &Symbols) {
        for (file, (named, nameless)) in &other.asked {
            let asked = self.asked.entry(file.clone()).or_default();
            asked.0 += named;
            asked.1 += nameless;
        }
    }

    /// Which files gave none of the names they were asked for, a line for each.
    pub(crate) fn nameless(&self) -> impl Iterator<Item = String> {
        let nameless = self.asked.iter().filter(|(_, (named, _))| *named == 0);
        nameless.map(|(file, (_, count))| {
            let (addresses, have) = match count {
                1 => ("address", "has"),
                _ => ("addresses", "have"),
            };
            let why = why_nameless(file);
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

/// Why a file gave no names.
fn why_nameless(file: &str) -> &'static str {
    if file == NO_FILE || file.starts_with('[') {
        return "there is no file to ask";
    }
    if !file.starts_with('/') {
        return "the process had no file of that name, or several";
    }
    match open_regular(Path::new(file)) {
        Ok(_) => "it says nothing of them, as a stripped file does",
        Err(_) if file.ends_with(" (deleted)") => "the file was removed or replaced",
        Err(_) => "the file cannot be read any more",
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
impl Symbols {
    /// A frame of an address, as stacks are told.
    pub(crate) fn told(&self, address: u64) -> Option<String> {
        let code = self.codes.get(self.code_at(address)?)?;
        let module = self.modules.of(&code.name);
        let at = module.address(address - code.start + code.offset)?;
        let name = Path::new(&code.name).file_name()?.to_str()?;
        Some(format!("{name}+{at:#x}"))
    }
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
        let frame = symbols.told(address + 1).expect("a module");
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

    #[test]
    fn numbers_and_files_of_others_do_no_harm() {
        let parts = vec![(u64::MAX - 7, 7, u64::MAX), (0, u64::MAX, u64::MAX - 7)];
        let module = Module {
            loader: None,
            parts,
            build_id: String::new(),
        };
        assert_eq!(module.address(7), Some(u64::MAX));
        assert_eq!(module.address(8), None);
        assert_eq!(module.offset(u64::MAX - 1), Some(6));

        let folder = std::env::temp_dir().join(format!("ntheap-symbols-{}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder");
        let pipe = folder.join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.expect("mkfifo").success());
        let code = |at: u64, offset, name: &str| Mapping {
            start: at,
            end: at + 0x1000,
            is_executable: true,
            offset,
            name: name.to_owned(),
            ..Mapping::default()
        };
        let gone = "/nonexistent/x (deleted)";
        // Not in the order of their addresses.
        let mut symbols = Symbols::of(vec![
            code(0x5000, 0, gone),
            code(0x4000, 0, "[vdso]"),
            code(0x3000, 0, ""),
            code(0x2000, 0, "/dev/zero"),
            code(0x1000, u64::MAX, pipe.to_str().expect("UTF-8")),
        ]);
        for address in [0x1010, 0x2010, 0x3010, 0x4010, 0x5010, 0x6010] {
            assert_eq!(symbols.frames(address), [], "{address:#x}");
        }
        assert_eq!(symbols.call("y.so+0x10"), []);
        let file = pipe.display();
        let mut expected = [
            format!("1 address in {file} has no name: the file cannot be read any more"),
            "1 address in /dev/zero has no name: the file cannot be read any more".to_owned(),
            format!("1 address in {gone} has no name: the file was removed or replaced"),
            "1 address in [vdso] has no name: there is no file to ask".to_owned(),
            "2 addresses in no file have no name: there is no file to ask".to_owned(),
            "1 address in y.so has no name: the process had no file of that name, or several"
                .to_owned(),
        ];
        expected.sort();
        let mut told: Vec<String> = symbols.nameless().collect();
        told.sort();
        assert_eq!(told, expected);
        fs::remove_dir_all(&folder).expect("removed");
    }
}
