//! Which files the demonstration reads.
//!
//! The parent chooses once and hands the same list to every child. Choosing
//! reads each file, so that no child is the one that waits for the disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file larger than this is generated data more often than text.
const FILE_LIMIT: u64 = 4 << 20;

/// The files chosen, and what was left out.
#[derive(Debug, Default)]
pub(crate) struct Corpus {
    /// Where the search began.
    pub(crate) roots: Vec<PathBuf>,
    /// The text files, in a fixed order.
    pub(crate) files: Vec<PathBuf>,
    /// Their sizes together.
    pub(crate) bytes: u64,
    /// Files that are not text, or are too large to be.
    pub(crate) not_text: u64,
    /// Whether more text was there than the limit let in.
    pub(crate) limited: bool,
}

/// Chooses text files under `roots`, at most `limit` bytes together.
///
/// The order is by name within a folder, so that the same tree gives the same
/// list. Links are not followed; hidden folders and cargo's `target` are left
/// out. A file or folder below a root that cannot be read is passed over.
///
/// # Errors
/// A root that cannot be read, with its name.
pub(crate) fn choose(roots: Vec<PathBuf>, limit: u64) -> Result<Corpus, String> {
    let mut corpus = Corpus::default();
    for root in &roots {
        let entries =
            sorted_entries(root).map_err(|e| format!("cannot read {}: {e}", root.display()))?;
        walk(entries, limit, &mut corpus);
    }
    corpus.roots = roots;
    Ok(corpus)
}

/// The folders read when the user names none.
pub(crate) fn default_roots() -> Vec<PathBuf> {
    let mut roots = Vec::new();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent();
    if let Some(repository) = repository.filter(|r| r.is_dir()) {
        roots.push(repository.to_owned());
    }
    let cargo = std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")));
    let sources = cargo.map(|c| c.join("registry").join("src"));
    if let Some(sources) = sources.filter(|s| s.is_dir()) {
        roots.push(sources);
    }
    if roots.is_empty() {
        roots.push(PathBuf::from("."));
    }
    roots
}

fn walk(entries: Vec<fs::DirEntry>, limit: u64, corpus: &mut Corpus) {
    for entry in entries {
        if corpus.limited {
            return;
        }
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let path = entry.path();
        if kind.is_dir() {
            let name = entry.file_name();
            let hidden = name.as_encoded_bytes().starts_with(b".");
            if !hidden && name != "target" {
                walk(sorted_entries(&path).unwrap_or_default(), limit, corpus);
            }
        } else if kind.is_file() {
            consider(path, limit, corpus);
        }
    }
}

fn consider(path: PathBuf, limit: u64, corpus: &mut Corpus) {
    let Ok(size) = fs::metadata(&path).map(|m| m.len()) else {
        return;
    };
    // The list is handed on as text.
    if size == 0 || path.to_str().is_none() {
        return;
    }
    if size > FILE_LIMIT {
        corpus.not_text += 1;
        return;
    }
    if corpus.bytes + size > limit {
        corpus.limited = true;
        return;
    }
    match fs::read(&path) {
        Ok(contents) if is_text(&contents) => {
            corpus.bytes += contents.len() as u64;
            corpus.files.push(path);
        }
        Ok(_) => corpus.not_text += 1,
        Err(_) => {}
    }
}

/// UTF-8 without a zero byte.
pub(crate) fn is_text(contents: &[u8]) -> bool {
    !contents.contains(&0) && std::str::from_utf8(contents).is_ok()
}

fn sorted_entries(folder: &Path) -> io::Result<Vec<fs::DirEntry>> {
    let mut entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    Ok(entries)
}
