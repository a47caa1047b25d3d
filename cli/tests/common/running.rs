//! Programs that say what they have, for who looks at them.

use super::library;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

/// A program that says what it has, and goes on at each line it is sent.
pub(crate) struct Running {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Running {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("a pipe"));
        Running { child, lines }
    }

    pub(crate) fn preloaded(program: &Path) -> Running {
        Running::start(Command::new(program).env("LD_PRELOAD", library()))
    }

    pub(crate) fn pid(&self) -> String {
        self.child.id().to_string()
    }

    /// Lets it go on.
    pub(crate) fn go(&mut self) {
        let stdin = self.child.stdin.as_mut().expect("a pipe");
        stdin.write_all(b"\n").expect("written");
    }

    /// The lines up to `ready`.
    pub(crate) fn until_ready(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            let count = self.lines.read_line(&mut line).expect("a line");
            assert_ne!(count, 0, "the program ended after {lines:?}");
            match line.trim() {
                "ready" => return lines,
                line => lines.push(line.to_owned()),
            }
        }
    }

    /// Ends its input, and waits for its end, which is a good one.
    pub(crate) fn end(mut self) {
        drop(self.child.stdin.take());
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "{status}");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `kind address size`, as the programs here print them.
pub(crate) fn told(lines: &[String], kind: &str) -> BTreeMap<String, u64> {
    let of_line = |line: &String| {
        let mut words = line.split(' ');
        (words.next()? == kind).then_some(())?;
        let address = words.next()?.to_owned();
        Some((address, words.next()?.parse().ok()?))
    };
    lines.iter().filter_map(of_line).collect()
}
