//! Rust programs, one for each allocator: the packages in `benches/peers`.
//!
//! Each is built by itself: two that depend on the same crate with other
//! features cannot be one build. They share a target folder, so that what the
//! loads need is compiled once.

use super::calls::{Calls, Tracer};
use super::child::{self, Failure};
use super::figures::{self, Figures};
use super::schedule::{Field, Load, limit, with_prefix};
use super::{LeftOut, Stop, checkout, summary, wanted};
use crate::args::Bench;
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Where the packages are, in the checkout.
const PACKAGES: &str = "benches/peers";

/// Lines of cargo's output that are shown of a build that failed.
const SHOWN: usize = 8;

/// Programs that all have the same loads.
#[derive(Debug)]
pub(crate) struct Peers {
    names: Vec<String>,
    programs: Vec<PathBuf>,
    loads: Vec<Load>,
    scale: f64,
    folder: PathBuf,
}

impl Peers {
    /// Builds what is asked for; what cannot be built is left out.
    pub(crate) fn prepare(options: &Bench, left_out: &mut Vec<LeftOut>) -> Result<Self, Stop> {
        let checkout = checkout::find(PACKAGES)?;
        let packages = checkout.join(PACKAGES);
        let names = wanted(options, packages_in(&packages)?)?;
        let folder = checkout::target(&checkout)?.join("peers");
        let mut peers = Peers {
            names: Vec::new(),
            programs: Vec::new(),
            loads: Vec::new(),
            scale: options.scale,
            folder,
        };
        if options.list {
            return peers.named(names, &packages, options);
        }
        for name in names {
            let manifest = packages.join(&name).join("Cargo.toml");
            match program(&manifest, &peers.folder, options) {
                // One would have replaced the other.
                Ok(program) if peers.programs.contains(&program) => left_out.push(LeftOut {
                    name,
                    why: format!("another peer is {} too", program.display()),
                    failed: true,
                }),
                Ok(program) => {
                    peers.names.push(name);
                    peers.programs.push(program);
                }
                Err(why) => left_out.push(LeftOut {
                    name,
                    why,
                    failed: true,
                }),
            }
        }
        peers.find_loads(left_out);
        if peers.names.is_empty() {
            let each: Vec<String> = left_out
                .iter()
                .map(|item| format!("{}: {}", item.name, item.why))
                .collect();
            return Err(Stop::Failed(format!(
                "no peer is there to run\n{}",
                each.join("\n")
            )));
        }
        Ok(peers)
    }

    /// All by name only, with the loads of the first that can be built: nothing
    /// else is needed for a list.
    fn named(mut self, names: Vec<String>, packages: &Path, options: &Bench) -> Result<Self, Stop> {
        let mut troubles = Vec::new();
        for name in &names {
            let manifest = packages.join(name).join("Cargo.toml");
            let found = program(&manifest, &self.folder, options).and_then(|program| {
                loads(&program).map_err(|f| format!("--list: {}: {}", f.short, f.detail))
            });
            match found {
                Ok(loads) => {
                    self.loads = loads;
                    self.names = names;
                    return Ok(self);
                }
                Err(why) => troubles.push(format!("{name}: {why}")),
            }
        }
        Err(Stop::Failed(format!(
            "no peer is there to name the loads\n{}",
            troubles.join("\n")
        )))
    }

    /// The loads that any of them has, in the order of the first. One that does
    /// not tell its loads does not take part.
    fn find_loads(&mut self, left_out: &mut Vec<LeftOut>) {
        let mut at = 0;
        while at < self.names.len() {
            match loads(&self.programs[at]) {
                Ok(loads) => {
                    for load in loads {
                        if !self.loads.contains(&load) {
                            self.loads.push(load);
                        }
                    }
                    at += 1;
                }
                Err(failure) => {
                    left_out.push(LeftOut {
                        name: self.names.remove(at),
                        why: format!("--list: {}: {}", failure.short, failure.detail),
                        failed: true,
                    });
                    self.programs.remove(at);
                }
            }
        }
    }

    fn execute(
        &self,
        load: usize,
        allocator: usize,
        prefix: Vec<OsString>,
    ) -> Result<Figures, Failure> {
        let load = &self.loads[load].name;
        let mut words = prefix;
        words.push(self.programs[allocator].clone().into());
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .args([load, "--scale", &self.scale.to_string()])
            .env_remove("LD_PRELOAD");
        let ended = child::run(&mut command, None, limit(self.scale))?;
        figures::parse(&ended.stdout, load)
    }
}

impl Field for Peers {
    fn allocators(&self) -> &[String] {
        &self.names
    }

    fn loads(&self) -> &[Load] {
        &self.loads
    }

