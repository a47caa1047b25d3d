//! A frame: what a state looks like in an area.
//!
//! ```text
//!   program, process, how often
//!   resident, committed, in use, cached, free
//!   one bar of what is committed
//!   bytes in use over time                           (live, where there is room)
//!   the heaps, the chosen one marked                 the chosen heap's figures
//!   its buckets                                 or   and buckets
//!   keys                                             (live)
//! ```

use super::super::figures::{Bucket, Figures};
use super::super::output::hex;
use super::state::{Page, State};
use crate::format::{bytes, count};
use crate::look::args::Sort;
use ratatui::buffer::Buffer;
use ratatui::layout::{Alignment, Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Borders, Cell, Paragraph, Row, Sparkline, Table, Widget};

/// How a frame looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    pub(super) has_colours: bool,
    /// Keys do something, and time goes on.
    pub(super) is_live: bool,
}

/// What a cell of a bar stands for.
#[derive(Clone, Copy)]
enum Share {
    Busy,
    Cached,
    Free,
}

impl Share {
    const ALL: [Share; 3] = [Share::Busy, Share::Cached, Share::Free];

    /// Told apart without colours, too.
    fn symbol(self) -> &'static str {
        match self {
            Share::Busy => "█",
            Share::Cached => "▓",
            Share::Free => "░",
        }
    }

    fn style(self, look: Look) -> Style {
        let colour = match self {
            Share::Busy => Color::Indexed(208),
            Share::Cached => Color::Indexed(222),
            Share::Free => Color::Indexed(71),
        };
        if look.has_colours {
            Style::new().fg(colour)
        } else {
            Style::new()
        }
    }
}

fn dim(look: Look) -> Style {
    if look.has_colours {
        Style::new().fg(Color::Indexed(245))
    } else {
        Style::new()
    }
}

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// The fewest rows with which bytes in use are drawn over time.
const TALL: u16 = 18;

/// Rows of a frame that shows all there is.
pub(super) fn rows(state: &State) -> usize {
    let buckets = state
        .chosen()
        .map_or(0, |at| state.now().heaps[at].figures.buckets.len());
    let heaps = state.now().heaps.len();
    // Title, figures and bar; each list has a title and a head.
    match state.page {
        Page::Heaps => 3 + heaps + 2 + buckets + 2,
        Page::Heap => 3 + 3 + buckets + 2,
    }
}

/// Draws a frame.
pub(super) fn draw(state: &State, area: Rect, to: &mut Buffer, look: Look) {
    let history = if look.is_live && area.height >= TALL {
        3
    } else {
        0
    };
    let keys = u16::from(look.is_live);
    let parts = [
        Constraint::Length(3),
        Constraint::Length(history),
        Constraint::Fill(1),
        Constraint::Length(keys),
    ];
    let [top, time, middle, bottom] = Layout::vertical(parts).areas(area);
    draw_top(state, top, to, look);
    if history != 0 {
        draw_history(state, time, to, look);
    }
    match state.page {
        Page::Heaps => {
            let heaps = state.now().heaps.len() + 2;
            let buckets = rows(state).saturating_sub(3 + heaps);
            // Whoever needs less than half leaves the rest to the other.
            let half = usize::from(middle.height / 2);
            let room = usize::from(middle.height);
            let first = heaps.min(room.saturating_sub(buckets).max(half));
            let first = u16::try_from(first).unwrap_or(u16::MAX);
            let parts = [Constraint::Length(first), Constraint::Fill(1)];
            let [list, rest] = Layout::vertical(parts).areas(middle);
            draw_heaps(state, list, to, look);
            draw_buckets(state, rest, to, look);
        }
        Page::Heap => {
            let parts = [Constraint::Length(3), Constraint::Fill(1)];
            let [head, rest] = Layout::vertical(parts).areas(middle);
            draw_heap(state, head, to, look);
            draw_buckets(state, rest, to, look);
        }
    }
    if look.is_live {
        draw_keys(state, bottom, to, look);
    }
}

