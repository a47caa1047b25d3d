//! Frames drawn into ratatui's test terminal, and keys.

use super::sample::{OneHeap, Sample};
use super::state::{Next, Page, State};
use super::view::{self, Look};
use super::{as_json, text};
use crate::look::args::Sort;
use crate::look::figures::{Bucket, Figures};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::{Color, Modifier};
use std::time::{Duration, Instant};

fn heap(handle: u64, name: &str, in_use: u64, blocks: u64) -> OneHeap {
    OneHeap {
        handle,
        name: name.to_owned(),
        module: "a.so".to_owned(),
        figures: Figures {
            reserved: 8 << 20,
            committed: 4 << 20,
            in_use,
            blocks,
            cached: 1 << 20,
            large_blocks: 2,
            large_bytes: 1 << 20,
            buckets: (1..=40)
                .map(|at| Bucket {
                    size: at * 16,
                    subsegments: 1,
                    blocks: [10, 20, 30 * at, 0],
                    unused: 0,
                })
                .collect(),
        },
    }
}

fn sample(at: Instant, heaps: Vec<OneHeap>) -> Sample {
    Sample {
        pid: 77,
        started: 1,
        program: "/bin/program".to_owned(),
        at,
        took: Duration::from_millis(3),
        resident: Some(12 << 20),
        peak: Some(13 << 20),
        heaps,
        missing: Vec::new(),
    }
}

/// Two seconds apart; the second heap grew by 2 MiB in 100 blocks.
fn state() -> State {
    let start = Instant::now();
    let before = vec![
        heap(1, "process heap", 2 << 20, 500),
        heap(2, "cache", 1 << 20, 100),
    ];
    let after = vec![
        heap(1, "process heap", 2 << 20, 500),
        heap(2, "cache", 3 << 20, 200),
    ];
    let mut state = State::new(Sort::Use, sample(start, before));
    state.take(sample(start + Duration::from_secs(2), after));
    state
}

const LIVE: Look = Look {
    has_colours: true,
    is_live: true,
};

fn draw(state: &State, width: u16, height: u16, look: Look) -> Terminal<TestBackend> {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a terminal");
    terminal
        .draw(|frame| view::draw(state, frame.area(), frame.buffer_mut(), look))
        .expect("drawn");
    terminal
}

fn lines(terminal: &Terminal<TestBackend>) -> Vec<String> {
    let buffer = terminal.backend().buffer();
    let line = |y| (0..buffer.area.width).map(move |x| buffer[(x, y)].symbol());
    (0..buffer.area.height)
        .map(|y| line(y).collect::<String>().trim_end().to_owned())
        .collect()
}

fn press(state: &mut State, code: KeyCode) -> Next {
    state.press(KeyEvent::new(code, KeyModifiers::NONE))
}

#[test]
fn a_frame_has_the_heaps_their_growth_and_the_chosen_ones_buckets() {
    let state = state();
    let shown = lines(&draw(&state, 80, 24, LIVE));
    assert_eq!(
        shown[0],
        "program  process 77                                          looked at in 3.0 ms"
    );
    assert_eq!(
        shown[1],
        "resident 12.0 MiB  in use 5.0 MiB  cached 2.0 MiB  free 1.0 MiB"
    );
    let all = shown.join("\n");
    assert!(all.contains("in use, from 3.0 MiB to 5.0 MiB"), "{all}");
    assert!(all.contains("heaps (2), by bytes in use "), "{all}");
    let cache = shown.iter().find(|line| line.contains("cache "));
    let expected =
        "  cache             4.0 MiB     3.0 MiB  75 %         200    +1.0 MiB        +50";
    assert_eq!(cache.expect("a line"), expected);
    assert!(all.contains("▸ process heap"), "{all}");
    assert!(all.contains("buckets of process heap (40) "), "{all}");
    assert!(
        shown[23].starts_with("↑↓ choose   enter this heap"),
        "{all}"
    );
}

#[test]
fn any_size_can_be_drawn() {
    let mut state = state();
    for page in [Page::Heaps, Page::Heap] {
        state.page = page;
        for (width, height) in [(1, 1), (5, 3), (20, 5), (40, 10), (80, 18), (300, 100)] {
            let shown = lines(&draw(&state, width, height, LIVE));
            assert_eq!(shown.len(), usize::from(height));
        }
        let roomy = lines(&draw(&state, 120, 60, LIVE)).join("\n");
        // The largest bucket is the last.
        assert!(roomy.contains("\n    640 "), "{roomy}");
    }
    let none = State::new(Sort::Name, sample(Instant::now(), Vec::new()));
    assert!(lines(&draw(&none, 80, 24, LIVE))[0].starts_with("program"));
}

