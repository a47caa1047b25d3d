//! Running one process to its end, with a limit.

use std::fs::File;
use std::io::{self, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Why a run gave no figures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For a cell of a table: `exit 1`.
    pub(crate) short: String,
    /// What is known beyond that, in one line; may be empty.
    pub(crate) detail: String,
}

impl Failure {
    pub(crate) fn new(short: impl Into<String>, detail: impl Into<String>) -> Self {
        Failure {
            short: short.into(),
            detail: detail.into(),
        }
    }
}

/// A process that ended with status 0.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Empty where standard output went into a file.
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

/// Runs `command` without input; its output is caught, or goes into `output`.
pub(crate) fn run(
    command: &mut Command,
    output: Option<File>,
    limit: Duration,
) -> Result<Ended, Failure> {
    command.stdin(Stdio::null()).stderr(Stdio::piped());
    match output {
        Some(file) => command.stdout(file),
        None => command.stdout(Stdio::piped()),
    };
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .spawn()
        .map_err(|e| Failure::new("cannot start", format!("{program}: {e}")))?;
    let mut stdout = collect(child.stdout.take());
    let mut stderr = collect(child.stderr.take());
    // The pipes close when the process and whatever it started have ended.
    let streams = stderr
        .within(limit)
        .and_then(|stderr| Some((stdout.within(limit)?, stderr)));
    let Some((stdout, stderr)) = streams else {
        // It was not waited for yet: the number is still its own.
        let _ = child.kill();
        let _ = child.wait();
        return Err(Failure::new(
            "time limit",
            format!("not at its end after {} s", limit.as_secs_f64()),
        ));
    };
    let status = child
        .wait()
        .map_err(|e| Failure::new("cannot wait", e.to_string()))?;
    let stderr = String::from_utf8_lossy(&stderr).into_owned();
    if status.success() {
        Ok(Ended { stdout, stderr })
    } else {
        Err(Failure::new(how(status), last_line(&stderr)))
    }
}

/// `exit 1` or `signal 11`.
fn how(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("signal {signal}");
    }
    match status.code() {
        Some(code) => format!("exit {code}"),
        None => status.to_string(),
    }
}

/// The last line with anything in it.
pub(crate) fn last_line(text: &str) -> String {
    let line = text.lines().rev().find(|line| !line.trim().is_empty());
    line.unwrap_or_default().trim().to_owned()
}

/// What a thread reads from a stream until it is closed.
struct Collected(mpsc::Receiver<Vec<u8>>);

impl Collected {
    fn within(&mut self, limit: Duration) -> Option<Vec<u8>> {
        self.0.recv_timeout(limit).ok()
    }
}

fn collect(stream: Option<impl Read + Send + 'static>) -> Collected {
    let (give, take) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What was read before an error still tells something.
            let _: io::Result<usize> = stream.read_to_end(&mut bytes);
        }
        // Nobody listens after the limit.
        let _ = give.send(bytes);
    });
    Collected(take)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::time::Instant;

    fn sh(script: &str, limit: Duration) -> Result<Ended, Failure> {
        run(Command::new("sh").args(["-c", script]), None, limit)
    }

    #[test]
    fn output_and_the_ways_to_fail() {
        let minute = Duration::from_secs(60);
        let good = sh("echo out; echo err >&2", minute).expect("status 0");
        assert_eq!(
            (good.stdout.as_slice(), good.stderr.as_str()),
            (&b"out\n"[..], "err\n")
        );
        let failure = sh("echo one >&2; echo two >&2; echo >&2; exit 3", minute).expect_err("3");
        assert_eq!(failure, Failure::new("exit 3", "two"));
        let failure = sh("kill -SEGV $$", minute).expect_err("a signal");
        assert_eq!(failure.short, "signal 11");
        let failure = run(&mut Command::new("/nowhere/at/all"), None, minute).expect_err("missing");
        assert_eq!(failure.short, "cannot start");
        assert!(
            failure.detail.starts_with("/nowhere/at/all: "),
            "{}",
            failure.detail
        );
    }

    #[test]
    fn a_process_that_does_not_end_is_ended() {
        let start = Instant::now();
        let failure = sh("exec sleep 60", Duration::from_millis(100)).expect_err("the limit");
        assert_eq!(failure.short, "time limit");
        assert!(start.elapsed() < Duration::from_secs(30));
    }
}