fn draw_top(state: &State, area: Rect, to: &mut Buffer, look: Look) {
    let now = state.now();
    let [title, figures, bar] = Layout::vertical([Constraint::Length(1); 3]).areas(area);
    let program = now.program.rsplit('/').next().unwrap_or_default();
    let name = Line::from(vec![
        Span::styled(program.to_owned(), BOLD),
        Span::raw(format!("  process {}", now.pid)),
    ]);
    name.render(title, to);
    let mut told = Vec::new();
    if !now.missing.is_empty() {
        told.push("partial".to_owned());
    }
    if state.is_paused {
        told.push("paused".to_owned());
    }
    told.push(format!(
        "looked at in {:.1} ms",
        now.took.as_secs_f64() * 1e3
    ));
    Line::styled(told.join("  "), dim(look))
        .alignment(Alignment::Right)
        .render(title, to);

    let sum = |of: fn(&Figures) -> u64| now.sum(of);
    let shares = [sum(|f| f.in_use), sum(|f| f.cached), sum(Figures::free)];
    let mut line = Vec::new();
    let mut room = usize::from(figures.width);
    let mut item = |name: &str, value: Option<String>, style: Style| {
        let Some(value) = value else {
            return;
        };
        let gap = if line.is_empty() { "" } else { "  " };
        // Where not all fit, the last are left out.
        let width = gap.len() + name.len() + 1 + value.len();
        let Some(left) = room.checked_sub(width) else {
            room = 0;
            return;
        };
        room = left;
        line.push(Span::styled(format!("{gap}{name} "), dim(look)));
        line.push(Span::styled(value, style));
    };
    item("resident", now.resident.map(bytes), BOLD);
    for (share, name) in Share::ALL.into_iter().zip(["in use", "cached", "free"]) {
        let value = bytes(shares[share as usize]);
        item(name, Some(value), share.style(look));
    }
    item("committed", Some(bytes(sum(|f| f.committed))), Style::new());
    item("peak", now.peak.map(bytes), Style::new());
    Line::from(line).render(figures, to);
    Line::from(bar_of(shares, usize::from(bar.width), look)).render(bar, to);
}

/// A bar of so many cells, shared out.
fn bar_of(shares: [u64; 3], width: usize, look: Look) -> Vec<Span<'static>> {
    let all = shares.iter().sum::<u64>();
    if all == 0 {
        return Vec::new();
    }
    let mut spans = Vec::new();
    let (mut sum, mut drawn) = (0, 0);
    for share in Share::ALL {
        sum += shares[share as usize];
        let end = (sum as f64 / all as f64 * width as f64).round() as usize;
        spans.push(Span::styled(
            share.symbol().repeat(end.saturating_sub(drawn)),
            share.style(look),
        ));
        drawn = end.max(drawn);
    }
    spans
}

fn draw_history(state: &State, area: Rect, to: &mut Buffer, look: Look) {
    let room = usize::from(area.width);
    let skipped = state.history.len().saturating_sub(room);
    let shown: Vec<u64> = state.history.iter().skip(skipped).copied().collect();
    let most = shown.iter().copied().max().unwrap_or(0);
    let least = shown.iter().copied().min().unwrap_or(0);
    let [head, graph] = Layout::vertical([Constraint::Length(1), Constraint::Fill(1)]).areas(area);
    let told = format!("in use, from {} to {}", bytes(least), bytes(most));
    Line::styled(told, dim(look)).render(head, to);
    Sparkline::default()
        .data(&shown)
        .max(most.max(1))
        .style(Share::Busy.style(look))
        .render(graph, to);
}

/// A number of bytes with its sign.
fn signed_bytes(number: i64) -> String {
    let size = bytes(number.unsigned_abs());
    match number {
        0 => "0".to_owned(),
        1.. => format!("+{size}"),
        _ => format!("-{size}"),
    }
}

fn signed_count(number: i64) -> String {
    let size = count(number.unsigned_abs());
    match number {
        0 => "0".to_owned(),
        1.. => format!("+{size}"),
        _ => format!("-{size}"),
    }
}

fn right(text: String) -> Cell<'static> {
    Cell::from(Line::from(text).alignment(Alignment::Right))
}

/// A list's title on a line of its own.
fn titled(title: String, look: Look) -> Block<'static> {
    Block::new()
        .borders(Borders::TOP)
        .border_style(dim(look))
        .title(Span::styled(title, BOLD))
}

fn draw_heaps(state: &State, area: Rect, to: &mut Buffer, look: Look) {
    let order = state.order();
    let place = state.place(&order);
    let room = usize::from(area.height.saturating_sub(2));
    let skipped = (place + 1).saturating_sub(room);
    let by = match state.sort {
        Sort::Use => "bytes in use",
        Sort::Committed => "bytes committed",
        Sort::Blocks => "blocks",
        Sort::Growth => "growth",
        Sort::Name => "name",
    };
    let back = if state.is_reversed { ", reversed" } else { "" };
    let title = format!("heaps ({}), by {by}{back} ", order.len());
    let head = [
        "heap",
        "committed",
        "in use",
        "",
        "blocks",
        "bytes/s",
        "blocks/s",
    ];
    let mut cells = vec![Cell::from(format!("  {}", head[0]))];
    cells.extend(head[1..].iter().map(|&name| right(name.to_owned())));
    let shown = order.iter().enumerate().skip(skipped).take(room);
    let rows = shown.map(|(nth, &at)| {
        let heap = &state.now().heaps[at];
        let (grown, more) = state.growth(at);
        let figures = &heap.figures;
        let part = figures.in_use as f64 / figures.committed.max(1) as f64 * 100.0;
        let mark = if nth == place { "▸" } else { " " };
        let style = if nth == place && look.is_live {
            Style::new().add_modifier(Modifier::REVERSED)
        } else {
            Style::new()
        };
        Row::new(vec![
            Cell::from(format!("{mark} {}", heap.name)),
            right(bytes(figures.committed)),
            right(bytes(figures.in_use)),
            right(format!("{part:.0} %")),
            right(count(figures.blocks)),
            right(signed_bytes(grown)),
            right(signed_count(more)),
        ])
        .style(style)
    });
    let widths = [
        Constraint::Fill(1),
        Constraint::Length(11),
        Constraint::Length(11),
        Constraint::Length(5),
        Constraint::Length(11),
        Constraint::Length(11),
        Constraint::Length(10),
    ];
    Table::new(rows, widths)
        .header(Row::new(cells).style(dim(look)))
        .block(titled(title, look))
        .render(area, to);
}

