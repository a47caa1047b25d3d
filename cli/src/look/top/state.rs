//! What is looked at, and what keys do to it.

use super::sample::Sample;
use crate::look::args::Sort;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};

/// Moments whose bytes in use are remembered.
const REMEMBERED: usize = 600;

/// What fills the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// The list of heaps, and the chosen one's buckets.
    Heaps,
    /// One heap.
    Heap,
}

/// What a key comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The frame is drawn again.
    Draw,
    /// The process is looked at at once.
    Look,
    /// The command ends.
    Quit,
}

pub(super) struct State {
    now: Sample,
    before: Option<Sample>,
    pub(super) sort: Sort,
    pub(super) is_reversed: bool,
    pub(super) page: Page,
    pub(super) is_paused: bool,
    /// Bytes in use, the newest last.
    pub(super) history: VecDeque<u64>,
    /// The chosen heap's handle.
    chosen: u64,
    /// Rows of buckets that are above the first one shown.
    pub(super) skipped: usize,
}

impl State {
    pub(super) fn new(sort: Sort, now: Sample) -> State {
        let mut state = State {
            before: None,
            sort,
            is_reversed: false,
            page: Page::Heaps,
            is_paused: false,
            history: VecDeque::from([now.sum(|f| f.in_use)]),
            chosen: 0,
            skipped: 0,
            now,
        };
        if let Some(&first) = state.order().first() {
            state.chosen = state.now.heaps[first].handle;
        }
        state
    }

    pub(super) fn now(&self) -> &Sample {
        &self.now
    }

    /// Goes on to the next moment.
    pub(super) fn take(&mut self, next: Sample) {
        if self.history.len() == REMEMBERED {
            self.history.pop_front();
        }
        self.history.push_back(next.sum(|f| f.in_use));
        self.before = Some(std::mem::replace(&mut self.now, next));
    }

    /// The heap of that name or handle is the chosen one; false if there is none.
    pub(super) fn choose(&mut self, wanted: &str) -> bool {
        let mut heaps = self.now.heaps.iter();
        let is_it = |handle: u64, name: &str| {
            name == wanted || wanted.eq_ignore_ascii_case(&format!("{handle:#x}"))
        };
        let found = heaps.find(|heap| is_it(heap.handle, &heap.name));
        found.is_some_and(|heap| {
            self.chosen = heap.handle;
            true
        })
    }

    /// Bytes and blocks that a heap grew by in a second.
    pub(super) fn growth(&self, heap: usize) -> (i64, i64) {
        let (Some(heap), Some(before)) = (self.now.heaps.get(heap), &self.before) else {
            return (0, 0);
        };
        let seconds = (self.now.at - before.at).as_secs_f64();
        let old = before.heaps.iter().find(|old| old.handle == heap.handle);
        let old = old.map(|old| (old.figures.in_use, old.figures.blocks));
        let (bytes, blocks) = old.unwrap_or_default();
        let a_second = |now: u64, before: u64| {
            if seconds <= 0.0 {
                return 0;
            }
            ((now as f64 - before as f64) / seconds).round() as i64
        };
        (
            a_second(heap.figures.in_use, bytes),
            a_second(heap.figures.blocks, blocks),
        )
    }

    /// The heaps by number, as they are listed.
    pub(super) fn order(&self) -> Vec<usize> {
        let heaps = &self.now.heaps;
        let growth: HashMap<usize, i64> = match self.sort {
            Sort::Growth => (0..heaps.len()).map(|at| (at, self.growth(at).0)).collect(),
            _ => HashMap::new(),
        };
        let mut order: Vec<usize> = (0..heaps.len()).collect();
        match self.sort {
            Sort::Name => order.sort_by(|&a, &b| heaps[a].name.cmp(&heaps[b].name)),
            Sort::Use => order.sort_by_key(|&at| Reverse(heaps[at].figures.in_use)),
            Sort::Committed => order.sort_by_key(|&at| Reverse(heaps[at].figures.committed)),
            Sort::Blocks => order.sort_by_key(|&at| Reverse(heaps[at].figures.blocks)),
            Sort::Growth => order.sort_by_key(|at| Reverse(growth.get(at).copied())),
        }
        if self.is_reversed {
            order.reverse();
        }
        order
    }

    /// The chosen heap's place in an order; the first when it is gone.
    pub(super) fn place(&self, order: &[usize]) -> usize {
        let is_it = |&at: &usize| self.now.heaps[at].handle == self.chosen;
        order.iter().position(is_it).unwrap_or(0)
    }

    /// The chosen heap's number, if there is a heap.
    pub(super) fn chosen(&self) -> Option<usize> {
        let order = self.order();
        order.get(self.place(&order)).copied()
    }

    pub(super) fn press(&mut self, key: KeyEvent) -> Next {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c' | 'd') => Next::Quit,
                _ => Next::Draw,
            };
        }
        match key.code {
            KeyCode::Char('q') => return Next::Quit,
            KeyCode::Esc | KeyCode::Backspace | KeyCode::Left if self.page == Page::Heap => {
                self.page = Page::Heaps;
            }
            KeyCode::Esc => return Next::Quit,
            KeyCode::Char(' ' | 'u') => return Next::Look,
            KeyCode::Char('p') => self.is_paused = !self.is_paused,
            KeyCode::Char('s') => {
                self.sort = self.sort.next();
                self.is_reversed = false;
            }
            KeyCode::Char('r') => self.is_reversed = !self.is_reversed,
            KeyCode::Enter | KeyCode::Right => {
                self.page = Page::Heap;
                self.skipped = 0;
            }
            KeyCode::Up | KeyCode::Char('k') => self.go(-1),
            KeyCode::Down | KeyCode::Char('j') => self.go(1),
            KeyCode::PageUp => self.go(-10),
            KeyCode::PageDown => self.go(10),
            KeyCode::Home => self.go(isize::MIN),
            KeyCode::End => self.go(isize::MAX),
            _ => {}
        }
        Next::Draw
    }

    /// Up or down, in the list of heaps or of buckets.
    fn go(&mut self, by: isize) {
        if self.page == Page::Heap {
            let heap = self.chosen().map(|at| &self.now.heaps[at]);
            let last = heap.map_or(0, |heap| heap.figures.buckets.len().saturating_sub(1));
            self.skipped = self.skipped.saturating_add_signed(by).min(last);
            return;
        }
        let order = self.order();
        let last = order.len().saturating_sub(1);
        let place = self.place(&order).saturating_add_signed(by).min(last);
        if let Some(&at) = order.get(place) {
            self.chosen = self.now.heaps[at].handle;
        }
    }
}
