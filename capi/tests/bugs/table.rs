//! Which bugs are planted, by what is wrong and by language. The files that reports are
//! compared with have each of them and no other: none is lost unless this table is changed,
//! and then its number is wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The files of expectations: of programs in C, in C++ and in Rust.
const FILES: [&str; 3] = [
    "capi/tests/c/bugs.txt",
    "capi/tests/c/bugs_new.txt",
    "tests/bugs/bugs.txt",
];

/// How many there are. There are to be 60 at least.
const PLANTED: usize = 131;

/// How a bug shows.
enum Shown {
    /// The program ends with one of these stops.
    Stop(&'static [u32]),
    /// The program ends with one of these stops, which says this of where its address came from.
    Stray(&'static [u32], &'static str),
    /// This is said, and the program goes on.
    Line(&'static str),
    /// The program reads the fill, which it looks at itself; nothing is reported.
    Fill,
}
use Shown::{Fill, Line, Stop, Stray};

/// A kind of bug.
struct Kind {
    what: &'static str,
    shown: Shown,
    /// Its cases in C, C++ and Rust.
    cases: [&'static [&'static str]; 3],
}

const fn kind(
    what: &'static str,
    shown: Shown,
    c: &'static [&'static str],
    cpp: &'static [&'static str],
    rust: &'static [&'static str],
) -> Kind {
    Kind {
        what,
        shown,
        cases: [c, cpp, rust],
    }
}

