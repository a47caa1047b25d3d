//! Which heap an instance is on: its maker says, and over that
//! `NTHEAP_CRT=private|shared|process`.

use crate::report::FixedBuffer;
use crate::sys;
use core::fmt::Write;
use core::sync::atomic::{AtomicU8, Ordering};

/// Which heap the instances of the C runtime are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// A heap for each instance: modules that link the runtime statically
    /// (Visual C++ 2002 to 2008). A block that another instance frees is
    /// reported.
    Private = 1,
    /// One heap for all instances, which is not the process heap: modules that
    /// share one runtime library (`msvcrt.dll`, `msvcr90.dll`).
    Shared = 2,
    /// The process heap for all instances (Visual C++ 2012 and newer). A block
    /// that another instance frees is none of the bugs that show.
    Process = 3,
}

impl Mode {
    /// The value of `NTHEAP_CRT` that means this mode.
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Private => "private",
            Mode::Shared => "shared",
            Mode::Process => "process",
        }
    }

    fn of_name(name: &[u8]) -> Option<Mode> {
        [Mode::Private, Mode::Shared, Mode::Process]
            .into_iter()
            .find(|mode| name.eq_ignore_ascii_case(mode.name().as_bytes()))
    }

    const fn of_number(number: u8) -> Option<Mode> {
        match number {
            1 => Some(Mode::Private),
            2 => Some(Mode::Shared),
            3 => Some(Mode::Process),
            _ => None,
        }
    }

    /// What the environment says, if it says anything that is a mode; a value
    /// that is none is named once on standard error. Read once.
    pub fn from_environment() -> Option<Mode> {
        const UNREAD: u8 = 0;
        const SAYS_NOTHING: u8 = 4;
        static SAID: AtomicU8 = AtomicU8::new(UNREAD);
        match SAID.load(Ordering::Relaxed) {
            UNREAD => {
                let mode = read();
                let number = mode.map_or(SAYS_NOTHING, |mode| mode as u8);
                SAID.store(number, Ordering::Relaxed);
                mode
            }
            number => Mode::of_number(number),
        }
    }
}

fn read() -> Option<Mode> {
    // Beside what else is read at load (capi/rare.ld).
    #[cfg_attr(target_os = "linux", unsafe(link_section = ".rodata.load"))]
    static NAME: [u8; 10] = *b"NTHEAP_CRT";
    if sys::is_privileged() {
        return None;
    }
    let mut mode = None;
    let mut is_first = true;
    sys::for_each_env(&NAME, &mut |name, value| {
        let value = value.trim_ascii();
        if name != NAME || !is_first || value.is_empty() {
            return;
        }
        is_first = false;
        mode = Mode::of_name(value);
        if mode.is_none() {
            let mut text = FixedBuffer::<128>::new();
            // The buffer truncates and never fails.
            let _ = text.write_str(
                "ntheap: NTHEAP_CRT is not valid, ignored; valid: private, shared or process\n",
            );
            sys::write_stderr(text.as_bytes());
        }
    });
    mode
}

#[cfg(test)]
mod tests {
    use super::Mode;

    #[test]
    fn names_are_modes_in_upper_and_lower_case() {
        for mode in [Mode::Private, Mode::Shared, Mode::Process] {
            assert_eq!(Mode::of_name(mode.name().as_bytes()), Some(mode));
            assert_eq!(Mode::of_number(mode as u8), Some(mode));
        }
        assert_eq!(Mode::of_name(b"PRIVATE"), Some(Mode::Private));
        assert_eq!(Mode::of_name(b"priv"), None);
        assert_eq!(Mode::of_name(b""), None);
    }
}
