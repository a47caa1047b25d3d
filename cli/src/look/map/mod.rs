//! `ntheap map`: pictures of an address space and its heaps.

use super::args::Map;
use super::source::{Failure, Source};

pub(crate) fn run(options: &Map) -> Result<u8, Failure> {
    let _snapshot = Source::of(&options.source).read(options.stop)?;
    Ok(0)
}