#[rustfmt::skip]
const KINDS: &[Kind] = &[
    kind("overrun by one byte", Stop(&[0xF]),
        &["overrun_by_one", "overrun_by_a_zero", "overrun_of_nothing", "overrun_after_realloc",
            "overrun_of_calloc", "overrun_of_aligned", "overrun_seen_by_size",
            "overrun_seen_by_another_call", "overrun_of_a_megabyte"],
        &["overrun_of_an_object"],
        &["written_past_the_end"]),
    kind("overrun by many bytes, or far", Stop(&[0xF]),
        &["overrun_by_many", "overrun_far", "overrun_seen_by_realloc", "overrun_after_shrinking",
            "overrun_in_heap"],
        &["overrun_of_an_array"],
        &["written_far_past_the_end"]),
    kind("underrun", Stop(&[0x12]),
        &["underrun_by_one", "underrun_by_eight", "underrun_seen_by_realloc",
            "underrun_into_a_free_block"],
        &["underrun_of_an_array"],
        &["written_before_the_start"]),
    kind("read after free", Stop(&[0x2, 0x13]),
        &["read_after_free"],
        &["read_of_deleted"],
        &["read_after_the_drop"]),
    kind("write after free", Stop(&[0xE]),
        &["late_write", "late_write_of_many", "late_write_by_another_size",
            "late_write_seen_by_any_call", "late_write_after_moving", "late_write_in_heap"],
        &["use_of_deleted", "use_after_the_vector_grew"],
        &["written_after_the_drop"]),
    kind("double free at once", Stop(&[7]),
        &["freed_twice", "freed_twice_of_large", "freed_twice_in_heap", "freed_twice_by_realloc",
            "freed_twice_by_two_threads"],
        &["deleted_twice", "owned_twice", "deleted_and_freed"],
        &["dropped_twice"]),
    kind("double free late", Stop(&[7]),
        &["freed_twice_later"],
        &["deleted_twice_later"],
        &["dropped_twice_later"]),
    kind("realloc of a freed block, or its size", Stop(&[7]),
        &["realloc_of_freed", "size_of_freed", "heap_size_of_freed"],
        &[],
        &["realloc_of_dropped"]),
    kind("free of a pointer into a block", Stop(&[6]),
        &["free_of_inside", "free_of_inside_by_one", "free_of_the_end", "free_of_inside_large",
            "realloc_of_inside"],
        &["delete_of_a_part"],
        &["part_of_a_block"]),
    kind("free of what no heap gave", Stop(&[6]),
        &["free_of_static", "realloc_of_static"],
        &["delete_of_a_static"],
        &["box_of_another_allocator"]),
    kind("free of what is on the stack", Stop(&[6]),
        &["free_of_stack"],
        &["delete_of_a_local"],
        &["box_of_a_local"]),
    kind("free of another heap's block", Stop(&[6]),
        &["other_heap", "other_heap_resizes", "heap_block_to_free", "malloc_block_to_heap"],
        &["delete_of_a_heaps_block"],
        &["box_of_a_heaps_block"]),
    // Layouts are Rust's alone.
    kind("wrong layout", Stop(&[8]), &[], &[],
        &["smaller_size", "larger_size", "size_of_the_same_class", "smaller_alignment",
            "larger_alignment", "size_of_a_large_block", "realloc_with_a_wrong_size",
            "capacity_of_another_vector", "box_of_another_type"]),
    // In Rust by Windows' names alone: `Heap`s cannot be used after their ends, and such
    // programs are not compiled (tests/lifetimes).
    kind("use of a destroyed heap", Stop(&[5, 6]),
        &["destroyed_heap_allocates", "destroyed_heap_frees", "destroyed_twice",
            "block_of_destroyed_heap"],
        &["pool_used_after_its_end", "block_given_back_after_the_pools_end"],
        &["heap_used_after_its_end", "block_freed_after_its_heaps_end"]),
    kind("handle of no heap, or not to be destroyed", Stop(&[5, 9]),
        &["handle_of_nothing", "process_heap_destroyed"],
        &[], &[]),
    kind("size that nobody means", Stop(&[4]),
        &["negative_size", "negative_size_in_heap"],
        &["negative_length"],
        &[]),
    kind("read before the first write, of 0xBAADF00D", Fill,
        &["uninitialised_read"],
        &["member_without_a_value"],
        &["read_before_the_first_write"]),
    kind("pointer or index followed that was never set",
        Stray(&[0x2, 0x13, 6], " read from memory of the heap that was never written\n"),
        &["pointer_never_set", "pointer_never_set_for_a_write", "index_never_set",
            "short_pointer_never_set", "function_never_set", "free_of_a_pointer_never_set"],
        &["member_pointer_never_set", "virtual_call_by_a_member_never_set",
            "delete_of_a_member_never_set"],
        &["reference_never_set", "box_never_set"]),
    kind("pointer followed that was read from a freed block",
        Stray(&[0x2, 0x13, 6], " is a pointer read from a freed block\n"),
        &["pointer_in_a_freed_block"],
        &["next_of_a_deleted_one"],
        &["reference_in_a_dropped_block"]),
    kind("pointer followed that was read past a block's end",
        Stray(&[0x2, 0x13], " is a pointer read from behind the end of a block\n"),
        &["pointer_past_the_end"],
        &[],
        &[]),
    kind("race on a heap without serialization", Stop(&[3]),
        &["race"], &["race_of_two_threads"], &["race_of_two_threads"]),
    kind("mismatched families", Stop(&[8]),
        &[],
        &["malloc_and_delete", "malloc_and_delete_array", "strdup_and_delete", "new_and_free",
            "new_and_realloc", "new_and_delete_array", "array_and_delete", "array_and_free",
            "aligned_and_plain_delete", "aligned_and_delete_array", "plain_and_aligned_delete",
            "aligned_array_and_delete"],
        &[]),
    kind("thread that ends without its exit hooks", Line("ended without its exit hooks"),
        &["thread_without_exit_hooks"],
        &[], &[]),
];

/// What is looked for and must not be found: programs without a bug.
const RIGHT: [&str; 4] = [
    "nothing",
    "tagged",
    "thread_with_exit_hooks",
    "all_operators",
];

