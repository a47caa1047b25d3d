//! The files of a process in another mount namespace, as in a container: a path in its list of
//! mappings is one of its own file system, and may be another file here or none.
//!
//! The kernel shows the process's file system as `/proc/PID/root`, through which such files
//! are named from then on. Once the process is gone, so are these names, and nothing here is
//! taken for its files that merely has their paths. The numbers of processes are used again:
//! who reads such names later, from a snapshot, when another process has the number, finds
//! what lies at these paths in that one's file system.

use crate::model::Mapping;
use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;

/// Names the files of process `pid`, whose numbers (inodes) are `numbers`, as they can be
/// opened here.
pub(crate) fn name_files(pid: i32, mappings: &mut [Mapping], numbers: &[u64]) {
    if !is_elsewhere(pid) {
        return;
    }
    let root = format!("/proc/{pid}/root");
    // Where its root lies in the whole tree of its mounts, by which the list tells paths.
    let below = fs::read_link(&root).unwrap_or_default();
    let below = below.to_str().filter(|below| *below != "/").unwrap_or("");
    let mut known: HashMap<(String, u64), String> = HashMap::new();
    for (mapping, &number) in mappings.iter_mut().zip(numbers) {
        if !mapping.is_file || !mapping.name.starts_with('/') {
            continue;
        }
        let name = &mapping.name;
        mapping.name = known
            .entry((name.clone(), number))
            .or_insert_with(|| found(&root, below, name, number))
            .clone();
    }
}

/// Whether the mounts of a process are others than this one's; false where that cannot be told.
fn is_elsewhere(pid: i32) -> bool {
    let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/mnt")).ok();
    match (of("self"), of(&pid.to_string())) {
        (Some(own), Some(other)) => own != other,
        _ => false,
    }
}

/// The name by which a file can be opened; its own where it is the same file here.
fn found(root: &str, below: &str, name: &str, number: u64) -> String {
    let whole = format!("{root}{name}");
    let inner = name.strip_prefix(below).filter(|_| !below.is_empty());
    let inner = inner.map(|inner| format!("{root}{inner}"));
    let is_it = |path: &str| fs::metadata(path).is_ok_and(|file| file.ino() == number);
    let theirs = match inner {
        Some(inner) if !is_it(&whole) && is_it(&inner) => inner,
        _ => whole,
    };
    let id = |path: &str| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    match (id(name), id(&theirs)) {
        (Some(own), Some(other)) if own == other => name.to_owned(),
        _ => theirs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_of_this_namespace_keeps_its_names() {
        let pid = i32::try_from(std::process::id()).expect("a small number");
        assert!(!is_elsewhere(pid));
        // Nor where nothing can be told.
        assert!(!is_elsewhere(i32::MAX));
        let root = format!("/proc/{pid}/root");
        let own = std::env::current_exe().expect("a path");
        let own = own.to_str().expect("text");
        let number = fs::metadata(own).expect("a file").ino();
        assert_eq!(found(&root, "", own, number), own);
        // What is not here is theirs or nobody's.
        let gone = "/nonexistent/program";
        assert_eq!(found(&root, "", gone, 7), format!("{root}{gone}"));
        // A root within the tree that paths are told by.
        let inner = format!("/jail{own}");
        assert_eq!(
            found(&root, "/jail", &inner, number),
            format!("{root}{own}")
        );
        assert_eq!(
            found(&root, "/jail", &inner, number + 1),
            format!("{root}{inner}")
        );
    }
}
