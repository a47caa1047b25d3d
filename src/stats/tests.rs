//! The three texts, each read back by a strict reader of its format.

use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

/// Distinct numbers everywhere, so that no two can be mixed up.
fn sample() -> Stats {
    let mut stats = Stats {
        allocated: 1_001,
        active: 65_536,
        resident: 4_194_304 + 123_456,
        retained: 1_004,
        mapped: usize::MAX,
        committed: 1_006,
        metadata: 1_007,
        large_blocks: 1_008,
        large_bytes: 1_009,
        threads: 1_010,
        ..Stats::EMPTY
    };
    for (index, bucket) in stats.buckets.iter_mut().enumerate() {
        bucket.size = index * 16;
    }
    stats.buckets[4] = BucketStats {
        size: 64,
        live: 2_001,
        cached: 2_002,
        blocks: 2_003,
        allocations: u64::MAX,
    };
    stats.buckets[9].blocks = 2_005;
    for (index, count) in stats.os_calls.by_kind.iter_mut().enumerate() {
        *count = 3_000 + index as u64;
    }
    stats
}

fn written(write: impl FnOnce(&mut String) -> fmt::Result) -> String {
    let mut text = String::new();
    write(&mut text).expect("a string takes everything");
    text
}

fn prometheus(stats: &Stats) -> String {
    written(|out| stats.write_prometheus(out))
}

fn json(stats: &Stats) -> String {
    written(|out| stats.write_json(out))
}

#[test]
fn empty_in_a_constant() {
    const STATS: Stats = Stats::EMPTY;
    assert_eq!(STATS, Stats::default());
    assert_eq!(STATS.buckets.len(), BUCKETS);
    assert_eq!(STATS.used_buckets().count(), 0);
}

/// A metric family: its type and its samples by label.
type Family = (String, BTreeMap<String, u64>);

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|letter: char| letter.is_ascii_digit())
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
}

/// Reads the exposition format, version 0.0.4, as far as it is used here, and
/// panics at anything that is not exactly that: for each metric HELP, TYPE,
/// samples with at most one label and a whole number; no metric twice.
fn read_prometheus(text: &str) -> BTreeMap<String, Family> {
    assert!(text.ends_with('\n') && !text.contains('\r'));
    let mut families = BTreeMap::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let help = line.strip_prefix("# HELP ").expect(line);
        let (name, help) = help.split_once(' ').expect(line);
        assert!(
            is_name(name) && !help.is_empty() && !help.contains('\\'),
            "{line}"
        );
        let line = lines.next().expect("a TYPE after HELP");
        let kind = line
            .strip_prefix(&format!("# TYPE {name} "))
            .unwrap_or_else(|| panic!("{line}"));
        assert!(["gauge", "counter"].contains(&kind), "{line}");
        assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
        let mut samples = BTreeMap::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (series, value) = line.split_once(' ').expect(line);
            let label = series
                .strip_prefix(name)
                .unwrap_or_else(|| panic!("{line}"));
            if !label.is_empty() {
                let inner = label
                    .strip_prefix('{')
                    .and_then(|rest| rest.strip_suffix("\"}"));
                let (key, value) = inner.and_then(|inner| inner.split_once("=\"")).expect(line);
                assert!(is_name(key) && !value.contains(['"', '\\', '\n']), "{line}");
            }
            assert!(value.bytes().all(|byte| byte.is_ascii_digit()), "{line}");
            let value = value.parse().expect(line);
            let before = samples.insert(String::from(label), value);
            assert_eq!(before, None, "the series of {line} comes twice");
        }
        let before = families.insert(name.to_string(), (kind.to_string(), samples));
        assert!(before.is_none(), "{name} comes twice");
    }
    families
}

