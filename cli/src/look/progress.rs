//! Says on standard error what takes long, and how much of it is done where that is known.
//!
//! On a terminal: one line, which is gone afterwards, once a second is over. With
//! `--progress`, at once, and elsewhere a plain line whenever there is something new to say.
//! Answers go to standard output, and colours are not used.

use indicatif::{ProgressBar, ProgressStyle};
use ntheap_inspect::progress::percent;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What takes less is not spoken of, unless it is asked for.
const PATIENCE: Duration = Duration::from_secs(1);
const TICK: Duration = Duration::from_millis(120);
/// Between two lines where there is no terminal.
const PAUSE: Duration = Duration::from_millis(20);

static IS_ASKED_FOR: AtomicBool = AtomicBool::new(false);

/// From here on work is spoken of at once, terminal or not.
pub(crate) fn ask_for() {
    IS_ASKED_FOR.store(true, Ordering::Relaxed);
}

/// Something that is being done until this is dropped.
pub(crate) struct Doing(Option<(Sender<()>, JoinHandle<()>)>);

impl Doing {
    pub(crate) fn begin(what: impl Into<String>) -> Doing {
        let is_asked_for = IS_ASKED_FOR.load(Ordering::Relaxed);
        let is_terminal = is_terminal();
        if !is_terminal && !is_asked_for {
            return Doing(None);
        }
        let what = what.into();
        let (over, is_over) = mpsc::channel::<()>();
        let says = move || {
            if !is_terminal {
                return lines(&what, &is_over);
            }
            if is_asked_for {
                line(&what, Duration::ZERO, &is_over);
            } else if is_over.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                line(&what, PATIENCE, &is_over);
            }
        };
        // Without a thread nothing is said.
        let thread = thread::Builder::new().spawn(says);
        Doing(thread.ok().map(|thread| (over, thread)))
    }
}

/// Whether standard error is a terminal on which a line can be written anew.
fn is_terminal() -> bool {
    io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|name| name != "dumb")
}

/// One line that changes, until it is over.
fn line(what: &str, elapsed: Duration, is_over: &Receiver<()>) {
    let bar = ProgressBar::new_spinner();
    // A style without colours.
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}, {elapsed}") {
        bar.set_style(style);
    }
    bar.set_elapsed(elapsed);
    loop {
        bar.set_message(words(what, percent()));
        bar.tick();
        if is_over.recv_timeout(TICK) != Err(RecvTimeoutError::Timeout) {
            break;
        }
    }
    bar.finish_and_clear();
}

/// A line for each whole percentage that is seen, and one at the end.
fn lines(what: &str, is_over: &Receiver<()>) {
    let say = |words: String| {
        // Nobody is left to tell if standard error is gone.
        let _ = writeln!(io::stderr(), "ntheap: {words}");
    };
    say(words(what, None));
    let mut last = None;
    while is_over.recv_timeout(PAUSE) == Err(RecvTimeoutError::Timeout) {
        let now = percent();
        if now.is_some() && now > last {
            say(words(what, now));
            last = now;
        }
    }
    say(format!("{what}: done"));
}

fn words(what: &str, percent: Option<u64>) -> String {
    match percent {
        Some(percent) => format!("{what}: {percent} %"),
        None => what.to_owned(),
    }
}

impl Drop for Doing {
    fn drop(&mut self) {
        if let Some((over, thread)) = self.0.take() {
            drop(over);
            let _ = thread.join();
        }
    }
}
