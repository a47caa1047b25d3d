//! Finding the program and deciding whether it can be preloaded at all.

use super::elf::{self, Kind};
use super::failure::{
    Failure, INTERNAL, NOT_EXECUTABLE, NOT_FOUND, NOT_LOADED, PRIVILEGED, STATIC,
};
use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program that the dynamic loader will start.
#[derive(Debug)]
pub(crate) struct Program {
    /// What to execute; always with a slash.
    pub(crate) path: PathBuf,
    /// A script that names no interpreter, which a shell runs.
    pub(crate) shell: bool,
}

impl Program {
    /// What starts it with these words, of which the first is its name, and with
    /// libraries preloaded.
    pub(crate) fn command(&self, words: &[OsString], libraries: &[&Path]) -> Command {
        let mut starter = if self.shell {
            let mut shell = Command::new(SHELL);
            shell.arg(&self.path);
            shell
        } else {
            let mut direct = Command::new(&self.path);
            if let Some(name) = words.first() {
                direct.arg0(name);
            }
            direct
        };
        starter
            .args(words.iter().skip(1))
            .env("LD_PRELOAD", preload(libraries));
        starter
    }
}

/// The libraries before whatever the user preloads already.
fn preload(libraries: &[&Path]) -> OsString {
    let mut list = OsString::new();
    let others = std::env::var_os("LD_PRELOAD").filter(|v| !v.is_empty());
    let all = libraries.iter().map(|library| library.as_os_str());
    for each in all.chain(others.as_deref()) {
        if !list.is_empty() {
            list.push(":");
        }
        list.push(each);
    }
    list
}

/// Interpreters of interpreters the kernel follows.
const SCRIPT_DEPTH: usize = 5;
const SHELL: &str = "/bin/sh";
const SET_UID: u32 = 0o4000;
const SET_GID: u32 = 0o2000;
const GROUP_EXECUTE: u32 = 0o010;

/// Finds `name` as a shell would and checks that the library can be loaded
/// into what it starts.
pub(crate) fn find(name: &OsStr) -> Result<Program, Failure> {
    let path = locate(name)?;
    let shell = check(&path, SCRIPT_DEPTH)?;
    Ok(Program { path, shell })
}

fn locate(name: &OsStr) -> Result<PathBuf, Failure> {
    if name.as_bytes().contains(&b'/') {
        let path = PathBuf::from(name);
        executable(&path)?;
        return Ok(path);
    }
    let list =
        env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/local/bin:/usr/bin:/bin"));
    let mut refused = None;
    for folder in env::split_paths(&list).filter(|_| !name.is_empty()) {
        let folder = if folder.as_os_str().is_empty() {
            Path::new(".").to_owned()
        } else {
            folder
        };
        let path = folder.join(name);
        match executable(&path) {
            Ok(()) => return Ok(path),
            Err(failure) if failure.code == NOT_EXECUTABLE => {
                refused.get_or_insert(failure);
            }
            Err(_) => {}
        }
    }
    Err(refused.unwrap_or_else(|| {
        Failure::new(NOT_FOUND, format!("{}: not found in PATH", name.display()))
    }))
}

/// Whether this process may execute the file.
fn executable(path: &Path) -> Result<(), Failure> {
    let refuse = |why: &dyn std::fmt::Display| {
        Err(Failure::new(
            NOT_EXECUTABLE,
            format!("{}: {why}", path.display()),
        ))
    };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(e)
            if matches!(
                e.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Err(Failure::new(
                NOT_FOUND,
                format!("{}: not found", path.display()),
            ));
        }
        Err(e) => return refuse(&e),
    };
    if metadata.is_dir() {
        return refuse(&"a folder cannot be executed");
    }
    if !metadata.is_file() {
        return refuse(&"not a regular file");
    }
    let c_path = c_string(path)?;
    // SAFETY: the path is a C string that lives through the call.
    if unsafe { libc::access(c_path.as_ptr(), libc::X_OK) } != 0 {
        return refuse(&io::Error::last_os_error());
    }
    Ok(())
}

