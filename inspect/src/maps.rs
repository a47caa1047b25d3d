//! A process's mappings, as the system lists them.

use crate::Error;
use crate::elsewhere;
use crate::model::Mapping;
use std::fs;

/// The mappings of process `pid` by address, with the memory they hold where the
/// system tells it. Files of another mount namespace are named through `/proc/PID/root`.
///
/// # Errors
/// [`Error::NoProcess`] when there are none.
pub fn of_process(pid: i32) -> Result<Vec<Mapping>, Error> {
    let text = fs::read(format!("/proc/{pid}/smaps"))
        .or_else(|_| fs::read(format!("/proc/{pid}/maps")))
        .map_err(|_| Error::NoProcess(pid))?;
    let (mut mappings, numbers) = read(&String::from_utf8_lossy(&text));
    if mappings.is_empty() {
        return Err(Error::NoProcess(pid));
    }
    elsewhere::name_files(pid, &mut mappings, &numbers);
    Ok(mappings)
}

/// Reads what `/proc/PID/maps` or `/proc/PID/smaps` says.
pub fn parse(text: &str) -> Vec<Mapping> {
    read(text).0
}

/// [`parse`], and the number of each mapping's file.
fn read(text: &str) -> (Vec<Mapping>, Vec<u64>) {
    let mut mappings: Vec<Mapping> = Vec::new();
    let mut numbers = Vec::new();
    for line in text.lines() {
        if let Some((mapping, number)) = head(line) {
            mappings.push(mapping);
            numbers.push(number);
        } else if let Some(last) = mappings.last_mut()
            && let Some(kib) = line.strip_prefix("Rss:")
        {
            let kib = kib.trim().trim_end_matches("kB").trim();
            last.resident = kib.parse::<u64>().ok().map(|kib| kib * 1024);
        }
    }
    (mappings, numbers)
}

/// `start-end rwxp offset device inode name`.
fn head(line: &str) -> Option<(Mapping, u64)> {
    let (range, rest) = line.split_once(' ')?;
    let (start, end) = range.split_once('-')?;
    let start = u64::from_str_radix(start, 16).ok()?;
    let end = u64::from_str_radix(end, 16).ok()?;
    let mut fields = rest.splitn(5, ' ');
    let rights = fields.next()?.as_bytes();
    let offset = u64::from_str_radix(fields.next()?, 16).ok()?;
    let _device = fields.next()?;
    let inode: u64 = fields.next()?.parse().ok()?;
    let name = fields.next().unwrap_or_default().trim().to_owned();
    let has = |at: usize, letter: u8| rights.get(at) == Some(&letter);
    let mapping = Mapping {
        start,
        end,
        is_readable: has(0, b'r'),
        is_writable: has(1, b'w'),
        is_executable: has(2, b'x'),
        is_shared: has(3, b's'),
        is_file: inode != 0,
        offset,
        resident: None,
        name,
    };
    (start < end && rights.len() >= 4).then_some((mapping, inode))
}

/// The stack pointers of those threads of a process that wait in the system.
pub fn stack_pointers(pid: i32) -> Vec<u64> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let of_task = |task: fs::DirEntry| {
        let line = fs::read_to_string(task.path().join("syscall")).ok()?;
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let sp = words.len().checked_sub(2).and_then(|at| words.get(at))?;
        u64::from_str_radix(sp.strip_prefix("0x")?, 16).ok()
    };
    tasks.flatten().filter_map(of_task).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
55d0c0000000-55d0c0002000 r-xp 00001000 08:01 1234    /usr/bin/some thing
Size:                  8 kB
Rss:                   4 kB
7f0000000000-7f0000010000 ---p 00000000 00:00 0 
Rss:                   0 kB
7ffd00000000-7ffd00021000 rw-s 00000000 00:01 7       /dev/shm/x
";

    #[test]
    fn a_list_is_read() {
        let maps = parse(SMAPS);
        assert_eq!(maps.len(), 3);
        assert_eq!(maps[0].start, 0x55d0_c000_0000);
        assert_eq!(maps[0].name, "/usr/bin/some thing");
        assert_eq!(maps[0].resident, Some(4096));
        assert!(maps[0].is_executable && maps[0].is_file && !maps[0].is_writable);
        assert_eq!(maps[0].offset, 0x1000);
        assert!(!maps[1].is_readable && maps[1].name.is_empty() && !maps[1].is_file);
        assert!(maps[2].is_shared && maps[2].is_writable && maps[2].resident.is_none());
    }

    #[test]
    fn what_is_no_list_gives_none() {
        for text in [
            "",
            "x",
            "Rss: 5 kB",
            "1-2",
            "2-1 rwxp 0 0 0 n",
            "z-1 rwxp 0 0 0",
        ] {
            assert_eq!(parse(text), [], "{text}");
        }
    }

    #[test]
    fn this_process_is_listed() {
        let pid = i32::try_from(std::process::id()).expect("a small number");
        let maps = of_process(pid).expect("this process");
        let here = &raw const maps as u64;
        assert!(
            maps.iter()
                .any(|m| m.start <= here && here < m.end && m.is_writable)
        );
        assert!(maps.windows(2).all(|pair| pair[0].end <= pair[1].start));
    }
}
