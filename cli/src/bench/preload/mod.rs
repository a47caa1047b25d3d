//! Shared libraries that replace malloc, preloaded into C programs of our own
//! and into installed ones.
//!
//! That a library was named in `LD_PRELOAD` does not mean that it served a
//! program: before the first measurement the loader is asked where each
//! program's malloc came from ([`bindings`]).

mod bindings;
mod compile;
mod inputs;
mod programs;

use super::calls::{Calls, Tracer};
use super::child::{self, Failure};
use super::figures::{self, Figures};
use super::schedule::{Field, Load, limit, with_prefix};
use super::{LeftOut, Stop, checkout, peers, wanted};
use crate::args::{Bench, Preload};
use crate::run::{find_library, preloadable};
use compile::Built;
use programs::Program;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where the C programs are, in the checkout.
const SOURCES: &str = "benches/c";

/// The group of the installed programs.
const REAL: &str = "real-programs";

/// How much of its work a program does when it is only looked at.
const GLANCE: f64 = 0.01;

/// An allocator: its library, or none for the system's.
#[derive(Clone, Debug)]
struct Library {
    name: String,
    path: Option<PathBuf>,
}

/// What one program printed, or what is wrong with an allocator under it.
#[derive(Debug, Default)]
struct Known {
    /// Length and hash of the first run's output.
    output: RefCell<HashMap<usize, (u64, u64, String)>>,
    /// Where malloc came from, by load and allocator.
    loaded: RefCell<HashMap<(usize, usize), Result<(), Failure>>>,
    notes: RefCell<HashMap<usize, String>>,
}

/// Libraries and the programs they are tried under.
#[derive(Debug)]
pub(crate) struct Preloads {
    names: Vec<String>,
    libraries: Vec<Library>,
    /// The C program's loads, then the installed programs.
    loads: Vec<Load>,
    programs: Vec<Program>,
    built: Built,
    scale: f64,
    folder: PathBuf,
    known: Known,
}

/// Compiles the C programs, writes the others' inputs, and tries each library.
pub(crate) fn prepare(options: &Bench, left_out: &mut Vec<LeftOut>) -> Result<Preloads, Stop> {
    let libraries = libraries(options)?;
    let checkout = checkout::find(SOURCES)?;
    let folder = checkout::target(&checkout)?.join("bench-c");
    let made = |folder: &Path| {
        fs::create_dir_all(folder)
            .map_err(|e| Stop::Failed(format!("cannot make {}: {e}", folder.display())))
    };
    made(&folder)?;
    let built = compile::build(&checkout.join(SOURCES), &folder, options.no_build)?;
    let mut loads = peers::loads(&built.loads).map_err(|f| {
        Stop::Failed(format!(
            "{}: {} {}",
            built.loads.display(),
            f.short,
            f.detail
        ))
    })?;

    let mut preloads = Preloads {
        names: Vec::new(),
        libraries: Vec::new(),
        loads: Vec::new(),
        programs: Vec::new(),
        built,
        scale: options.scale,
        folder,
        known: Known::default(),
    };
    for library in libraries {
        match preloads.serves(&library) {
            Ok(()) => {
                preloads.names.push(library.name.clone());
                preloads.libraries.push(library);
            }
            Err(failure) => left_out.push(LeftOut {
                name: library.name,
                why: format!("{}: {}", failure.short, failure.detail),
                failed: true,
            }),
        }
    }
    if preloads.names.is_empty() {
        return Err(Stop::Failed("no library could be loaded".to_owned()));
    }
    for known in programs::ALL {
        let work = preloads.folder.join("programs").join(known.name);
        made(&work)?;
        // Writing the inputs of a program that will not run would only take
        // time.
        let program = if wanted_program(options, known.name) && !options.list {
            Program::prepare(known, &work, options.scale, GLANCE)
        } else {
            Program::idle(known)
        };
        match program {
            Ok(program) => {
                loads.push(Load {
                    name: known.name.to_owned(),
                    group: REAL.to_owned(),
                });
                preloads.programs.push(program);
            }
            Err(why) => left_out.push(LeftOut {
                name: known.name.to_owned(),
                why,
                failed: false,
            }),
        }
    }
    preloads.loads = loads;
    Ok(preloads)
}