/// Checks one file and, for a script, its interpreter. True for a script
/// that names none.
fn check(path: &Path, depth: usize) -> Result<bool, Failure> {
    privileges(path)?;
    let file = match File::open(path) {
        Ok(file) => file,
        // May be executed but not read: the library's own word, or its
        // absence, will tell.
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => return Ok(false),
        Err(e) => {
            return Err(Failure::new(
                NOT_EXECUTABLE,
                format!("{}: {e}", path.display()),
            ));
        }
    };
    let mut head = Vec::new();
    (&file)
        .take(256)
        .read_to_end(&mut head)
        .map_err(|e| Failure::new(NOT_EXECUTABLE, format!("{}: {e}", path.display())))?;
    if head.starts_with(elf::MAGIC) {
        return program(path, &file).map(|()| false);
    }
    if let Some(line) = head.strip_prefix(b"#!") {
        return script(path, line, depth).map(|()| false);
    }
    if head.contains(&0) {
        return Err(Failure::new(
            NOT_EXECUTABLE,
            format!("{}: neither an ELF program nor a script", path.display()),
        ));
    }
    check(Path::new(SHELL), 0)?;
    Ok(true)
}

/// The loader ignores `LD_PRELOAD` where a program gains rights by starting.
fn privileges(path: &Path) -> Result<(), Failure> {
    let mode = match fs::metadata(path) {
        Ok(metadata) => metadata.permissions().mode(),
        Err(e) => {
            return Err(Failure::new(NOT_FOUND, format!("{}: {e}", path.display())));
        }
    };
    // Without the right to execute, set-group-ID is the mark of mandatory
    // locking.
    let set_gid = mode & SET_GID != 0 && mode & GROUP_EXECUTE != 0;
    let why = if mode & SET_UID != 0 {
        "is set-user-ID"
    } else if set_gid {
        "is set-group-ID"
    } else if has_capabilities(path)? {
        "has file capabilities"
    } else {
        return Ok(());
    };
    Err(Failure::new(
        PRIVILEGED,
        format!(
            "{} {why}: the loader takes no library from LD_PRELOAD for such a program, so that \
             it would run on its usual allocator. Run a copy without the privilege.",
            path.display()
        ),
    ))
}

fn has_capabilities(path: &Path) -> Result<bool, Failure> {
    let path = c_string(path)?;
    let name = c"security.capability";
    // SAFETY: both are C strings that live through the call; with a length of
    // zero nothing is written and only the attribute's size is asked.
    let size = unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), std::ptr::null_mut(), 0) };
    Ok(size > 0)
}

fn program(path: &Path, file: &File) -> Result<(), Failure> {
    let read = |offset, length| {
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, offset).ok()?;
        Some(bytes)
    };
    let name = path.display();
    match elf::kind(read) {
        Kind::Dynamic(loader) if Path::new(&loader).exists() => Ok(()),
        Kind::Dynamic(loader) => Err(Failure::new(
            NOT_FOUND,
            format!("{name}: its dynamic loader {loader} is not on this system"),
        )),
        Kind::Static => Err(Failure::new(
            STATIC,
            format!(
                "{name} is statically linked: its malloc is inside it and no library can take \
                 its place. Link it dynamically; a Rust program can use the crate instead: \
                 #[global_allocator] static HEAP: ntheap::NtHeap = ntheap::NtHeap::new();"
            ),
        )),
        Kind::Foreign => Err(Failure::new(
            NOT_LOADED,
            format!(
                "{name} is for another processor or word size than libntheap.so, which cannot be \
                 loaded into it"
            ),
        )),
        Kind::NotProgram => Err(Failure::new(
            NOT_EXECUTABLE,
            format!("{name}: an ELF file, but not a program"),
        )),
    }
}

fn script(path: &Path, line: &[u8], depth: usize) -> Result<(), Failure> {
    let line = line.split(|&b| b == b'\n').next().unwrap_or_default();
    let interpreter = line
        .split(|b| b.is_ascii_whitespace())
        .find(|part| !part.is_empty());
    let Some(interpreter) = interpreter else {
        return Err(Failure::new(
            NOT_EXECUTABLE,
            format!("{}: the #! line names no interpreter", path.display()),
        ));
    };
    if depth == 0 {
        return Err(Failure::new(
            NOT_EXECUTABLE,
            format!("{}: too many interpreters of interpreters", path.display()),
        ));
    }
    let interpreter = PathBuf::from(OsString::from_vec(interpreter.to_vec()));
    let via = |failure: Failure| {
        Failure::new(
            failure.code,
            format!("{}, a script: {}", path.display(), failure.message),
        )
    };
    executable(&interpreter).map_err(via)?;
    check(&interpreter, depth - 1).map_err(via)?;
    Ok(())
}

fn c_string(path: &Path) -> Result<CString, Failure> {
    CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Failure::new(INTERNAL, "a path holds a zero byte"))
}