#[test]
fn prometheus_is_well_formed_and_complete() {
    let stats = sample();
    let families = read_prometheus(&prometheus(&stats));
    let value = |name: &str, label: &str| families[name].1[label];
    assert_eq!(value("ntheap_allocated_bytes", ""), 1_001);
    assert_eq!(value("ntheap_active_bytes", ""), 65_536);
    assert_eq!(value("ntheap_resident_bytes", ""), 4_317_760);
    assert_eq!(value("ntheap_retained_bytes", ""), 1_004);
    assert_eq!(value("ntheap_mapped_bytes", ""), usize::MAX as u64);
    assert_eq!(value("ntheap_committed_bytes", ""), 1_006);
    assert_eq!(value("ntheap_metadata_bytes", ""), 1_007);
    assert_eq!(value("ntheap_large_blocks", ""), 1_008);
    assert_eq!(value("ntheap_large_bytes", ""), 1_009);
    assert_eq!(value("ntheap_threads", ""), 1_010);
    assert_eq!(value("ntheap_bucket_live_blocks", "{size=\"64\"}"), 2_001);
    assert_eq!(value("ntheap_bucket_cached_blocks", "{size=\"64\"}"), 2_002);
    assert_eq!(value("ntheap_bucket_blocks", "{size=\"64\"}"), 2_003);
    assert_eq!(value("ntheap_bucket_blocks", "{size=\"144\"}"), 2_005);
    assert_eq!(
        value("ntheap_bucket_allocations_total", "{size=\"64\"}"),
        u64::MAX
    );
    assert_eq!(families["ntheap_bucket_blocks"].1.len(), 2);
    for (index, call) in Call::ALL.iter().enumerate() {
        let label = format!("{{call=\"{}\"}}", call.name());
        assert_eq!(value("ntheap_os_calls_total", &label), 3_000 + index as u64);
    }
    assert_eq!(families.len(), GAUGES.len() + BUCKET_NUMBERS.len() + 1);
}

#[test]
fn prometheus_of_nothing_is_well_formed() {
    let families = read_prometheus(&prometheus(&Stats::EMPTY));
    assert!(families["ntheap_bucket_blocks"].1.is_empty());
    assert_eq!(families["ntheap_threads"].1[""], 0);
}

#[test]
fn prometheus_begins_like_this() {
    let text = prometheus(&sample());
    let start = "# HELP ntheap_allocated_bytes usable bytes handed out and not freed\n\
                 # TYPE ntheap_allocated_bytes gauge\n\
                 ntheap_allocated_bytes 1001\n";
    assert!(text.starts_with(start), "{text}");
    assert!(text.contains("\nntheap_os_calls_total{call=\"reserve\"} 3000\n"));
}