/// Whether the command line leaves room for this program.
fn wanted_program(options: &Bench, name: &str) -> bool {
    (options.group.is_empty() || options.group.iter().any(|g| g == REAL))
        && (options.only.is_empty() || options.only.iter().any(|p| super::matches(p, name)))
}

/// ntheap first, the system's malloc last, between them what the user named.
fn libraries(options: &Bench) -> Result<Vec<Library>, Stop> {
    let mut all: Vec<Library> = Vec::new();
    for Preload { name, path } in &options.preload {
        if all.iter().any(|other| other.name == *name) {
            return Err(Stop::Usage(format!("--preload names {name} twice")));
        }
        let path = match path {
            None => None,
            Some(path) => Some(library(name, path)?),
        };
        all.push(Library {
            name: name.clone(),
            path,
        });
    }
    if !all.iter().any(|library| library.path.is_none()) {
        if all.iter().any(|library| library.name == "system") {
            return Err(Stop::Usage(
                "--preload: `system` is the name of the system's malloc; give it without a path \
                 or name the library otherwise"
                    .to_owned(),
            ));
        }
        all.push(Library {
            name: "system".to_owned(),
            path: None,
        });
    }
    let own = all.iter().position(|library| library.name == "ntheap");
    let own = match own {
        Some(at) => all.remove(at),
        None => Library {
            name: "ntheap".to_owned(),
            path: Some(find_library().map_err(|f| Stop::Failed(f.message))?),
        },
    };
    all.insert(0, own);
    let names = all.iter().map(|library| library.name.clone()).collect();
    let names = wanted(options, names)?;
    let chosen = names
        .iter()
        .filter_map(|name| all.iter().find(|library| library.name == *name).cloned());
    Ok(chosen.collect())
}

/// The absolute path of a library, fit for `LD_PRELOAD`.
fn library(name: &str, path: &Path) -> Result<PathBuf, Stop> {
    let wrong = |why: &dyn std::fmt::Display| {
        Stop::Usage(format!("--preload {name}={}: {why}", path.display()))
    };
    // Not its canonical path: the loader, and so its report, has this one.
    let absolute = std::path::absolute(path).map_err(|e| wrong(&e))?;
    let metadata = fs::metadata(&absolute).map_err(|e| wrong(&e))?;
    if !metadata.is_file() {
        return Err(wrong(&"not a file"));
    }
    preloadable(absolute).map_err(|failure| wrong(&failure.message))
}

impl Preloads {
    /// Whether the library gives the C program its malloc.
    fn serves(&self, library: &Library) -> Result<(), Failure> {
        let Some(path) = &library.path else {
            return Ok(());
        };
        let glance = Duration::from_secs(60);
        bindings::find(&self.folder, Some(path), |prefix| {
            let mut command = Command::new(&prefix[0]);
            command
                .args(&prefix[1..])
                .arg(&self.built.loads)
                .arg("--nothing");
            child::run(command.env_remove("LD_PRELOAD"), None, glance)
        })?
        .only(path)
    }

    /// The installed program that a load is, if it is one.
    fn program(&self, load: usize) -> Option<&Program> {
        let first = self.loads.len() - self.programs.len();
        load.checked_sub(first).map(|at| &self.programs[at])
    }

    /// Whether the allocator gives an installed program its malloc; looked at
    /// once.
    fn serves_program(&self, load: usize, allocator: usize) -> Result<(), Failure> {
        let Some(program) = self.program(load) else {
            return Ok(());
        };
        let key = (load, allocator);
        if let Some(known) = self.known.loaded.borrow().get(&key) {
            return known.clone();
        }
        let path = self.libraries[allocator].path.as_deref();
        let looked = bindings::find(&self.folder, path, |prefix| {
            child::run(&mut program.command(&prefix, true), None, limit(self.scale))
        });
        let verdict = looked.and_then(|found| match path {
            Some(path) => found.only(path),
            None => {
                if let Some(other) = found.not_the_c_librarys() {
                    let note = format!(
                        "{} takes its malloc from {other}: there, {} is that one.",
                        program.name, self.names[allocator]
                    );
                    self.known.notes.borrow_mut().insert(load, note);
                }
                Ok(())
            }
        });
        self.known.loaded.borrow_mut().insert(key, verdict.clone());
        verdict
    }

