//! The environment as a list of pairs, the warnings as a string.

use super::environment::{MAX_UNKNOWN, NAME_MAX, PREFIX, distance, read};
use super::options::parse_size;
use super::*;
use std::string::String;

fn read_with(privileged: bool, base: Config, pairs: &[(&str, &str)]) -> (Config, String) {
    let mut warnings = String::new();
    let config = read(
        base,
        privileged,
        |visit| {
            for (name, value) in pairs {
                visit(name.as_bytes(), value.as_bytes());
            }
        },
        &mut |text| warnings.push_str(std::str::from_utf8(text).expect("warnings are UTF-8")),
    );
    (config, warnings)
}

fn read_pairs(pairs: &[(&str, &str)]) -> (Config, String) {
    read_with(false, Config::new(), pairs)
}

#[test]
fn defaults() {
    const CONFIG: Config = Config::new();
    assert_eq!(CONFIG.cache_bytes(), 32 * 1024);
    assert_eq!(CONFIG.retain(), 1024 * 1024);
    assert_eq!(CONFIG.commit_limit(), usize::MAX);
    assert_eq!(CONFIG.huge_pages(), HugePages::Default);
    assert!(!CONFIG.show_stats());
    assert_eq!(CONFIG.on_corruption(), Action::Abort);
    assert!(!CONFIG.count_calls());
    assert_eq!(Config::default(), CONFIG);
    assert_eq!(read_pairs(&[]), (CONFIG, String::new()));
}

#[test]
fn builder_in_a_constant() {
    const CONFIG: Config = Config::new()
        .with_cache_bytes(1)
        .with_retain(2)
        .with_commit_limit(3)
        .with_huge_pages(HugePages::Never)
        .with_show_stats(true)
        .with_on_corruption(Action::Continue)
        .with_count_calls(true);
    assert_eq!(
        (CONFIG.cache_bytes(), CONFIG.retain(), CONFIG.commit_limit()),
        (1, 2, 3)
    );
    assert_eq!(CONFIG.huge_pages(), HugePages::Never);
    assert_eq!(CONFIG.on_corruption(), Action::Continue);
    assert!(CONFIG.show_stats() && CONFIG.count_calls());
}

#[test]
fn the_environment_wins_option_by_option() {
    let base = Config::new().with_retain(1).with_show_stats(true);
    let (config, warnings) = read_with(
        false,
        base,
        &[
            ("NTHEAP_CACHE_BYTES", "0"),
            ("NTHEAP_COMMIT_LIMIT", "1 GiB"),
            ("NTHEAP_HUGE_PAGES", "Always"),
            ("NTHEAP_SHOW_STATS", "off"),
            ("NTHEAP_ON_CORRUPTION", "continue"),
            ("NTHEAP_COUNT", " 1 "),
        ],
    );
    let expected = base
        .with_cache_bytes(0)
        .with_commit_limit(1 << 30)
        .with_huge_pages(HugePages::Always)
        .with_show_stats(false)
        .with_on_corruption(Action::Continue)
        .with_count_calls(true);
    assert_eq!(config, expected);
    assert_eq!(warnings, "");
}

#[test]
fn privileged_programs_ignore_everything() {
    let pairs = [("NTHEAP_RETAIN", "1"), ("NTHEAP_NONSENSE", "1")];
    assert_eq!(
        read_with(true, Config::new(), &pairs),
        (Config::new(), String::new())
    );
    assert_eq!(read_pairs(&pairs).0.retain(), 1);
}

