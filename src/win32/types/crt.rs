//! The C runtime's types.

/// A number of bytes or members, as C spells it.
pub type size_t = usize;
/// A number with sign as wide as a pointer.
pub type intptr_t = isize;
/// A number without sign as wide as a pointer: C's `unsigned long` as well.
pub type uintptr_t = usize;
/// What errno can be.
pub type errno_t = i32;
/// What `_set_new_handler` is told: the bytes asked for; 0 gives up.
pub type _PNH = Option<crate::crt::new_handler::Handler>;
/// What `_set_invalid_parameter_handler` is told: expression, function and file,
/// the line, and a word that is reserved.
pub type _invalid_parameter_handler = Option<crate::crt::invalid::Handler>;
/// An entry of `_heapwalk`.
pub type _HEAPINFO = crate::crt::check::HeapInfo;
