//! Installed programs, each with a piece of work that is the same every time
//! and prints something to tell by that it was done right.

use super::inputs;
use crate::run::find_program;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program by name, what it needs, and its work.
pub(crate) struct Known {
    pub(crate) name: &'static str,
    /// Commands that must be installed.
    needs: &'static [&'static str],
    /// Writes the inputs for a piece of work into the current folder of the
    /// program; the words that do the work.
    work: fn(&Work) -> io::Result<Words>,
}

/// A folder to write into, and how much is to be done.
struct Work<'a> {
    folder: &'a Path,
    scale: f64,
}

/// How a program is started.
#[derive(Debug)]
enum Words {
    /// It is what is measured.
    Plain(Vec<OsString>),
    /// These words start what is measured by those that follow them.
    Starter(Vec<OsString>),
}

/// A program with its inputs written: a large piece of work, and a small one
/// for a first look.
#[derive(Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    work: Option<[(PathBuf, Words); 2]>,
}

/// All programs, in the order of the tables.
pub(crate) const ALL: &[Known] = &[
    Known {
        name: "cc1",
        needs: &["gcc"],
        work: cc1,
    },
    Known {
        name: "cc1plus",
        needs: &["g++"],
        work: cc1plus,
    },
    Known {
        name: "python3",
        needs: &["python3"],
        work: python3,
    },
    Known {
        name: "perl",
        needs: &["perl"],
        work: perl,
    },
    Known {
        name: "ruby",
        needs: &["ruby"],
        work: ruby,
    },
    Known {
        name: "sqlite3",
        needs: &["sqlite3"],
        work: sqlite3,
    },
    Known {
        name: "redis",
        needs: &["redis-server", "redis-benchmark", "redis-cli"],
        work: redis,
    },
    Known {
        name: "node",
        needs: &["node"],
        work: node,
    },
    Known {
        name: "git",
        needs: &["git"],
        work: git,
    },
    Known {
        name: "xz",
        needs: &["xz"],
        work: xz,
    },
];

impl Program {
    /// Writes the inputs, or says why the program cannot take part.
    pub(crate) fn prepare(
        known: &Known,
        folder: &Path,
        scale: f64,
        glance: f64,
    ) -> Result<Self, String> {
        installed(known)?;
        let prepared = |name: &str, scale: f64| {
            let folder = folder.join(name);
            let trouble = |e: io::Error| format!("its input could not be made: {e}");
            fs::create_dir_all(&folder).map_err(trouble)?;
            let work = Work {
                folder: &folder,
                scale,
            };
            let words = (known.work)(&work).map_err(trouble)?;
            Ok::<_, String>((folder, words))
        };
        let large = prepared("work", scale)?;
        let small = prepared("glance", glance.min(scale))?;
        Ok(Program {
            name: known.name,
            work: Some([large, small]),
        })
    }

    /// One that is only named.
    pub(crate) fn idle(known: &Known) -> Result<Self, String> {
        installed(known)?;
        Ok(Program {
            name: known.name,
            work: None,
        })
    }

    /// The command that does the work, or the small piece of it, with `prefix`
    /// before the program that is measured.
    pub(crate) fn command(&self, prefix: &[OsString], small: bool) -> Command {
        let work = self.work.as_ref().expect("only programs with work are run");
        let (folder, words) = &work[usize::from(small)];
        let all: Vec<&OsString> = match words {
            Words::Plain(words) => prefix.iter().chain(words).collect(),
            Words::Starter(words) => words.iter().chain(prefix).collect(),
        };
        let mut command = Command::new(all[0]);
        command.args(&all[1..]);
        surroundings(&mut command, folder);
        command
    }
}

/// The same for every user and machine, as far as it can be.
fn surroundings(command: &mut Command, folder: &Path) {
    command
        .current_dir(folder)
        .env_remove("LD_PRELOAD")
        .env_remove("PYTHONMALLOC")
        .env_remove("RUBYOPT")
        .env_remove("NODE_OPTIONS")
        .env("LC_ALL", "C")
        .env("PYTHONHASHSEED", "0")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null");
}

/// Every command must be there, and be one that a library can be loaded into.
fn installed(known: &Known) -> Result<(), String> {
    for name in known.needs {
        find_program(OsStr::new(name)).map_err(|failure| {
            if failure.message.ends_with("not found in PATH") {
                format!("{name} is not installed")
            } else {
                failure.message
            }
        })?;
    }
    Ok(())
}