#[test]
fn sizes() {
    let max = usize::MAX;
    for (text, expected) in [
        ("0", Some(0)),
        ("007", Some(7)),
        ("4096", Some(4096)),
        ("0x1F", Some(31)),
        ("0Xff", Some(255)),
        ("0x10k", Some(16 * 1024)),
        ("1K", Some(1 << 10)),
        ("3m", Some(3 << 20)),
        ("2G", Some(2 << 30)),
        ("64KiB", Some(64 << 10)),
        ("64 mib", Some(64 << 20)),
        ("none", Some(max)),
        ("NONE", Some(max)),
        ("", None),
        ("0x", None),
        ("K", None),
        ("-1", None),
        ("+1", None),
        ("1.5M", None),
        ("1KB", None),
        ("1kk", None),
        ("1T", None),
        ("1  K", None),
        ("ten", None),
        ("\u{661}", None),
    ] {
        assert_eq!(parse_size(text.as_bytes()), expected, "{text:?}");
    }
    let largest = std::format!("{max}");
    assert_eq!(parse_size(largest.as_bytes()), Some(max));
    for too_large in [
        std::format!("{max}0"),
        std::format!("0x{max:x}0"),
        std::format!("{max}K"),
        std::format!("{}G", (max >> 30) + 1),
    ] {
        assert_eq!(parse_size(too_large.as_bytes()), None, "{too_large}");
    }
}

#[test]
fn switches() {
    for (text, expected) in [
        ("1", true),
        ("ON", true),
        ("True", true),
        ("0", false),
        ("off", false),
        ("false", false),
    ] {
        let base = Config::new().with_show_stats(!expected);
        let (config, warnings) = read_with(false, base, &[("NTHEAP_SHOW_STATS", text)]);
        assert_eq!(
            (config.show_stats(), warnings.as_str()),
            (expected, ""),
            "{text}"
        );
    }
}

#[test]
fn a_bad_value_keeps_the_setting_and_says_what_is_valid() {
    let base = Config::new().with_retain(3 << 20);
    let (config, warnings) = read_with(
        false,
        base,
        &[
            ("NTHEAP_RETAIN", "12Q"),
            ("NTHEAP_SHOW_STATS", "yes please"),
            ("NTHEAP_HUGE_PAGES", "sometimes"),
            ("NTHEAP_ON_CORRUPTION", "\u{1b}[31m"),
        ],
    );
    assert_eq!(config, base);
    assert_eq!(
        warnings,
        "ntheap: NTHEAP_RETAIN=12Q is not valid, 3 MiB stays; valid: \
         bytes, decimal or 0x hex, with K, M or G for KiB, MiB or GiB; or none\n\
         ntheap: NTHEAP_SHOW_STATS=yes please is not valid, off stays; valid: \
         0, 1, off, on, false or true\n\
         ntheap: NTHEAP_HUGE_PAGES=sometimes is not valid, default stays; valid: \
         default, never or always\n\
         ntheap: NTHEAP_ON_CORRUPTION=\\x1b[31m is not valid, abort stays; valid: \
         abort or continue\n"
    );
}

#[test]
fn an_empty_value_is_not_set() {
    let pairs = [("NTHEAP_RETAIN", ""), ("NTHEAP_COUNT", "  ")];
    assert_eq!(read_pairs(&pairs), (Config::new(), String::new()));
}

#[test]
fn the_first_of_two_counts_and_warns_alone() {
    let (config, warnings) = read_pairs(&[
        ("NTHEAP_RETAIN", "1"),
        ("NTHEAP_RETAIN", "2"),
        ("NTHEAP_COUNT", "maybe"),
        ("NTHEAP_COUNT", "maybe"),
        ("NTHEAP_X", "1"),
        ("NTHEAP_X", "1"),
    ]);
    assert_eq!(config.retain(), 1);
    assert_eq!(warnings.matches("NTHEAP_COUNT").count(), 1, "{warnings}");
    assert_eq!(warnings.matches("NTHEAP_X").count(), 1, "{warnings}");
}

#[test]
fn an_unknown_name_gets_the_nearest_one() {
    for (name, expected) in [
        ("NTHEAP_RETIAN", "NTHEAP_RETAIN"),
        ("NTHEAP_RETAINED", "NTHEAP_RETAIN"),
        ("NTHEAP_CACHEBYTES", "NTHEAP_CACHE_BYTES"),
        ("NTHEAP_SHOW_STAT", "NTHEAP_SHOW_STATS"),
        ("NTHEAP_HUGEPAGE", "NTHEAP_HUGE_PAGES"),
        ("NTHEAP_COUNTS", "NTHEAP_COUNT"),
        ("NTHEAP_LIBARY", "NTHEAP_LIBRARY"),
    ] {
        let (config, warnings) = read_pairs(&[(name, "1")]);
        assert_eq!(config, Config::new());
        assert_eq!(
            warnings,
            std::format!(
                "ntheap: unknown option {name}, ignored; the nearest valid name is {expected}\n"
            )
        );
    }
}

