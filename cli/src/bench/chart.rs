//! The ratios as a picture: a band a load, a bar an allocator, time beside peak
//! RSS, on a logarithmic scale.

use super::schedule::Results;
use super::summary::{Measure, ratio};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Heights and widths, in pixels.
const BAR: u32 = 6;
const GAP: u32 = 8;
const TOP: u32 = 40;
const BOTTOM: u32 = 44;
const NAMES: u32 = 150;
const PANEL: u32 = 470;
const LEGEND_ROW: u32 = 20;
const LEGEND_COLUMN: u32 = 150;

/// Colours that can be told from each other by those who see fewer (Okabe and
/// Ito, then Tol's muted ones); ntheap's is the first.
const COLOURS: [RGBColor; 14] = [
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(136, 34, 85),
    RGBColor(51, 34, 136),
    RGBColor(17, 119, 51),
    RGBColor(153, 153, 51),
    RGBColor(68, 170, 153),
    RGBColor(170, 68, 153),
    RGBColor(120, 120, 120),
    RGBColor(40, 40, 40),
];

const GRID: RGBColor = RGBColor(221, 221, 221);

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// The whole picture, as the text of an SVG file.
pub(crate) fn svg(results: &Results) -> Result<String, String> {
    let mut out = String::new();
    draw(results, &mut out).map_err(|e| format!("the chart could not be drawn: {e}"))?;
    Ok(out)
}

/// The bars' allocators: all but the one that ratios relate to.
fn bars(results: &Results) -> Vec<usize> {
    (0..results.allocators.len())
        .filter(|&at| at != results.reference)
        .collect()
}

fn draw(results: &Results, out: &mut String) -> Result<(), Box<dyn std::error::Error>> {
    let bars = bars(results);
    let band = bars.len() as u32 * BAR + GAP;
    let width = NAMES + 2 * PANEL + 20;
    let columns = ((width - 20) / LEGEND_COLUMN) as usize;
    let legend = bars.len().div_ceil(columns) as u32 * LEGEND_ROW + 10;
    let body = results.rows.len() as u32 * band;
    let root =
        SVGBackend::with_string(out, (width, TOP + legend + body + BOTTOM)).into_drawing_area();
    root.fill(&WHITE)?;

    let (head, rest) = root.split_vertically(TOP + legend);
    let title = format!(
        "Ratios to {}: least of {} run{}, scale {}; to the left of 1 is better",
        results.allocators[results.reference],
        results.rounds,
        if results.rounds == 1 { "" } else { "s" },
        results.scale
    );
    head.draw(&Text::new(title, (10, 12), ("sans-serif", 16).into_font()))?;
    draw_legend(&head, results, &bars, columns)?;

    let (names, panels) = rest.split_horizontally(NAMES);
    let right = Pos::new(HPos::Right, VPos::Center);
    let style = ("sans-serif", 12).into_font().color(&BLACK).pos(right);
    for (at, row) in results.rows.iter().enumerate() {
        let middle = (at as u32 * band + band / 2) as i32;
        let place = (NAMES as i32 - 8, middle);
        names.draw(&Text::new(row.load.name.clone(), place, style.clone()))?;
    }
    let (left, right) = panels.split_horizontally(PANEL);
    let measures = [Measure::Time(results.metric), Measure::PeakRss];
    for (area, measure) in [left, right].iter().zip(measures) {
        panel(area, results, &bars, measure, body)?;
    }
    root.present()?;
    Ok(())
}

fn draw_legend(
    head: &Canvas,
    results: &Results,
    bars: &[usize],
    columns: usize,
) -> Result<(), Box<dyn std::error::Error>> {
    let centre = Pos::new(HPos::Left, VPos::Center);
    let style = ("sans-serif", 13).into_font().color(&BLACK).pos(centre);
    for (place, &at) in bars.iter().enumerate() {
        let x = 10 + (place % columns) as i32 * LEGEND_COLUMN as i32;
        let y = TOP as i32 + (place / columns) as i32 * LEGEND_ROW as i32;
        let square = [(x, y), (x + 12, y + 12)];
        head.draw(&Rectangle::new(square, colour(at).filled()))?;
        let name = results.allocators[at].clone();
        head.draw(&Text::new(name, (x + 18, y + 6), style.clone()))?;
    }
    Ok(())
}

fn colour(at: usize) -> RGBColor {
    COLOURS[at % COLOURS.len()]
}

