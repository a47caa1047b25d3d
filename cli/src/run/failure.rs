//! Why a program was not run on ntheap, with the exit status for each reason.

/// libntheap.so was not found.
pub(crate) const NO_LIBRARY: u8 = 120;
/// The program is not dynamically linked.
pub(crate) const STATIC: u8 = 121;
/// The program changes its rights when it starts.
pub(crate) const PRIVILEGED: u8 = 122;
/// The program has an allocator of its own. The library ends such a program
/// with this status itself.
pub(crate) const OWN_MALLOC: u8 = 123;
/// The library was not loaded into the program.
pub(crate) const NOT_LOADED: u8 = 124;
/// Something failed around the program.
pub(crate) const INTERNAL: u8 = 125;
/// The program cannot be executed.
pub(crate) const NOT_EXECUTABLE: u8 = 126;
/// There is no such program.
pub(crate) const NOT_FOUND: u8 = 127;

/// A refusal or a failure of `ntheap run` itself.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit status.
    pub(crate) code: u8,
    /// What happened and what to do, without the command's name.
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(code: u8, message: impl Into<String>) -> Self {
        Failure {
            code,
            message: message.into(),
        }
    }
}