/// Leaks are told by a command; its words are in its own tests, with these: of programs in C,
/// C++ and Rust.
const LEAKS: [(&str, &str); 3] = [
    (
        "cli/tests/look/leaks.rs",
        "27,000 bytes in 9 blocks of 3,000, process heap, allocated at\n    lose\n    main\n",
    ),
    (
        "cli/tests/look/leaks_by_language.rs",
        "2,400 bytes in 1 block of 2,400, process heap, allocated at\n    Album::Album()\n    lose\n",
    ),
    (
        "cli/tests/look/leaks_by_language.rs",
        "3,200 bytes in 1 block of 3,200, process heap, allocated at\n    lose\n",
    ),
];

fn read(file: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    std::fs::read_to_string(root.join(file)).expect(file)
}

/// Each case's expectations, with the flags that they are under.
fn sections(text: &str) -> BTreeMap<&str, Vec<(&str, &str)>> {
    let mut all = BTreeMap::<&str, Vec<_>>::new();
    for part in text.split("== ").skip(1) {
        let (head, body) = part.split_once('\n').expect("a line");
        let (name, flags) = head.split_once(' ').expect("a name and flags");
        all.entry(name).or_default().push((flags, body));
    }
    all
}

/// Whether a report says all that it can of a stop: the block, its sizes, its stacks.
fn is_whole(flags: &str, body: &str, stops: &[u32]) -> bool {
    let Some(stop) = stops
        .iter()
        .find(|stop| body.starts_with(&format!("ntheap: VERIFIER STOP {stop:016X}: pid N: ")))
    else {
        return false;
    };
    let parameters = body
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with("    ") && line.contains(" : "));
    let ends = match stop {
        0x2 | 0x13 => "-- signal 11\n",
        _ => "-- signal 6\n",
    };
    let has_block = body.contains(" busy block of ") || body.contains(" free block of ");
    let is_of_none = body.contains("belongs to no block") || !body.contains("  the address ");
    let has_stacks = flags.contains("+ust");
    let is_access = matches!(stop, 0x2 | 0x13);
    parameters.count() == 4
        && body.trim_end().ends_with(ends.trim_end())
        && has_block != is_of_none
        && (!is_access || body.contains("\n  accessed by thread T \""))
        && (!has_block || body.contains("\n  allocated by thread T \""))
        && (!has_block || !has_stacks || body.contains("\":\n    "))
        && (!body.contains(" free block of ")
            || !has_stacks
            || body.contains("\n  freed by thread T \""))
}

#[test]
fn every_kind_of_bug_is_planted() {
    let texts = FILES.map(read);
    let sections = texts.each_ref().map(|text| sections(text));
    let mut listed: [BTreeSet<&str>; 3] = Default::default();
    for Kind { what, shown, cases } in KINDS {
        assert!(cases.iter().any(|cases| !cases.is_empty()), "{what}");
        for (at, cases) in cases.iter().enumerate() {
            for case in *cases {
                assert!(listed[at].insert(case), "{case} is listed twice");
                let under = sections[at]
                    .get(case)
                    .unwrap_or_else(|| panic!("{what}: {} has no {case}", FILES[at]));
                let is_shown = |&(flags, body): &(&str, &str)| match *shown {
                    Stop(stops) => is_whole(flags, body, stops),
                    Stray(stops, said) => is_whole(flags, body, stops) && body.contains(said),
                    Line(said) => body.starts_with("ntheap: ") && body.contains(said),
                    Fill => flags.contains("+hfc") && body == "-- exit 0\n\n",
                };
                assert!(under.iter().any(is_shown), "{what}, {case}: {under:?}");
            }
        }
    }
    for (at, sections) in sections.iter().enumerate() {
        for case in sections.keys() {
            assert!(
                listed[at].contains(case) != RIGHT.contains(case),
                "{}: of what kind is {case}?",
                FILES[at]
            );
        }
    }
    for (file, said) in LEAKS {
        assert!(read(file).contains(said), "{file} has no planted leak");
    }
    let planted = listed.iter().map(BTreeSet::len).sum::<usize>() + LEAKS.len();
    assert_eq!(planted, PLANTED);
}
