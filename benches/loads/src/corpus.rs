//! Texts that loads parse: made from seeds, the same in every run, and kept in
//! mappings of their own, outside the allocator.

use anyhow::Result;
use fastrand::Rng;
use memmap2::MmapMut;
use std::io::{Cursor, Write};
use std::ops::Deref;

/// A text in a mapping.
#[derive(Debug)]
pub(crate) struct Text {
    map: MmapMut,
    length: usize,
}

impl Text {
    /// What `fill` writes, at most `room` bytes of it.
    fn new(
        room: usize,
        fill: impl FnOnce(&mut Cursor<&mut [u8]>) -> std::io::Result<()>,
    ) -> Result<Self> {
        let mut map = MmapMut::map_anon(room)?;
        let mut to = Cursor::new(&mut map[..]);
        fill(&mut to)?;
        let length = to.position() as usize;
        std::str::from_utf8(&map[..length])?;
        Ok(Text { map, length })
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        // SAFETY: `new` has looked at these bytes, and nothing writes to them
        // after it.
        unsafe { std::str::from_utf8_unchecked(&self.map[..self.length]) }
    }
}

const WORDS: [&str; 24] = [
    "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "haven", "islet", "jetty",
    "knoll", "lagoon", "meadow", "north", "orchard", "prairie", "quarry", "ridge", "summit",
    "tundra", "upland", "valley", "willow", "zenith",
];

fn word(rng: &mut Rng) -> &'static str {
    WORDS[rng.usize(..WORDS.len())]
}

/// An array of `objects` records, the n-th with the id n, as a web service
/// answers.
pub(crate) fn json(objects: usize) -> Result<Text> {
    let mut rng = Rng::with_seed(20);
    Text::new(objects * 400 + 2, |to| {
        write!(to, "[")?;
        for id in 0..objects {
            let comma = if id == 0 { "" } else { "," };
            let (first, last) = (word(&mut rng), word(&mut rng));
            let (score, active) = (rng.f32() * 100.0, rng.bool());
            write!(
                to,
                r#"{comma}{{"id":{id},"name":"{first} \u00e4 {last}","mail":"{first}.{last}@{}.example","score":{score:.3},"active":{active},"parent":null,"tags":["#,
                word(&mut rng),
            )?;
            for tag in 0..rng.usize(1..5) {
                let comma = if tag == 0 { "" } else { "," };
                write!(to, r#"{comma}"{}""#, word(&mut rng))?;
            }
            write!(
                to,
                r#"],"place":{{"city":"{}","code":{}}}}}"#,
                word(&mut rng),
                rng.u32(10_000..100_000),
            )?;
        }
        write!(to, "]")
    })
}

/// A Rust source file of `types` structs, each with an enum, an `impl` and a
/// function: three further items.
pub(crate) fn rust(types: usize) -> Result<Text> {
    let mut rng = Rng::with_seed(21);
    Text::new(types * 4096, |to| {
        for number in 0..types {
            let (a, b, c) = (word(&mut rng), word(&mut rng), word(&mut rng));
            write!(
                to,
                r#"
/// The {a} of a {b}, as it is kept for the {c}.
#[derive(Clone, Debug, PartialEq)]
pub struct Item{number}<'a, T: Clone + 'a> {{
    /// Where it came from.
    pub {a}_from: &'a [T],
    {b}_of: Option<Box<Item{number}<'a, T>>>,
    {c}_map: std::collections::HashMap<String, Vec<(u32, f64)>>,
}}

/// What became of it.
pub enum State{number} {{
    /// Nothing yet.
    New,
    {a} {{ since: u64, reason: &'static str }} = {number},
    Both(Vec<u8>, Result<(), Box<dyn std::error::Error + Send>>),
}}

impl<'a, T: Clone + Into<u64>> Item{number}<'a, T> {{
    const LIMIT: usize = {number} * 1024 + (1 << 12);

    /// The sum of all, or what stood in the way.
    pub fn {a}(&mut self, limit: usize) -> Result<u64, String> {{
        let mut sum = 0u64;
        for (i, value) in self.{a}_from.iter().cloned().enumerate().take(limit) {{
            let next: u64 = value.into();
            match next {{
                0 => continue,
                n @ 1..=9 if i % 2 == 0 => sum += n * {number},
                n => sum = sum.checked_add(n).ok_or_else(|| format!("{{i}}: {b} is full"))?,
            }}
        }}
        if let Some(inner) = self.{b}_of.as_deref_mut() {{
            sum ^= inner.{a}(limit - 1)?;
        }}
        Ok(sum)
    }}
}}

fn {a}_{b}_{number}(values: &[f64], by: impl Fn(f64) -> bool) -> Vec<String> {{
    let kept = values.iter().copied().filter(|&v| by(v) && v < {number}.5);
    let mut names: Vec<_> = kept.map(|v| format!("{{v:.3}} {c}")).collect();
    names.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    while names.len() > {number} {{
        let last = names.pop().unwrap_or_default();
        names[0].push_str(&last);
    }}
    names
}}
"#
            )?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_same_each_time() {
        assert_eq!(*json(100).unwrap(), *json(100).unwrap());
        assert_eq!(*rust(10).unwrap(), *rust(10).unwrap());
        assert!(json(101).unwrap().len() > json(100).unwrap().len());
    }

    #[test]
    fn a_text_that_does_not_fit_is_an_error() {
        assert!(Text::new(4, |to| write!(to, "12345")).is_err());
        assert_eq!(&*Text::new(5, |to| write!(to, "12345")).unwrap(), "12345");
    }
}
