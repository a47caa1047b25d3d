//! Events put together: a call with the calls inside it.

use super::events::{Event, What};
use std::collections::BTreeMap;

/// A call and what it called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) name: String,
    pub(crate) arguments: Vec<(String, u64)>,
    /// `None`: it never ended.
    pub(crate) result: Option<u64>,
    pub(crate) inside: Vec<Call>,
}

/// A thread of a process.
pub(crate) type Thread = (u32, u64);

/// The calls that have not ended, of all threads.
#[derive(Debug, Default)]
pub(crate) struct Forest {
    open: BTreeMap<Thread, Vec<Call>>,
}

impl Forest {
    /// Takes an event; a call that has ended and that no other call waits for is
    /// given back.
    pub(crate) fn take(&mut self, event: Event) -> Option<(Thread, Call)> {
        let thread = (event.process, event.thread);
        let open = self.open.entry(thread).or_default();
        match event.what {
            What::Began(arguments) => {
                open.push(Call {
                    name: event.name,
                    arguments,
                    result: None,
                    inside: Vec::new(),
                });
                None
            }
            What::Ended(result) => {
                // What lies above it was left without its end.
                let at = open.iter().rposition(|call| call.name == event.name)?;
                while open.len() > at + 1 {
                    close(open);
                }
                open[at].result = Some(result);
                close(open).map(|call| (thread, call))
            }
        }
    }

    /// The calls that never ended.
    pub(crate) fn left(self) -> impl Iterator<Item = (Thread, Call)> {
        self.open.into_iter().filter_map(|(thread, mut open)| {
            loop {
                if let Some(call) = close(&mut open) {
                    return Some((thread, call));
                }
                if open.is_empty() {
                    return None;
                }
            }
        })
    }
}

/// Moves the innermost call into the one around it, or gives it back.
fn close(open: &mut Vec<Call>) -> Option<Call> {
    let call = open.pop()?;
    match open.last_mut() {
        Some(around) => {
            around.inside.push(call);
            None
        }
        None => Some(call),
    }
}

/// Visits the outermost calls in `call` that `wanted` is true of.
pub(crate) fn outermost<'a>(
    call: &'a Call,
    wanted: &dyn Fn(&Call) -> bool,
    visit: &mut dyn FnMut(&'a Call),
) {
    if wanted(call) {
        visit(call);
    } else {
        for inner in &call.inside {
            outermost(inner, wanted, visit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(line: &str) -> Event {
        Event::read(line).expect("an event")
    }

    fn names(call: &Call) -> String {
        let inside: Vec<String> = call.inside.iter().map(names).collect();
        let ended = if call.result.is_some() { "" } else { "?" };
        format!("{}{ended}({})", call.name, inside.join(" "))
    }

    fn grow(lines: &[&str]) -> (Vec<String>, Vec<String>) {
        let mut forest = Forest::default();
        let whole = lines
            .iter()
            .filter_map(|line| forest.take(event(line)))
            .map(|(_, call)| names(&call))
            .collect();
        let left = forest.left().map(|(_, call)| names(&call)).collect();
        (whole, left)
    }

    #[test]
    fn calls_lie_inside_the_calls_that_made_them() {
        let (whole, left) = grow(&[
            "1\t1\t+\tnew",
            "1\t1\t+\tmalloc",
            "1\t2\t+\tfree",
            "1\t1\t+\tmmap",
            "1\t1\t-\tmmap\t0x1",
            "1\t2\t-\tfree\t0x0",
            "1\t1\t+\tmprotect",
            "1\t1\t-\tmprotect\t0x0",
            "1\t1\t-\tmalloc\t0x1",
            "1\t1\t-\tnew\t0x1",
        ]);
        assert_eq!(whole, ["free()", "new(malloc(mmap() mprotect()))"]);
        assert!(left.is_empty());
    }

    #[test]
    fn a_call_that_was_left_has_no_result() {
        let (whole, left) = grow(&[
            "1\t1\t+\tHeapAlloc",
            "1\t1\t+\tRtlAllocateHeap",
            "1\t1\t-\tHeapAlloc\t0x0",
            "1\t1\t+\tnew",
            "1\t1\t+\tmalloc",
            "1\t1\t-\tmalloc\t0x0",
        ]);
        assert_eq!(whole, ["HeapAlloc(RtlAllocateHeap?())"]);
        assert_eq!(left, ["new?(malloc())"]);
    }

    #[test]
    fn an_end_without_a_beginning_changes_nothing() {
        let (whole, left) = grow(&["1\t1\t-\tfree\t0x0", "1\t1\t+\tnew", "1\t1\t-\tnew\t0x1"]);
        assert_eq!(whole, ["new()"]);
        assert!(left.is_empty());
    }

    #[test]
    fn the_outermost_of_a_name_are_found() {
        let mut forest = Forest::default();
        let call = [
            "+\tnew",
            "+\tmalloc",
            "+\tmalloc",
            "-\tmalloc\t0x0",
            "-\tmalloc\t0x0",
            "-\tnew\t0x0",
        ]
        .iter()
        .filter_map(|line| forest.take(event(&format!("1\t1\t{line}"))))
        .map(|(_, call)| call)
        .next()
        .expect("a whole call");
        let mut seen = Vec::new();
        outermost(&call, &|call| call.name == "malloc", &mut |call| {
            seen.push(names(call));
        });
        assert_eq!(seen, ["malloc(malloc())"]);
    }
}
