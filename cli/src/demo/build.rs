//! Builds the index with several threads.
//!
//! ```text
//!   readers (one file at a time)       indexers (one share of the terms each)
//!   read, split into lines, tokenise --terms--> gather postings --sorted--> merged
//!        \------------- documents --------------------------------------->
//! ```
//!
//! Nearly every string is allocated by one thread and freed by another, as in
//! a server whose requests pass from hand to hand. The result does not depend
//! on who was faster: a document's terms come from one reader in order, and
//! everything else is sorted.

use super::index::{BuildFnv, Document, Fnv, Index, Posting};
use super::words;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::hash::Hasher;
use std::mem;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;

/// Terms sent at a time.
const BATCH: usize = 256;
/// Batches that may wait before an indexer.
const QUEUE: usize = 64;

/// Some terms of one document, each with its line.
struct Batch {
    document: u32,
    terms: Vec<(String, u32)>,
}

/// One indexer's share: term, document, lines.
type Share = HashMap<String, BTreeMap<u32, Vec<u32>>, BuildFnv>;

/// Indexes `files` with `threads` readers and as many indexers; `progress` is
/// told the bytes of each file when it has been read.
///
/// # Errors
/// A file that cannot be read or is no longer text, with its name.
pub(crate) fn build(
    files: &[PathBuf],
    threads: usize,
    mut progress: impl FnMut(u64),
) -> Result<Index, String> {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (document_to, documents_from) = mpsc::channel();
        let mut shares = Vec::new();
        let mut indexers = Vec::new();
        for _ in 0..threads {
            let (to, from) = mpsc::sync_channel(QUEUE);
            shares.push(to);
            indexers.push(scope.spawn(move || gather(&from)));
        }
        for _ in 0..threads {
            let shares = shares.clone();
            let documents = document_to.clone();
            let next = &next;
            scope.spawn(move || read_files(files, next, &shares, &documents));
        }
        // The receivers end when the last sender is gone.
        drop(shares);
        drop(document_to);

        let mut failure = None;
        let mut documents: Vec<Document> = files.iter().map(|_| Document::default()).collect();
        for message in documents_from {
            match message {
                Ok((number, document, bytes)) => {
                    documents[number as usize] = document;
                    progress(bytes);
                }
                Err(message) => {
                    failure.get_or_insert(message);
                }
            }
        }
        let mut terms = BTreeMap::new();
        for indexer in indexers {
            let mut share = indexer.join().map_err(|_| "an indexer died".to_owned())?;
            terms.append(&mut share);
        }
        match failure {
            Some(message) => Err(message),
            None => Ok(Index { documents, terms }),
        }
    })
}

/// A finished document with its number and size, or why there is none.
type Finished = Result<(u32, Document, u64), String>;

/// A reader: takes the next file until there is none.
fn read_files(
    files: &[PathBuf],
    next: &AtomicUsize,
    shares: &[SyncSender<Batch>],
    documents: &Sender<Finished>,
) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        let Some(path) = files.get(number) else {
            return;
        };
        let finished = read_file(path, number as u32, shares);
        if documents.send(finished).is_err() {
            return;
        }
    }
}

fn read_file(path: &Path, number: u32, shares: &[SyncSender<Batch>]) -> Finished {
    let text =
        fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?;
    let mut waiting: Vec<Vec<(String, u32)>> = shares.iter().map(|_| Vec::new()).collect();
    let send = |share: usize, terms: Vec<(String, u32)>| {
        let batch = Batch {
            document: number,
            terms,
        };
        shares[share]
            .send(batch)
            .map_err(|_| "an indexer died".to_owned())
    };
    let mut lines = Vec::new();
    for (line_number, line) in text.lines().enumerate() {
        for term in words::terms(line) {
            let share = share_of(&term, shares.len());
            waiting[share].push((term, line_number as u32));
            if waiting[share].len() == BATCH {
                send(share, mem::take(&mut waiting[share]))?;
            }
        }
        lines.push(Box::from(line));
    }
    for (share, terms) in waiting.into_iter().enumerate() {
        if !terms.is_empty() {
            send(share, terms)?;
        }
    }
    let document = Document {
        path: path.display().to_string(),
        lines,
    };
    Ok((number, document, text.len() as u64))
}

/// The indexer that gathers a term.
fn share_of(term: &str, shares: usize) -> usize {
    let mut hash = Fnv::default();
    hash.text(term);
    // The maps use the low bits.
    ((hash.finish() >> 32) % shares as u64) as usize
}

/// An indexer: gathers its share of the terms, then sorts it.
fn gather(batches: &Receiver<Batch>) -> BTreeMap<String, Vec<Posting>> {
    let mut share = Share::default();
    for batch in batches {
        for (term, line) in batch.terms {
            let lines = share
                .entry(term)
                .or_default()
                .entry(batch.document)
                .or_default();
            if lines.last() != Some(&line) {
                lines.push(line);
            }
        }
    }
    let postings = |documents: BTreeMap<u32, Vec<u32>>| {
        documents
            .into_iter()
            .map(|(document, mut lines)| {
                lines.shrink_to_fit();
                Posting { document, lines }
            })
            .collect()
    };
    share
        .into_iter()
        .map(|(term, documents)| (term, postings(documents)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> Vec<PathBuf> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo");
        let mut files: Vec<PathBuf> = fs::read_dir(source)
            .expect("the sources")
            .map(|entry| entry.expect("an entry").path())
            .collect();
        files.sort();
        files
    }

    #[test]
    fn the_index_does_not_depend_on_the_threads() {
        let files = here();
        let mut seen = 0;
        let one = build(&files, 1, |bytes| seen += bytes).expect("an index");
        let total: u64 = files
            .iter()
            .map(|f| fs::metadata(f).expect("a file").len())
            .sum();
        assert_eq!(seen, total);
        assert!(one.word("fingerprint").documents >= 2);
        for threads in [2, 3, 7] {
            let many = build(&files, threads, |_| {}).expect("an index");
            assert_eq!(many.fingerprint(), one.fingerprint(), "{threads} threads");
            assert_eq!(many.interrogate(), one.interrogate(), "{threads} threads");
        }
    }

    #[test]
    fn a_missing_file_is_an_error_with_its_name() {
        let mut files = here();
        files.push(PathBuf::from("/nonexistent/file"));
        let error = build(&files, 2, |_| {}).expect_err("an error");
        assert!(error.contains("/nonexistent/file"), "{error}");
    }
}
