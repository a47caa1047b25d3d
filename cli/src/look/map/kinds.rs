//! What a process's mappings are, by the kinds that VMMap tells apart.

use ntheap_inspect::model::{Mapping, Range, Snapshot};
use std::collections::HashSet;

/// A kind of memory ("Memory Types" of VMMap's manual).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Kind {
    /// Programs and libraries, their data included.
    Image,
    /// Files that are mapped.
    File,
    /// Memory that others may share.
    Shareable,
    /// Memory of ntheap's heaps, their records included.
    Heap,
    /// Threads' stacks.
    Stack,
    /// What the program mapped itself.
    Private,
    /// Address space without memory.
    Reserved,
}

impl Kind {
    pub(crate) const ALL: [Kind; 7] = [
        Kind::Image,
        Kind::File,
        Kind::Shareable,
        Kind::Heap,
        Kind::Stack,
        Kind::Private,
        Kind::Reserved,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::Image => "Image",
            Kind::File => "Mapped file",
            Kind::Shareable => "Shareable",
            Kind::Heap => "Heap",
            Kind::Stack => "Stack",
            Kind::Private => "Private",
            Kind::Reserved => "Reserved",
        }
    }

    /// Its class in the picture's style.
    pub(crate) fn class(self) -> &'static str {
        match self {
            Kind::Image => "image",
            Kind::File => "file",
            Kind::Shareable => "share",
            Kind::Heap => "heap",
            Kind::Stack => "stack",
            Kind::Private => "private",
            Kind::Reserved => "reserved",
        }
    }
}

/// The kinds of a snapshot's mappings, in their order.
pub(crate) fn of(snapshot: &Snapshot) -> Vec<Kind> {
    let own = snapshot.own_ranges();
    let programs: HashSet<&str> = snapshot
        .mappings
        .iter()
        .filter(|mapping| mapping.is_file && mapping.is_executable)
        .map(|mapping| mapping.name.as_str())
        .collect();
    let mut kinds = Vec::with_capacity(snapshot.mappings.len());
    let mut before: Option<(u64, Kind)> = None;
    for mapping in &snapshot.mappings {
        let is_heap = covered(&own, mapping) * 2 >= mapping.end - mapping.start;
        let follows_image = before == Some((mapping.start, Kind::Image));
        let kind = if is_heap {
            Kind::Heap
        } else {
            of_mapping(snapshot, mapping, &programs, follows_image)
        };
        before = Some((mapping.end, kind));
        kinds.push(kind);
    }
    kinds
}

fn of_mapping(
    snapshot: &Snapshot,
    mapping: &Mapping,
    programs: &HashSet<&str>,
    follows_image: bool,
) -> Kind {
    let name = mapping.name.as_str();
    let has_rights = mapping.is_readable || mapping.is_writable || mapping.is_executable;
    let shared_names = ["/dev/shm/", "/memfd:", "/SYSV", "/dev/zero"];
    if mapping.is_file && programs.contains(name) || name.starts_with("[v") {
        return Kind::Image;
    }
    if mapping.is_shared && !mapping.is_file || shared_names.iter().any(|s| name.starts_with(s)) {
        return Kind::Shareable;
    }
    if mapping.is_file {
        return Kind::File;
    }
    let mut pointers = snapshot.process.stack_pointers.iter();
    let is_stack = pointers.any(|&sp| mapping.start <= sp && sp < mapping.end);
    if name.starts_with("[stack") || (is_stack && mapping.is_writable) {
        return Kind::Stack;
    }
    // Data that a program's file has no bytes for.
    if follows_image && mapping.is_writable && name.is_empty() {
        return Kind::Image;
    }
    if has_rights {
        Kind::Private
    } else {
        Kind::Reserved
    }
}

/// The bytes of a mapping that lie in the ranges.
fn covered(ranges: &[Range], mapping: &Mapping) -> u64 {
    let first = ranges.partition_point(|range| range.end <= mapping.start);
    ranges
        .iter()
        .skip(first)
        .take_while(|range| range.start < mapping.end)
        .map(|range| range.end.min(mapping.end) - range.start.max(mapping.start))
        .sum()
}

/// The bytes of a mapping that count as committed: what can be written to, or is a
/// file's.
pub(crate) fn committed(mapping: &Mapping) -> u64 {
    let counts = mapping.is_writable || (mapping.is_file && mapping.is_readable);
    if counts {
        mapping.end - mapping.start
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ntheap_inspect::maps::parse;
    use ntheap_inspect::model::{Area, AreaKind, joined};

    const MAPS: &str = "\
1000-2000 r-xp 0 08:01 1 /bin/x
2000-3000 rw-p 0 08:01 1 /bin/x
3000-4000 rw-p 0 00:00 0
8000-9000 r--p 0 08:01 2 /a/file
a000-b000 rw-s 0 00:01 3 /dev/shm/s
c000-d000 ---p 0 00:00 0
e000-f000 rw-p 0 00:00 0
10000-20000 rw-p 0 00:00 0
30000-31000 rw-p 0 00:00 0
40000-41000 rw-p 0 00:00 0 [stack]
";

    #[test]
    fn each_kind_is_told() {
        let mut snapshot = Snapshot {
            mappings: parse(MAPS),
            ..Snapshot::default()
        };
        snapshot.process.stack_pointers = vec![0x30800];
        snapshot.areas.push(Area {
            kind: AreaKind::Region,
            start: 0x10000,
            reserved: 0x10000,
            ..Area::default()
        });
        use Kind::{File, Heap, Image, Private, Reserved, Shareable, Stack};
        let expected = [
            Image, Image, Image, File, Shareable, Reserved, Private, Heap, Stack, Stack,
        ];
        assert_eq!(of(&snapshot), expected);
    }

    #[test]
    fn overlaps_count_once() {
        let range = |start, end| Range { start, end };
        let ranges = joined([
            range(5, 9),
            range(0, 3),
            range(3, 4),
            range(6, 7),
            range(8, 12),
        ]);
        assert_eq!(ranges, [range(0, 4), range(5, 12)]);
        let mapping = Mapping {
            start: 2,
            end: 7,
            ..Mapping::default()
        };
        assert_eq!(covered(&ranges, &mapping), 4);
    }
}
