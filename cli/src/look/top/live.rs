//! The view in a terminal, from its first frame to its last.

use super::ended;
use super::sample::Sample;
use super::state::{Next, State};
use super::view::{self, Look};
use crate::format;
use crate::look::args::Top;
use crate::look::source::{FILE, Failure};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use std::ffi::c_int;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How long a signal may wait for the terminal to be put right.
const HEARS: Duration = Duration::from_millis(100);

/// Whether the system asks this command to end.
static IS_ASKED: AtomicBool = AtomicBool::new(false);

/// Shows the process until the user has seen enough, or it has ended.
pub(super) fn run(options: &Top, state: State) -> Result<u8, Failure> {
    hear_signals();
    // From here on a panic, too, puts the terminal right before it is told.
    let terminal = ratatui::try_init().map_err(unusable)?;
    let shown = show(options, state, terminal);
    let restored = ratatui::try_restore().map_err(unusable);
    shown.and_then(|code| restored.map(|()| code))
}

fn unusable(why: io::Error) -> Failure {
    Failure::new(FILE, format!("the terminal cannot be used: {why}"))
}

fn show(options: &Top, mut state: State, mut terminal: DefaultTerminal) -> Result<u8, Failure> {
    let look = Look {
        has_colours: format::colours(&io::stdout()),
        is_live: true,
    };
    let mut looked = Instant::now();
    loop {
        terminal
            .draw(|frame| view::draw(&state, frame.area(), frame.buffer_mut(), look))
            .map_err(unusable)?;
        // A process that takes long to look at is looked at less often.
        let every = options.interval().max(state.now().took * 2);
        let mut is_wanted = false;
        loop {
            if IS_ASKED.load(Ordering::Relaxed) {
                return Ok(0);
            }
            let left = every.saturating_sub(looked.elapsed());
            if left.is_zero() && !state.is_paused {
                is_wanted = true;
                break;
            }
            let patience = if state.is_paused {
                HEARS
            } else {
                left.min(HEARS)
            };
            if !event::poll(patience).map_err(unusable)? {
                continue;
            }
            match event::read().map_err(unusable)? {
                Event::Key(key) if key.kind != KeyEventKind::Release => match state.press(key) {
                    Next::Quit => return Ok(0),
                    Next::Look => is_wanted = true,
                    Next::Draw => {}
                },
                // The next frame has the new size.
                Event::Resize(..) => {}
                _ => continue,
            }
            break;
        }
        if is_wanted {
            let next = Sample::take(options.pid).map_err(|failure| {
                if is_running(options.pid) {
                    failure
                } else {
                    ended(options.pid)
                }
            })?;
            // Another process that got its number is not the one.
            if next.started != state.now().started {
                return Err(ended(options.pid));
            }
            looked = Instant::now();
            state.take(next);
        }
    }
}

/// Whether there is such a process, and not only its remains.
fn is_running(pid: i32) -> bool {
    let stat = std::fs::read(format!("/proc/{pid}/stat")).unwrap_or_default();
    let stat = String::from_utf8_lossy(&stat);
    let state = stat
        .rsplit_once(')')
        .and_then(|(_, after)| after.split_ascii_whitespace().next());
    state.is_some_and(|state| state != "Z" && state != "X")
}

/// Has signals that ask to end noted, for the terminal to be put right first.
fn hear_signals() {
    extern "C" fn note(_: c_int) {
        IS_ASKED.store(true, Ordering::Relaxed);
    }
    let handler: extern "C" fn(c_int) = note;
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the handler stores to an atomic, which is allowed in one; a failure
        // leaves the signal as it was.
        unsafe { libc::signal(signal, handler as libc::sighandler_t) };
    }
}
