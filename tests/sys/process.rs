//! What belongs to threads and the process.

#[cfg(unix)]
use super::{BEFORE, say};
use super::{dies, passes, turn};
use ntheap::sys;
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, compiler_fence};

#[test]
fn random_bits_differ_and_all_vary() {
    let draws: Vec<u64> = (0..256).map(|_| sys::random()).collect();
    assert_eq!(draws.iter().collect::<HashSet<_>>().len(), draws.len());
    assert_eq!(draws.iter().fold(0, |bits, draw| bits | draw), u64::MAX);
    assert_eq!(draws.iter().fold(u64::MAX, |bits, draw| bits & draw), 0);
}

#[test]
fn waiting_ends_when_woken_and_never_begins_on_another_value() {
    static WORD: AtomicU32 = AtomicU32::new(0);
    const ROUNDS: u32 = 1000;
    // Two threads hand one word back and forth: a lost wake-up hangs here.
    let other = std::thread::spawn(|| {
        for round in 0..ROUNDS {
            while WORD.load(Ordering::Acquire) == 2 * round {
                sys::wait(&WORD, 2 * round);
            }
            WORD.store(2 * round + 2, Ordering::Release);
            sys::wake_one(&WORD);
        }
    });
    for round in 0..ROUNDS {
        WORD.store(2 * round + 1, Ordering::Release);
        sys::wake_one(&WORD);
        while WORD.load(Ordering::Acquire) == 2 * round + 1 {
            sys::wait(&WORD, 2 * round + 1);
        }
    }
    other.join().unwrap();
    assert_eq!(WORD.load(Ordering::Acquire), 2 * ROUNDS);
    // Nobody wakes this one: it must see the other value and return.
    sys::wait(&WORD, 0);
}

#[test]
fn a_barrier_orders_what_other_threads_do_without_a_fence() {
    if !sys::barrier() {
        println!("skipped: that a barrier orders (this system has none)");
        return;
    }
    // Each side announces itself and then looks for the other. Only one of
    // them fences, and yet they never both see nobody.
    const ROUNDS: usize = 40_000;
    let word = || (0..ROUNDS).map(|_| AtomicBool::new(false)).collect();
    let (fenced, plain): (Vec<AtomicBool>, Vec<AtomicBool>) = (word(), word());
    let saw_nobody: Vec<AtomicBool> = word();
    let ready = [AtomicUsize::new(0), AtomicUsize::new(0)];
    let meet = |side: usize, round: usize| {
        ready[side].store(round + 1, Ordering::Release);
        for spin in 0.. {
            if ready[1 - side].load(Ordering::Acquire) > round {
                break;
            }
            if spin % 64 == 63 {
                sys::yield_now();
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..ROUNDS {
                meet(1, round);
                plain[round].store(true, Ordering::Relaxed);
                compiler_fence(Ordering::SeqCst);
                let nobody = !fenced[round].load(Ordering::Relaxed);
                saw_nobody[round].store(nobody, Ordering::Relaxed);
            }
        });
        let fenced_saw_nobody: Vec<bool> = (0..ROUNDS)
            .map(|round| {
                meet(0, round);
                fenced[round].store(true, Ordering::Relaxed);
                assert!(sys::barrier());
                !plain[round].load(Ordering::Relaxed)
            })
            .collect();
        fenced_saw_nobody
    })
    .into_iter()
    .zip(&saw_nobody)
    .enumerate()
    .for_each(|(round, (fenced_saw_nobody, plain_saw_nobody))| {
        let neither = fenced_saw_nobody && plain_saw_nobody.load(Ordering::Relaxed);
        assert!(!neither, "round {round}: neither saw the other");
    });
}

#[test]
fn yielding_lets_others_run() {
    static GO: AtomicBool = AtomicBool::new(false);
    let other = std::thread::spawn(|| GO.store(true, Ordering::Release));
    while !GO.load(Ordering::Acquire) {
        sys::yield_now();
    }
    other.join().unwrap();
}

#[test]
fn text_for_standard_error_arrives_whole() {
    let output = passes("stderr", &[]);
    let text = String::from_utf8(output.stderr).unwrap();
    let begin = text.find('<').unwrap();
    let expected = format!("<plain text, \u{fc}mlaut>{}", "x".repeat(100_000));
    assert!(text[begin..].starts_with(&expected));
}

#[test]
fn abort_ends_the_process_without_exit_functions() {
    let output = dies("abort");
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt as _;
        assert_eq!(output.status.signal(), Some(libc::SIGABRT));
    }
    let _ = output;
}

#[test]
fn exit_hooks_run_once_after_everything_else() {
    let output = passes("exit", &[]);
    let out = String::from_utf8(output.stdout).unwrap();
    let (before, after) = out.split_once("<at exit>").expect("the hook ran");
    assert!(before.contains("test result: ok"), "{out}");
    assert_eq!(after.trim(), "", "the hook ran once and last");
}

#[test]
fn the_test_program_is_not_privileged() {
    assert!(!sys::is_privileged());
}