    fn run(&self, load: usize, allocator: usize) -> Result<Figures, Failure> {
        self.execute(load, allocator, Vec::new())
    }

    fn count(&self, load: usize, allocator: usize, tracer: &Tracer) -> Result<Calls, Failure> {
        with_prefix(tracer, &self.folder, |prefix| {
            self.execute(load, allocator, prefix).map(drop)
        })
    }
}

/// The folders with a package in them: ntheap's first, then by name.
fn packages_in(folder: &Path) -> Result<Vec<String>, Stop> {
    let read = || -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.path().join("Cargo.toml").is_file() {
                names.extend(entry.file_name().into_string());
            }
        }
        Ok(names)
    };
    let mut names = read().map_err(|e| Stop::Failed(format!("{}: {e}", folder.display())))?;
    if names.is_empty() {
        return Err(Stop::Failed(format!(
            "no package in {}: a folder for each allocator, with a Cargo.toml, is expected there",
            folder.display()
        )));
    }
    names.sort_by_key(|name| (!summary::ours(name), name.clone()));
    Ok(names)
}

/// A peer's executable, built unless the user does not want that.
fn program(manifest: &Path, target: &Path, options: &Bench) -> Result<PathBuf, String> {
    let binary = target.join("release").join(format!(
        "{}{}",
        binary_name(manifest)?,
        std::env::consts::EXE_SUFFIX
    ));
    if !options.no_build {
        eprintln!("ntheap bench: building {}", manifest.display());
        let mut build = cargo();
        build
            .args(["build", "--release", "--manifest-path"])
            .arg(manifest)
            .arg("--target-dir")
            .arg(target);
        let output = build.output().map_err(|e| no_cargo(&e))?;
        if !output.status.success() {
            return Err(format!(
                "cargo could not build it ({}):\n{}",
                output.status,
                last_lines(&String::from_utf8_lossy(&output.stderr))
            ));
        }
    }
    if binary.is_file() {
        Ok(binary)
    } else if options.no_build {
        Err(format!(
            "{} is not there and --no-build was given",
            binary.display()
        ))
    } else {
        Err(format!("cargo built no {}", binary.display()))
    }
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn no_cargo(e: &io::Error) -> String {
    format!("cannot start cargo: {e}")
}

/// The name of the package's only binary.
fn binary_name(manifest: &Path) -> Result<String, String> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .arg("--manifest-path")
        .arg(manifest)
        .output()
        .map_err(|e| no_cargo(&e))?;
    if !output.status.success() {
        return Err(format!(
            "cargo does not understand the package:\n{}",
            last_lines(&String::from_utf8_lossy(&output.stderr))
        ));
    }
    let value: Value =
        serde_json::from_slice(&output.stdout).map_err(|e| format!("cargo metadata: {e}"))?;
    let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let real = manifest
        .canonicalize()
        .unwrap_or_else(|_| manifest.to_owned());
    let own = array(&value["packages"]).into_iter().find(|package| {
        let path = package["manifest_path"].as_str().unwrap_or_default();
        Path::new(path) == manifest || Path::new(path) == real
    });
    let targets = array(&own.unwrap_or_default()["targets"]);
    let binaries: Vec<&str> = targets
        .iter()
        .filter(|target| array(&target["kind"]).contains(&"bin".into()))
        .filter_map(|target| target["name"].as_str())
        .collect();
    match binaries[..] {
        [name] => Ok(name.to_owned()),
        _ => Err(format!(
            "the package has {} binaries instead of one",
            binaries.len()
        )),
    }
}

/// The end of what cargo said, without empty lines, each indented.
fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    let from = lines.len().saturating_sub(SHOWN);
    let indented: Vec<String> = lines[from..]
        .iter()
        .map(|line| format!("  {line}"))
        .collect();
    indented.join("\n")
}

/// What a program answers to `--list`: a line a load, name, tab, group.
pub(crate) fn loads(program: &Path) -> Result<Vec<Load>, Failure> {
    let mut command = Command::new(program);
    command.arg("--list").env_remove("LD_PRELOAD");
    let ended = child::run(&mut command, None, Duration::from_secs(30))?;
    let text = String::from_utf8_lossy(&ended.stdout);
    let mut loads = Vec::new();
    for line in text.lines() {
        let Some((name, group)) = line.split_once('\t') else {
            return Err(Failure::new("bad output", format!("no tab in {line:?}")));
        };
        loads.push(Load {
            name: name.to_owned(),
            group: group.to_owned(),
        });
    }
    if loads.is_empty() {
        return Err(Failure::new("bad output", "no load is listed"));
    }
    Ok(loads)
}
