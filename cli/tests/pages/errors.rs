//! docs/errors.md: for each error that a public function documents, the test that
//! shows it.
//!
//! The pairs are read from the sources: what the `# Errors` sections of Rust's
//! functions name, and the last errors and statuses in the documentation of the Windows
//! names. A row fails if its pair is not documented, if the test that it names is not
//! there, or if that test does not name both the function and the error; a pair fails
//! that has no row. With `NTHEAP_WRITE_ERRORS=1` the page is written anew: rows that hold
//! stay, and for others a test is looked for.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = "docs/errors.md";
const BEGIN: &str = "<!-- pairs: written by the test -->\n";
const END: &str = "<!-- end of pairs -->\n";
/// What stands for a test where there is none; behind it, why.
const NOT_SHOWN: &str = "not shown: ";

/// A source, a function of it, and an error that its documentation names.
type Pair = (String, String, String);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The files below a folder that end so, as paths from the root.
fn files(folder: &str, end: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root().join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.file_name().to_str().unwrap());
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if path.ends_with(end) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
}

fn is_error(word: &&str) -> bool {
    let is_code = ["ERROR_", "STATUS_", "E_", "CO_E_"]
        .iter()
        .any(|start| word.starts_with(start));
    is_code && !word.ends_with('_') && !word.ends_with("_SUCCESS")
}

/// The name of the public function that begins in a line, and whether it is one of the
/// Windows names.
fn function(line: &str) -> Option<(&str, bool)> {
    let (before, after) = line.strip_prefix("pub ")?.split_once("fn ")?;
    let is_head =
        words(before).all(|word| ["const", "unsafe", "extern", "system", "C"].contains(&word));
    let name = words(after).next()?;
    is_head.then_some((name, before.contains("extern")))
}

/// All that is documented.
fn pairs() -> BTreeSet<Pair> {
    let mut pairs = BTreeSet::new();
    for path in files("src", ".rs") {
        if path.ends_with("tests.rs") || path.contains("/tests/") {
            continue;
        }
        let mut text = String::new();
        let mut of = String::new();
        for line in read(&path).lines() {
            // Of pages, names that many types have are told apart.
            if path.starts_with("src/vm/") && line.starts_with("impl") {
                let bare = line.split_once("> ").map_or(line, |(_, rest)| rest);
                let bare = bare.rsplit(" for ").next().unwrap_or(bare);
                let named = words(bare).find(|word| *word != "impl");
                of = format!("{}::", named.unwrap_or_default());
            }
            let line = line.trim();
            if let Some(doc) = line.strip_prefix("///") {
                text.push_str(doc);
                text.push('\n');
                continue;
            }
            if line.starts_with("#[") {
                continue;
            }
            if let Some((name, is_extern)) = function(line) {
                let whose = if matches!(name, "new" | "reserve") {
                    &of
                } else {
                    ""
                };
                let mut note = |error: &str| {
                    pairs.insert((path.clone(), format!("{whose}{name}"), error.to_owned()));
                };
                if is_extern && path.starts_with("src/win32/") {
                    words(&text).filter(is_error).for_each(&mut note);
                } else if let Some((_, errors)) = text.split_once("# Errors") {
                    let errors = errors.split("\n # ").next().unwrap_or_default();
                    let named = errors.split("Error::").skip(1);
                    named
                        .filter_map(|rest| words(rest).next())
                        .for_each(&mut note);
                }
            }
            text.clear();
        }
    }
    pairs
}

/// The numbers of statuses, by which C programs name them.
fn numbers() -> BTreeMap<String, u32> {
    let mut numbers = BTreeMap::new();
    for path in files("src/win32", ".rs") {
        for line in read(&path).lines() {
            let Some((name, value)) = line.split_once(" = 0x") else {
                continue;
            };
            let name = words(name).find(is_error);
            let digits: String = value
                .chars()
                .filter(|digit| *digit != '_')
                .take_while(char::is_ascii_hexdigit)
                .collect();
            if let (Some(name), Ok(value)) = (name, u32::from_str_radix(&digits, 16)) {
                numbers.insert(name.to_owned(), value);
            }
        }
    }
    numbers
}

/// The words of a text that may show errors.
type Words = BTreeSet<String>;

