//! The view in a terminal, from its first frame to its last.

use super::ended;
use super::sample::Sample;
use super::state::{Next, State};
use super::view::{self, Look};
use crate::format;
use crate::look::args::Top;
use crate::look::source::{FILE, Failure};
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::event::{self, Event, KeyEventKind};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, enable_raw_mode};
use ratatui::{DefaultTerminal, Terminal};
use std::ffi::c_int;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use std::{panic, process, thread};

/// How long a signal may wait for the terminal to be put right.
const HEARS: Duration = Duration::from_millis(100);

/// How long the end of the terminal is waited for at a time.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether the system asks this command to end.
static IS_ASKED: AtomicBool = AtomicBool::new(false);

/// Whether it asks this command to stop until it is told to go on.
static IS_TO_STOP: AtomicBool = AtomicBool::new(false);

/// Shows the process until the user has seen enough, or it has ended.
pub(super) fn run(options: &Top, state: State) -> Result<u8, Failure> {
    hear_signals();
    // From here on a panic, too, puts the terminal right before it is told, but for the
    // cursor.
    let mut terminal = ratatui::try_init().map_err(unusable)?;
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let _ = execute!(io::stdout(), Show);
        tell(info);
    }));
    // What reads the keys takes the end of a closed terminal for no key yet, and reads
    // again for ever.
    thread::spawn(|| {
        while !is_closed_within(PATIENCE) {}
        process::exit(0);
    });
    let shown = show(options, state, &mut terminal);
    let restored = ratatui::try_restore().map_err(unusable);
    if is_closed_within(Duration::ZERO) {
        // Nobody is there to be told, and to try to would be a panic.
        process::exit(0);
    }
    shown.and_then(|code| restored.map(|()| code))
}

fn unusable(why: io::Error) -> Failure {
    Failure::new(FILE, format!("the terminal cannot be used: {why}"))
}

fn show(options: &Top, mut state: State, terminal: &mut DefaultTerminal) -> Result<u8, Failure> {
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
            if IS_TO_STOP.swap(false, Ordering::Relaxed) {
                stop(terminal).map_err(unusable)?;
                is_wanted = true;
                break;
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

/// Stops until the command is told to go on, and leaves the terminal to others meanwhile.
fn stop(terminal: &mut DefaultTerminal) -> io::Result<()> {
    terminal.show_cursor()?;
    ratatui::try_restore()?;
    // SAFETY: touches no memory of the process.
    unsafe { libc::raise(libc::SIGSTOP) };
    enable_raw_mode()?;
    execute!(io::stdout(), EnterAlternateScreen)?;
    // One that has drawn nothing yet, for nothing of what it drew is left.
    *terminal = Terminal::new(CrosstermBackend::new(io::stdout()))?;
    Ok(())
}

/// Waits until the terminal is closed, but only so long; whether it is.
fn is_closed_within(patience: Duration) -> bool {
    // No key ends the wait, only what is told unasked: the end, and errors.
    let mut input = libc::pollfd {
        fd: libc::STDIN_FILENO,
        events: 0,
        revents: 0,
    };
    let patience = c_int::try_from(patience.as_millis()).unwrap_or(c_int::MAX);
    // SAFETY: `input` is one entry, writable for the length of the call.
    unsafe { libc::poll(&mut input, 1, patience) > 0 }
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

/// The signals that end a process which does not hear them, and are not its own fault.
const ENDING: [c_int; 12] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGVTALRM,
    libc::SIGPROF,
    libc::SIGIO,
    libc::SIGPWR,
    libc::SIGXCPU,
];

/// Has signals that ask to end or to stop noted, for the terminal to be put right first.
fn hear_signals() {
    extern "C" fn note(_: c_int) {
        IS_ASKED.store(true, Ordering::Relaxed);
    }
    extern "C" fn note_stop(_: c_int) {
        IS_TO_STOP.store(true, Ordering::Relaxed);
    }
    let hear = |signal, handler: extern "C" fn(c_int)| {
        // SAFETY: the handler stores to an atomic, which is allowed in one; a failure
        // leaves the signal as it was.
        unsafe { libc::signal(signal, handler as libc::sighandler_t) };
    };
    for signal in ENDING {
        hear(signal, note);
    }
    hear(libc::SIGTSTP, note_stop);
}
