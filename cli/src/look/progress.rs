//! Says on a terminal what takes long.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What takes less is not spoken of.
const PATIENCE: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(120);

/// Something that is being done until this is dropped. It is named on standard error
/// once it took two seconds, if that is a terminal, and the line is gone afterwards.
pub(crate) struct Doing(Option<(Sender<()>, JoinHandle<()>)>);

impl Doing {
    pub(crate) fn begin(what: impl Into<String>) -> Doing {
        if !io::stderr().is_terminal() {
            return Doing(None);
        }
        let what = what.into();
        let (over, is_over) = mpsc::channel::<()>();
        let says = move || {
            if is_over.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = ProgressBar::new_spinner();
            // A style without colours.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg}, {elapsed}") {
                bar.set_style(style);
            }
            bar.set_elapsed(PATIENCE);
            bar.set_message(what);
            while is_over.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                bar.tick();
            }
            bar.finish_and_clear();
        };
        // Without a thread nothing is said.
        let thread = thread::Builder::new().spawn(says);
        Doing(thread.ok().map(|thread| (over, thread)))
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