#[test]
fn colours_are_left_out_where_they_are_not_wanted() {
    let state = state();
    let coloured = |look: Look| {
        let terminal = draw(&state, 80, 24, look);
        let cells = terminal.backend().buffer().content.iter();
        let coloured = cells.filter(|cell| cell.fg != Color::Reset || cell.bg != Color::Reset);
        coloured.count()
    };
    assert!(coloured(LIVE) > 100);
    let plain = Look {
        has_colours: false,
        is_live: true,
    };
    assert_eq!(coloured(plain), 0);
    // What is chosen is seen all the same.
    let terminal = draw(&state, 80, 24, plain);
    let mut cells = terminal.backend().buffer().content.iter();
    assert!(cells.any(|cell| cell.modifier.contains(Modifier::REVERSED)));
}

#[test]
fn keys_choose_sort_and_end() {
    let mut state = state();
    let names = |state: &State| -> Vec<String> {
        let heaps = &state.now().heaps;
        state
            .order()
            .into_iter()
            .map(|at| heaps[at].name.clone())
            .collect()
    };
    // By bytes in use; what was chosen stays so though it moved down.
    assert_eq!(names(&state), ["cache", "process heap"]);
    assert_eq!(state.chosen(), Some(0));
    assert_eq!(press(&mut state, KeyCode::Up), Next::Draw);
    assert_eq!(state.chosen(), Some(1));
    press(&mut state, KeyCode::Up);
    assert_eq!(state.chosen(), Some(1));
    press(&mut state, KeyCode::End);
    assert_eq!(state.chosen(), Some(0));
    press(&mut state, KeyCode::Char('r'));
    assert_eq!(names(&state), ["process heap", "cache"]);
    press(&mut state, KeyCode::Char('s'));
    assert_eq!(state.sort, Sort::Committed);
    assert!(!state.is_reversed);
    for _ in 0..3 {
        press(&mut state, KeyCode::Char('s'));
    }
    assert_eq!(
        (state.sort, names(&state)),
        (
            Sort::Name,
            vec!["cache".to_owned(), "process heap".to_owned()]
        )
    );
    press(&mut state, KeyCode::Char('s'));
    assert_eq!(state.sort, Sort::Use);

    press(&mut state, KeyCode::Enter);
    assert_eq!(state.page, Page::Heap);
    press(&mut state, KeyCode::PageDown);
    assert_eq!(state.skipped, 10);
    press(&mut state, KeyCode::End);
    assert_eq!(state.skipped, 39);
    let shown = lines(&draw(&state, 80, 24, LIVE)).join("\n");
    assert!(shown.contains("process heap (0x1, a.so)"), "{shown}");
    assert!(
        shown.contains("500 blocks in use, 2.0 MiB; 0 a second"),
        "{shown}"
    );
    assert_eq!(press(&mut state, KeyCode::Esc), Next::Draw);
    assert_eq!(state.page, Page::Heaps);

    press(&mut state, KeyCode::Char('p'));
    assert!(state.is_paused);
    assert_eq!(press(&mut state, KeyCode::Char(' ')), Next::Look);
    assert_eq!(press(&mut state, KeyCode::Char('q')), Next::Quit);
    assert_eq!(press(&mut state, KeyCode::Esc), Next::Quit);
    let interrupt = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
    assert_eq!(state.press(interrupt), Next::Quit);
}

#[test]
fn a_heap_that_ended_is_chosen_no_more() {
    let mut state = state();
    press(&mut state, KeyCode::Up);
    assert_eq!(state.chosen(), Some(1));
    let later = Instant::now() + Duration::from_secs(9);
    state.take(sample(later, vec![heap(1, "process heap", 5, 1)]));
    assert_eq!(state.chosen(), Some(0));
    state.take(sample(later, Vec::new()));
    assert_eq!(state.chosen(), None);
    press(&mut state, KeyCode::Down);
    assert_eq!(lines(&draw(&state, 80, 24, LIVE)).len(), 24);
}

#[test]
fn a_text_has_every_row() {
    let state = state();
    let shown = text(&state);
    assert_eq!(shown.lines().count(), 3 + 4 + 42);
    assert!(
        shown
            .lines()
            .last()
            .is_some_and(|line| line.starts_with("    640 ")),
        "{shown}"
    );
    assert!(!shown.contains("quit"));
    let json = as_json(&state);
    assert_eq!(json["heaps"][0]["name"], "cache");
    assert_eq!(json["heaps"][0]["bytes_per_s"], 1 << 20);
    assert_eq!(json["heaps"][0]["buckets"][39]["busy"], 1200);
}
