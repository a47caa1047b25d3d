//! Selects the model checker's form of the shipping sources, and makes the
//! mutants: the same sources with one line changed for the worse.

use std::path::Path;
use std::{env, fs};

/// A mutant: its name, the file it is made from, the text to replace, which
/// must be there exactly once, and what replaces it.
type Mutant = (&'static str, &'static str, &'static str, &'static str);

const MUTANTS: [Mutant; 98] = [
    // Two threads commit what there is room for once.
    (
        "budget_adds_blindly",
        "vm/budget.rs",
        "self.committed\n            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, within)\n            .is_ok()",
        "within(self.committed.load(Ordering::Relaxed)).is_some() \
         && { self.committed.fetch_add(bytes, Ordering::Relaxed); true }",
    ),
    // What another thread enters meanwhile is lost.
    (
        "budget_credits_in_two_steps",
        "vm/budget.rs",
        "self.committed.fetch_sub(bytes, Ordering::Relaxed);",
        "self.committed.store(self.committed.load(Ordering::Relaxed) - bytes, Ordering::Relaxed);",
    ),
    // Two threads claim one slice.
    (
        "claims_look_unlocked",
        "heap/claims.rs",
        "count: usize,\n) -> bool {\n    let _writing = writers.lock();",
        "count: usize,\n) -> bool {\n    let _ = writers;",
    ),
    // What is somebody's is claimed again.
    (
        "claims_take_blindly",
        "heap/claims.rs",
        "entry.load(Ordering::Relaxed) == 0;",
        "entry.load(Ordering::Relaxed) <= E::CLAIMED;",
    ),
    // Of a range that cannot be claimed a part stays claimed.
    (
        "claims_keep_on_failure",
        "heap/claims.rs",
        "if !entries.make(slice).is_some_and(is_free) {\n            return false;\n        }",
        "if !entries.make(slice).is_some_and(is_free) {\n            return false;\n        }\n        \
         entries.claimed(slice).store(E::CLAIMED, Ordering::Relaxed);",
    ),
    // Whoever frees a noted block does not learn that it is.
    (
        "filter_sets_nothing",
        "heap/debug/profile/filter.rs",
        "filter.set(chain);",
        "let _ = filter;",
    ),
    // The bits of other chains are lost with a new one.
    (
        "filter_sets_whole_word",
        "heap/debug/profile/filter.rs",
        "word.fetch_or(bit_of(chain), Ordering::Relaxed);",
        "word.store(bit_of(chain), Ordering::Relaxed);",
    ),
    // One record goes, and with its bit all others of its chain.
    (
        "filter_clears_shared",
        "heap/debug/profile/filter.rs",
        "if *records.head(chain)? == 0 {",
        "if true {",
    ),
    (
        "filter_clears_whole_word",
        "heap/debug/profile/filter.rs",
        "word.fetch_and(!bit_of(chain), Ordering::Relaxed);",
        "word.store(0, Ordering::Relaxed);",
    ),
    // A bit is 0 for a moment, though the chain has records.
    (
        "filter_clears_early",
        "heap/debug/profile/filter.rs",
        "let rest = *records.next(at)?;",
        "let rest = *records.next(at)?;\n    filter.clear(chain);\n    \
         if rest != 0 || before != 0 { filter.set(chain); }",
    ),
    // The records before the one that goes are lost.
    (
        "filter_loses_rest",
        "heap/debug/profile/filter.rs",
        "Some(next) => *next = rest,",
        "Some(_) => *records.head(chain)? = rest,",
    ),
    // Two threads have one freed block.
    (
        "state_left_twice",
        "heap/debug/page/state.rs",
        "self.0\n            .compare_exchange(busy, leaving, Ordering::AcqRel, Ordering::Relaxed)\n            .is_ok()",
        "self.0.load(Ordering::Acquire) == busy && { self.0.store(leaving, Ordering::Release); true }",
    ),
    // Whoever sees that a block is there does not see what it is.
    (
        "state_set_relaxed",
        "heap/debug/page/state.rs",
        "self.0.store(state as u8, Ordering::Release);",
        "self.0.store(state as u8, Ordering::Relaxed);",
    ),
    (
        "state_read_relaxed",
        "heap/debug/page/state.rs",
        "State::of(self.0.load(Ordering::Acquire))",
        "State::of(self.0.load(Ordering::Relaxed))",
    ),
    // Whoever takes the lock after a sleep does not see what it protects.
    (
        "lock_takes_relaxed",
        "sync/lock.rs",
        "self.state.swap(CONTENDED, Ordering::Acquire)",
        "self.state.swap(CONTENDED, Ordering::Relaxed)",
    ),
    // Whoever gives the lock back does not publish what it protects.
    (
        "lock_releases_relaxed",
        "sync/lock.rs",
        "self.state.swap(FREE, Ordering::Release)",
        "self.state.swap(FREE, Ordering::Relaxed)",
    ),
    // Sleepers are never woken.
    (
        "lock_never_wakes",
        "sync/lock.rs",
        "== CONTENDED {",
        "> CONTENDED {",
    ),
    // A thread that slept forgets that others may still sleep.
    (
        "lock_forgets_sleepers",
        "sync/lock.rs",
        "while self.state.swap(CONTENDED, Ordering::Acquire) != FREE {",
        "while self.state.compare_exchange(FREE, HELD, Ordering::Acquire, Ordering::Relaxed).is_err() \
         { self.state.store(CONTENDED, Ordering::Relaxed);",
    ),
    // The caller may read what was made ready before it is there.
    (
        "once_ends_relaxed",
        "sync/once.rs",
        "self.state.store(state, Ordering::Release);",
        "self.state.store(state, Ordering::Relaxed);",
    ),
    (
        "once_looks_relaxed",
        "sync/once.rs",
        "self.state.load(Ordering::Acquire) == READY",
        "self.state.load(Ordering::Relaxed) == READY",
    ),
    // Two threads make it ready at once.
    (
        "once_starts_twice",
        "sync/once.rs",
        "Err(_) => os::yield_now(),",
        "Err(_) => { os::yield_now(); return true }",
    ),
    // A thread of the same process is taken for one that a fork left behind.
    (
        "once_takes_over_the_living",
        "sync/once.rs",
        "left != own && left != NEW",
        "left != NEW",
    ),
    // What a fork left behind is waited for.
    (
        "once_waits_for_the_absent",
        "sync/once.rs",
        "left != own && left != NEW",
        "left == NEW && left == own",
    ),
    // Whoever finds a stack's number does not see the stack.
    (
        "chains_lead_relaxed",
        "heap/debug/chains.rs",
        "bucket.store(number, Ordering::Release);",
        "bucket.store(number, Ordering::Relaxed);",
    ),
    (
        "chains_look_relaxed",
        "heap/debug/chains.rs",
        "entries.bucket(hash).load(Ordering::Acquire);",
        "entries.bucket(hash).load(Ordering::Relaxed);",
    ),
    // What others kept meanwhile is kept again.
    (
        "chains_keep_blindly",
        "heap/debug/chains.rs",
        "// Somebody may have kept them meanwhile.\n    let known = find(entries, hash, frames);",
        "",
    ),
    // The older stacks of a hash are not found any more.
    (
        "chains_lose_older",
        "heap/debug/chains.rs",
        "let next = bucket.load(Ordering::Relaxed);",
        "let next = 0;",
    ),
    // A number is found before its stack is written.
    (
        "chains_lead_early",
        "heap/debug/chains.rs",
        "let next = bucket.load(Ordering::Relaxed);",
        "let next = bucket.swap((at / 8) as u32, Ordering::AcqRel);",
    ),
    // A magazine stays in the depot when it is taken out.
    (
        "depot_keeps_taken",
        "heap/magazine.rs",
        "self.head = (*magazine).next;",
        "",
    ),
    // The magazines below the one added are lost.
    (
        "depot_loses_rest",
        "heap/magazine.rs",
        "(*magazine).next = self.head;",
        "(*magazine).next = core::ptr::null_mut();",
    ),
    // A request that comes while the one before is taken is lost.
    (
        "request_taken_in_two_steps",
        "heap/bin.rs",
        "self.asked.swap(false, Ordering::Acquire)",
        "{ self.asked.store(false, Ordering::Relaxed); true }",
    ),
    // The limits are lowered by a thread that has not asked yet.
    (
        "request_asked_late",
        "heap/bin.rs",
        "self.asked.swap(true, Ordering::AcqRel);",
        "for row in 0..2 { for bin in bins(row) { bin.limit.swap(ptr::null_mut(), Ordering::AcqRel); } } \
         self.asked.swap(true, Ordering::AcqRel); let bins = |_| -> &[Bin<S>] { &[] };",
    ),
    // The request behind a limit that is raised is not seen.
    (
        "limit_raised_blindly",
        "heap/bin.rs",
        "self.limit.swap(limit, Ordering::Acquire);",
        "self.limit.swap(limit, Ordering::Relaxed);",
    ),
    // The block that a pop under way has read is seized too.
    (
        "seize_takes_topmost",
        "heap/seize.rs",
        "end = now.saturating_sub(1).max(self.floor);",
        "end = now.max(self.floor);",
    ),
    // The rows in use are read as they once were.
    (
        "request_misses_row",
        "heap/bin.rs",
        "self.rows.fetch_or(0, Ordering::AcqRel)",
        "self.rows.load(Ordering::Relaxed)",
    ),
    // Whoever puts a row into use does not see that somebody has asked.
    (
        "row_used_silently",
        "heap/bin.rs",
        "self.rows.fetch_or(1 << (row & 31), Ordering::AcqRel)",
        "self.rows.fetch_or(1 << (row & 31), Ordering::Relaxed)",
    ),
    // Whether the heap is held is looked at before the inner lock is taken.
    (
        "heap_lock_looks_early",
        "heap/private/lock.rs",
        "self.inner.acquire();\n        while waits && !self.is_open_to(me) {",
        "let is_open = self.is_open_to(me);\n        self.inner.acquire();\n        while waits && !is_open {",
    ),
    // Operations go on whoever holds the heap.
    (
        "heap_lock_does_not_wait",
        "heap/private/lock.rs",
        "holder == 0 || holder == me",
        "holder == 0 || holder == me || me != 0",
    ),
    // Operations under way are not waited for.
    (
        "heap_lock_passes_nothing",
        "heap/private/lock.rs",
        "self.depth.store(1, Ordering::Relaxed);\n        self.inner.acquire();\n        self.inner.release();",
        "self.depth.store(1, Ordering::Relaxed);",
    ),
    // What the last holder did is not published.
    (
        "heap_lock_ends_relaxed",
        "heap/private/lock.rs",
        "self.holder.store(0, Ordering::Release);",
        "self.holder.store(0, Ordering::Relaxed);",
    ),
    // The last holder is taken for the holder for ever.
    (
        "heap_lock_forgets_holder",
        "heap/private/lock.rs",
        "self.holder.store(0, Ordering::Release);",
        "",
    ),
    // Two threads count the same number up, and both have it.
    (
        "numbers_count_blindly",
        "heap/private/numbers.rs",
        "users.compare_exchange(fewest, more, Ordering::Relaxed, Ordering::Relaxed)",
        "{ users.store(more, Ordering::Relaxed); Ok::<u32, u32>(fewest) }",
    ),
    // What a thread had at its end stays its own.
    (
        "numbers_keep_left",
        "heap/private/numbers.rs",
        "users.fetch_sub(1, Ordering::Relaxed);",
        "let _ = users;",
    ),
    // A heap that has left the roll is taken for one that lives.
    (
        "roll_keeps_alive",
        "heap/private/roll.rs",
        "(*member).life().0.store(0, Ordering::Relaxed);",
        "",
    ),
    // Whoever sees that a heap lives does not see all of its record.
    (
        "roll_looks_relaxed",
        "heap/private/roll.rs",
        "self.0.load(Ordering::Acquire) != 0",
        "self.0.load(Ordering::Relaxed) != 0",
    ),
    (
        "roll_begins_relaxed",
        "heap/private/roll.rs",
        "self.0.store(handle, Ordering::Release);",
        "self.0.store(handle, Ordering::Relaxed);",
    ),
    // A walk stays where it is.
    (
        "roll_tells_again",
        "heap/private/roll.rs",
        "number.is_none_or(|number| *own > number)",
        "number.is_none_or(|number| *own >= number)",
    ),
    // Heaps that live have one number: a walk passes over one of them.
    (
        "roll_numbers_by_count",
        "heap/private/roll.rs",
        "self.entered += u64::from(!is_first);",
        "self.entered = self.count as u64 + 1;",
    ),
    // The heap before the one that leaves is not the last from then on.
    (
        "roll_loses_last",
        "heap/private/roll.rs",
        "None => self.last = previous,",
        "None if previous.is_null() => self.last = previous,\n                None => {}",
    ),
    // Whoever takes a slot does not see what the one before left in it.
    (
        "slot_takes_relaxed",
        "heap/private/slot.rs",
        "self.taken.fetch_or(1, Ordering::Acquire)",
        "self.taken.fetch_or(1, Ordering::Relaxed)",
    ),
    (
        "slot_gives_relaxed",
        "heap/private/slot.rs",
        "self.taken.store(0, Ordering::Release);",
        "self.taken.store(0, Ordering::Relaxed);",
    ),
    // Two threads take the slot at once.
    (
        "slot_looks_and_takes",
        "heap/private/slot.rs",
        "self.taken.fetch_or(1, Ordering::Acquire) & 1 == 0",
        "self.taken.fetch_or(1, Ordering::Acquire) < 2",
    ),
    // A block stays on the stack when it is handed out.
    (
        "slot_keeps_popped",
        "heap/private/slot.rs",
        "self.move_top(1usize.wrapping_neg());",
        "",
    ),
    // The owner goes on pushing, into slots that are being seized.
    ("seize_leaves_limit", "heap/seize.rs", "bin.lower();", ""),
    // Slots are read that the owner may not have written yet.
    (
        "seize_foreign_reads_early",
        "heap/seize.rs",
        "barrier();\n    top\n",
        "let _ = barrier;\n    top\n",
    ),
    // The owner goes on popping what is seized.
    (
        "seize_leaves_blocks",
        "heap/seize.rs",
        "S::set(first.wrapping_add(at), ptr::null_mut());",
        "",
    ),
    // The data is read before it is known to stay.
    (
        "entry_data_read_early",
        "win32/global/entry.rs",
        "self.exchange(word, more).ok()?;\n        Some(self.data())",
        "let data = self.data();\n        self.exchange(word, more).ok()?;\n        Some(data)",
    ),
    // Who changes a handle does not see what those did that had it locked.
    (
        "entry_exchanges_relaxed",
        "win32/global/entry.rs",
        "compare_exchange(old, new, Ordering::AcqRel, Ordering::Relaxed)",
        "compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed)",
    ),
    // A handle is locked while it is changed.
    (
        "entry_change_unseen",
        "win32/global/entry.rs",
        "self.exchange(word, word & !IN_USE)?;",
        "",
    ),
    // The new data is not published.
    (
        "entry_change_ends_relaxed",
        "win32/global/entry.rs",
        "pub(crate) fn end(&self, word: usize, data: *mut u8) {\n        \
         self.data.store(data, Ordering::Relaxed);\n        \
         self.word.store(word, Ordering::Release);",
        "pub(crate) fn end(&self, word: usize, data: *mut u8) {\n        \
         self.data.store(data, Ordering::Relaxed);\n        \
         self.word.store(word, Ordering::Relaxed);",
    ),
    // Two calls end a handle.
    (
        "entry_closes_twice",
        "win32/global/entry.rs",
        "self.exchange(word, link)?;",
        "self.word.store(link, Ordering::Release);",
    ),
    // An entry that went and came back is taken for one that stayed.
    (
        "free_list_without_turns",
        "win32/global/free_list.rs",
        "const TURN: usize = REGION;",
        "const TURN: usize = 0;",
    ),
    // Whoever takes an entry does not see who gave it.
    (
        "free_list_gives_relaxed",
        "win32/global/free_list.rs",
        "self.exchange(place.head, place.new, Ordering::Release)",
        "self.exchange(place.head, place.new, Ordering::Relaxed)",
    ),
    // The first entry's link is read before it is written.
    (
        "free_list_looks_relaxed",
        "win32/global/free_list.rs",
        "let head = self.head.load(Ordering::Acquire);",
        "let head = self.head.load(Ordering::Relaxed);",
    ),
    // Two copies that say that they decide do not see each other.
    (
        "first_looks_early",
        "crt/first.rs",
        "fence(Ordering::SeqCst);",
        "fence(Ordering::Release);",
    ),
    // A copy that others wait for does not wait for those who saw nobody.
    (
        "first_beside_those_behind",
        "crt/first.rs",
        "Seen::Behind => os::yield_now(),",
        "Seen::Behind => break,",
    ),
    // Two copies wait for each other.
    (
        "first_never_gives_way",
        "crt/first.rs",
        "own.store(0, Ordering::Release);\n                is_deciding = false;",
        "",
    ),
    // Hooks are entered while a fork is under way, which has not taken their lock.
    (
        "forks_enter_meanwhile",
        "sync/forks/hooks.rs",
        "self.forking.acquire();\n        entry.store(hooks, Ordering::Release);\n        self.forking.release();",
        "entry.store(hooks, Ordering::Release);",
    ),
    // A fork does not keep others from entering hooks.
    (
        "forks_copy_unheld",
        "sync/forks/hooks.rs",
        "self.forking.acquire();\n        self.forker.store(own, Ordering::Relaxed);",
        "self.forker.store(own, Ordering::Relaxed);",
    ),
    // A fork that was past its handlers ends another thread's.
    (
        "forks_end_others",
        "sync/forks/hooks.rs",
        "let is_forker = self.forker.load(Ordering::Relaxed) == os::thread_token();\n        if is_forker {\n            self.after(AtFork::in_parent);",
        "let is_forker = true;\n        if is_forker {\n            self.after(AtFork::in_parent);",
    ),
    // Handlers that the system was asked for twice take twice.
    (
        "forks_take_twice",
        "sync/forks/hooks.rs",
        "if self.forker.load(Ordering::Relaxed) == own {\n            return;\n        }",
        "",
    ),
    // A child takes itself for its parent.
    (
        "forks_child_counts_nothing",
        "sync/forks/hooks.rs",
        "self.generation.fetch_add(1, Ordering::Relaxed);",
        "",
    ),
    // In a child nobody can enter hooks.
    (
        "forks_child_keeps_forking",
        "sync/forks/hooks.rs",
        "self.forking.reset();",
        "",
    ),
    // What was entered during a fork is given back, though it was not taken.
    (
        "forks_give_back_untaken",
        "sync/forks/hooks.rs",
        "if called & 1 << place != 0",
        "if called & 1 << place != u32::MAX",
    ),
    // A hook that uses something for the first time waits for its own fork.
    (
        "forks_own_hook_waits",
        "sync/forks/hooks.rs",
        "if self.forker.load(Ordering::Relaxed) == os::thread_token() {\n            // Somebody",
        "if false {\n            // Somebody",
    ),
    // What the system allocates to be asked asks it again.
    (
        "forks_ask_within",
        "sync/forks/hooks.rs",
        "asker.load(Ordering::Relaxed) == own)",
        "asker.load(Ordering::Relaxed) == usize::MAX)",
    ),
    // A cache is free before it is empty.
    (
        "roster_forgets_first",
        "heap/roster.rs",
        "    drain(cache);\n    let mut roster = roster.lock();\n    if roster.forget(place) {\n        forgotten(cache);\n    }",
        "    if roster.lock().forget(place) {\n        forgotten(cache);\n    }\n    drain(cache);",
    ),
    // What is kept for the next thread counts as one that ended without its hooks.
    (
        "roster_keeps_owner",
        "heap/roster.rs",
        "member.belong_to_nobody();",
        "",
    ),
    // Two threads get the cache that was kept.
    (
        "roster_unparks_twice",
        "heap/roster.rs",
        "self.parked = member.next_parked().load(Ordering::Relaxed);",
        "",
    ),
    // The caches behind the one that goes are not found any more.
    (
        "roster_loses_rest",
        "heap/roster.rs",
        "Some(before) => before.next().store(next, Ordering::Relaxed),",
        "Some(before) => before.next().store(ptr::null_mut(), Ordering::Relaxed),",
    ),
    // Of two caches of one number the living thread's is taken.
    (
        "roster_takes_the_later",
        "heap/roster.rs",
        "other.since > own.since",
        "other.since < own.since",
    ),
    // Caches of another process's threads are taken.
    (
        "roster_takes_of_others",
        "heap/roster.rs",
        "if own.thread == 0 || own.process != process {",
        "if own.thread == 0 {",
    ),
    // A number that is another thread's by now hides what was lost.
    (
        "roster_counts_no_number",
        "heap/roster.rs",
        "again.note(thread);",
        "",
    ),
    // What was written of a region is not seen by whoever takes it.
    (
        "places_takes_relaxed",
        "vm/left/places.rs",
        ".compare_exchange(from, WRITTEN, Ordering::Acquire, Ordering::Relaxed)",
        ".compare_exchange(from, WRITTEN, Ordering::Relaxed, Ordering::Relaxed)",
    ),
    // A region is kept before all of it is written.
    (
        "places_keeps_early",
        "vm/left/places.rs",
        "place.base.store(region.base, Ordering::Release);",
        "place.base.store(region.base, Ordering::Relaxed);",
    ),
    // Two threads keep a region in one place.
    (
        "places_keeps_over",
        "vm/left/places.rs",
        "if place.take(FREE) {",
        "if place.base.load(Ordering::Acquire) == FREE {",
    ),
    // Two threads end one region.
    (
        "places_ends_twice",
        "vm/left/places.rs",
        "if base <= WRITTEN || !place.take(base) {",
        "if base <= WRITTEN || place.base.fetch_add(0, Ordering::Acquire) != base {",
    ),
    // What the system refused again is lost.
    (
        "places_loses_refused",
        "vm/left/places.rs",
        "if !end(region) {\n                place.base.store(base, Ordering::Release);",
        "if !end(region) {",
    ),
    // A region may be ended before it is counted.
    (
        "places_counts_late",
        "vm/left/places.rs",
        "self.count.fetch_add(1, Ordering::Relaxed);\n                place.base.store(region.base, Ordering::Release);",
        "place.base.store(region.base, Ordering::Release);\n                let count = self.count.load(Ordering::Relaxed);\n                self.count.store(count + 1, Ordering::Relaxed);",
    ),
    // Who claims a block does not see what was written before it was handed out.
    (
        "mark_hands_out_relaxed",
        "heap/large/mark.rs",
        "mark.store(BUSY, Ordering::Release);",
        "mark.store(BUSY, Ordering::Relaxed);",
    ),
    (
        "mark_claims_relaxed",
        "heap/large/mark.rs",
        "compare_exchange(was, 0, Ordering::Acquire, Ordering::Relaxed)",
        "compare_exchange(was, 0, Ordering::Relaxed, Ordering::Relaxed)",
    ),
    // Two threads have a block.
    (
        "mark_claims_in_two_steps",
        "heap/large/mark.rs",
        "mark.compare_exchange(was, 0, Ordering::Acquire, Ordering::Relaxed);",
        "{ let is = mark.load(Ordering::Acquire); mark.store(0, Ordering::Relaxed); \
         if is == was { Ok(was) } else { Err(is) } };",
    ),
    (
        "mark_takes_any",
        "heap/large/mark.rs",
        "was == 0 || taken.is_err()",
        "taken.is_err()",
    ),
    // A block is taken for the one that its record was of before.
    (
        "mark_looks_no_more",
        "heap/large/mark.rs",
        "    if !is_it() {\n        mark.store(was, Ordering::Release);\n        return false;\n    }\n",
        "",
    ),
    // A bucket is found before it is whole.
    (
        "shown_relaxed",
        "heap/private/shown.rs",
        "self.0.store(record, Ordering::Release);",
        "self.0.store(record, Ordering::Relaxed);",
    ),
    (
        "shown_found_relaxed",
        "heap/private/shown.rs",
        "self.0.load(Ordering::Acquire)",
        "self.0.load(Ordering::Relaxed)",
    ),
    // A size has two buckets, or a number two slots.
    (
        "shown_makes_blindly",
        "heap/private/shown.rs",
        "        if !ptr::eq(found, stand_in) {\n            return found;\n        }\n",
        "        let _ = stand_in;\n",
    ),
    // Where there was no memory, what stands for a record is gone.
    (
        "shown_shows_nothing",
        "heap/private/shown.rs",
        "        if made.is_null() {\n            return found;\n        }\n",
        "",
    ),
];

fn main() {
    println!("cargo:rustc-cfg=ntheap_model");
    let out = env::var("OUT_DIR").expect("cargo sets it");
    for (name, file, from, to) in MUTANTS {
        let path = Path::new("../src").join(file);
        println!("cargo:rerun-if-changed={}", path.display());
        let source = fs::read_to_string(&path).expect("the shipping source is readable");
        assert_eq!(
            source.matches(from).count(),
            1,
            "mutant {name}: {file} must hold exactly once: {from}"
        );
        // An included file cannot have documentation of its own.
        let code: String = source
            .replace(from, to)
            .lines()
            .filter(|line| !line.starts_with("//!"))
            .flat_map(|line| [line, "\n"])
            .collect();
        fs::write(Path::new(&out).join(format!("{name}.rs")), code).expect("OUT_DIR is writable");
    }
    println!("cargo:rerun-if-changed=build.rs");
}