#[test]
fn case_matters_in_names_but_on_windows() {
    let (config, warnings) = read_pairs(&[("NTHEAP_retain", "1")]);
    if cfg!(windows) {
        assert_eq!((config.retain(), warnings.as_str()), (1, ""));
    } else {
        assert_eq!(config, Config::new());
        assert!(warnings.ends_with("is NTHEAP_RETAIN\n"), "{warnings}");
    }
}

#[test]
fn long_and_hostile_names_stay_on_one_line() {
    let name = std::format!("NTHEAP_\u{7}\n{}", "A".repeat(10_000));
    let value = "\r".repeat(10_000);
    let (_, warnings) = read_pairs(&[(&name, "1"), ("NTHEAP_RETAIN", &value.replace('\r', "\r!"))]);
    assert_eq!(warnings.lines().count(), 2, "{warnings}");
    assert!(warnings.ends_with("or none\n"), "{warnings}");
    assert!(
        warnings
            .bytes()
            .all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte))
    );
}

#[test]
fn many_unknown_names_are_summed_up() {
    let names: std::vec::Vec<String> = (0..50).map(|n| std::format!("NTHEAP_ZZ{n}")).collect();
    let pairs: std::vec::Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    let (_, warnings) = read_pairs(&pairs);
    assert_eq!(warnings.lines().count(), MAX_UNKNOWN + 1);
    assert!(warnings.ends_with("ntheap: more unknown NTHEAP_ names, ignored\n"));
}

#[test]
fn names_read_elsewhere_are_silent() {
    for name in [
        "NTHEAP_LIBRARY",
        "NTHEAP_RUN_REPORT",
        "NTHEAP_COUNT",
        "NTHEAP_GFLAGS",
        "NTHEAP_CRT",
        "NTHEAP_REQUIRE_PROGRAMS",
        "NTHEAP_LONG",
    ] {
        assert_eq!(
            read_pairs(&[(name, "0")]),
            (Config::new(), String::new()),
            "{name}"
        );
    }
}

#[test]
fn distances() {
    for (from, to, expected) in [
        ("", "", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("abc", "ABC", 0),
        ("kitten", "sitting", 3),
        ("flaw", "lawn", 2),
        ("retian", "retain", 2),
    ] {
        assert_eq!(
            distance(from.as_bytes(), to.as_bytes()),
            expected,
            "{from} {to}"
        );
    }
    assert_eq!(distance(&[b'a'; 500], &[b'b'; 500]), NAME_MAX);
}

#[test]
fn every_option_can_be_set_to_what_it_shows() {
    assert!(OPTIONS.len() <= 32, "`seen` has a bit for each");
    let config = Config::new();
    for option in &OPTIONS {
        assert!(option.name.starts_with(PREFIX) && option.name.len() <= NAME_MAX);
        let shown = std::format!("{}", Setting(&option.kind, &config));
        assert_eq!(
            option.kind.apply(config, shown.as_bytes()),
            Some(config),
            "{shown}"
        );
    }
}

#[test]
fn the_documentation_shows_the_table() {
    let mut table = String::new();
    Config::write_options(&mut table).expect("a string takes everything");
    assert_eq!(table.lines().count(), OPTIONS.len() + 2);
    let source = include_str!("../config.rs");
    for row in table.lines() {
        assert!(
            source.contains(&std::format!("//! {row}\n")),
            "not in the documentation: {row}"
        );
    }
}

#[test]
fn the_real_environment_can_be_read_twice() {
    let first = from_environment(Config::new());
    assert_eq!(from_environment(Config::new()), first);
}
