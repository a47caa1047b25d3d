//! The inverted index, its queries and its fingerprint.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};

/// A file's text, kept line by line to show what was found.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) path: String,
    pub(crate) lines: Vec<Box<str>>,
}

/// The lines of one document on which a term stands, rising.
#[derive(Debug)]
pub(crate) struct Posting {
    pub(crate) document: u32,
    pub(crate) lines: Vec<u32>,
}

/// Every term of every document.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub(crate) documents: Vec<Document>,
    pub(crate) terms: BTreeMap<String, Vec<Posting>>,
}

/// What a query found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Documents that match.
    pub(crate) documents: u64,
    /// Lines that match.
    pub(crate) lines: u64,
    /// The first few matching lines, as `path:line: text`.
    pub(crate) shown: Vec<String>,
}

/// Lines shown for a query.
const SHOWN: usize = 8;

impl Index {
    /// The lines on which `word` stands.
    pub(crate) fn word(&self, word: &str) -> Answer {
        let mut answer = Answer::default();
        for posting in self.terms.get(word).into_iter().flatten() {
            self.add(&mut answer, posting);
        }
        answer
    }

    /// The lines of `a` in the documents that hold `b` too.
    pub(crate) fn both(&self, a: &str, b: &str) -> Answer {
        let mut answer = Answer::default();
        let others = self.terms.get(b).map_or(&[][..], Vec::as_slice);
        for posting in self.terms.get(a).into_iter().flatten() {
            if others
                .binary_search_by_key(&posting.document, |p| p.document)
                .is_ok()
            {
                self.add(&mut answer, posting);
            }
        }
        answer
    }

    /// The terms that begin with `prefix`; documents and lines are counted
    /// once for each term.
    pub(crate) fn prefix(&self, prefix: &str) -> Answer {
        let mut answer = Answer::default();
        let from = self.terms.range(prefix.to_owned()..);
        for (_, postings) in from.take_while(|(term, _)| term.starts_with(prefix)) {
            for posting in postings {
                self.add(&mut answer, posting);
            }
        }
        answer
    }

    fn add(&self, answer: &mut Answer, posting: &Posting) {
        answer.documents += 1;
        answer.lines += posting.lines.len() as u64;
        let document = &self.documents[posting.document as usize];
        for &line in &posting.lines {
            if answer.shown.len() == SHOWN {
                break;
            }
            let text = document.lines[line as usize].trim();
            answer
                .shown
                .push(format!("{}:{}: {text}", document.path, line + 1));
        }
    }

    /// Postings of all terms together: one for each term and document.
    pub(crate) fn postings(&self) -> u64 {
        self.terms.values().map(|p| p.len() as u64).sum()
    }

    /// A number that two indexes share only if they hold the same.
    pub(crate) fn fingerprint(&self) -> u64 {
        let mut hash = Fnv::default();
        for document in &self.documents {
            hash.text(&document.path);
            for line in &document.lines {
                hash.text(line);
            }
        }
        for (term, postings) in &self.terms {
            hash.text(term);
            for posting in postings {
                hash.number(posting.document.into());
                for &line in &posting.lines {
                    hash.number(line.into());
                }
            }
        }
        hash.finish()
    }

    /// Asks many questions of each kind, chosen by the index alone, and
    /// returns how many and a number made from every answer.
    pub(crate) fn interrogate(&self) -> (u64, u64) {
        let mut hash = Fnv::default();
        let mut asked = 0;
        let mut take = |answer: Answer| {
            hash.number(answer.documents);
            hash.number(answer.lines);
            for line in &answer.shown {
                hash.text(line);
            }
            asked += 1;
        };
        let step = self.terms.len() / 2000 + 1;
        let sample: Vec<&String> = self.terms.keys().step_by(step).collect();
        for term in &sample {
            take(self.word(term));
            let prefix: String = term.chars().take(3).collect();
            take(self.prefix(&prefix));
        }
        let mut frequent: Vec<(usize, &String)> = self
            .terms
            .iter()
            .map(|(term, postings)| (postings.len(), term))
            .collect();
        frequent.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
        frequent.truncate(48);
        for (_, a) in &frequent {
            for (_, b) in &frequent {
                take(self.both(a, b));
            }
        }
        (asked, hash.finish())
    }
}

/// FNV-1a with 64 bits: the same in every process, unlike std's hasher.
#[derive(Clone, Debug)]
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Fnv(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    /// Adds a text and its end.
    pub(crate) fn text(&mut self, text: &str) {
        self.write(text.as_bytes());
        self.write(&[0xff]);
    }

    fn number(&mut self, n: u64) {
        self.write(&n.to_le_bytes());
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// Makes [`Fnv`] hashers for the maps.
#[derive(Clone, Debug, Default)]
pub(crate) struct BuildFnv;

impl BuildHasher for BuildFnv {
    type Hasher = Fnv;

    fn build_hasher(&self) -> Fnv {
        Fnv::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Index {
        let document = |path: &str, text: &str| Document {
            path: path.to_owned(),
            lines: text.lines().map(Box::from).collect(),
        };
        let posting = |document, lines: &[u32]| Posting {
            document,
            lines: lines.to_vec(),
        };
        Index {
            documents: vec![
                document("a", "heap page\nheap"),
                document("b", "heaps\npage"),
            ],
            terms: BTreeMap::from([
                ("heap".to_owned(), vec![posting(0, &[0, 1])]),
                ("heaps".to_owned(), vec![posting(1, &[0])]),
                ("page".to_owned(), vec![posting(0, &[0]), posting(1, &[1])]),
            ]),
        }
    }

    #[test]
    fn queries_find_what_is_there() {
        let index = sample();
        assert_eq!(
            index.word("heap"),
            Answer {
                documents: 1,
                lines: 2,
                shown: vec!["a:1: heap page".into(), "a:2: heap".into()],
            }
        );
        assert_eq!(index.word("nothing"), Answer::default());
        assert_eq!(index.both("page", "heap").shown, ["a:1: heap page"]);
        assert_eq!(index.both("heap", "heaps"), Answer::default());
        assert_eq!(index.prefix("heap").lines, 3);
        assert_eq!(index.prefix("").documents, 4);
    }

    #[test]
    fn a_changed_line_changes_the_fingerprint() {
        let (a, mut b) = (sample(), sample());
        assert_eq!(a.fingerprint(), b.fingerprint());
        b.documents[1].lines[0] = "heapz".into();
        assert_ne!(a.fingerprint(), b.fingerprint());
    }
}
