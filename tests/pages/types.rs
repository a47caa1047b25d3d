//! The types of `ntheap::vm` for Rust programs.

use crate::support::{ACCESSES, alone};
use ntheap::vm::*;
use std::thread;

#[test]
fn a_reservation_shows_only_what_is_there() {
    let page = page_size();
    let mut memory = Reservation::new(10 * page - 5).expect("reserved");
    assert_eq!(memory.size(), 10 * page);
    assert_eq!(memory.as_ptr().addr() % GRANULARITY, 0);
    assert_eq!(memory.bytes(0..1), Err(PageError::NotCommitted));
    assert_eq!(memory.bytes(0..10 * page + 1), Err(PageError::Invalid));
    let bytes = memory.commit(page - 1..page + 1).expect("committed");
    assert_eq!(bytes, [0, 0]);
    bytes.copy_from_slice(&[1, 2]);
    assert_eq!(memory.committed(), 2 * page);
    assert_eq!(memory.bytes(page - 2..page + 2), Ok(&[0, 1, 2, 0][..]));
    assert_eq!(memory.bytes(0..2 * page + 1), Err(PageError::NotCommitted));
    memory
        .protect(page..2 * page, PageAccess::Read)
        .expect("protected");
    assert_eq!(
        memory.bytes_mut(page..page + 1),
        Err(PageError::NotCommitted)
    );
    assert_eq!(memory.bytes(page..page + 1), Ok(&[2][..]));
    assert_eq!(
        memory.protect(page..3 * page, PageAccess::Read),
        Err(PageError::NotCommitted)
    );
    let run = memory.query(page + 7).expect("inside");
    assert_eq!(run.range, page..2 * page);
    assert_eq!(run.access, Some(PageAccess::Read));
    assert_eq!(memory.query(10 * page), None);
    memory.decommit(0..1).expect("decommitted");
    assert_eq!(memory.committed(), page);
    assert_eq!(memory.query(0).expect("inside").access, None);
    assert!(matches!(Reservation::new(0), Err(PageError::Invalid)));
    assert!(matches!(
        Reservation::new(usize::MAX),
        Err(PageError::Invalid)
    ));
}

#[test]
fn pages_take_each_access_and_tell_it() {
    let page = page_size();
    let mut memory = Reservation::new(page).expect("reserved");
    memory.commit(0..page).expect("committed")[0] = 9;
    for access in ACCESSES {
        memory.protect(0..page, access).expect("protected");
        assert_eq!(memory.query(0).expect("inside").access, Some(access));
        let is_readable = access != PageAccess::None;
        let is_writable = matches!(access, PageAccess::ReadWrite | PageAccess::ReadWriteExecute);
        assert_eq!(memory.bytes(0..1).is_ok(), is_readable, "{access:?}");
        assert_eq!(memory.bytes_mut(0..1).is_ok(), is_writable, "{access:?}");
    }
    assert_eq!(memory.bytes(0..1), Ok(&[9][..]));
}

#[test]
fn errors_of_pages_say_what_they_are() {
    let told = [
        (PageError::Invalid, "an argument has no meaning"),
        (PageError::NotCommitted, "pages are not committed"),
        (PageError::NoMemory, "the system has no memory"),
        (
            PageError::CommitLimit,
            "the limit of committed memory is reached",
        ),
        (PageError::Unsupported, "the system cannot do it"),
        (PageError::InUse, "something else is there"),
        (PageError::Guard, "a guard page was touched"),
        (PageError::LockLimit, "the system locks no more pages"),
        (PageError::NotLocked, "pages were not locked"),
        (PageError::NotFound, "there is no section of that name"),
        (PageError::Denied, "the system does not allow it"),
    ];
    for (error, text) in told {
        assert_eq!(error.to_string(), text);
    }
}

#[test]
fn a_sparse_array_has_memory_where_it_was_written() {
    let page = page_size();
    // Elements of 24 bytes lie across pages.
    let mut array = SparseArray::<[u64; 3]>::new(1 << 20).expect("reserved");
    assert_eq!(array.len(), 1 << 20);
    let across = (0..1 << 20)
        .find(|index| index * 24 / page != (index * 24 + 23) / page)
        .expect("one across two pages");
    *array.get_mut(across).expect("inside") = [1, 2, 3];
    assert_eq!(array.committed(), 2 * page);
    assert_eq!(array.get(across), Some(&[1, 2, 3]));
    assert_eq!(array.get(across - 1), Some(&[0, 0, 0]));
    assert_eq!(array.get(1 << 19), None);
    assert_eq!(array.get(1 << 20), None);
    assert_eq!(array.get_mut(1 << 20).err(), Some(PageError::Invalid));
    let there: Vec<usize> = array
        .iter()
        .filter(|(_, value)| value[0] != 0)
        .map(|(at, _)| at)
        .collect();
    assert_eq!(there, [across]);
    // Only the first page is whole in the range.
    array.clear(0..across + 1).expect("cleared");
    assert_eq!(array.committed(), page);
    assert_eq!(array.get(across), None);
    assert_eq!(array.get(across + 1), Some(&[0, 0, 0]));
    array.get_mut((1 << 20) - 1).expect("inside")[2] = 9;
    array.clear(0..1 << 20).expect("cleared");
    assert_eq!(array.committed(), 0);
    assert!(SparseArray::<u8>::new(0).is_err());
    assert!(SparseArray::<[u8; 0]>::new(5).is_err());
    assert!(SparseArray::<u64>::new(usize::MAX).is_err());
}

