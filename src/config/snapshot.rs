//! `NTHEAP_SNAPSHOT`: a file that snapshots of the heaps go to, and when they are made.
//!
//! ```text
//!   NTHEAP_SNAPSHOT=/tmp/a.heap                  when the process ends
//!   NTHEAP_SNAPSHOT=/tmp/a.%n.heap,signal=USR2   at each such signal
//!   NTHEAP_SNAPSHOT=/tmp/a.%p.heap,signal=USR2,exit
//! ```
//!
//! Of the file's name `%p` stands for the process's number and `%n` for the snapshot's, 1
//! for the first. Invariants: as for gflags.rs.

use super::options::parse_size;
use crate::report::FixedBuffer;
use core::ffi::c_int;
use core::fmt::Write;

/// Most bytes of a file's name, the zero at its end included.
pub(crate) const PATH_MAX: usize = 4096;

/// What `NTHEAP_SNAPSHOT` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Snapshots {
    path: [u8; PATH_MAX],
    length: usize,
    /// The signal at which one is made; 0 for none.
    pub(crate) signal: c_int,
    /// Whether one is made when the process ends.
    pub(crate) at_exit: bool,
}

impl Snapshots {
    /// The name of the file of snapshot number `nth` of process `pid`, with a zero at its
    /// end; `None` when it is too long.
    pub(crate) fn path(&self, pid: u32, nth: u32) -> Option<FixedBuffer<PATH_MAX>> {
        let mut name = FixedBuffer::new();
        let mut rest = self.path.get(..self.length)?;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            let number = match (byte, rest.first()) {
                (b'%', Some(b'p')) => Some(pid),
                (b'%', Some(b'n')) => Some(nth),
                _ => None,
            };
            match number {
                Some(number) => {
                    // The buffer never fails.
                    let _ = write!(name, "{number}");
                    rest = rest.get(1..).unwrap_or_default();
                }
                None => name.push(byte),
            }
        }
        name.push(0);
        (!name.is_full()).then_some(name)
    }
}

/// Signals by their names.
const SIGNALS: [(&[u8], c_int); 6] = [
    (b"USR1", libc::SIGUSR1),
    (b"USR2", libc::SIGUSR2),
    (b"HUP", libc::SIGHUP),
    (b"QUIT", libc::SIGQUIT),
    (b"WINCH", libc::SIGWINCH),
    (b"PROF", libc::SIGPROF),
];

/// Reads a variable's value; `None`, and `warn` has a line, where there is a mistake in it.
pub(crate) fn read(value: &[u8], warn: &mut dyn FnMut(&[u8])) -> Option<Snapshots> {
    let mut found = Snapshots {
        path: [0; PATH_MAX],
        length: 0,
        signal: 0,
        at_exit: false,
    };
    let mut items = value.split(|&byte| byte == b',');
    let path = items.next().unwrap_or_default();
    let is_named = !path.is_empty() && path.len() < PATH_MAX;
    let wrong = if is_named {
        items.find(|item| !found.apply(item))
    } else {
        Some(path)
    };
    if let Some(item) = wrong {
        // Four times as many characters as are shown, and a hundred or two.
        let mut line = FixedBuffer::<512>::new();
        let shown = item.get(..item.len().min(64)).unwrap_or_default();
        // The buffer truncates and never fails.
        let _ = writeln!(
            line,
            "ntheap: NTHEAP_SNAPSHOT: \"{}\" is not valid, and no snapshots are made; valid: \
             FILE, then perhaps ,signal=USR2 and ,exit",
            shown.escape_ascii(),
        );
        warn(line.as_bytes());
        return None;
    }
    for (to, from) in found.path.iter_mut().zip(path) {
        *to = *from;
    }
    found.length = path.len();
    found.at_exit |= found.signal == 0;
    Some(found)
}

impl Snapshots {
    /// Applies an item behind the file's name; false for a mistake.
    fn apply(&mut self, item: &[u8]) -> bool {
        if item == b"exit" {
            self.at_exit = true;
            return true;
        }
        let Some(signal) = item.strip_prefix(b"signal=") else {
            return false;
        };
        let name = signal.strip_prefix(b"SIG").unwrap_or(signal);
        let named = SIGNALS.iter().find(|(known, _)| *known == name);
        let number = named.map(|&(_, number)| number).or_else(|| {
            // Those that a program may have for itself.
            let number = c_int::try_from(parse_size(name)?).ok()?;
            let is_known = SIGNALS.iter().any(|&(_, known)| known == number);
            (is_known || (34..=64).contains(&number)).then_some(number)
        });
        self.signal = number.unwrap_or(0);
        number.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::ToOwned;
    use std::string::String;

    fn read_one(value: &str) -> (Option<Snapshots>, String) {
        let mut warnings = String::new();
        let found = read(value.as_bytes(), &mut |text| {
            warnings.push_str(std::str::from_utf8(text).expect("warnings are UTF-8"));
        });
        (found, warnings)
    }

    #[test]
    fn values_that_are_valid() {
        for (value, signal, at_exit) in [
            ("a", 0, true),
            ("a,exit", 0, true),
            ("a,signal=USR2", libc::SIGUSR2, false),
            ("a,signal=SIGUSR1,exit", libc::SIGUSR1, true),
            ("a,exit,signal=40", 40, true),
            ("a,signal=10", 10, false),
        ] {
            let (found, warnings) = read_one(value);
            let found = found.expect(value);
            assert_eq!((found.signal, found.at_exit), (signal, at_exit), "{value}");
            assert_eq!(warnings, "", "{value}");
            assert_eq!(found.path(1, 2).expect("short").as_bytes(), b"a\0");
        }
    }

    #[test]
    fn mistakes_are_told() {
        for value in [
            "",
            ",exit",
            "a,",
            "a,exits",
            "a,signal=",
            "a,signal=KILL",
            "a,signal=11",
            "a,signal=65",
            "a,signal=9",
            "a,signal=USR2x",
        ] {
            let (found, warnings) = read_one(value);
            assert_eq!(found, None, "{value}");
            assert!(
                warnings.starts_with("ntheap: NTHEAP_SNAPSHOT: \""),
                "{value}: {warnings}"
            );
        }
        let long = read_one(&("a,".to_owned() + &"\u{1}".repeat(300))).1;
        assert!(long.ends_with("and ,exit\n"), "{long}");
        assert_eq!(
            read_one("a,signal=KILL").1,
            "ntheap: NTHEAP_SNAPSHOT: \"signal=KILL\" is not valid, and no snapshots are made; \
             valid: FILE, then perhaps ,signal=USR2 and ,exit\n"
        );
    }

    #[test]
    fn names_have_numbers() {
        let of = |value: &str, pid, nth| {
            let name = read_one(value).0.expect(value).path(pid, nth);
            name.map(|name| String::from_utf8(name.as_bytes().to_vec()).expect("UTF-8"))
        };
        assert_eq!(of("/t/%p.%n", 17, 3).as_deref(), Some("/t/17.3\0"));
        assert_eq!(of("%n%n%%p%q%", 1, 2).as_deref(), Some("22%1%q%\0"));
        let long = "x".repeat(PATH_MAX - 3) + "%p";
        assert!(of(&long, 10, 1).is_some());
        assert_eq!(of(&long, 100, 1), None);
    }
}
