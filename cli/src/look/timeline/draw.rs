//! The picture of moments: areas for the heaps' memory, a line for the process's.

use super::Point;
use crate::format::bytes;
use crate::look::map::canvas::{Anchor, Canvas, INNER, MARGIN};
use std::time::Duration;

const LEFT: f64 = MARGIN + 76.0;
const WIDTH: f64 = MARGIN + INNER - LEFT;
const HEIGHT: f64 = 340.0;

/// What is drawn of a moment: its class, its name, and its bytes.
type Series = (&'static str, &'static str, fn(&Point) -> u64);

/// From the back to the front.
const AREAS: [Series; 3] = [
    ("absent", "reserved", |point| point.reserved),
    ("free", "committed", |point| point.committed),
    ("busy", "in use", |point| point.in_use),
];
const LINE: Series = ("resident", "resident (of the whole process)", |point| {
    point.resident
});

pub(super) fn picture(program: &str, points: &[Point]) -> String {
    let mut canvas = Canvas::new();
    canvas.y = MARGIN + 20.0;
    canvas.text(MARGIN, canvas.y, "title", Anchor::Start, program);
    canvas.y += 22.0;
    let Some(last) = points.last() else {
        let told = "it ended before it could be looked at";
        canvas.text(MARGIN, canvas.y, "dim", Anchor::Start, told);
        return canvas.finish();
    };
    let most = |of: fn(&Point) -> u64| points.iter().map(of).max().unwrap_or(0);
    let told = format!(
        "memory over {}  ·  {} moments  ·  at most {} in use, {} committed, {} resident",
        seconds(last.at),
        points.len(),
        bytes(most(AREAS[2].2)),
        bytes(most(AREAS[1].2)),
        bytes(most(LINE.2)),
    );
    canvas.text(MARGIN, canvas.y, "dim", Anchor::Start, &told);
    canvas.section(
        "Memory over time",
        "reserved, committed and in use: of the heaps",
    );
    let entry = |(class, name, _): Series| (class, name);
    canvas.legend(&[
        entry(AREAS[0]),
        entry(AREAS[1]),
        entry(AREAS[2]),
        entry(LINE),
    ]);

    let top = canvas.y;
    let highest = AREAS.iter().map(|area| most(area.2)).max().unwrap_or(0);
    let step = byte_step(highest.max(most(LINE.2)));
    let lines = highest.max(most(LINE.2)).div_ceil(step).max(1);
    let scale = Scale {
        top,
        bytes: (lines * step) as f64,
        seconds: last.at.as_secs_f64().max(0.001),
    };
    for line in 0..=lines {
        let y = scale.y(line * step);
        canvas.rect(LEFT, y, WIDTH, 1.0, "rule");
        let label = bytes(line * step);
        canvas.text(LEFT - 10.0, y + 4.0, "num dim", Anchor::End, &label);
    }
    // A single moment lasts as long as the picture.
    let at = |seconds| Point {
        at: Duration::from_secs_f64(seconds),
        ..*last
    };
    let alone = [at(0.0), at(scale.seconds)];
    let points = if points.len() == 1 { &alone } else { points };
    for (class, _, of) in AREAS {
        let mut outline = Vec::new();
        outline.extend(points.first().map(|p| (scale.x(p.at), scale.y(0))));
        outline.extend(points.iter().map(|p| (scale.x(p.at), scale.y(of(p)))));
        outline.extend(points.last().map(|p| (scale.x(p.at), scale.y(0))));
        canvas.area(&outline, class);
    }
    let line: Vec<(f64, f64)> = points
        .iter()
        .map(|point| (scale.x(point.at), scale.y(LINE.2(point))))
        .collect();
    canvas.line(&line, LINE.0);
    let step = time_step(scale.seconds);
    let mut at = 0.0;
    while at <= scale.seconds * 1.0001 {
        let x = LEFT + at / scale.seconds * WIDTH;
        canvas.rect(x, top + HEIGHT, 1.0, 5.0, "rule");
        let label = mark(at, step);
        let anchor = if at == 0.0 {
            Anchor::Start
        } else if scale.seconds - at < 0.03 * scale.seconds {
            Anchor::End
        } else {
            Anchor::Middle
        };
        canvas.text(x, top + HEIGHT + 20.0, "num dim", anchor, &label);
        at += step;
    }
    canvas.y = top + HEIGHT + 24.0;
    canvas.finish()
}

