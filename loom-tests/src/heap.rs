//! The protocol files under `crate::heap`.

#[path = "../../src/heap/bin.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod bin;
#[path = "../../src/heap/debug/chains.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod chains;
#[path = "../../src/heap/claims.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod claims;
#[path = "../../src/heap/debug/profile/filter.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod filter;
#[path = "../../src/heap/magazine.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod magazine;

#[path = "../../src/heap/large/mark.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod mark;

#[path = "../../src/heap/private/lock.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod lock;
#[path = "../../src/heap/private/numbers.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod numbers;
#[path = "../../src/heap/private/roll.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod roll;
#[path = "../../src/heap/private/shown.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod shown;
#[path = "../../src/heap/private/slot.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod slot;

#[path = "../../src/heap/debug/page/state.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod state;

#[path = "../../src/heap/roster.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod roster;
#[path = "../../src/heap/seize.rs"]
#[allow(dead_code, reason = "the models use a part of each file")]
mod seize;

/// What the protocol files find here.
pub(crate) mod descriptor {
    pub(crate) const BUSY: u8 = 1;
}

mod chains_model;
mod claims_model;
mod depot_model;
mod filter_model;
mod heap_lock_model;
mod mark_model;
mod numbers_model;
mod request_model;
mod roll_model;
mod roster_model;
mod seize_model;
mod shown_model;
mod slot_model;
mod state_model;

crate::mutant!(chains_lead_relaxed);
crate::mutant!(chains_look_relaxed);
crate::mutant!(chains_keep_blindly);
crate::mutant!(chains_lose_older);
crate::mutant!(chains_lead_early);
crate::mutant!(claims_look_unlocked);
crate::mutant!(claims_take_blindly);
crate::mutant!(claims_keep_on_failure);
crate::mutant!(filter_sets_nothing);
crate::mutant!(filter_sets_whole_word);
crate::mutant!(filter_clears_shared);
crate::mutant!(filter_clears_whole_word);
crate::mutant!(filter_clears_early);
crate::mutant!(filter_loses_rest);
crate::mutant!(state_left_twice);
crate::mutant!(state_set_relaxed);
crate::mutant!(state_read_relaxed);
crate::mutant!(depot_keeps_taken);
crate::mutant!(depot_loses_rest);
crate::mutant!(request_taken_in_two_steps);
crate::mutant!(request_asked_late);
crate::mutant!(limit_raised_blindly);
crate::mutant!(seize_takes_topmost);
crate::mutant!(seize_leaves_blocks);
crate::mutant!(seize_leaves_limit);
crate::mutant!(request_misses_row);
crate::mutant!(row_used_silently);
crate::mutant!(seize_foreign_reads_early);
crate::mutant!(heap_lock_looks_early);
crate::mutant!(heap_lock_does_not_wait);
crate::mutant!(heap_lock_passes_nothing);
crate::mutant!(heap_lock_forgets_holder);
crate::mutant!(heap_lock_ends_relaxed);
crate::mutant!(numbers_count_blindly);
crate::mutant!(numbers_keep_left);
crate::mutant!(roll_keeps_alive);
crate::mutant!(roll_looks_relaxed);
crate::mutant!(roll_begins_relaxed);
crate::mutant!(roll_loses_last);
crate::mutant!(roll_numbers_by_count);
crate::mutant!(roll_tells_again);
crate::mutant!(slot_takes_relaxed);
crate::mutant!(slot_gives_relaxed);
crate::mutant!(slot_looks_and_takes);
crate::mutant!(slot_keeps_popped);
crate::mutant!(roster_forgets_first);
crate::mutant!(roster_keeps_owner);
crate::mutant!(roster_unparks_twice);
crate::mutant!(roster_loses_rest);
crate::mutant!(roster_takes_the_later);
crate::mutant!(roster_takes_of_others);
crate::mutant!(roster_counts_no_number);
crate::mutant!(mark_hands_out_relaxed);
crate::mutant!(mark_claims_relaxed);
crate::mutant!(mark_claims_in_two_steps);
crate::mutant!(mark_takes_any);
crate::mutant!(mark_looks_no_more);
crate::mutant!(shown_relaxed);
crate::mutant!(shown_found_relaxed);
crate::mutant!(shown_makes_blindly);
crate::mutant!(shown_shows_nothing);
