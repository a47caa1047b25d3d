//! A report as one line of JSON, for programs that read reports
//! (`NTHEAP_REPORT=json`).
//!
//! Addresses are strings of hexadecimal digits, since not every reader of JSON
//! keeps 64 bits of a number; sizes, threads and numbers of stops are numbers.
//! What a report does not have is left out.

use super::detail::{BlockLayout, Place, Trace};
use super::{Block, NAME_MAX, Report};
use core::fmt::{self, Write};

/// A report that `Display` writes as JSON, with a line feed at its end.
pub(crate) struct Json<'a, 'b>(pub(crate) &'a Report<'b>);

/// So many of a string's characters between quotes.
struct Text<'a>(&'a str, usize);

impl fmt::Display for Text<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_char('"')?;
        for letter in self.0.chars().take(self.1) {
            match letter {
                '"' | '\\' => {
                    out.write_char('\\')?;
                    out.write_char(letter)?;
                }
                '\0'..='\x1f' => write!(out, "\\u{:04x}", u32::from(letter))?,
                _ => out.write_char(letter)?,
            }
        }
        out.write_char('"')
    }
}

/// A member whose value is a name, cut as names are in text; nothing if it is empty.
fn text(out: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    if value.is_empty() {
        return Ok(());
    }
    write!(out, ",\"{name}\":{}", Text(value, NAME_MAX))
}

impl fmt::Display for Json<'_, '_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        write!(
            out,
            "{{\"stop\":{},\"symbol\":\"{}\",\"meaning\":{},\"pid\":{},\"thread\":{}",
            report.stop.number(),
            report.stop.symbol(),
            Text(report.stop.meaning(), usize::MAX),
            crate::sys::process_id(),
            report.thread,
        )?;
        out.write_str(",\"parameters\":[")?;
        let labels = report.stop.parameter_labels();
        for (index, (value, label)) in report.parameters.iter().zip(labels).enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(
                out,
                "{comma}{{\"value\":\"{value:#x}\",\"label\":{}}}",
                Text(label, usize::MAX)
            )?;
        }
        out.write_char(']')?;
        text(out, "operation", report.operation)?;
        if report.address != 0 {
            write!(out, ",\"address\":\"{:#x}\"", report.address)?;
        }
        text(out, "heap", report.heap)?;
        text(out, "module", report.module)?;
        if let Some(block) = &report.block {
            write_block(block, report.address, out)?;
            if report.lacks_guards {
                out.write_str(",\"lacks_guards\":true")?;
            }
        }
        text(out, "owner", report.owner.unwrap_or_default())?;
        text(out, "owner_module", report.owner_module)?;
        if let Some(damage) = &report.damage {
            write!(
                out,
                ",\"damage\":{{\"address\":\"{:#x}\",\"changed\":{},\"from\":\"{:#x}\",\"expected\":\"",
                damage.address, damage.changed, damage.shown_from,
            )?;
            write_bytes(&damage.expected, out)?;
            out.write_str("\",\"found\":\"")?;
            write_bytes(damage.found(), out)?;
            out.write_str("\"}")?;
        }
        if let Some(layouts) = &report.layouts {
            out.write_str(",\"layouts\":{\"given\":")?;
            write_layout(&layouts.given, out)?;
            out.write_str(",\"allocated\":")?;
            write_layout(&layouts.allocated, out)?;
            out.write_char('}')?;
        }
        if let Some(families) = &report.families {
            write!(
                out,
                ",\"families\":{{\"given\":\"{}\",\"allocated\":\"{}\"}}",
                families.given, families.allocated
            )?;
        }
        if let Some(stray) = &report.stray {
            let what = if stray.is_index { "index" } else { "pointer" };
            write!(
                out,
                ",\"stray\":{{\"value\":\"{:#x}\",\"what\":\"{what}\"",
                stray.value
            )?;
            if stray.times != 1 {
                write!(out, ",\"times\":{}", stray.times)?;
            }
            text(out, "register", stray.register)?;
            write!(
                out,
                ",\"read_from\":{}}}",
                Text(stray.origin.name(), NAME_MAX)
            )?;
        }
        for (name, trace) in [
            ("accessed", &report.accessed),
            ("allocated", &report.allocated),
            ("freed", &report.freed),
        ] {
            if let Some(trace) = trace {
                write_trace(name, trace, out)?;
            }
        }
        if !report.advice.is_empty() {
            write!(out, ",\"advice\":{}", Text(report.advice, usize::MAX))?;
        }
        out.write_str("}\n")
    }
}

fn write_block(block: &Block, address: usize, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        out,
        ",\"block\":{{\"start\":\"{:#x}\",\"size\":{},\"state\":\"{}\",\"offset\":{}}}",
        block.start,
        block.size,
        block.state.name(),
        address.wrapping_sub(block.start) as isize,
    )
}

fn write_bytes(bytes: &[u8], out: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
}

fn write_layout(layout: &BlockLayout, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(
        out,
        "{{\"size\":{},\"align\":{}}}",
        layout.size, layout.align
    )
}

fn write_trace(name: &str, trace: &Trace<'_>, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(out, ",\"{name}\":{{\"thread\":{}", trace.thread)?;
    text(out, "name", trace.name.as_str())?;
    out.write_str(",\"frames\":[")?;
    for (index, &frame) in trace.frames.iter().enumerate() {
        let place = Place::of(frame);
        let comma = if index == 0 { "" } else { "," };
        write!(out, "{comma}{{\"address\":\"{frame:#x}\"")?;
        text(out, "module", place.file())?;
        write!(out, ",\"offset\":\"{:#x}\"}}", place.offset)?;
    }
    out.write_str("]}")
}
