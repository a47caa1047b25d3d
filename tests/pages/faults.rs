//! Faults: chained to the handlers that were there, raised from signal handlers,
//! and seen by threads in turn.

use crate::support::*;
use ntheap::win32::*;
use std::sync::atomic::{AtomicUsize, Ordering};

static CAUGHT: AtomicUsize = AtomicUsize::new(0);
static GUARDS: AtomicUsize = AtomicUsize::new(0);

/// A program's own handler: opens the page and notes it.
extern "C" fn on_signal(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    CAUGHT.fetch_add(1, Ordering::Relaxed);
    // SAFETY: the signal has an address, of a page that the test mapped.
    unsafe {
        let page = (*info).si_addr().addr() & !(kernel_page() - 1);
        let page = std::ptr::with_exposed_provenance_mut(page);
        libc::mprotect(page, kernel_page(), libc::PROT_READ | libc::PROT_WRITE);
    }
}

fn set_handler(handler: usize) {
    // SAFETY: all zeros are a sigaction; the handler is one that takes these
    // arguments.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = libc::SA_SIGINFO;
        assert_eq!(
            libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut()),
            0
        );
    }
}

unsafe extern "system" fn on_guard(exception: *mut EXCEPTION_POINTERS) -> LONG {
    // SAFETY: the system of handlers passes a record.
    let code = unsafe { (*(*exception).ExceptionRecord).ExceptionCode };
    if code == STATUS_GUARD_PAGE_VIOLATION {
        GUARDS.fetch_add(1, Ordering::Relaxed);
        return EXCEPTION_CONTINUE_EXECUTION;
    }
    EXCEPTION_CONTINUE_SEARCH
}

fn map_without_rights() -> usize {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    // SAFETY: maps fresh memory.
    let at = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            kernel_page(),
            libc::PROT_NONE,
            flags,
            -1,
            0,
        )
    };
    assert_ne!(at, libc::MAP_FAILED);
    at.expose_provenance()
}

#[test]
fn what_is_not_ours_goes_to_the_handler_that_was_there() {
    if !alone("faults::what_is_not_ours_goes_to_the_handler_that_was_there") {
        return;
    }
    set_handler(on_signal as *const () as usize);
    // SAFETY: the handler can be called at any time.
    assert!(!unsafe { AddVectoredExceptionHandler(1, Some(on_guard)) }.is_null());
    let guarded = allocate(0, page_size(), BOTH, PAGE_READWRITE | PAGE_GUARD).expect("reserved");
    let foreign = map_without_rights();
    // SAFETY: the pages are the test's; the handlers make them accessible.
    unsafe {
        *byte(foreign) = 1;
        assert_eq!(
            (
                CAUGHT.load(Ordering::Relaxed),
                GUARDS.load(Ordering::Relaxed)
            ),
            (1, 0)
        );
        *byte(guarded) = 1;
        assert_eq!(
            (
                CAUGHT.load(Ordering::Relaxed),
                GUARDS.load(Ordering::Relaxed)
            ),
            (1, 1)
        );
        // A page of ours that the program protects by other means is the
        // program's to answer for.
        let page = byte(guarded).cast();
        assert_eq!(libc::mprotect(page, page_size(), libc::PROT_NONE), 0);
        *byte(guarded) = 2;
        assert_eq!(
            (
                CAUGHT.load(Ordering::Relaxed),
                GUARDS.load(Ordering::Relaxed)
            ),
            (2, 1)
        );
    }
}

#[test]
fn without_a_handler_the_process_ends_by_the_signal() {
    if std::env::var_os("PAGES_GUARD").is_some() {
        let guarded =
            allocate(0, page_size(), BOTH, PAGE_READWRITE | PAGE_GUARD).expect("reserved");
        // SAFETY: ends the process.
        unsafe { *byte(guarded) = 1 };
        std::process::exit(0);
    }
    let ended = std::process::Command::new(std::env::current_exe().expect("this program"))
        .args([
            "faults::without_a_handler_the_process_ends_by_the_signal",
            "--exact",
        ])
        .env("PAGES_GUARD", "1")
        .output()
        .expect("started");
    use std::os::unix::process::ExitStatusExt;
    assert_eq!(ended.status.signal(), Some(libc::SIGSEGV), "{ended:?}");
}

