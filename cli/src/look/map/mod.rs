//! `ntheap map`: pictures of an address space and its heaps, in the manner of
//! VMMap.
//!
//! ```text
//!   Snapshot --> kinds: what each mapping is     --+
//!            --> cells: what heaps' memory holds --+--> draw --> canvas --> SVG
//!                                                         page --> HTML around it
//! ```
//!
//! A mapping is of one kind, though the system joins neighbours that are alike: it
//! is a heap's if at least half of it is. Pictures stay below five megabytes
//! whatever the heaps hold: rows are put together, and alike columns drawn once.

pub(crate) mod canvas;
mod cells;
mod draw;
mod kinds;
pub(crate) mod page;

use super::args::{Format, Map};
use super::output;
use super::progress::Doing;
use super::source::{Failure, Source, unwritable};
use serde_json::json;
use std::fs;
use std::io::Write;

pub(crate) fn run(options: &Map) -> Result<u8, Failure> {
    let path = &options.output;
    let ending = path.extension().and_then(|ending| ending.to_str());
    let is_page = match ending {
        Some("html" | "htm") => true,
        Some("svg") => false,
        _ => {
            return Err(Failure::new(
                super::source::USAGE,
                format!("{} ends in neither .svg nor .html", path.display()),
            ));
        }
    };
    let snapshot = Source::of(&options.source).read(options.stop)?;
    let doing = Doing::begin("drawing");
    let picture = draw::picture(&snapshot);
    let text = if is_page {
        page::page(&snapshot, &picture)
    } else {
        picture
    };
    let bytes = text.len() as u64;
    fs::write(path, text).map_err(|why| unwritable(path, &why))?;
    drop(doing);
    let mut out = output::out();
    let written = match options.format {
        Format::Json => {
            let mut map = output::head(&snapshot);
            map.insert("file".to_owned(), json!(path.display().to_string()));
            map.insert("bytes".to_owned(), bytes.into());
            map.insert("kinds".to_owned(), draw::kinds_json(&snapshot));
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
