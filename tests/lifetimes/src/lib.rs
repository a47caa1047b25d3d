//! Programs that would use a heap, or a block that may move, after its end: `tests/refused.rs` shows that
//! none of them compiles, and that the same without the mistake does.