/// A program that ignores the signal ignores it when it is sent; a fault of its own
/// ends it all the same, as without the handler.
#[test]
fn a_signal_that_is_ignored_is_ignored_when_it_is_sent() {
    use std::os::unix::process::ExitStatusExt;
    const NAME: &str = "faults::a_signal_that_is_ignored_is_ignored_when_it_is_sent";
    if let Some(role) = std::env::var_os("PAGES_IGNORED") {
        // SAFETY: sets the action of this process.
        unsafe { libc::signal(libc::SIGSEGV, libc::SIG_IGN) };
        let guarded =
            allocate(0, page_size(), BOTH, PAGE_READWRITE | PAGE_GUARD).expect("reserved");
        // SAFETY: the signal is ignored.
        unsafe { libc::raise(libc::SIGSEGV) };
        if role == "fault" {
            // SAFETY: ends the process.
            unsafe { *byte(guarded) = 1 };
        }
        std::process::exit(17);
    }
    let end = |role: &str| {
        std::process::Command::new(std::env::current_exe().expect("this program"))
            .args([NAME, "--exact"])
            .env("PAGES_IGNORED", role)
            .output()
            .expect("started")
            .status
    };
    assert_eq!(end("sent").code(), Some(17));
    assert_eq!(end("fault").signal(), Some(libc::SIGSEGV));
}

/// Guard pages that a signal handler touches.
static TOUCHED: AtomicUsize = AtomicUsize::new(0);
static ROOM: AtomicUsize = AtomicUsize::new(0);
const ROOMS: usize = 4096;

extern "C" fn on_alarm(_: i32) {
    // The signal comes to whichever thread the system likes.
    let next = TOUCHED.fetch_add(1, Ordering::Relaxed);
    if next < ROOMS {
        // SAFETY: the page is the test's, committed and guarded.
        unsafe { *byte(ROOM.load(Ordering::Relaxed) + next * page_size()) = 1 };
    }
}

/// A signal handler touches guard pages while the thread that it interrupts is
/// anywhere in the page functions.
#[test]
fn a_signal_handler_may_touch_a_guard_page_at_any_time() {
    if !alone("faults::a_signal_handler_may_touch_a_guard_page_at_any_time") {
        return;
    }
    // SAFETY: the handler can be called at any time.
    assert!(!unsafe { AddVectoredExceptionHandler(1, Some(on_guard)) }.is_null());
    let guard = PAGE_READWRITE | PAGE_GUARD;
    let room = allocate(0, ROOMS * page_size(), BOTH, guard).expect("reserved");
    ROOM.store(room, Ordering::Relaxed);
    // SAFETY: sets a handler and a timer of this process.
    unsafe {
        libc::signal(libc::SIGALRM, on_alarm as *const () as usize);
        let every = libc::timeval {
            tv_sec: 0,
            tv_usec: 200,
        };
        let timer = libc::itimerval {
            it_interval: every,
            it_value: every,
        };
        libc::syscall(
            libc::SYS_setitimer,
            libc::ITIMER_REAL,
            &raw const timer,
            0usize,
        );
    }
    let base = allocate(0, 1024 * page_size(), MEM_RESERVE, PAGE_READWRITE).expect("reserved");
    let mut random = Random::new(3);
    let start = std::time::Instant::now();
    while TOUCHED.load(Ordering::Relaxed) < 1000 {
        assert!(start.elapsed().as_secs() < 60, "signals do not come");
        let page = base + random.below(1000) * page_size();
        allocate(page, 5 * page_size(), MEM_COMMIT, PAGE_READWRITE).expect("committed");
        assert_eq!(query(page).State, MEM_COMMIT);
        free(page, 7 * page_size(), MEM_DECOMMIT).expect("decommitted");
    }
    // SAFETY: stops the timer.
    unsafe {
        let timer: libc::itimerval = std::mem::zeroed();
        libc::syscall(
            libc::SYS_setitimer,
            libc::ITIMER_REAL,
            &raw const timer,
            0usize,
        );
    }
    // The last signal may have met another thread, which is in its handler still.
    let is_over = || TOUCHED.load(Ordering::Relaxed) == GUARDS.load(Ordering::Relaxed);
    while !is_over() && start.elapsed().as_secs() < 60 {
        std::thread::yield_now();
    }
    let touched = TOUCHED.load(Ordering::Relaxed);
    assert_eq!(GUARDS.load(Ordering::Relaxed), touched);
    assert_eq!(query(room).Protect, PAGE_READWRITE);
    assert_eq!(query(room).RegionSize, touched * page_size());
}

