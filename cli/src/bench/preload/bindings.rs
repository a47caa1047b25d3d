//! Where a program's malloc comes from, by the dynamic loader's own word.

use crate::bench::child::{Ended, Failure};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

/// From which object to which other malloc was bound, in any part of a program
/// and of those it starts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources(BTreeSet<(String, String)>);

/// Runs a program, as `run` does it after the given words, and reads what the
/// loader writes about symbols into files in `folder`.
pub(crate) fn find(
    folder: &Path,
    library: Option<&Path>,
    run: impl FnOnce(Vec<OsString>) -> Result<Ended, Failure>,
) -> Result<Sources, Failure> {
    let trouble = |e: io::Error| Failure::new("not checked", e.to_string());
    let place = folder.join("loader");
    match fs::remove_dir_all(&place) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(trouble(e)),
        _ => {}
    }
    fs::create_dir(&place).map_err(trouble)?;
    let setting = |name: &str, value: &Path| {
        let mut setting = OsString::from(name);
        setting.push("=");
        setting.push(value);
        setting
    };
    let mut prefix = vec!["env".into(), "LD_DEBUG=bindings".into()];
    prefix.push(setting("LD_DEBUG_OUTPUT", &place.join("process")));
    if let Some(library) = library {
        prefix.push(setting("LD_PRELOAD", library));
    }
    let ended = run(prefix)?;
    refused(&ended.stderr)?;
    let mut sources = Sources::default();
    for entry in fs::read_dir(&place).map_err(trouble)? {
        let text = fs::read(entry.map_err(trouble)?.path()).map_err(trouble)?;
        sources.read(&String::from_utf8_lossy(&text));
    }
    fs::remove_dir_all(&place).map_err(trouble)?;
    Ok(sources)
}

/// The loader says so on standard error, and goes on without the library.
pub(crate) fn refused(stderr: &str) -> Result<(), Failure> {
    match stderr
        .lines()
        .find(|line| line.contains("cannot be preloaded"))
    {
        Some(line) => Err(Failure::new("not loaded", line.trim())),
        None => Ok(()),
    }
}

impl Sources {
    /// Lines like `binding file A [0] to B [0]: normal symbol `malloc' [V]`.
    fn read(&mut self, text: &str) {
        for line in text.lines().filter(|l| l.contains("symbol `malloc'")) {
            let pair = line.split_once("binding file ").and_then(|(_, rest)| {
                let (from, rest) = rest.split_once(" [")?;
                let (_, rest) = rest.split_once(" to ")?;
                let (to, _) = rest.split_once(" [")?;
                Some((from.to_owned(), to.to_owned()))
            });
            self.0.extend(pair);
        }
    }

    fn bound(&self, from: &str, to: &str) -> bool {
        self.0.contains(&(from.to_owned(), to.to_owned()))
    }

    /// Whether `library` served all of it.
    ///
    /// In a program that is loaded at a fixed place the address of malloc is
    /// that of a jump in the program, which is bound in turn.
    pub(crate) fn only(&self, library: &Path) -> Result<(), Failure> {
        let library = library.to_string_lossy();
        let served = |object: &str| object == library || self.bound(object, &library);
        let others: BTreeSet<&str> = self
            .0
            .iter()
            .map(|(_, to)| to.as_str())
            .filter(|to| !served(to))
            .collect();
        if !others.is_empty() {
            let others: Vec<&str> = others.into_iter().collect();
            Err(Failure::new(
                "not loaded",
                format!("malloc came from {}", others.join(", ")),
            ))
        } else if self.0.is_empty() {
            Err(Failure::new(
                "not loaded",
                "the loader bound no malloc: the program is static, privileged, or has another \
                 C library",
            ))
        } else {
            Ok(())
        }
    }

    /// An object other than the C library that serves malloc without any
    /// preload.
    pub(crate) fn not_the_c_librarys(&self) -> Option<&str> {
        let jumps = |object: &str| {
            let own = self.0.iter().filter(|(from, _)| from == object);
            own.into_iter().any(|(_, to)| to != object)
        };
        let mut objects = self.0.iter().map(|(_, to)| to.as_str());
        objects.find(|to| !to.contains("/libc.so") && !to.contains("/libc-") && !jumps(to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
     77:\tbinding file /bin/x [0] to /lib/libc.so.6 [0]: normal symbol `malloc_usable_size' [G]
     77:\tbinding file /bin/x [0] to /l/libfast.so [0]: normal symbol `malloc' [GLIBC_2.2.5]
     77:\tbinding file /lib/libc.so.6 [0] to /l/libfast.so [0]: normal symbol `malloc' [G]
";

    #[test]
    fn every_part_must_have_its_malloc_from_the_library() {
        let mut sources = Sources::default();
        sources.read(TEXT);
        assert_eq!(sources.only(Path::new("/l/libfast.so")), Ok(()));
        let failure = sources
            .only(Path::new("/l/libslow.so"))
            .expect_err("another");
        assert_eq!(failure.detail, "malloc came from /l/libfast.so");
        sources.read("1:\tbinding file /bin/y [0] to /bin/y [0]: normal symbol `malloc' [G]\n");
        let failure = sources
            .only(Path::new("/l/libfast.so"))
            .expect_err("its own");
        assert_eq!(failure.detail, "malloc came from /bin/y");
        let mut jump = Sources::default();
        jump.read(
            "1:\tbinding file /bin/node [0] to /l/libfast.so [0]: normal symbol `malloc' [G]\n\
             1:\tbinding file /l/libfast.so [0] to /bin/node [0]: normal symbol `malloc' [G]\n",
        );
        assert_eq!(jump.only(Path::new("/l/libfast.so")), Ok(()));
        assert!(jump.only(Path::new("/l/libslow.so")).is_err());
        let none = Sources::default();
        let failure = none.only(Path::new("/l/libfast.so")).expect_err("static");
        assert!(failure.detail.starts_with("the loader bound no malloc"));
    }

    #[test]
    fn a_malloc_that_is_not_the_c_librarys_is_named() {
        let mut sources = Sources::default();
        sources
            .read("1:\tbinding file /bin/n [0] to /lib/libc.so.6 [0]: normal symbol `malloc' [G]");
        sources.read("1:\tbinding file /lib/x.so [0] to /bin/n [0]: normal symbol `malloc' [G]");
        assert_eq!(sources.not_the_c_librarys(), None);
        sources.read("2:\tbinding file /bin/r [0] to /lib/libje.so.2 [0]: normal symbol `malloc'");
        assert_eq!(sources.not_the_c_librarys(), Some("/lib/libje.so.2"));
    }

    #[test]
    fn a_refusal_is_heard() {
        let text = "ERROR: ld.so: object '/x.so' from LD_PRELOAD cannot be preloaded (invalid ELF \
                    header): ignored.";
        assert_eq!(refused(text).expect_err("refused").detail, text);
        assert_eq!(refused("anything else"), Ok(()));
    }
}
