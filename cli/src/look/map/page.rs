//! One page of HTML with the picture in it, and the list of mappings below.

use super::canvas::escaped;
use super::kinds;
use crate::format::{bytes, count};
use ntheap_inspect::model::Snapshot;
use std::fmt::Write;

/// Mappings that are listed.
const LISTED: usize = 4000;

const STYLE: &str = "\
:root{color-scheme:light dark}\
body{margin:0;background:#fff;color:#1d2733;font:13px/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif}\
svg{display:block;margin:0 auto;max-width:100%;height:auto}\
details{max-width:1128px;margin:0 auto 48px;padding:0 36px}\
summary{cursor:pointer;font-weight:600;font-size:16px;margin:12px 0}\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\
th{text-align:left;color:#667382;font-weight:400}\
td,th{padding:2px 12px 2px 0;white-space:nowrap}td:last-child{white-space:normal;word-break:break-all}\
.r{text-align:right}code{font:12px ui-monospace,Menlo,Consolas,monospace}\
tr:hover td{background:#f0f3f6}\
@media (prefers-color-scheme:dark){body{background:#14181d;color:#e3e8ee}th{color:#94a1af}\
tr:hover td{background:#1f252c}}";

/// The page. It asks for nothing from anywhere.
pub(crate) fn page(snapshot: &Snapshot, picture: &str) -> String {
    let name = snapshot
        .process
        .program
        .rsplit('/')
        .next()
        .unwrap_or_default();
    let title = format!(
        "{} – heaps of process {}",
        escaped(name),
        snapshot.process.pid
    );
    let mut rest = String::new();
    list(&mut rest, snapshot);
    around(&title, picture, &rest)
}

/// A page with a picture, and what follows it. The title and the rest are HTML.
pub(crate) fn around(title: &str, picture: &str, rest: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n</head>\n<body>\n{picture}{rest}</body>\n</html>\n"
    )
}

fn list(html: &mut String, snapshot: &Snapshot) {
    let kinds = kinds::of(snapshot);
    let all = count(snapshot.mappings.len() as u64);
    // Strings take all that is written to them.
    let _ = write!(
        html,
        "<details><summary>All mappings ({all})</summary>\n<table><tr><th>address<th class=\"r\">size\
         <th class=\"r\">in memory<th>rights<th>kind<th>name</tr>\n"
    );
    for (mapping, kind) in snapshot.mappings.iter().zip(kinds).take(LISTED) {
        let rights: String = [
            (mapping.is_readable, 'r'),
            (mapping.is_writable, 'w'),
            (mapping.is_executable, 'x'),
            (mapping.is_shared, 's'),
        ]
        .iter()
        .map(|&(has, letter)| if has { letter } else { '-' })
        .collect();
        let resident = mapping.resident.map_or_else(String::new, bytes);
        let _ = writeln!(
            html,
            "<tr><td><code>{:#x}</code><td class=\"r\">{}<td class=\"r\">{resident}<td><code>{rights}\
             </code><td>{}<td>{}</tr>",
            mapping.start,
            bytes(mapping.end - mapping.start),
            kind.name(),
            escaped(&mapping.name),
        );
    }
    html.push_str("</table>\n");
    if snapshot.mappings.len() > LISTED {
        let _ = writeln!(html, "<p>The first {} of {all}.</p>", count(LISTED as u64));
    }
    for what in &snapshot.missing {
        let _ = writeln!(html, "<p>Missing: {}</p>", escaped(what));
    }
    html.push_str("</details>\n");
}
