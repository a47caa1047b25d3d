//! Where Wine 8.0 answers otherwise than Windows.

/// One check that does not hold under Wine.
#[derive(Debug)]
pub(crate) struct Difference {
    /// The program.
    pub(crate) program: &'static str,
    /// The check's name, or [`END`].
    pub(crate) check: &'static str,
    /// What Wine does.
    pub(crate) wine: &'static str,
}

/// Stands for coming to the program's end.
pub(crate) const END: &str = "(end)";

macro_rules! differences {
    ($($program:ident { $($($check:literal),+ => $wine:literal;)+ })*) => {
        /// All of them, by program.
        pub(crate) const DIFFERENCES: &[Difference] = &[
            $($($(
                Difference { program: stringify!($program), check: $check, wine: $wine },
            )+)+)*
        ];
    };
}

differences! {
    alloc_exceptions {
        "multiple-code" => "has no RtlMultipleAllocateHeap and raises that";
        "heaps-flag-raised", "heaps-flag-code" => "forgets HeapCreate's HEAP_GENERATE_EXCEPTIONS";
    }
    alloc_spacing {
        "size-0", "size-1", "size-8", "size-15", "size-16", "size-24" =>
            "puts small blocks at 48 bytes";
    }
    buckets_activation {
        "18-of-0", "18-of-24", "18-of-100", "18-of-1000" => "never has buckets";
    }
    buckets_walk {
        "is-2" => "takes the setting and does not keep it";
        "18-leave-more-than-24-entries", "free-blocks-from-4-on" => "never has buckets";
        "region-follows-uncommitted" => "ends with the uncommitted range";
    }
    buckets_walk_end {
        "count-in-bounds" => "has three entries: it never has buckets";
    }
    com_bad_pointers {
        "(end)" => "reads before the address and faults";
    }
    com_get_malloc {
        "no-spy" => "leaves the address";
        "add-ref" => "returns 2";
    }
    com_minimize {
        "gives-back" => "does nothing";
    }
    com_spy_moves {
        "heap-size", "size" => "has bytes of its own in a block while there is a spy";
        "(end)" => "loses the addresses of a spy that moves them, and faults";
    }
    com_spy_order {
        "revoked" => "takes a block that was resized for one of the spy's";
    }
    com_spy_refuses {
        "free-calls" => "takes a block whose resizing was refused for another's";
    }
    com_spy_revokes {
        "inside", "inside-calls", "still-there", "freed-calls", "refused-inside" =>
            "lets go at once of a spy that is revoked within PreAlloc";
    }
    commit_limit {
        "at-once-error" => "says ERROR_NOT_ENOUGH_MEMORY";
        "the-rest", "the-rest-error", "untouched", "section", "section-error", "sparse-commit",
        "sparse-commit-error", "sparse-untouched" => "has no limit";
        "nt" => "refuses to make pages that hold anything read-write again";
    }
    compatibility_no_heap {
        "refused", "error", "length-untouched", "value-untouched" => "does not look at the heap";
    }
    compatibility_set {
        "is-2", "still-2" => "takes the setting and does not keep it";
        "back-to-0", "back-to-0-error", "back-to-1", "back-to-1-error" => "takes any setting";
        "no-serialize", "no-serialize-error", "fixed" => "takes the setting for any heap";
    }
    create_flags {
        "initial-above-maximum-refused", "initial-above-maximum-error" => "makes the heap";
    }
    crt_aligned {
        "msize-8-0" => "counts an offset's gap in another way";
        "overflow", "overflow-errno" => "does not see it";
    }
    crt_aligned_recalloc {
        "(end)" => "has no such functions";
    }
    crt_expand {
        "most-errno" => "leaves errno as it was";
    }
    crt_heap {
        "handle" => "has a heap of its own, which Visual C++ 2012 and newer have not";
        "bad-pointer" => "says _HEAPBADNODE";
        "heapmin" => "says that it failed";
    }
    crt_heapset {
        "(end)" => "faults";
    }
    crt_invalid {
        "aligned-3-told", "aligned-127-told", "offset-told", "realloc-3-told", "realloc-offset-told",
        "expand-null-told" => "tells no handler";
        "aligned-size-0", "aligned-size-0-told", "aligned-size-0-errno" => "allocates";
        "expand-null-errno" => "leaves errno as it was";
        "(end)" => "faults";
    }
    crt_new_mode {
        "calloc-calls", "calloc-asked", "realloc-calls", "realloc-asked", "recalloc-calls",
        "recalloc-asked" => "has malloc alone ask the handler";
        "calloc-errno", "realloc-errno", "over-realloc-errno" => "leaves errno as it was";
        "over-malloc-calls", "over-aligned-calls" => "asks the handler at any size";
    }
    crt_recalloc {
        "overflow", "overflow-errno" => "does not see it";
    }
    crt_sizes {
        "realloc-most-errno" => "leaves errno as it was";
    }
    crtdbg_blocks {
        "is-new", "fence-before", "fence-behind", "realloc-is-new", "expand-fence" =>
            "neither fills blocks nor fences them";
        "(end)" => "reads before the address and faults";
    }
    crtdbg_flags {
        "at-first", "set", "reset" => "has no flags at first, and tells wrong ones";
        "dump-client-back" => "forgets the function";
        "warn-mode", "error-mode", "assert-mode" => "has no modes at first";
        "(end)" => "has no such functions";
    }
    crtdbg_known {
        "(end)" => "has no such functions";
    }
    crtdbg_states {
        "(end)" => "has no such functions";
    }
    fixed_limits {
        "then-full", "then-full-error" => "reserves more than the maximum";
    }
    fixed_reservation {
        "32-KiB", "20-KiB", "64-KiB-and-1", "260-KiB" => "reserves in units of its own";
    }
    foreign {
        "global-static-flags", "global-static-flags-error", "global-stack-flags",
        "global-stack-flags-error", "global-inside-flags", "global-inside-flags-error",
        "global-other-heap-flags", "global-other-heap-flags-error", "global-heap-handle-flags",
        "global-heap-handle-flags-error", "global-freed-flags", "global-freed-flags-error",
        "local-static-flags", "local-static-flags-error", "local-stack-flags",
        "local-stack-flags-error", "local-inside-flags", "local-inside-flags-error",
        "local-other-heap-flags", "local-other-heap-flags-error", "local-heap-handle-flags",
        "local-heap-handle-flags-error", "local-freed-flags", "local-freed-flags-error" =>
            "does not look at the address";
    }
    free_multiple {
        "(end)" => "has no RtlMultipleAllocateHeap and ends the program";
    }
    free_wild {
        "(end)" => "reads before the address and faults";
    }
    gflags_fill {
        "20-fresh", "20-new-dwords", "40-fresh", "40-new-dwords" =>
            "fills a last part of a dword, too";
    }
    gflags_heap_flags {
        "200000-forced", "200030-forced" => "does not force that flag";
    }
    gflags_page_heap {
        "2000000-no-signature", "2000000-no-flags" => "has no page heap";
    }
    gflags_spacing {
        "20-size-0", "20-size-1", "20-size-15", "20-size-16", "200000-size-0", "200000-size-1",
        "200000-size-15", "200000-size-16" => "puts small blocks at 48 bytes";
        "200000-size-33", "200000-size-100" => "takes no more for heaps that only keep free blocks apart";
    }
    gflags_tail_corrupt {
        "40-size", "40-not-resized", "40-not-freed", "40-valid-again", "40-size-again", "40-freed" =>
            "sizes, resizes and frees a block whose tail is damaged";
    }
    global_bad_handles {
        "freed-unlock", "made-up-unlock", "beside-one-unlock", "freed-unwire", "made-up-unwire",
        "beside-one-unwire" => "returns FALSE";
    }
    global_bad_pointers {
        "flags", "flags-error" => "does not look at the address";
        "free-error", "realloc-error" => "says ERROR_INVALID_HANDLE";
        "lock-error" => "leaves the last error";
    }
    global_compact {
        "global-largest-free", "local-largest-free", "shrink-largest-free",
        "shrink-one-largest-free" => "returns 0";
    }
    global_flags {
        "local-shows-no-sharing" => "shows it";
    }
    global_modify {
        "data-copied" => "makes the block the handle's data";
    }
    global_null {
        "lock-error" => "leaves the last error";
        "unlock", "unlock-error" => "returns FALSE, with ERROR_INVALID_HANDLE";
    }
    global_realloc_fixed {
        "modify-keeps-size" => "resizes it";
        "small-in-place-refused", "small-in-place-error", "small-size-still",
        "small-moves-to-shrink" => "never has buckets";
        "moved-content", "grown-content" => "has resized it to 0 before";
    }
    global_realloc_locked {
        "small-does-not-grow", "small-error", "small-size-still", "small-moved" =>
            "grows it where it is";
    }
    global_realloc_moveable {
        "grown-elsewhere" => "grows it where it is";
    }
    growable_first_region {
        "none", "64-KiB", "320-KiB" => "reserves 4 MiB";
    }
    growable_growth {
        "regions-enough" => "has fewer and larger regions";
    }
    handles {
        "source-closed", "source-closed-error", "third-closed" =>
            "closes the source first and gives its number out again";
    }
    handles_rights {
        "read-to-write", "read-to-write-error", "read-to-both", "read-to-both-error", "read-to-all",
        "read-to-all-error", "less-to-read", "less-to-read-error", "source-closed-if-denied" =>
            "gives a file's duplicate any rights";
    }
    large_pages {
        "privilege" => "has no such privilege to give";
        "pages-without-privilege-error" => "finds fault with the flag";
        "section-without-privilege", "section-without-privilege-error", "section-odd-size",
        "section-odd-size-error" => "takes no notice of SEC_LARGE_PAGES";
    }
    large_sections {
        "privilege" => "has no such privilege to give";
    }
    local_bad_pointers {
        "flags", "flags-error" => "does not look at the address";
        "free-error", "realloc-error", "handle-error" => "says ERROR_INVALID_HANDLE";
    }
    local_null {
        "unlock-error" => "says ERROR_INVALID_HANDLE";
    }
    local_realloc_fixed {
        "modify-keeps-size" => "resizes it";
        "small-in-place-refused", "small-in-place-error", "small-size-still",
        "small-moves-to-shrink" => "never has buckets";
        "moved-content", "grown-content" => "has resized it to 0 before";
    }
    local_realloc_locked {
        "small-does-not-grow", "small-error", "small-size-still", "small-moved" =>
            "grows it where it is";
    }
    local_realloc_moveable {
        "grown-elsewhere" => "grows it where it is";
    }
    lock_buckets {
        "has-buckets", "bucket-goes-on" => "never has buckets";
    }
    mapping_query {
        "class" => "answers STATUS_NOT_IMPLEMENTED";
    }
    memory_status {
        "reserving-takes-addresses", "releasing-gives-addresses" => "tells a constant";
        "committing-takes-commit", "releasing-gives-commit", "section-takes-commit",
        "copy-takes-commit", "ending-gives-commit" => "counts no commit";
    }
    memory_usage {
        "faults-grow" => "counts no faults";
        "private" => "does not tell it";
    }
    native_bad_arguments {
        "advise-nobody", "advise-flags" => "does not look at them";
        "create-two-kinds" => "says STATUS_INVALID_PARAMETER";
        "map-inherit-0", "map-inherit-3", "map-allocation", "nothing-mapped", "size-as-it-was" =>
            "maps all the same";
    }
    native_section_files {
        "file-view-type" => "tells no type";
    }
    native_sections {
        "more-than-the-section" => "does not look at the section's protection";
        "bad-protection" => "takes any protection";
    }
    native_wild_pointers {
        "watch-addresses-eight", "watch-addresses-eight-error", "watch-addresses-in-the-first-unit",
        "watch-addresses-in-the-first-unit-error", "watch-addresses-the-systems",
        "watch-addresses-the-systems-error" => "does not look where nothing is written to";
        "eight", "in-the-first-unit", "the-systems" =>
            "has changed the protection when it finds no place for the old one";
    }
    physical_bad_arguments {
        "privilege" => "holds no such privilege";
    }
    physical_pages {
        "without-privilege-error" => "has no physical pages: ERROR_CALL_NOT_IMPLEMENTED";
        "privilege" => "holds no such privilege";
    }
    physical_arrays {
        "privilege" => "holds no such privilege";
    }
    pages_alloc_conflicts {
        "protect-two-error" => "says ERROR_INVALID_PARAMETER";
    }
    pages_alloc_arguments {
        "protect-0x404" => "does not tell PAGE_WRITECOMBINE";
        "protect-guard-and-noaccess", "protect-guard-and-noaccess-error",
        "protect-guard-and-nocache", "protect-guard-and-nocache-error",
        "protect-nocache-and-noaccess", "protect-nocache-and-noaccess-error",
        "protect-nocache-and-writecombine", "protect-nocache-and-writecombine-error" =>
            "takes modifiers that exclude each other";
        "watch-commit", "watch-commit-error" => "takes MEM_WRITE_WATCH without MEM_RESERVE";
    }
    pages_bad_addresses {
        "(end)" => "has no DiscardVirtualMemory";
    }
    pages_bad_flags {
        "here-reset-reserve", "here-reset-reserve-error", "anywhere-reset-reserve",
        "anywhere-reset-reserve-error", "nothing-there" => "takes MEM_RESERVE with it";
        "here-no-protection-bit-error", "anywhere-no-protection-bit",
        "anywhere-no-protection-bit-error", "here-high-protection-bit-error",
        "anywhere-high-protection-bit", "anywhere-high-protection-bit-error",
        "protect-0x80000004", "protect-0x80000004-error" => "takes bits that mean nothing";
        "protect-0x101", "protect-0x101-error", "protect-0x302", "protect-0x302-error" =>
            "takes modifiers that exclude each other";
    }
    pages_bad_memory {
        "(end)" => "raises the guard page's exception";
    }
    pages_bad_sizes {
        "(end)" => "has no DiscardVirtualMemory";
    }
    pages_commit {
        "all-reserved" => "decommits one page when a size of 0 names all";
    }
    pages_free {
        "release-free-error", "decommit-free-error", "null-error" =>
            "says ERROR_INVALID_PARAMETER";
    }
    pages_guard_lock {
        "first-error", "cleared", "second" => "locks no guard page and leaves it one";
    }
    pages_lock {
        "no-access-refused-error" => "says another error";
        "not-locked", "not-locked-error", "no-count", "no-count-error", "partly-locked",
        "partly-locked-error" => "unlocks whatever it is given";
    }
    pages_lock_quota {
        "too-much", "too-much-error" => "locks as much as the system lets its user";
        "not-locked", "not-locked-error" => "unlocks whatever it is given";
    }
    pages_nt_allocate {
        "past-the-end" => "says STATUS_NOT_MAPPED_VIEW";
    }
    pages_nt_allocate_ex {
        "bounds-kept", "no-room", "crossed" => "looks at the alignment and the highest";
        "placeholder" => "has no placeholders";
    }
    pages_nt_free {
        "type-first" => "reads the pointers first";
        "both", "coalesce-alone", "too-large", "decommit-too-large" =>
            "says STATUS_INVALID_PARAMETER";
        "free-memory", "free-memory-decommit" => "does not say that nothing is allocated";
        "middle", "middle-at", "middle-size", "head-left", "hole", "tail-left", "of-the-head",
        "head-cut", "of-the-tail", "tail-cut", "head-ended", "tail-ended" =>
            "ends no part of a region";
    }
    pages_nt_prefetch {
        "no-process" => "does not look at the process";
    }
    pages_nt_protect {
        "past-the-end", "free" => "says STATUS_INVALID_PARAMETER";
    }
    pages_nt_query {
        "region-size", "region-shorter-size" => "counts from the address that is asked about";
        "region-committed" => "counts nothing";
    }
    pages_offer {
        "(end)" => "has no DiscardVirtualMemory";
    }
    pages_placeholders {
        "reserved" => "has no placeholders";
    }
    pages_prefetch {
        "no-process" => "does not look at the process";
    }
    pages_process_memory {
        "write-size-0" => "refuses it";
        "over-no-access", "over-no-access-error", "over-no-access-count" =>
            "reads pages without access";
        "write-read-only", "write-read-only-error", "write-read-only-count",
        "write-read-only-kept" => "writes to pages that are read-only";
    }
    pages_protect {
        "past-the-end-error", "free-error" => "says ERROR_INVALID_PARAMETER";
    }
    pages_requirements {
        "bounds", "type-twice", "type-twice-error", "lowest-of-a-page", "lowest-of-a-page-error",
        "lowest-above-all", "lowest-above-all-error", "crossed", "crossed-error", "no-room",
        "no-room-error", "no-partition-3", "no-partition-3-error", "no-partition-4",
        "no-partition-4-error", "ec-code", "ec-code-error" => "looks at the alignment and the highest";
        "size-of-no-page", "size-of-no-page-error", "address-of-a-page-error" =>
            "rounds address and size";
    }
    pages_reset {
        "with-commit", "with-commit-error" => "takes MEM_COMMIT with it";
    }
    pages_reset_undo {
        "undone", "kept" => "has no MEM_RESET_UNDO";
    }
    pages_stack {
        "lowest", "thread-lowest" => "shows the stack's reserved part committed";
    }
    process_heaps {
        "appended-first", "appended-second", "appended-third", "order-kept-third",
        "new-one-at-the-end" => "puts the newest heap behind the process heap";
        "small-array-filled" => "fills nothing if not all fit";
    }
    realloc_in_place_large {
        "tail-decommitted" => "keeps the pages";
        "does-not-grow", "does-not-grow-error", "block-size" => "grows into the kept pages";
    }
    realloc_null {
        "error" => "leaves the last error";
    }
    rtl_create_memory {
        "routine-called", "routine-base", "routine-size" => "commits by itself";
        "memory-still-its-owners" => "frees the memory with the heap";
    }
    rtl_create_parameters {
        "routine-without-base" => "ignores the parameters";
    }
    rtl_create_wild_parameters {
        "refused" => "ignores the parameters";
    }
    rtl_destroy_debugged {
        "told-by-a-text", "and-by-a-breakpoint" => "looks at no handle without flags";
    }
    rtl_walk_buckets {
        "region", "busy", "free-blocks" => "never has buckets";
    }
    size_null {
        "(end)" => "reads before the address and faults";
    }
    stack_overflow {
        "thread-overflows", "(end)" => "ends threads whose stacks overflow";
    }
    tokens {
        "adjusted-error", "changed" => "holds no such privilege";
    }
    toolhelp_errors {
        "no-flags-error", "no-process-snapshot-error" => "leaves another last error";
        "(end)" => "has no Heap32First and ends the program";
    }
    toolhelp_lists {
        "snapshot" => "has no snapshots of heaps";
    }
    toolhelp_moveable {
        "(end)" => "has no Heap32First and ends the program";
    }
    toolhelp_read {
        "half", "half-error", "half-count" => "reads a page without access";
    }
    toolhelp_walk {
        "(end)" => "has no Heap32First and ends the program";
    }
    user_info_realloc {
        "shrunk-value", "grown-value" => "clears the value";
        "shrunk-flags" => "takes the call's flags";
    }
    validate {
        "unreadable-error" => "leaves the last error";
    }
    view_bad_arguments {
        "map-at-the-end-error", "map-behind-the-end-error" => "says ERROR_INVALID_PARAMETER";
        "map-at-no-address", "map-at-the-last-unit" => "maps elsewhere";
        "section-of-all-bytes" => "makes it";
    }
    view_copy_protect {
        "not-the-others", "still-not-the-others" => "writes to the section";
        "before-size", "one-copied-protect", "one-copied-size", "was-written", "written-protect",
        "written-size" => "does not tell pages that were written from others";
    }
    view_from_app {
        "(end)" => "has no MapViewOfFileFromApp";
    }
    view_placeholders {
        "placeholder" => "has no placeholders";
    }
    view_protect {
        "not-shared" => "writes to the section";
    }
    view_unmap {
        "flush-private", "flush-private-error" => "takes any memory";
    }
    walk_fresh {
        "region-committed" => "commits 64 KiB";
        "region-uncommitted" => "reserves 4 MiB";
        "region-first-block" => "points elsewhere";
        "uncommitted-size" => "keeps no guard page";
    }
}