#[test]
fn a_touched_array_is_a_slice_of_zeros_at_first() {
    if !alone("types::a_touched_array_is_a_slice_of_zeros_at_first") {
        return;
    }
    let mut array = TouchArray::<u32>::new(1 << 26).expect("reserved");
    assert_eq!(array.len(), 1 << 26);
    assert_eq!(array.committed(), 0);
    assert_eq!(array[1 << 25], 0);
    array[5] = 6;
    array[(1 << 26) - 1] = 7;
    assert!(array.committed() <= 3 << 16);
    thread::scope(|scope| {
        for part in array[..1 << 20].chunks_mut(1 << 18) {
            scope.spawn(move || part.iter_mut().for_each(|value| *value += 1));
        }
    });
    assert_eq!((array[5], array[(1 << 20) - 1], array[1 << 20]), (7, 1, 0));
    array.clear().expect("cleared");
    assert_eq!((array[5], array[(1 << 26) - 1]), (0, 0));
}

fn depth(levels: usize) -> usize {
    let frame = std::hint::black_box([levels as u8; 4096]);
    if levels == 0 {
        0
    } else {
        1 + depth(levels - 1) + usize::from(frame[17]) - usize::from(levels as u8)
    }
}

#[test]
fn a_stack_grows_by_its_guard_page() {
    if !alone("types::a_stack_grows_by_its_guard_page") {
        return;
    }
    let page = page_size();
    let mut stack = GrowingStack::new(1 << 20, 2 * page).expect("reserved");
    assert_eq!((stack.reserved(), stack.committed()), (1 << 20, 3 * page));
    assert_eq!(stack.run(|| 5), 5);
    assert_eq!(stack.committed(), 3 * page);
    assert_eq!(stack.run(|| depth(50)), 50);
    let grown = stack.committed();
    let frames = (50 * 4096usize).next_multiple_of(page);
    assert!(grown >= frames + page && grown <= 1 << 20, "{grown}");
    assert_eq!(stack.run(|| depth(50)), 50);
    assert_eq!(stack.committed(), grown);
    // In a thread that has no alternate stack, or another, too.
    let result = thread::scope(|scope| scope.spawn(|| stack.run(|| depth(100))).join());
    assert_eq!(result.expect("no panic"), 100);
    // The reserve is whole units, with room for the guard page and one more.
    let small = GrowingStack::new(5 * GRANULARITY + 1, page).expect("reserved");
    assert_eq!(small.reserved(), 6 * GRANULARITY);
    let refused = |reserve, commit| GrowingStack::new(reserve, commit).err();
    let invalid = Some(PageError::Invalid);
    assert_eq!(refused(GRANULARITY, GRANULARITY - page), invalid);
    assert_eq!(refused(usize::MAX, page), invalid);
    assert_eq!(refused(GRANULARITY, usize::MAX), invalid);
}

/// Overflow is an exception of its own; here the handler notes it and ends the
/// process, since there is nowhere to go on.
#[cfg(unix)]
#[test]
fn a_stack_that_overflows_says_so() {
    use ntheap::win32::*;
    unsafe extern "system" fn on_exception(exception: *mut EXCEPTION_POINTERS) -> LONG {
        // SAFETY: the system of handlers passes a record.
        let code = unsafe { (*(*exception).ExceptionRecord).ExceptionCode };
        // SAFETY: ends the process.
        unsafe {
            libc::_exit(if code == STATUS_STACK_OVERFLOW {
                77
            } else {
                78
            })
        }
    }
    if std::env::var_os("PAGES_OVERFLOW").is_some() {
        // SAFETY: the handler can be called at any time.
        assert!(!unsafe { AddVectoredExceptionHandler(1, Some(on_exception)) }.is_null());
        let mut stack = GrowingStack::new(64 * page_size(), page_size()).expect("reserved");
        stack.run(|| depth(1000));
        std::process::exit(0);
    }
    let ended = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args(["types::a_stack_that_overflows_says_so", "--exact"])
        .env("PAGES_OVERFLOW", "1")
        .output()
        .expect("started");
    assert_eq!(ended.status.code(), Some(77), "{ended:?}");
}
