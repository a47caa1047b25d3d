//! Writing answers: to standard output, as text or JSON.

use super::args::Format;
use super::source::{FILE, Failure, PARTIAL};
use ntheap_inspect::Snapshot;
use ntheap_inspect::model::{Area, AreaKind, Heap};
use serde_json::{Value, json};
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::Path;

/// Standard output, written in pieces. A reader that is gone, as `head` goes, is
/// no failure.
pub(crate) type Out = BufWriter<StdoutLock<'static>>;

pub(crate) fn out() -> Out {
    BufWriter::with_capacity(1 << 16, io::stdout().lock())
}

/// What writing came to, once all is on its way.
pub(crate) fn finish(mut out: Out, written: io::Result<()>) -> Result<(), Failure> {
    match written.and_then(|()| out.flush()) {
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
            // What is left in the buffer has nowhere to go.
            drop(out.into_parts());
            Ok(())
        }
        Err(e) => {
            drop(out.into_parts());
            Err(Failure::new(
                FILE,
                format!("cannot write to standard output: {e}"),
            ))
        }
        Ok(()) => Ok(()),
    }
}

/// Says on standard error what a snapshot lacks; the exit status that says so.
pub(crate) fn tell_missing(snapshot: &Snapshot, otherwise: u8) -> u8 {
    tell_all_missing(&snapshot.missing, otherwise)
}

/// [`tell_missing`] of a list.
pub(crate) fn tell_all_missing(missing: &[String], otherwise: u8) -> u8 {
    if missing.is_empty() {
        return otherwise;
    }
    // Nobody is left to tell if standard error is gone.
    let mut to = io::stderr().lock();
    let _ = writeln!(to, "ntheap: the answer is partial; what is missing:");
    for what in missing {
        let _ = writeln!(to, "  {}", plain(what));
    }
    if otherwise == 0 { PARTIAL } else { otherwise }
}

/// Says that a file of so many bytes was made of a snapshot, and in JSON `more` of it;
/// the exit status.
pub(crate) fn tell_written(
    snapshot: &Snapshot,
    path: &Path,
    bytes: u64,
    format: Format,
    more: (&str, Value),
) -> Result<u8, Failure> {
    let mut out = out();
    let written = match format {
        Format::Json => {
            let mut map = head(snapshot);
            map.insert("file".to_owned(), json!(path.display().to_string()));
            map.insert("bytes".to_owned(), bytes.into());
            map.insert(more.0.to_owned(), more.1);
            write_json(&mut out, &map)
        }
        Format::Text => writeln!(
            out,
            "{}\nwritten to {}, {}",
            title(snapshot),
            path.display(),
            crate::format::bytes(bytes)
        ),
    };
    finish(out, written)?;
    Ok(tell_missing(snapshot, 0))
}

/// An address as text.
pub(crate) fn hex(address: u64) -> String {
    format!("{address:#x}")
}

/// What an area is, in words.
pub(crate) fn area_name(area: &Area) -> String {
    match area.kind {
        AreaKind::Subsegment => format!("bucket of {}", area.block_size),
        AreaKind::Region => "region".to_owned(),
        AreaKind::Large => "large block".to_owned(),
        AreaKind::Guarded => "guarded block".to_owned(),
    }
}

/// A heap's name, or its handle where it has none.
pub(crate) fn heap_name(heap: &Heap) -> String {
    if heap.name.is_empty() {
        return hex(heap.handle);
    }
    plain(&heap.name)
}

/// A text of another process, such as its name, for a terminal: what would be an order to
/// it is written as in a string of Rust's.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            plain.extend(character.escape_default());
        } else {
            plain.push(character);
        }
    }
    plain
}

/// The process of a snapshot, and what is missing.
pub(crate) fn head(snapshot: &Snapshot) -> serde_json::Map<String, Value> {
    let process = &snapshot.process;
    let mut map = serde_json::Map::new();
    map.insert(
        "process".to_owned(),
        json!({
            "pid": process.pid,
            "program": process.program,
            "time": process.time,
            "was_held": process.was_held,
        }),
    );
    map.insert("missing".to_owned(), json!(snapshot.missing));
    map
}

/// Writes JSON and a line's end.
pub(crate) fn write_json(out: &mut Out, value: &impl serde::Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// The line above a text: whose heaps.
pub(crate) fn title(snapshot: &Snapshot) -> String {
    let process = &snapshot.process;
    let held = snapshot.blocks.iter().filter(|block| block.state.is_held());
    let (mut blocks, mut bytes) = (0, 0);
    for block in held {
        blocks += 1;
        bytes += block.size;
    }
    let program = if process.program.is_empty() {
        String::new()
    } else {
        format!(", {}", plain(&process.program))
    };
    let heaps = snapshot.heaps.len();
    format!(
        "process {}{program}: {heaps} heap{}, {} blocks in use, {}",
        process.pid,
        if heaps == 1 { "" } else { "s" },
        crate::format::count(blocks),
        crate::format::bytes(bytes),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntheap_inspect::model::ProcessInfo;

    #[test]
    fn a_name_gives_a_terminal_no_orders() {
        let snapshot = Snapshot {
            process: ProcessInfo {
                pid: 7,
                program: "/tmp/\x1b[2Jgone\n\u{9b}äß".to_owned(),
                ..ProcessInfo::default()
            },
            heaps: vec![Heap {
                name: "a\tb".to_owned(),
                ..Heap::default()
            }],
            ..Snapshot::default()
        };
        let told = title(&snapshot);
        let expected = "process 7, /tmp/\\u{1b}[2Jgone\\n\\u{9b}äß: 1 heap, ";
        assert!(told.starts_with(expected), "{told}");
        assert_eq!(heap_name(&snapshot.heaps[0]), "a\\tb");
    }
}
