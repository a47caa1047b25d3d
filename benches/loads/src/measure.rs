//! What a load took: time from the system's clocks, memory and faults from
//! `/proc`. Nothing here allocates: what is read goes to a buffer on the stack.

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};
use std::fs::File;
use std::io::Read;
use std::time::{Duration, Instant};

/// What a load reports.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) operations: u64,
    pub(crate) elapsed: Elapsed,
    /// Threads that allocated or freed.
    pub(crate) threads: u32,
    /// Bytes requested and alive at the peak, where the load knows them.
    pub(crate) requested_peak: u64,
    /// Resident bytes when all was dropped, from a load that must look before
    /// its threads end.
    pub(crate) resident_at_end: Option<u64>,
}

impl Measured {
    pub(crate) fn new(operations: u64, elapsed: Elapsed) -> Self {
        Measured {
            operations,
            elapsed,
            threads: 1,
            requested_peak: 0,
            resident_at_end: None,
        }
    }

    pub(crate) fn threads(self, threads: u32) -> Self {
        Measured { threads, ..self }
    }

    pub(crate) fn requested(self, requested_peak: u64) -> Self {
        Measured {
            requested_peak,
            ..self
        }
    }
}

/// Time that passed, and processor time of the whole process, threads that
/// ended included.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Elapsed {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

/// Runs from its creation until `stop`.
#[derive(Debug)]
pub(crate) struct Stopwatch {
    wall: Instant,
    cpu: Duration,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Stopwatch {
            cpu: cpu_time(),
            wall: Instant::now(),
        }
    }

    pub(crate) fn stop(&self) -> Elapsed {
        Elapsed {
            wall: self.wall.elapsed(),
            cpu: cpu_time().saturating_sub(self.cpu),
        }
    }
}

fn cpu_time() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    // Both fields of a processor's time are never negative.
    Duration::new(now.tv_sec as u64, now.tv_nsec as u32)
}

/// Resident bytes, counted page by page: the counters in `statm` are kept per
/// processor, and can be off by some hundred KiB.
pub(crate) fn resident() -> Result<u64> {
    kibibytes("/proc/self/smaps_rollup", "Rss:")
}

/// The most bytes that were ever resident, as the counters had it: exact if
/// that is now, and else to some hundred KiB.
pub(crate) fn peak_resident() -> Result<u64> {
    kibibytes("/proc/self/status", "VmHWM:")
}

/// Page faults of the process so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    pub(crate) minor: u64,
    pub(crate) major: u64,
}

pub(crate) fn faults() -> Result<Faults> {
    let mut buffer = [0; 4096];
    let text = read("/proc/self/stat", &mut buffer)?;
    // The second field is the program's name in parentheses, which may hold
    // spaces; the fields are counted from behind it, where the third starts.
    let (_, fields) = text.rsplit_once(')').context("/proc/self/stat: no name")?;
    let mut fields = fields.split_ascii_whitespace();
    let mut next = |skip| -> Result<u64> {
        let field = fields.nth(skip).context("/proc/self/stat: too short")?;
        field.parse().context("/proc/self/stat: not a number")
    };
    Ok(Faults {
        minor: next(7)?,
        major: next(1)?,
    })
}

fn kibibytes(path: &'static str, key: &str) -> Result<u64> {
    let mut buffer = [0; 4096];
    let text = read(path, &mut buffer)?;
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.trim().strip_suffix(" kB"));
    let kibibytes: u64 = number
        .and_then(|number| number.parse().ok())
        .with_context(|| format!("{path}: no {key}"))?;
    Ok(kibibytes * 1024)
}

fn read<'a>(path: &'static str, buffer: &'a mut [u8; 4096]) -> Result<&'a str> {
    let mut file = File::open(path).context(path)?;
    let mut length = 0;
    loop {
        match file.read(&mut buffer[length..]).context(path)? {
            0 => break,
            read => length += read,
        }
    }
    std::str::from_utf8(&buffer[..length]).context(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn memory_and_faults_follow_pages_touched() {
        const SIZE: usize = 64 << 20;
        let (before, faults_before) = (resident().unwrap(), faults().unwrap());
        let mut map = memmap2::MmapMut::map_anon(SIZE).unwrap();
        for page in map.chunks_mut(4096) {
            page[0] = 1;
        }
        black_box(&map);
        assert!(resident().unwrap() >= before + SIZE as u64);
        drop(map);
        // Other tests run beside this one, so the bounds have room for them.
        assert!(resident().unwrap() < before + SIZE as u64 / 2);
        assert!(peak_resident().unwrap() >= before + SIZE as u64 - (4 << 20));
        // One fault a page, or one for each 2 MiB with huge pages.
        assert!(faults().unwrap().minor >= faults_before.minor + 32);
    }

    #[test]
    fn a_stopwatch_counts_what_was_used() {
        let watch = Stopwatch::start();
        while watch.stop().cpu < Duration::from_millis(20) {
            black_box(0);
        }
        let busy = watch.stop();
        // Tests run beside this one use the same process's time.
        assert!(busy.wall >= Duration::from_millis(1));
        std::thread::sleep(Duration::from_millis(50));
        assert!(watch.stop().wall >= busy.wall + Duration::from_millis(50));
    }
}
