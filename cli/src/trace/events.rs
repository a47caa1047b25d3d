//! The lines that the library writes.

/// A line: who, and what begins or has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) process: u32,
    pub(crate) thread: u64,
    pub(crate) name: String,
    pub(crate) what: What,
}

/// What an event says of its call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// It begins, with these arguments by name.
    Began(Vec<(String, u64)>),
    /// It has ended, and gave this.
    Ended(u64),
}

fn number(text: &str) -> Option<u64> {
    u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()
}

impl Event {
    /// Reads a line; `None` if it is none of the library's, or cut.
    pub(crate) fn read(line: &str) -> Option<Event> {
        let mut fields = line.split('\t');
        let process = fields.next()?.parse().ok()?;
        let thread = fields.next()?.parse().ok()?;
        let sign = fields.next()?;
        let name = fields.next()?.to_owned();
        let what = match sign {
            "+" => What::Began(
                fields
                    .map(|field| {
                        let (name, value) = field.split_once('=')?;
                        Some((name.to_owned(), number(value)?))
                    })
                    .collect::<Option<_>>()?,
            ),
            "-" => What::Ended(number(fields.next()?)?),
            _ => return None,
        };
        Some(Event {
            process,
            thread,
            name,
            what,
        })
    }
}

/// Cuts what arrives in pieces into lines.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    rest: Vec<u8>,
}

impl Lines {
    /// Takes a piece; calls `visit` for each line that is whole now.
    pub(crate) fn take(&mut self, piece: &[u8], visit: &mut dyn FnMut(&str)) {
        self.rest.extend_from_slice(piece);
        let Some(last) = self.rest.iter().rposition(|&byte| byte == b'\n') else {
            return;
        };
        let whole: Vec<u8> = self.rest.drain(..=last).collect();
        String::from_utf8_lossy(&whole).lines().for_each(visit);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_beginning_or_an_end() {
        let begins = Event::read("7\t8\t+\toperator new\tsize=0x28").expect("an event");
        assert_eq!(
            begins,
            Event {
                process: 7,
                thread: 8,
                name: "operator new".to_owned(),
                what: What::Began(vec![("size".to_owned(), 0x28)]),
            }
        );
        let ends = Event::read("7\t8\t-\tmalloc\t0x7f0000000000").expect("an event");
        assert_eq!(ends.what, What::Ended(0x7f00_0000_0000));
        let none = Event::read("7\t8\t+\t_heapmin").expect("an event");
        assert_eq!(none.what, What::Began(Vec::new()));
    }

    #[test]
    fn what_is_no_line_of_the_librarys_is_none() {
        for line in [
            "",
            "7\t8\t*\tx\t0x1",
            "a\t8\t-\tx\t0x1",
            "7\t8\t-\tx\t12",
            "7\t8\t-\tx",
            "7\t8\t+\tx\tsize",
        ] {
            assert_eq!(Event::read(line), None, "{line}");
        }
    }

    #[test]
    fn lines_are_whole_however_they_arrive() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for piece in ["a", "b\nc", "\n\nd"] {
            lines.take(piece.as_bytes(), &mut |line| seen.push(line.to_owned()));
        }
        assert_eq!(seen, ["ab", "c", ""]);
    }
}
