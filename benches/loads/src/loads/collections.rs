//! The standard library's collections: growth by doubling, text, trees, hash
//! tables, sorting.

use crate::catalogue::{Group::Collections, Load, Program, Scale};
use crate::measure::{Measured, Stopwatch};
use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::hint::black_box;

/// Hashes the same in every run.
type FixedHash = BuildHasherDefault<DefaultHasher>;

pub(crate) fn list<A: 'static>() -> &'static [Load] {
    const {
        &[
            Load::new("vec-growth", Collections, Program::<A>::vec_growth),
            Load::new("vec-many", Collections, Program::<A>::vec_many),
            Load::new("strings", Collections, Program::<A>::strings),
            Load::new("btree-churn", Collections, Program::<A>::btree_churn),
            Load::new("hashmap-churn", Collections, Program::<A>::hashmap_churn),
            Load::new("sort-strings", Collections, Program::<A>::sort_strings),
        ]
    }
}

impl<A> Program<A> {
    /// A `Vec<u64>` grown to 64 MiB by `push`, ten times.
    fn vec_growth(scale: Scale) -> Result<Measured> {
        const ROUNDS: u64 = 10;
        let length = scale.live(8 << 20) as u64;
        let watch = Stopwatch::start();
        for round in 0..ROUNDS {
            let mut numbers = Vec::new();
            for i in 0..length {
                numbers.push(i ^ round);
            }
            let numbers = black_box(numbers);
            let right = (0..length)
                .step_by(509)
                .all(|i| numbers[i as usize] == i ^ round);
            ensure!(right, "numbers were lost while the vector grew");
        }
        let elapsed = watch.stop();
        Ok(Measured::new(ROUNDS * length, elapsed).requested(length * 8))
    }

    /// A thousand small vectors that grow in turn, so that no two steps of one
    /// follow each other; each starts anew at a length of its own.
    fn vec_many(scale: Scale) -> Result<Measured> {
        const VECTORS: usize = 1000;
        let pushes = scale.of(80_000_000);
        let mut rng = Rng::with_seed(9);
        let mut vectors: Vec<(Vec<u32>, usize)> = Vec::new();
        vectors.resize_with(VECTORS, || (Vec::new(), rng.usize(1..=1000)));
        let mut wrong = 0u64;
        let watch = Stopwatch::start();
        for pushed in 0..pushes {
            let place = pushed as usize % VECTORS;
            let (vector, full) = &mut vectors[place];
            if vector.len() == *full {
                let first = vector.first().is_none_or(|&n| n == place as u32);
                let last = vector
                    .last()
                    .is_none_or(|&n| n == (place + *full - 1) as u32);
                wrong += u64::from(!first) + u64::from(!last);
                *full = rng.usize(1..=1000);
                *vector = Vec::new();
            }
            vector.push((place + vector.len()) as u32);
        }
        drop(vectors);
        let elapsed = watch.stop();
        ensure!(wrong == 0, "{wrong} vectors had lost their contents");
        Ok(Measured::new(pushes, elapsed))
    }

    /// Lines of text built from words and numbers, joined, split again.
    fn strings(scale: Scale) -> Result<Measured> {
        const WORDS: [&str; 8] = [
            "heap",
            "page",
            "segment",
            "of",
            "memory",
            "reserved",
            "and",
            "committed",
        ];
        let rounds = scale.of(12);
        let lines = scale.live(50_000) as u64;
        let mut rng = Rng::with_seed(10);
        let mut wrong = 0u64;
        let watch = Stopwatch::start();
        for _ in 0..rounds {
            let mut text = Vec::new();
            for number in 0..lines {
                let mut line = String::new();
                write!(line, "{number}")?;
                for _ in 0..rng.usize(2..=12) {
                    line.push(' ');
                    line.push_str(WORDS[rng.usize(..WORDS.len())]);
                }
                text.push(format!("{line}: {}", line.to_uppercase()));
            }
            let text = black_box(text.join("\n"));
            let parts: Vec<String> = text.split('\n').map(str::to_owned).collect();
            for (number, line) in (0..lines).zip(&parts) {
                let (left, right) = line.split_once(": ").unwrap_or_default();
                wrong += u64::from(!left.eq_ignore_ascii_case(right));
                let first = left.split(' ').next().and_then(|n| n.parse().ok());
                wrong += u64::from(first != Some(number));
            }
            wrong += u64::from(parts.len() as u64 != lines);
        }
        let elapsed = watch.stop();
        ensure!(wrong == 0, "{wrong} lines were wrong");
        Ok(Measured::new(rounds * lines, elapsed))
    }