/// Where bytes and times lie in the picture.
struct Scale {
    top: f64,
    bytes: f64,
    seconds: f64,
}

impl Scale {
    fn x(&self, at: Duration) -> f64 {
        LEFT + at.as_secs_f64() / self.seconds * WIDTH
    }

    fn y(&self, bytes: u64) -> f64 {
        self.top + HEIGHT - bytes as f64 / self.bytes * HEIGHT
    }
}

/// A power of two that parts `most` bytes in three to six.
fn byte_step(most: u64) -> u64 {
    (most / 3).max(1024).next_power_of_two() / if most / 3 < 1024 { 1 } else { 2 }
}

/// 1, 2 or 5 times a power of ten that parts the time in four to ten.
fn time_step(seconds: f64) -> f64 {
    let least = seconds / 10.0;
    let power = 10f64.powf(least.log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
    steps
        .into_iter()
        .find(|&step| step >= least)
        .unwrap_or(power * 10.0)
}

fn seconds(time: Duration) -> String {
    let time = time.as_secs_f64();
    match time {
        0.0 => "0 s".to_owned(),
        time if time < 1.0 => format!("{:.0} ms", time * 1e3),
        time => format!("{time:.1} s"),
    }
}

/// What a mark says that is so many seconds from the start: all in one unit, with the digits
/// that tell one mark from the next.
fn mark(at: f64, step: f64) -> String {
    match step {
        _ if at == 0.0 => "0".to_owned(),
        step if step >= 1.0 => format!("{at:.0} s"),
        step if step >= 0.1 => format!("{at:.1} s"),
        step if step >= 0.01 => format!("{at:.2} s"),
        step if step >= 0.001 => format!("{:.0} ms", at * 1e3),
        _ => format!("{:.2} ms", at * 1e3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn marks_differ_and_have_one_unit() {
        for seconds in [0.003, 0.04, 0.5, 3.7, 9.9, 61.0] {
            let step = time_step(seconds);
            let marks: Vec<String> = (1..=4).map(|n| mark(f64::from(n) * step, step)).collect();
            let units: BTreeSet<&str> = marks.iter().filter_map(|m| m.split(' ').nth(1)).collect();
            assert_eq!(units.len(), 1, "{marks:?}");
            assert_eq!(marks.iter().collect::<BTreeSet<_>>().len(), 4, "{marks:?}");
        }
        assert_eq!(mark(1.5, 0.5), "1.5 s");
        assert_eq!(mark(0.04, 0.02), "0.04 s");
    }

    #[test]
    fn steps_part_a_scale_in_a_few() {
        for most in [1u64 << 12, 5 << 20, 7 << 20, 100 << 20, 3 << 30] {
            let lines = most.div_ceil(byte_step(most));
            assert!((3..=6).contains(&lines), "{most}: {lines}");
        }
        for seconds in [0.003, 0.5, 1.0, 9.9, 61.0, 5000.0] {
            let parts = seconds / time_step(seconds);
            assert!((3.9..=10.1).contains(&parts), "{seconds}: {parts}");
        }
    }

    #[test]
    fn a_moment_is_drawn_where_its_bytes_say() {
        let point = |ms, committed, in_use| Point {
            at: Duration::from_millis(ms),
            reserved: 4 << 20,
            committed,
            in_use,
            resident: 3 << 20,
        };
        let svg = picture("a<b", &[point(0, 1 << 20, 0), point(100, 2 << 20, 1 << 20)]);
        assert!(
            svg.contains("a&lt;b") && svg.contains("at most 1.0 MiB in use"),
            "{svg}"
        );
        for class in ["absent", "free", "busy", "resident"] {
            assert!(svg.contains(&format!("class=\"{class}\"")), "{class}");
        }
        // The heaps' 2 of 4 MiB end at half the height, 170 above the ground at 512.
        let area = "<path class=\"free\" d=\"M112 512L112 427L1164 342L1164 512z\"/>";
        assert!(svg.contains(area), "{svg}");
        assert!(picture("x", &[]).contains("before it could be looked at"));
        // A moment alone is seen from side to side.
        for ms in [0, 20] {
            let svg = picture("x", &[point(ms, 2 << 20, 1 << 20)]);
            let area = "<path class=\"free\" d=\"M112 512L112 342L1164 342L1164 512z\"/>";
            assert!(svg.contains(area), "{svg}");
        }
    }
}