/// The figures of the chosen heap, which has the frame to itself.
fn draw_heap(state: &State, area: Rect, to: &mut Buffer, look: Look) {
    let Some(at) = state.chosen() else {
        return;
    };
    let heap = &state.now().heaps[at];
    let figures = &heap.figures;
    let (grown, more) = state.growth(at);
    let from = if heap.module.is_empty() {
        String::new()
    } else {
        format!(", {}", heap.module)
    };
    let title = format!("{} ({}{from}) ", heap.name, hex(heap.handle));
    let lines = [
        format!(
            "{} blocks in use, {}; {} a second, {} blocks a second",
            count(figures.blocks),
            bytes(figures.in_use),
            signed_bytes(grown),
            signed_count(more),
        ),
        format!(
            "{} reserved, {} committed, {} cached, {} free; {} large blocks, {}",
            bytes(figures.reserved),
            bytes(figures.committed),
            bytes(figures.cached),
            bytes(figures.free()),
            count(figures.large_blocks),
            bytes(figures.large_bytes),
        ),
    ];
    Paragraph::new(lines.map(Line::from).to_vec())
        .block(titled(title, look))
        .render(area, to);
}

fn draw_buckets(state: &State, area: Rect, to: &mut Buffer, look: Look) {
    let heap = state.chosen().map(|at| &state.now().heaps[at]);
    let buckets: &[Bucket] = heap.map_or(&[], |heap| &heap.figures.buckets);
    if area.height < 3 || buckets.is_empty() {
        return;
    }
    let most = buckets.iter().map(Bucket::bytes).max().unwrap_or(1);
    let skipped = if state.page == Page::Heap {
        state.skipped
    } else {
        0
    };
    let name = heap.map_or("", |heap| heap.name.as_str());
    let title = format!("buckets of {name} ({}) ", buckets.len());
    let head = ["size", "subsegs", "in use", "cached", "free", "bytes"];
    let mut cells: Vec<Cell<'_>> = head.iter().map(|&name| right(name.to_owned())).collect();
    cells.push(Cell::from("in use █  cached ▓  free ░"));
    let room = usize::from(area.width).saturating_sub(68).max(8);
    let rows = buckets.iter().skip(skipped).map(|bucket| {
        let [busy, cached, free] = bucket.shares();
        // The square root keeps small buckets visible beside large ones.
        let part = (bucket.bytes() as f64 / most.max(1) as f64).sqrt();
        let width = ((room as f64 * part) as usize).max(1);
        let bar = bar_of(bucket.shares(), width, look);
        Row::new(vec![
            right(count(bucket.size)),
            right(count(bucket.subsegments)),
            right(count(busy)),
            right(count(cached)),
            right(count(free)),
            right(bytes(bucket.bytes())),
            Cell::from(Line::from(bar)),
        ])
    });
    let widths = [
        Constraint::Length(7),
        Constraint::Length(8),
        Constraint::Length(11),
        Constraint::Length(9),
        Constraint::Length(10),
        Constraint::Length(10),
        Constraint::Fill(1),
    ];
    Table::new(rows, widths)
        .column_spacing(2)
        .header(Row::new(cells).style(dim(look)))
        .block(titled(title, look))
        .render(area, to);
}

fn draw_keys(state: &State, area: Rect, to: &mut Buffer, look: Look) {
    let keys: &[(&str, &str)] = match state.page {
        Page::Heaps => &[
            ("↑↓", "choose"),
            ("enter", "this heap"),
            ("s", "sort"),
            ("r", "reverse"),
            ("p", "pause"),
            ("space", "now"),
            ("q", "quit"),
        ],
        Page::Heap => &[
            ("↑↓", "buckets"),
            ("esc", "all heaps"),
            ("p", "pause"),
            ("space", "now"),
            ("q", "quit"),
        ],
    };
    let mut line = Vec::new();
    for (key, what) in keys {
        line.push(Span::styled(format!("{key} "), BOLD));
        line.push(Span::styled(format!("{what}   "), dim(look)));
    }
    Line::from(line).render(area, to);
}