    /// 200,000 entries; one at random removed, another inserted.
    fn btree_churn(scale: Scale) -> Result<Measured> {
        let operations = scale.of(800_000);
        let mut rng = Rng::with_seed(11);
        let mut keys: Vec<u64> = Vec::new();
        keys.resize_with(scale.live(200_000), || rng.u64(..));
        let mut map: BTreeMap<u64, u64> = keys.iter().map(|&key| (key, !key)).collect();
        let entries = map.len();
        let mut wrong = 0u64;
        let watch = Stopwatch::start();
        for _ in 0..operations {
            let new = rng.u64(..);
            let place = rng.usize(..keys.len());
            let old = std::mem::replace(&mut keys[place], new);
            wrong += u64::from(map.remove(&old) != Some(!old));
            wrong += u64::from(map.insert(new, !new).is_some());
        }
        let elapsed = watch.stop();
        ensure!(wrong == 0, "{wrong} entries were wrong");
        ensure!(map.len() == entries, "{} entries", map.len());
        Ok(Measured::new(operations, elapsed))
    }

    /// 200,000 strings by number; one at random removed, another inserted.
    fn hashmap_churn(scale: Scale) -> Result<Measured> {
        let operations = scale.of(1_500_000);
        let mut rng = Rng::with_seed(12);
        let mut keys: Vec<u64> = Vec::new();
        keys.resize_with(scale.live(200_000), || rng.u64(..));
        let mut map: HashMap<u64, String, FixedHash> = HashMap::default();
        map.extend(keys.iter().map(|&key| (key, value(key))));
        let entries = map.len();
        let mut wrong = 0u64;
        let watch = Stopwatch::start();
        for _ in 0..operations {
            let new = rng.u64(..);
            let place = rng.usize(..keys.len());
            let old = std::mem::replace(&mut keys[place], new);
            let removed = map.remove(&old).context("an entry was lost")?;
            wrong += u64::from(removed.len() != length(old) || !removed.starts_with(letter(old)));
            wrong += u64::from(map.insert(new, value(new)).is_some());
        }
        let elapsed = watch.stop();
        ensure!(wrong == 0, "{wrong} strings were wrong");
        ensure!(map.len() == entries, "{} entries", map.len());
        Ok(Measured::new(operations, elapsed))
    }

    /// A million strings cloned, the clones sorted, and dropped.
    fn sort_strings(scale: Scale) -> Result<Measured> {
        let count = scale.live(1_000_000);
        let mut rng = Rng::with_seed(13);
        let mut strings: Vec<String> = Vec::new();
        strings.resize_with(count, || {
            let length = rng.usize(4..=40);
            std::iter::repeat_with(|| rng.lowercase())
                .take(length)
                .collect()
        });
        let watch = Stopwatch::start();
        let mut sorted = strings.clone();
        sorted.sort();
        let right = black_box(&sorted).is_sorted();
        let bytes: usize = sorted.iter().map(String::len).sum();
        drop(sorted);
        let elapsed = watch.stop();
        ensure!(right, "the strings are not in order");
        let expected: usize = strings.iter().map(String::len).sum();
        ensure!(bytes == expected, "{bytes} bytes of {expected}");
        Ok(Measured::new(count as u64, elapsed))
    }
}

/// The string under a key: 8 to 71 times the same letter.
#[inline]
fn value(key: u64) -> String {
    letter(key).to_string().repeat(length(key))
}

fn length(key: u64) -> usize {
    8 + (key >> 58) as usize
}

fn letter(key: u64) -> char {
    char::from(b'a' + (key % 26) as u8)
}