/// Texts that may show errors, by the names that rows give them: tests and what they
/// share, `file::function`, and whole files.
struct Tests {
    texts: BTreeMap<String, Words>,
    /// The words of each statement, of functions in tests of pages.
    statements: BTreeMap<String, Vec<Words>>,
    numbers: BTreeMap<String, u32>,
}

fn words_of(text: &str) -> Words {
    words(text).map(str::to_owned).collect()
}

impl Tests {
    fn all() -> Tests {
        let mut texts = BTreeMap::new();
        let mut statements = BTreeMap::new();
        let rust = ["tests", "src", "capi/tests"].map(|folder| files(folder, ".rs"));
        for path in rust.into_iter().flatten() {
            let is_source = path.starts_with("src/");
            if is_source && !path.ends_with("tests.rs") && !path.contains("/tests/") {
                continue;
            }
            let text = read(&path);
            for (name, body) in functions(&text) {
                if path.starts_with("tests/pages/") {
                    let words = body.split(';').map(words_of).collect();
                    statements.insert(format!("{path}::{name}"), words);
                }
                texts.insert(format!("{path}::{name}"), words_of(&body));
            }
            texts.insert(path, words_of(&text));
        }
        for path in files("capi/tests/conformance", ".c") {
            let text = words_of(&read(&path));
            texts.insert(path, text);
        }
        Tests {
            texts,
            statements,
            numbers: numbers(),
        }
    }

    /// Whether a test names both the function and the error, in any of their spellings.
    fn shows(&self, test: &str, (path, function, error): &Pair) -> bool {
        if path.starts_with("src/vm/") {
            // Many of these names are any word: they stand in one assertion with the error.
            let mut statements = self.statements.get(test).into_iter().flatten();
            return statements.any(|words| {
                let is_told = words.iter().any(|word| word.starts_with("assert"));
                is_told && words.contains(error) && function.split("::").all(|w| words.contains(w))
            });
        }
        let Some(words) = self.texts.get(test) else {
            return false;
        };
        let bare = function.strip_prefix("K32").unwrap_or(function);
        let wide = function.strip_suffix('A').map(|stem| format!("{stem}W"));
        let is_named = [Some(function.as_str()), Some(bare), wide.as_deref()]
            .into_iter()
            .flatten()
            .any(|name| words.contains(name));
        let number = self.numbers.get(error);
        let by_number = number.is_some_and(|number| {
            ["", "u"].iter().any(|end| {
                words.contains(&format!("0x{number:X}{end}"))
                    || words.contains(&format!("0x{number:08X}{end}"))
                    || words.contains(&format!("0x{number:x}{end}"))
            })
        });
        is_named && (by_number || words.contains(error))
    }

    /// A test that may show a pair: a function sooner than a program, and that sooner
    /// than a file of tests.
    fn find(&self, pair: &Pair) -> Option<String> {
        let family = match pair.0.as_str() {
            path if path.starts_with("src/win16") => "tests/win16",
            path if path.starts_with("src/own") => "tests/own_heaps",
            "src/vm/contents.rs" => "tests/pages/errors.rs::of_what_pages_hold",
            "src/vm/guard_handler.rs" => "tests/pages/errors.rs::of_a_guard_handler",
            "src/vm/options.rs" => "tests/pages/errors.rs::of_options",
            "src/vm/physical.rs" => "tests/pages/errors.rs::of_physical_pages",
            "src/vm/placeholder.rs" => "tests/pages/errors.rs::of_placeholders",
            "src/vm/query/mod.rs" => "tests/pages/errors.rs::of_queries",
            "src/vm/reservation.rs" => "tests/pages/errors.rs::of_reservations",
            "src/vm/section.rs" => "tests/pages/errors.rs::of_sections",
            "src/vm/sparse.rs" | "src/vm/stack.rs" => "tests/pages/errors.rs::of_typed_pages",
            "src/vm/view.rs" => "tests/pages/errors.rs::of_views",
            _ => "",
        };
        let rank = |test: &&String| {
            let is_function = test.contains("::");
            (!is_function, !test.ends_with(".c"), (*test).clone())
        };
        let nearest = |family: &str| {
            let shows = |test: &&String| test.starts_with(family) && self.shows(test, pair);
            self.texts.keys().filter(shows).min_by_key(rank).cloned()
        };
        nearest(family).or_else(|| nearest(family.split_once("errors.rs::")?.0))
    }
}

