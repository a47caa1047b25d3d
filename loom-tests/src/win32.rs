//! The protocol files under `crate::win32`.

#[path = "../../src/win32/global/entry.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod entry;
#[path = "../../src/win32/global/free_list.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod free_list;

mod entry_model;
mod free_list_model;

crate::mutant!(entry_data_read_early);
crate::mutant!(entry_exchanges_relaxed);
crate::mutant!(entry_change_unseen);
crate::mutant!(entry_change_ends_relaxed);
crate::mutant!(entry_closes_twice);
crate::mutant!(free_list_without_turns);
crate::mutant!(free_list_gives_relaxed);
crate::mutant!(free_list_looks_relaxed);