#[derive(Debug, PartialEq)]
enum Json {
    Number(u64),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

/// Reads one JSON value of whole numbers, arrays and objects from the front
/// of `text`, without white space anywhere, and panics at all else.
fn read_json(text: &mut &str) -> Json {
    fn take(text: &mut &str, what: char) -> bool {
        let rest = text.strip_prefix(what);
        *text = rest.unwrap_or(text);
        rest.is_some()
    }
    if take(text, '[') {
        let mut items = Vec::new();
        if !take(text, ']') {
            loop {
                items.push(read_json(text));
                if !take(text, ',') {
                    break;
                }
            }
            assert!(take(text, ']'), "an array ends at {text}");
        }
        return Json::Array(items);
    }
    if take(text, '{') {
        let mut members = BTreeMap::new();
        loop {
            assert!(take(text, '"'), "a name at {text}");
            let (name, rest) = text.split_once('"').expect("a name ends");
            assert!(is_name(name), "{name}");
            *text = rest;
            assert!(take(text, ':'), "a colon at {text}");
            let before = members.insert(name.to_string(), read_json(text));
            assert_eq!(before, None, "{name} comes twice");
            if !take(text, ',') {
                break;
            }
        }
        assert!(take(text, '}'), "an object ends at {text}");
        return Json::Object(members);
    }
    let end = text
        .find(|letter: char| !letter.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    assert!(digits == "0" || !digits.starts_with('0'), "{digits}");
    *text = rest;
    Json::Number(digits.parse().expect("a number"))
}

fn object(json: &Json) -> &BTreeMap<String, Json> {
    match json {
        Json::Object(members) => members,
        other => panic!("not an object: {other:?}"),
    }
}

fn parsed(stats: &Stats) -> Json {
    let text = json(stats);
    let mut rest = text.as_str();
    let value = read_json(&mut rest);
    assert_eq!(rest, "", "something follows the object");
    value
}

#[test]
fn json_is_well_formed_and_complete() {
    let stats = sample();
    let value = parsed(&stats);
    let members = object(&value);
    for gauge in &GAUGES {
        let expected = (gauge.get)(&stats) as u64;
        assert_eq!(
            members[gauge.name],
            Json::Number(expected),
            "{}",
            gauge.name
        );
    }
    assert_eq!(members["mapped"], Json::Number(usize::MAX as u64));
    let Json::Array(buckets) = &members["buckets"] else {
        panic!("buckets are an array");
    };
    let [first, second] = buckets.as_slice() else {
        panic!("two buckets hold something: {buckets:?}");
    };
    for (name, expected) in [
        ("size", 64),
        ("live", 2_001),
        ("cached", 2_002),
        ("blocks", 2_003),
        ("allocations", u64::MAX),
    ] {
        assert_eq!(object(first)[name], Json::Number(expected), "{name}");
    }
    assert_eq!(object(first).len(), 5);
    assert_eq!(object(second)["size"], Json::Number(144));
    let calls = object(&members["os_calls"]);
    assert_eq!(calls.len(), Call::ALL.len());
    assert_eq!(calls["reserve"], Json::Number(3_000));
    assert_eq!(members.len(), GAUGES.len() + 2);
}

#[test]
fn json_of_nothing_is_well_formed() {
    let value = parsed(&Stats::EMPTY);
    assert_eq!(object(&value)["buckets"], Json::Array(Vec::new()));
}

#[test]
fn no_two_numbers_share_a_name() {
    let names: BTreeSet<&str> = GAUGES
        .iter()
        .flat_map(|gauge| [gauge.name, gauge.metric])
        .chain(
            BUCKET_NUMBERS
                .iter()
                .flat_map(|number| [number.name, number.metric]),
        )
        .collect();
    assert_eq!(names.len(), 2 * (GAUGES.len() + BUCKET_NUMBERS.len()));
}

#[test]
fn text_is_this_table() {
    let stats = Stats {
        mapped: 3 << 29,
        ..sample()
    };
    assert_eq!(
        stats.to_string(),
        "\
ntheap statistics
  allocated                    1001               usable bytes handed out and not freed
  active                      65536     64.0 KiB  pages of subsegments, runs and large blocks in use
  resident                  4317760      4.1 MiB  estimate: active, retained and metadata together
  retained                     1004               dirty free pages kept for reuse
  mapped                 1610612736      1.5 GiB  address space reserved
  committed                    1006               made accessible
  metadata                     1007               committed for the allocator's own records
  large_blocks                 1008               large blocks handed out and not freed
  large_bytes                  1009               usable bytes of the large blocks
  threads                      1010               threads that have a cache
    block size         live       cached     room for          allocations
            64         2001         2002         2003 18446744073709551615
           144            0            0         2005                    -
  system calls: reserve 3000 commit 3001 decommit 3002 purge 3003 release 3004 protect 3005 \
remap 3006 advise 3007 thread_hook 3008 map 3009 file 3010 lock 3011 watch 3012 copy 3013 \
catch 3014
"
    );
}

#[test]
fn scaled_sizes() {
    for (bytes, expected) in [
        (0, ""),
        (1023, ""),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        ((1 << 20) - 1, "1023.9 KiB"),
        (1 << 20, "1.0 MiB"),
        ((1 << 30) - 1, "1023.9 MiB"),
        (3 << 30, "3.0 GiB"),
        (u64::MAX >> 24, "1023.9 GiB"),
        (1 << 40, "1.0 TiB"),
        (1 << 57, "131072.0 TiB"),
    ] {
        let shown = written(|out| write_scaled(out, bytes));
        assert_eq!(shown.len(), 13, "{shown:?}");
        assert_eq!(shown.trim_start(), expected);
    }
}

/// Takes that many more pieces, then fails.
struct Failing(usize);

impl Write for Failing {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        self.0 = self.0.checked_sub(1).ok_or(fmt::Error)?;
        Ok(())
    }
}

#[test]
fn a_failing_writer_fails_the_text() {
    let stats = sample();
    for pieces in 0..20 {
        assert!(stats.write_text(&mut Failing(pieces)).is_err());
        assert!(stats.write_json(&mut Failing(pieces)).is_err());
        assert!(stats.write_prometheus(&mut Failing(pieces)).is_err());
    }
}
