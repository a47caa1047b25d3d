//! An SVG picture, put together from the top down.
//!
//! Rectangles of one class that are drawn one after another are one path: a
//! picture of a large heap has tens of thousands. Colours are the style's, so
//! that the picture suits a light and a dark screen; viewers that know no media
//! queries show the light one.

use std::fmt::Write;

/// The picture's width, and the space at its sides.
pub(crate) const WIDTH: f64 = 1200.0;
pub(crate) const MARGIN: f64 = 36.0;
/// The width between the margins.
pub(crate) const INNER: f64 = WIDTH - 2.0 * MARGIN;

/// Where a text ends up against its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

pub(crate) const STYLE: &str = "\
.page{fill:#ffffff}\
text{font-family:system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif;font-size:12px;fill:#1d2733}\
.mono{font-family:ui-monospace,'SF Mono',Menlo,Consolas,'DejaVu Sans Mono',monospace;font-size:11px}\
.title{font-size:22px;font-weight:600}.section{font-size:16px;font-weight:600}\
.label{font-weight:600}.dim{fill:#667382}.num{font-variant-numeric:tabular-nums}\
.rule{fill:#dfe4ea}.resident{fill:#3a6fd8}.line{fill:none;stroke:#3a6fd8;stroke-width:1.5;stroke-linejoin:round}.track{fill:#f0f3f6}\
.image{fill:#8f7bd0}.file{fill:#5aa0e0}.share{fill:#45b5a2}.heap{fill:#e8833a}\
.stack{fill:#d95f78}.private{fill:#d9b92f}.reserved{fill:#c3cad2}\
.busy{fill:#e07b2e}.cached{fill:#f3c07f}.free{fill:#8fc7a4}.absent{fill:#e4e8ed}\
@media (prefers-color-scheme:dark){\
.page{fill:#14181d}text{fill:#e3e8ee}.dim{fill:#94a1af}.rule{fill:#2d353e}.track{fill:#1f252c}.resident{fill:#7fa8ff}.line{fill:none;stroke:#7fa8ff}\
.image{fill:#9c8ae0}.file{fill:#5b9fe0}.share{fill:#3fae9b}.heap{fill:#ea8c49}\
.stack{fill:#e0708a}.private{fill:#d6b83c}.reserved{fill:#4a545f}\
.busy{fill:#e6863b}.cached{fill:#a87a3f}.free{fill:#3f8a63}.absent{fill:#29313a}}";

/// A picture being drawn.
pub(crate) struct Canvas {
    body: String,
    /// Rectangles not written yet, of one class.
    path: String,
    class: &'static str,
    /// Where the next thing goes.
    pub(crate) y: f64,
}

impl Canvas {
    pub(crate) fn new() -> Canvas {
        Canvas {
            body: String::new(),
            path: String::new(),
            class: "",
            y: 0.0,
        }
    }

    /// A rectangle; nothing where it is too small to be seen.
    pub(crate) fn rect(&mut self, x: f64, y: f64, width: f64, height: f64, class: &'static str) {
        if width < 0.05 || height < 0.05 {
            return;
        }
        if class != self.class {
            self.flush();
            self.class = class;
        }
        let (x, y, width, height) = (short(x), short(y), short(width), short(height));
        // Strings take all that is written to them.
        let _ = write!(self.path, "M{x} {y}h{width}v{height}h-{width}z");
    }

    /// A filled outline.
    pub(crate) fn area(&mut self, outline: &[(f64, f64)], class: &str) {
        let path = self.path_of(outline);
        // Strings take all that is written to them.
        let _ = writeln!(self.body, r#"<path class="{class}" d="{path}z"/>"#);
    }

    /// A line through points, in the colour of a class.
    pub(crate) fn line(&mut self, points: &[(f64, f64)], class: &str) {
        let path = self.path_of(points);
        let _ = writeln!(self.body, r#"<path class="{class} line" d="{path}"/>"#);
    }

    fn path_of(&mut self, points: &[(f64, f64)]) -> String {
        self.flush();
        let mut path = String::new();
        for (nth, &(x, y)) in points.iter().enumerate() {
            let letter = if nth == 0 { 'M' } else { 'L' };
            let _ = write!(path, "{letter}{} {}", short(x), short(y));
        }
        path
    }

    fn flush(&mut self) {
        if !self.path.is_empty() {
            let _ = writeln!(
                self.body,
                r#"<path class="{}" d="{}"/>"#,
                self.class, self.path
            );
            self.path.clear();
        }
    }

    pub(crate) fn text(&mut self, x: f64, y: f64, class: &str, anchor: Anchor, text: &str) {
        if text.is_empty() {
            return;
        }
        self.flush();
        let anchor = match anchor {
            Anchor::Start => "",
            Anchor::Middle => r#" text-anchor="middle""#,
            Anchor::End => r#" text-anchor="end""#,
        };
        let (x, y, text) = (short(x), short(y), escaped(text));
        let _ = writeln!(
            self.body,
            r#"<text class="{class}" x="{x}" y="{y}"{anchor}>{text}</text>"#
        );
    }

    /// A section's heading with a line below it.
    pub(crate) fn section(&mut self, title: &str, note: &str) {
        self.y += 44.0;
        self.text(MARGIN, self.y, "section", Anchor::Start, title);
        self.text(MARGIN + INNER, self.y, "dim", Anchor::End, note);
        self.rect(MARGIN, self.y + 8.0, INNER, 1.0, "rule");
        self.y += 28.0;
    }

    /// Squares of colour with their names, from the left.
    pub(crate) fn legend(&mut self, entries: &[(&'static str, &str)]) {
        let mut x = MARGIN;
        for &(class, name) in entries {
            self.rect(x, self.y - 10.0, 12.0, 12.0, class);
            self.text(x + 18.0, self.y, "dim", Anchor::Start, name);
            x += 36.0 + 6.6 * name.chars().count() as f64;
        }
        self.y += 22.0;
    }

    /// The whole picture.
    pub(crate) fn finish(mut self) -> String {
        self.flush();
        let (width, height) = (short(WIDTH), short(self.y + MARGIN));
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
             width=\"{width}\" height=\"{height}\" role=\"img\">\n<style>{STYLE}</style>\n\
             <rect class=\"page\" width=\"{width}\" height=\"{height}\"/>\n{}</svg>\n",
            self.body
        )
    }
}

/// A length with one decimal, none where it is whole.
fn short(length: f64) -> String {
    let text = format!("{length:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// Text as XML has it. What XML cannot say at all is left out.
pub(crate) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            letter if letter.is_control() => out.push('\u{fffd}'),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_end_an_element() {
        assert_eq!(escaped("a<b>&\"\u{1}"), "a&lt;b&gt;&amp;&quot;\u{fffd}");
    }

    #[test]
    fn neighbours_of_a_class_are_one_path() {
        let mut canvas = Canvas::new();
        canvas.rect(0.0, 0.0, 1.0, 2.0, "busy");
        canvas.rect(1.0, 0.0, 1.5, 2.0, "busy");
        canvas.rect(2.0, 0.0, 0.0, 2.0, "free");
        canvas.rect(2.0, 0.0, 1.0, 2.0, "free");
        let svg = canvas.finish();
        assert_eq!(svg.matches("<path").count(), 2);
        assert!(
            svg.contains(r#"<path class="busy" d="M0 0h1v2h-1zM1 0h1.5v2h-1.5z"/>"#),
            "{svg}"
        );
    }
}
