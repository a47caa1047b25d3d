//! `ntheap snapshot`: a process's heaps, kept in a file.

use super::args::Snapshot;
use super::output;
use super::progress::Doing;
use super::source::{Failure, Source, unwritable};
use ntheap_inspect::file;

pub(crate) fn run(options: &Snapshot) -> Result<u8, Failure> {
    let snapshot = Source::Process(options.pid).read(options.stop)?;
    let path = &options.output;
    let doing = Doing::begin(format!("writing {}", path.display()));
    file::write(&snapshot, path).map_err(|why| unwritable(path, &why))?;
    drop(doing);
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    output::tell_written(
        &snapshot,
        path,
        bytes,
        options.format,
        ("blocks", snapshot.blocks.len().into()),
    )
}
