//! What parsers build and drop: JSON with serde_json, Rust with syn, regular
//! expressions with regex.

use crate::catalogue::{Group::Programs, Load, Program, Scale};
use crate::corpus;
use crate::measure::{Measured, Stopwatch};
use anyhow::{Context, Result, ensure};
use regex::Regex;
use serde_json::Value;
use std::hint::black_box;

pub(crate) fn list<A: 'static>() -> &'static [Load] {
    const {
        &[
            Load::new("json", Programs, Program::<A>::json),
            Load::new("syn", Programs, Program::<A>::syn),
            Load::new("regex", Programs, Program::<A>::regex),
        ]
    }
}

impl<A> Program<A> {
    /// 200,000 objects parsed into a tree of values, and dropped.
    fn json(scale: Scale) -> Result<Measured> {
        let objects = scale.of(200_000);
        let text = corpus::json(objects as usize)?;
        let watch = Stopwatch::start();
        let values: Value = serde_json::from_str(&text)?;
        let values = black_box(values);
        let records = values.as_array().context("not an array")?;
        let right = (0..).zip(records).all(|(id, record): (u64, _)| {
            record["id"] == id && record["name"].is_string() && record["place"]["code"].is_u64()
        });
        let count = records.len() as u64;
        drop(values);
        let elapsed = watch.stop();
        ensure!(right, "a record is wrong");
        ensure!(count == objects, "{count} of {objects} records");
        Ok(Measured::new(objects, elapsed))
    }

    /// A file of 1,200 items parsed to its syntax tree, and dropped.
    fn syn(scale: Scale) -> Result<Measured> {
        let types = scale.live(300);
        let rounds = scale.of(8);
        let text = corpus::rust(types)?;
        let mut items = 0;
        let watch = Stopwatch::start();
        for _ in 0..rounds {
            items += black_box(syn::parse_file(&text)?).items.len();
        }
        let elapsed = watch.stop();
        let expected = 4 * types as u64 * rounds;
        ensure!(items as u64 == expected, "{items} of {expected} items");
        Ok(Measured::new(expected, elapsed))
    }

    /// Expressions compiled, tried once, and dropped.
    fn regex(scale: Scale) -> Result<Measured> {
        let rounds = scale.of(160);
        let watch = Stopwatch::start();
        for _ in 0..rounds {
            for (pattern, text) in PATTERNS {
                let regex = black_box(Regex::new(pattern)?);
                ensure!(regex.is_match(text), "{pattern} does not match {text}");
                ensure!(!regex.is_match("\u{1F600}"), "{pattern} matches anything");
            }
        }
        let elapsed = watch.stop();
        Ok(Measured::new(rounds * PATTERNS.len() as u64, elapsed))
    }
}

/// Expressions as programs have them, each with a text that matches.
const PATTERNS: &[(&str, &str)] = &[
    (r"^\d{4}-\d{2}-\d{2}$", "2026-11-22"),
    (r"(?i)\b(error|warning|note)\b: (.+)$", "Error: no memory"),
    (
        r"[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}",
        "who@where.example",
    ),
    (r"^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.|$)){4}", "127.0.0.1"),
    (r"^#?([a-f0-9]{6}|[a-f0-9]{3})$", "#00ff7f"),
    (r"(?P<key>\w+)\s*=\s*(?P<value>[^;]*);", "heap = 64 MiB;"),
    (r#""(?:[^"\\]|\\.)*""#, r#"say "a \"word\"""#),
    (r"(\p{Lu}\p{Ll}+\s?)+", "Windows Heap"),
    (r"^\s*(?://.*|/\*.*\*/)\s*$", "  // why, not what"),
    (
        r"(foo|bar|baz|quux|corge|grault|garply|waldo|fred|plugh)+",
        "waldofred",
    ),
    (r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$", "-12.5e+3"),
    (
        r"(?x) ^ (?<hour>\d\d) : (?<minute>\d\d) (?: : (?<second>\d\d))? $",
        "08:55:01",
    ),
];
