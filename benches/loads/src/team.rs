//! Several threads that start and stop together.

use crate::measure::{Elapsed, Stopwatch};
use anyhow::{Result, anyhow};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Barrier, Mutex, OnceLock};
use std::thread;

/// Runs `work` on each of `members` threads; a thread gets what it was made
/// with. The clock runs from when the first begins to work, which is when all
/// have prepared themselves, until the last has done; then they finish.
pub(crate) fn run<M: Send, S>(
    members: Vec<M>,
    prepare: impl Fn(M) -> Result<S> + Sync,
    work: impl Fn(&mut S) -> Result<()> + Sync,
    finish: impl Fn(S) -> Result<()> + Sync,
) -> Result<Elapsed> {
    let start = Barrier::new(members.len());
    let stop = Barrier::new(members.len());
    // The threads look at the clock themselves: with more of them than
    // processors, any further thread would wake too late.
    let watch = OnceLock::new();
    let latest = Mutex::new(Elapsed::default());
    let one = |member| {
        // Whatever fails, the others wait at both barriers.
        let prepared = caught(|| prepare(member));
        start.wait();
        let watch = watch.get_or_init(Stopwatch::start);
        let done = prepared.and_then(|mut state| caught(|| work(&mut state).map(|()| state)));
        let elapsed = watch.stop();
        if let Ok(mut latest) = latest.lock()
            && latest.wall < elapsed.wall
        {
            *latest = elapsed;
        }
        stop.wait();
        finish(done?)
    };
    let one = &one;
    thread::scope(|scope| -> Result<()> {
        let threads: Vec<_> = members
            .into_iter()
            .map(|member| scope.spawn(move || one(member)))
            .collect();
        for thread in threads {
            match thread.join() {
                Ok(result) => result?,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(())
    })?;
    latest
        .into_inner()
        .map_err(|_| anyhow!("a thread panicked"))
}

/// A panic, whose message is printed where it happens, as an error.
fn caught<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    // What a panic leaves half done is dropped, never looked at.
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|_| Err(anyhow!("a thread panicked")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
    use std::time::Duration;

    #[test]
    fn the_clock_runs_while_they_work() {
        let finished = AtomicU32::new(0);
        let elapsed = run(
            vec![10, 20, 30],
            |milliseconds| {
                thread::sleep(Duration::from_millis(200));
                Ok(Duration::from_millis(milliseconds))
            },
            |time| {
                thread::sleep(*time);
                Ok(())
            },
            |_| {
                finished.fetch_add(1, SeqCst);
                Ok(())
            },
        );
        let wall = elapsed.unwrap().wall;
        assert!(wall >= Duration::from_millis(29), "{wall:?}");
        assert!(wall < Duration::from_millis(200), "{wall:?}");
        assert_eq!(finished.into_inner(), 3);
    }

    #[test]
    fn a_failure_in_any_phase_is_reported() {
        for phase in ["prepare", "work", "finish", "panic"] {
            let fail = |at: &str, member| match phase == at && member == 1 {
                true => bail!("{at} failed"),
                false => Ok(()),
            };
            let result = run(
                vec![0, 1, 2],
                |member| fail("prepare", member).map(|()| member),
                |member| {
                    if phase == "panic" && *member == 2 {
                        std::panic::resume_unwind(Box::new("quietly"));
                    }
                    fail("work", *member)
                },
                |member| fail("finish", member),
            );
            let message = result.unwrap_err().to_string();
            assert!(message.contains(phase), "{phase}: {message}");
        }
    }
}