/// Each guard page is met by one thread, whoever comes first, and all go on.
#[test]
fn threads_that_meet_a_guard_page_all_go_on() {
    if !alone("faults::threads_that_meet_a_guard_page_all_go_on") {
        return;
    }
    // SAFETY: the handler can be called at any time.
    assert!(!unsafe { AddVectoredExceptionHandler(1, Some(on_guard)) }.is_null());
    let guard = PAGE_READWRITE | PAGE_GUARD;
    let room = allocate(0, 512 * page_size(), BOTH, guard).expect("reserved");
    std::thread::scope(|scope| {
        for thread in 0..4 {
            scope.spawn(move || {
                for page in 0..512 {
                    // SAFETY: the pages are the test's; each thread has a byte
                    // of its own in each.
                    unsafe { *byte(room + page * page_size() + thread) = 1 };
                }
            });
        }
    });
    assert_eq!(GUARDS.load(Ordering::Relaxed), 512);
    assert_eq!(query(room).RegionSize, 512 * page_size());
    free(room, 0, MEM_RELEASE).expect("released");
}

/// A file that a test maps, shorter than its view for a while.
static SHORT_FILE: AtomicUsize = AtomicUsize::new(0);
/// What the handler was told: how many words, and the first three.
static TOLD: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];

/// Notes what is said of a page that has nothing behind it, and makes the file longer.
unsafe extern "system" fn on_missing(exception: *mut EXCEPTION_POINTERS) -> LONG {
    // SAFETY: the system of handlers passes a record.
    let record = unsafe { &*(*exception).ExceptionRecord };
    if record.ExceptionCode != STATUS_IN_PAGE_ERROR {
        return EXCEPTION_CONTINUE_SEARCH;
    }
    TOLD[0].store(record.NumberParameters as usize, Ordering::Relaxed);
    for (told, word) in TOLD[1..].iter().zip(record.ExceptionInformation) {
        told.store(word, Ordering::Relaxed);
    }
    let file = SHORT_FILE.load(Ordering::Relaxed) as i32;
    // SAFETY: the descriptor is the test's file.
    match unsafe { libc::ftruncate(file, 2 * page_size() as i64) } {
        0 => EXCEPTION_CONTINUE_EXECUTION,
        _ => EXCEPTION_CONTINUE_SEARCH,
    }
}

#[test]
fn a_view_with_nothing_behind_it_is_an_error_of_its_own() {
    use std::os::fd::AsRawFd;
    if !alone("faults::a_view_with_nothing_behind_it_is_an_error_of_its_own") {
        return;
    }
    let path = std::env::temp_dir().join(format!("ntheap-short-{}", std::process::id()));
    std::fs::write(&path, vec![7; 2 * page_size()]).expect("written");
    let open = std::fs::File::options().read(true).write(true).open(&path);
    let file = open.expect("opened");
    std::fs::remove_file(&path).expect("removed");
    let descriptor = file.as_raw_fd();
    SHORT_FILE.store(descriptor as usize, Ordering::Relaxed);
    let handle = std::ptr::with_exposed_provenance_mut(_get_osfhandle(descriptor) as usize);
    // SAFETY: the handle and the section are the test's; the handler can be called at any
    // time.
    let view = unsafe {
        assert!(!AddVectoredExceptionHandler(1, Some(on_missing)).is_null());
        let section = CreateFileMappingA(
            handle,
            std::ptr::null_mut(),
            PAGE_READWRITE,
            0,
            0,
            std::ptr::null(),
        );
        assert!(!section.is_null());
        MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0)
    };
    assert!(!view.is_null());
    let second = view.expose_provenance() + page_size();
    let told = || TOLD.each_ref().map(|word| word.load(Ordering::Relaxed));
    // SAFETY: the view is the test's; the handler makes the file as long as it again.
    unsafe {
        assert_eq!(*byte(second), 7);
        file.set_len(page_size() as u64).expect("shorter");
        assert_eq!(byte(second + 5).read_volatile(), 0);
        assert_eq!(told(), [3, 0, second + 5, 0xC000_0011]);
        file.set_len(page_size() as u64).expect("shorter");
        byte(second + 6).write_volatile(9);
        assert_eq!(told(), [3, 1, second + 6, 0xC000_0011]);
        assert_eq!(*byte(second + 6), 9);
    }
}
