//! `ntheap snapshot`: a process's heaps, kept in a file.

use super::args::{Format, Snapshot};
use super::output;
use super::progress::Doing;
use super::source::{Failure, Source, unwritable};
use ntheap_inspect::file;
use serde_json::json;
use std::io::Write;

pub(crate) fn run(options: &Snapshot) -> Result<u8, Failure> {
    let snapshot = Source::Process(options.pid).read(options.stop)?;
    let path = &options.output;
    let doing = Doing::begin(format!("writing {}", path.display()));
    file::write(&snapshot, path).map_err(|why| unwritable(path, &why))?;
    drop(doing);
    let bytes = std::fs::metadata(path).map_or(0, |file| file.len());
    let mut out = output::out();
    let written = match options.format {
        Format::Json => {
            let mut map = output::head(&snapshot);
            map.insert("file".to_owned(), json!(path.display().to_string()));
            map.insert("bytes".to_owned(), bytes.into());
            map.insert("blocks".to_owned(), snapshot.blocks.len().into());
            output::write_json(&mut out, &map)
        }
        Format::Text => writeln!(
            out,
            "{}\nwritten to {}, {}",
            output::title(&snapshot),
            path.display(),
            crate::format::bytes(bytes)
        ),
    };
    output::finish(out, written)?;
    Ok(output::tell_missing(&snapshot, 0))
}