impl Work<'_> {
    fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> io::Result<()> {
        fs::write(self.folder.join(name), contents)
    }

    /// So much of `full`, at least one.
    fn times(&self, full: u64) -> u64 {
        ((full as f64 * self.scale) as u64).max(1)
    }
}

fn plain(words: &[&str]) -> Words {
    Words::Plain(words.iter().map(OsString::from).collect())
}

/// What an interpreter says is its own program: a version manager puts a
/// script in its place.
fn itself(name: &str, arguments: &[&str]) -> io::Result<OsString> {
    let output = Command::new(name)
        .args(arguments)
        .stdin(Stdio::null())
        .output()?;
    let path = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && Path::new(&path).is_file() {
        Ok(path.into())
    } else {
        Err(io::Error::other(format!("{name} does not say where it is")))
    }
}

fn interpreter(
    work: &Work,
    program: OsString,
    script: (&str, &str),
    turns: u64,
) -> io::Result<Words> {
    work.write(script.0, script.1)?;
    Ok(Words::Plain(vec![
        program,
        script.0.into(),
        work.times(turns).to_string().into(),
    ]))
}

fn cc1(work: &Work) -> io::Result<Words> {
    work.write("functions.c", inputs::c_functions(work.times(180)))?;
    Ok(plain(&["gcc", "-O1", "-S", "-o", "-", "functions.c"]))
}

fn cc1plus(work: &Work) -> io::Result<Words> {
    work.write("templates.cc", inputs::cpp_templates(work.times(4)))?;
    Ok(plain(&[
        "g++",
        "-std=c++17",
        "-O0",
        "-S",
        "-o",
        "-",
        "templates.cc",
    ]))
}

fn python3(work: &Work) -> io::Result<Words> {
    let program = itself("python3", &["-c", "import sys; print(sys.executable)"])?;
    let script = ("records.py", include_str!("inputs/records.py"));
    interpreter(work, program, script, 8)
}

fn perl(work: &Work) -> io::Result<Words> {
    let program = itself("perl", &["-e", "print $^X"])?;
    let script = ("words.pl", include_str!("inputs/words.pl"));
    interpreter(work, program, script, 16)
}

fn ruby(work: &Work) -> io::Result<Words> {
    let program = itself("ruby", &["-e", "puts RbConfig.ruby"])?;
    let script = ("words.rb", include_str!("inputs/words.rb"));
    interpreter(work, program, script, 12)
}

fn node(work: &Work) -> io::Result<Words> {
    let program = itself("node", &["-p", "process.execPath"])?;
    let script = ("strings.js", include_str!("inputs/strings.js"));
    interpreter(work, program, script, 30)
}

fn sqlite3(work: &Work) -> io::Result<Words> {
    work.write("tables.sql", inputs::sql_tables(work.times(120_000)))?;
    Ok(plain(&[
        "sqlite3",
        "-batch",
        ":memory:",
        ".read tables.sql",
    ]))
}

fn redis(work: &Work) -> io::Result<Words> {
    work.write("server.sh", include_str!("inputs/server.sh"))?;
    let requests = work.times(100_000).to_string();
    let words = ["sh", "server.sh", &requests];
    Ok(Words::Starter(words.iter().map(OsString::from).collect()))
}

fn git(work: &Work) -> io::Result<Words> {
    let repository = work.folder.join("repository");
    match fs::remove_dir_all(&repository) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    work.write("commits", inputs::git_commits(work.times(3000)))?;
    let git = |arguments: &[&str], input: Stdio| {
        let mut command = Command::new("git");
        surroundings(&mut command, work.folder);
        let done = command.args(arguments).stdin(input).output()?;
        if done.status.success() {
            Ok(())
        } else {
            let said = String::from_utf8_lossy(&done.stderr).into_owned();
            Err(io::Error::other(format!(
                "git {}: {said}",
                arguments.join(" ")
            )))
        }
    };
    git(&["init", "-q", "-b", "main", "repository"], Stdio::null())?;
    let commits = fs::File::open(work.folder.join("commits"))?;
    git(
        &["-C", "repository", "fast-import", "--quiet"],
        commits.into(),
    )?;
    Ok(plain(&[
        "git",
        "-C",
        "repository",
        "--no-pager",
        "log",
        "-p",
        "--stat",
        "main",
    ]))
}

fn xz(work: &Work) -> io::Result<Words> {
    work.write("text", inputs::text(work.times(24 << 20) as usize))?;
    Ok(plain(&["xz", "-1", "-T1", "-k", "-c", "text"]))
}
