//! What safe code cannot do with a heap, or with a block that may have moved.
//!
//! Each case is the least program for one mistake, with the compiler's answer
//! beside it, so that it is refused for the reason meant. The messages are
//! those of the compiler the project is developed with.

#[test]
fn use_after_the_end_of_a_heap_or_block_does_not_compile() {
    let cases = trybuild::TestCases::new();
    cases.pass("cases/right*.rs");
    cases.compile_fail("cases/wrong_*.rs");
}