/// The bars of one measure, from 1 to the left or right.
fn panel(
    area: &Canvas,
    results: &Results,
    bars: &[usize],
    measure: Measure,
    body: u32,
) -> Result<(), Box<dyn std::error::Error>> {
    let ratios: Vec<Vec<Option<f64>>> = results
        .rows
        .iter()
        .map(|row| {
            bars.iter()
                .map(|&at| ratio(row, at, results.reference, measure))
                .collect()
        })
        .collect();
    let (low, high) = range(ratios.iter().flatten().flatten().copied());
    let rows = results.rows.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .margin_right(15)
        .x_label_area_size(BOTTOM)
        .build_cartesian_2d((low..high).log_scale(), rows..0.0)?;
    let below = Pos::new(HPos::Center, VPos::Top);
    let style = ("sans-serif", 12).into_font().color(&BLACK).pos(below);
    for tick in ticks(low, high) {
        chart.draw_series([PathElement::new([(tick, rows), (tick, 0.0)], GRID)])?;
        let label =
            EmptyElement::at((tick, rows)) + Text::new(tick.to_string(), (0, 4), style.clone());
        chart.draw_series([label])?;
    }
    let title = format!("{}, ratio", measure.name());
    let label = EmptyElement::at(((low * high).sqrt(), rows)) + Text::new(title, (0, 20), style);
    chart.draw_series([label])?;
    // Pixels of the area in units of its y axis.
    let unit = rows / f64::from(body);
    let (bar, gap) = (f64::from(BAR) * unit, f64::from(GAP) * unit);
    for (row, ratios) in ratios.iter().enumerate() {
        for (place, ratio) in ratios.iter().enumerate() {
            let top = row as f64 + gap / 2.0 + place as f64 * bar;
            if let Some(ratio) = *ratio {
                let style = colour(bars[place]).filled();
                let corners = [(1.0, top), (ratio, top + bar * 0.9)];
                chart.draw_series([Rectangle::new(corners, style)])?;
            }
        }
    }
    chart.draw_series([PathElement::new([(1.0, rows), (1.0, 0.0)], BLACK)])?;
    Ok(())
}

/// 1, 2 and 5 of each power of ten; where that is too many, the powers alone.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let within = |digits: &[i32]| -> Vec<f64> {
        let powers = -6..=6i32;
        let of = |power: i32| {
            let text = digits.iter().map(move |digit| format!("{digit}e{power}"));
            // Read rather than computed, so that 0.1 is 0.1.
            text.map(|text| text.parse::<f64>().expect("a number"))
        };
        let all = powers.flat_map(of);
        all.filter(|tick| (low..=high).contains(tick)).collect()
    };
    let many = within(&[1, 2, 5]);
    if many.len() <= 12 { many } else { within(&[1]) }
}

/// What the axis must reach, at least a factor of two to both sides.
fn range(ratios: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) = ratios.fold((0.5, 2.0), |(low, high): (f64, f64), ratio| {
        (low.min(ratio), high.max(ratio))
    });
    (low * 0.9, high * 1.1)
}

#[cfg(test)]
mod tests {
    use super::super::summary::tests::example;
    use super::*;

    #[test]
    fn the_axis_reaches_every_ratio() {
        assert_eq!(range([].into_iter()), (0.45, 2.2));
        let (low, high) = range([0.02, 30.0].into_iter());
        assert!(low < 0.02 && high > 30.0);
    }

    #[test]
    fn ticks_are_round_and_not_too_many() {
        assert_eq!(ticks(0.09, 2.2), [0.1, 0.2, 0.5, 1.0, 2.0]);
        assert_eq!(ticks(0.0005, 20.0), [0.001, 0.01, 0.1, 1.0, 10.0]);
    }

    #[test]
    fn the_picture_names_every_load_and_allocator() {
        let text = svg(&example()).expect("drawn");
        assert!(text.starts_with("<svg"), "{text}");
        assert!(text.trim_end().ends_with("</svg>"), "{text}");
        for name in ["pair-16", "pair-64", "trees", "ntheap", "talc", "mimalloc3"] {
            assert!(text.contains(name), "{name} is not in {text}");
        }
        // A bar for each ratio that is known: three loads, two allocators, one
        // failure, in two panels; and two squares of the legend, the ground.
        let bars = text.matches("<rect").count();
        assert_eq!(bars, 2 * (3 * 2 - 1) + 2 + 1);
    }
}