    /// `LD_PRELOAD=...`, or nothing for the system's malloc.
    fn setting(&self, allocator: usize) -> Option<OsString> {
        let path = self.libraries[allocator].path.as_ref()?;
        let mut setting = OsString::from("LD_PRELOAD=");
        setting.push(path);
        Some(setting)
    }

    fn run_load(
        &self,
        load: usize,
        allocator: usize,
        prefix: &[OsString],
    ) -> Result<Figures, Failure> {
        let name = &self.loads[load].name;
        let mut words = prefix.to_vec();
        words.push(self.built.loads.clone().into());
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .args([name, "--scale", &self.scale.to_string()])
            .env_remove("LD_PRELOAD");
        if prefix.is_empty()
            && let Some(path) = &self.libraries[allocator].path
        {
            command.env("LD_PRELOAD", path);
        }
        let ended = child::run(&mut command, None, limit(self.scale))?;
        bindings::refused(&ended.stderr)?;
        figures::parse(&ended.stdout, name)
    }

    fn run_program(
        &self,
        program: &Program,
        load: usize,
        allocator: usize,
        prefix: &[OsString],
    ) -> Result<(), Failure> {
        let trouble =
            |what: &str, e: &io::Error| Failure::new("not measured", format!("{what}: {e}"));
        let output = self.folder.join("output");
        let file = File::create(&output).map_err(|e| trouble("output", &e))?;
        let mut command = program.command(prefix, false);
        let ended = child::run(&mut command, Some(file), limit(self.scale))?;
        bindings::refused(&ended.stderr)?;
        let (length, hash) = fingerprint(&output).map_err(|e| trouble("output", &e))?;
        let mut outputs = self.known.output.borrow_mut();
        let first = outputs
            .entry(load)
            .or_insert_with(|| (length, hash, self.names[allocator].clone()));
        if (first.0, first.1) == (length, hash) {
            Ok(())
        } else {
            Err(Failure::new(
                "wrong output",
                format!(
                    "{length} bytes that differ from the {} it printed on {}",
                    first.0, first.2
                ),
            ))
        }
    }
}

impl Field for Preloads {
    fn allocators(&self) -> &[String] {
        &self.names
    }

    fn loads(&self) -> &[Load] {
        &self.loads
    }

    fn run(&self, load: usize, allocator: usize) -> Result<Figures, Failure> {
        let Some(program) = self.program(load) else {
            return self.run_load(load, allocator, &[]);
        };
        self.serves_program(load, allocator)?;
        let file = self.folder.join("measured");
        let mut prefix = vec![
            self.built.measure.clone().into_os_string(),
            file.clone().into_os_string(),
        ];
        prefix.extend(self.setting(allocator));
        prefix.push("--".into());
        self.run_program(program, load, allocator, &prefix)?;
        let text = fs::read_to_string(&file)
            .map_err(|e| Failure::new("not measured", format!("{}: {e}", file.display())))?;
        figures::parse_outside(&text)
    }

    fn count(&self, load: usize, allocator: usize, tracer: &Tracer) -> Result<Calls, Failure> {
        with_prefix(tracer, &self.folder, |mut prefix| {
            // strace itself stays on the system's malloc.
            if let Some(setting) = self.setting(allocator) {
                prefix.push("-E".into());
                prefix.push(setting);
            }
            match self.program(load) {
                Some(program) => self.run_program(program, load, allocator, &prefix),
                None => self.run_load(load, allocator, &prefix).map(drop),
            }
        })
    }

    fn notes(&self, load: usize) -> Vec<String> {
        self.known
            .notes
            .borrow()
            .get(&load)
            .cloned()
            .into_iter()
            .collect()
    }
}

/// Length and hash of a file.
fn fingerprint(file: &Path) -> io::Result<(u64, u64)> {
    let mut file = File::open(file)?;
    let mut buffer = vec![0; 1 << 16];
    let mut hasher = DefaultHasher::new();
    let mut length = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((length, hasher.finish())),
            n => {
                hasher.write(&buffer[..n]);
                length += n as u64;
            }
        }
    }
}