#[test]
fn environment_variables_are_found_by_prefix() {
    let long = "v".repeat(2000);
    let output = passes(
        "environment",
        &[
            ("SYSTEST_PLAIN", "one two"),
            ("SYSTEST_EQUALS", "a=b=c"),
            ("SYSTEST_TEXT", "gr\u{fc}n \u{1f333}"),
            ("SYSTEST_LONG", &long),
            ("SYSTEST", "too short a name"),
            ("OTHER_SYSTEST_X", "elsewhere"),
            ("systest_lower", "small"),
        ],
    );
    let out = String::from_utf8(output.stdout).unwrap();
    let seen: Vec<&str> = out.lines().filter(|line| line.contains('>')).collect();
    let cut = if cfg!(windows) { 1024 } else { long.len() };
    let mut expected = vec![
        "SYSTEST_EQUALS>a=b=c<5".to_string(),
        format!("SYSTEST_LONG>{}<{cut}", &long[..cut]),
        "SYSTEST_PLAIN>one two<7".to_string(),
        "SYSTEST_TEXT>gr\u{fc}n \u{1f333}<10".to_string(),
    ];
    if cfg!(windows) {
        expected.insert(1, "SYSTEST_LOWER>small<5".to_string());
        expected.sort();
    }
    assert_eq!(seen, expected);
}

#[test]
fn thread_numbers_are_each_threads_own() {
    let mine = sys::thread_id();
    assert_eq!(mine, sys::thread_id());
    let others: Vec<u64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (sys::thread_id(), ())))
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap().0)
            .collect()
    });
    assert!(others.iter().all(|&other| other != mine && other != 0));
    #[cfg(target_os = "linux")]
    {
        let link = std::fs::read_link("/proc/thread-self").unwrap();
        assert_eq!(link.file_name().unwrap().to_str(), Some(&*mine.to_string()));
    }
}

/// What each slot's hook was called with, and how often.
static HOOK_VALUES: [AtomicUsize; sys::THREAD_HOOKS] =
    [const { AtomicUsize::new(0) }; sys::THREAD_HOOKS];
static HOOK_RUNS: [AtomicUsize; sys::THREAD_HOOKS] =
    [const { AtomicUsize::new(0) }; sys::THREAD_HOOKS];

pub(crate) unsafe extern "C" fn exit_hook<const SLOT: usize>(value: *mut u8) {
    HOOK_VALUES[SLOT].store(value.addr(), Ordering::SeqCst);
    HOOK_RUNS[SLOT].fetch_add(1, Ordering::SeqCst);
}

#[test]
fn thread_exit_hooks_run_once_with_the_latest_value() {
    let _turn = turn();
    let hooks: [unsafe extern "C" fn(*mut u8); sys::THREAD_HOOKS] = [
        exit_hook::<0>,
        exit_hook::<1>,
        exit_hook::<2>,
        exit_hook::<3>,
        exit_hook::<4>,
    ];
    let value = |number: usize| std::ptr::without_provenance_mut::<u8>(number);
    // A thread with one value, twice over: the second thread reuses the slots.
    for round in 1..=2 {
        std::thread::spawn(move || {
            for (slot, &hook) in hooks.iter().enumerate() {
                assert!(sys::at_thread_exit(slot, hook, value(1)));
                assert!(sys::at_thread_exit(slot, hook, value(100 * round + slot)));
            }
            assert!(!sys::at_thread_exit(hooks.len(), hooks[0], value(1)));
        })
        .join()
        .unwrap();
        // A joined thread's hooks have run: both systems run them before they
        // say that the thread has ended.
        for slot in 0..hooks.len() {
            assert_eq!(HOOK_RUNS[slot].load(Ordering::SeqCst), round, "slot {slot}");
            assert_eq!(HOOK_VALUES[slot].load(Ordering::SeqCst), 100 * round + slot);
        }
    }
    // A thread that set nothing runs nothing.
    std::thread::spawn(|| ()).join().unwrap();
    for runs in &HOOK_RUNS {
        assert_eq!(runs.load(Ordering::SeqCst), 2);
    }
}

#[test]
fn address_space_limit_is_the_processes() {
    #[cfg(target_os = "linux")]
    passes("limit", &[]);
    #[cfg(windows)]
    assert_eq!(sys::address_space_limit(), usize::MAX);
}

static FORK_STEPS: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" fn fork_step<const STEP: u32>() {
    // Decimal digits in the order of the calls.
    let _ = FORK_STEPS.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |steps| {
        Some(steps * 10 + STEP)
    });
}

#[cfg(unix)]
pub(crate) fn fork_in_child() {
    assert!(sys::at_fork(fork_step::<1>, fork_step::<2>, fork_step::<3>));
    say(BEFORE);
    // SAFETY: the forked process does nothing but exit.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        // SAFETY: ends the forked process at once.
        unsafe { libc::_exit(FORK_STEPS.load(Ordering::SeqCst) as i32) };
    }
    let mut status = 0;
    // SAFETY: the kernel writes one status.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    assert!(libc::WIFEXITED(status));
    assert_eq!(libc::WEXITSTATUS(status), 13, "prepare, then child");
    assert_eq!(
        FORK_STEPS.load(Ordering::SeqCst),
        12,
        "prepare, then parent"
    );
}

#[test]
fn fork_hooks_run_around_a_fork() {
    #[cfg(unix)]
    passes("fork", &[]);
    #[cfg(windows)]
    {
        assert!(sys::at_fork(fork_step::<1>, fork_step::<2>, fork_step::<3>));
        assert_eq!(FORK_STEPS.load(Ordering::SeqCst), 0);
    }
}