/// The functions of a file of tests, with their text.
fn functions(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let lines: Vec<&str> = text.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        let code = line.trim_start();
        let margin = &line[..line.len() - code.len()];
        let head = ["pub(crate) ", "pub ", "unsafe ", "extern \"system\" "]
            .iter()
            .fold(code, |code, start| code.strip_prefix(start).unwrap_or(code));
        let Some(name) = head.strip_prefix("fn ").and_then(|rest| words(rest).next()) else {
            continue;
        };
        let end = format!("{margin}}}");
        let body: Vec<&str> = lines[at..]
            .iter()
            .take_while(|line| **line != end)
            .copied()
            .collect();
        found.push((name.to_owned(), body.join("\n")));
    }
    found
}

/// The page's rows: which test shows which pair.
fn rows(page: &str) -> BTreeMap<Pair, String> {
    let (_, table) = page.split_once(BEGIN).expect("the beginning of the pairs");
    let (table, _) = table.split_once(END).expect("the end of the pairs");
    let mut rows = BTreeMap::new();
    let mut source = String::new();
    for line in table.lines() {
        if let Some(path) = line.strip_prefix("### ") {
            source = path.trim_matches('`').to_owned();
        }
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        if let [function, error, test] = cells[..]
            && function.starts_with('`')
        {
            let bare = |cell: &str| cell.trim_matches('`').to_owned();
            let pair = (source.clone(), bare(function), bare(error));
            let before = rows.insert(pair, bare(test));
            assert_eq!(before, None, "{PAGE}: two rows: {line}");
        }
    }
    rows
}

fn write(page: &str, pairs: &BTreeSet<Pair>, tests: &Tests) -> String {
    let old = rows(page);
    let (head, rest) = page.split_once(BEGIN).expect("the beginning");
    let (_, tail) = rest.split_once(END).expect("the end");
    let mut table = String::new();
    let mut source = "";
    for pair in pairs {
        if pair.0 != source {
            source = &pair.0;
            write!(
                table,
                "\n### `{source}`\n\n| function | error | shown by |\n|---|---|---|\n"
            )
            .unwrap();
        }
        let kept = old.get(pair).filter(|test| holds(tests, test, pair));
        let test = kept.cloned().or_else(|| tests.find(pair));
        let cell = match test {
            Some(test) if test.starts_with(NOT_SHOWN) => test,
            Some(test) => format!("`{test}`"),
            None => format!("{NOT_SHOWN}?"),
        };
        writeln!(table, "| `{}` | `{}` | {cell} |", pair.1, pair.2).unwrap();
    }
    format!(
        "{head}{BEGIN}{}\n{END}{tail}",
        table.trim_start_matches('\n')
    )
}

fn holds(tests: &Tests, test: &str, pair: &Pair) -> bool {
    match test.strip_prefix(NOT_SHOWN) {
        Some(why) => why.len() > 10 && tests.find(pair).is_none(),
        None => tests.shows(test, pair),
    }
}

#[test]
fn every_documented_error_has_a_test() {
    let (pairs, tests) = (pairs(), Tests::all());
    assert!(pairs.len() > 400, "{} pairs are read", pairs.len());
    let path = root().join(PAGE);
    let mut page = fs::read_to_string(&path).unwrap();
    if std::env::var_os("NTHEAP_WRITE_ERRORS").is_some() {
        page = write(&page, &pairs, &tests);
        fs::write(&path, &page).unwrap();
    }
    let rows = rows(&page);
    let mut wrong = Vec::new();
    for pair in &pairs {
        match rows.get(pair) {
            None => wrong.push(format!("{pair:?} has no row")),
            Some(test) if !holds(&tests, test, pair) => {
                wrong.push(format!("{pair:?}: {test} does not show it"));
            }
            Some(_) => {}
        }
    }
    let old = rows.keys().filter(|pair| !pairs.contains(*pair));
    wrong.extend(old.map(|pair| format!("{pair:?} is not documented")));
    assert!(
        wrong.is_empty(),
        "{PAGE} (NTHEAP_WRITE_ERRORS=1 writes it):\n{}",
        wrong.join("\n")
    );
    let missing = rows
        .values()
        .filter(|test| test.starts_with(NOT_SHOWN))
        .count();
    let told = format!(
        "{} of {} documented errors",
        pairs.len() - missing,
        pairs.len()
    );
    assert!(page.contains(&told), "{PAGE} says: {told}");
}
