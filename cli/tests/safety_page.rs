//! The page on safety says how much unsafe code there is, and which mutants the
//! models catch: both are counted here anew.

#[path = "pages/errors.rs"]
mod errors;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The modules of the inventory, the most particular first.
const MODULES: [(&str, &str); 14] = [
    ("src/sync/", "the lock, the start, the atomics"),
    ("src/sys/", "the system"),
    ("src/vm/regions/", "the program's own regions"),
    ("src/vm/sections/", "sections"),
    ("src/vm/", "pages and their account"),
    ("src/heap/private/", "heaps of a program's own"),
    ("src/heap/debug/", "global flags, page heap, profiles"),
    ("src/heap/hard/", "hardened blocks"),
    ("src/heap/", "blocks, caches, buckets, segments"),
    ("src/crt/", "C runtimes, the debug CRT"),
    ("src/own/", "safe heaps"),
    ("src/win16/", "heaps whose blocks move"),
    ("src/win32/", "the Windows names"),
    ("src/", "`NtHeap`, options, reports, statistics"),
];

/// Places in shipping code.
#[derive(Clone, Copy, Default)]
struct Places {
    blocks: usize,
    functions: usize,
    impls: usize,
    assembly: usize,
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// Counts a file up to its tests.
fn count(text: &str) -> Places {
    let mut places = Places::default();
    let code = text.lines().map(str::trim_start);
    for line in code.take_while(|line| !line.starts_with("mod tests {")) {
        if line.starts_with("//") {
            continue;
        }
        places.blocks += line.matches("unsafe {").count();
        places.functions += line.matches("unsafe fn ").count();
        places.functions += line.matches("unsafe extern \"C\" fn ").count();
        places.impls += line.matches("unsafe impl").count();
        places.assembly += line.matches("asm!(").count();
    }
    places
}

fn inventory() -> String {
    let mut all = Vec::new();
    files(&root().join("src"), &mut all);
    assert!(all.len() > 200);
    let mut modules: BTreeMap<&str, Places> = BTreeMap::new();
    for path in all {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
        if name.ends_with("tests.rs") {
            continue;
        }
        let (module, _) = MODULES
            .iter()
            .find(|(prefix, _)| name.starts_with(prefix))
            .unwrap();
        let places = count(&fs::read_to_string(&path).unwrap());
        let sum = modules.entry(module).or_default();
        sum.blocks += places.blocks;
        sum.functions += places.functions;
        sum.impls += places.impls;
        sum.assembly += places.assembly;
    }
    let mut table = String::from(
        "| module | what | blocks | functions | impls | `asm!` |\n|---|---|---|---|---|---|\n",
    );
    let mut total = Places::default();
    for (module, what) in MODULES {
        let places = modules.get(module).copied().unwrap_or_default();
        total.blocks += places.blocks;
        total.functions += places.functions;
        total.impls += places.impls;
        total.assembly += places.assembly;
        let Places {
            blocks,
            functions,
            impls,
            assembly,
        } = places;
        table +=
            &format!("| `{module}` | {what} | {blocks} | {functions} | {impls} | {assembly} |\n");
    }
    assert!(total.blocks > 1000 && total.assembly > 5);
    table += &format!(
        "| all | | {} | {} | {} | {} |\n",
        total.blocks, total.functions, total.impls, total.assembly
    );
    table
}

/// The mutants of each modelled file, from the list of them.
fn protocols() -> String {
    let list = fs::read_to_string(root().join("loom-tests/build.rs")).unwrap();
    let list = list.split_once("const MUTANTS").expect("the list").1;
    let list = list.split_once("\n];").expect("its end").0;
    let mut by_file: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut texts = list.split('"').skip(1).step_by(2).peekable();
    while let Some(text) = texts.next() {
        let is_name = !text.is_empty()
            && text
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        if is_name && texts.peek().is_some_and(|file| file.ends_with(".rs")) {
            by_file.entry(texts.next().unwrap()).or_default().push(text);
        }
    }
    let mutants: usize = by_file.values().map(Vec::len).sum();
    let told = list.split_once("Mutant; ").expect("how many").1;
    let told = told.split_once(']').unwrap().0;
    assert_eq!(mutants.to_string(), told, "mutants are missed");
    let mut table = format!("{mutants} mutants of {} files:\n\n", by_file.len());
    table += "| file | mutants, each caught |\n|---|---|\n";
    for (file, names) in by_file {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        table += &format!("| `src/{file}` | {} |\n", names.join(", "));
    }
    table
}

/// Asserts that the page has `part` between two marks, or puts it there.
fn has(name: &str, part: &str) {
    let path = root().join("docs/safety.md");
    let page = fs::read_to_string(&path).unwrap();
    let (start, end) = (
        format!("<!-- {name}: written by the test -->\n"),
        format!("<!-- end of {name} -->"),
    );
    let (before, rest) = page.split_once(&start).expect("the part begins");
    let (found, after) = rest.split_once(&end).expect("the part ends");
    if std::env::var_os("NTHEAP_WRITE_SAFETY").is_some() {
        fs::write(&path, format!("{before}{start}{part}{end}{after}")).unwrap();
        return;
    }
    assert_eq!(
        found, part,
        "docs/safety.md is behind; NTHEAP_WRITE_SAFETY=1 writes it anew"
    );
}

#[test]
fn the_page_counts_as_the_sources_do() {
    has("inventory", &inventory());
    has("protocols", &protocols());
}

/// Blocks of assembly in shipping code, and uses of the processor's own functions.
fn assembly(text: &str) -> usize {
    let code = text.lines().map(str::trim_start);
    code.take_while(|line| !line.starts_with("mod tests {"))
        .filter(|line| !line.starts_with("//"))
        .map(|line| {
            ["asm!(", "arch::_", "x86_64::_", "aarch64::_"]
                .iter()
                .map(|mark| line.matches(mark).count())
                .sum::<usize>()
        })
        .sum()
}

/// Each file with assembly is on the page with what there is elsewhere, and what runs that:
/// steps that there are, or why none does.
#[test]
fn all_assembly_is_listed_with_what_there_is_elsewhere() {
    let page = fs::read_to_string(root().join("docs/safety.md")).unwrap();
    let (_, list) = page.split_once("<!-- assembly -->\n").expect("the list");
    let (list, _) = list
        .split_once("<!-- end of assembly -->")
        .expect("its end");
    let steps = fs::read_to_string(root().join(".ci/platforms.sh")).unwrap();
    let mut listed = BTreeMap::new();
    for row in list.lines().skip(2) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [file, blocks, what, elsewhere, by] = cells[..] else {
            panic!("five cells: {row}");
        };
        assert!(!what.is_empty() && !elsewhere.is_empty(), "{row}");
        let is_run = by
            .split(", ")
            .all(|step| step == "models" || steps.contains(&format!("\n{step}() {{\n")));
        let has_reason = by.starts_with("not run: ") || by == "not run, as above";
        assert!(is_run || has_reason, "no step of .ci/platforms.sh: {row}");
        let before = listed.insert(file.trim_matches('`').to_owned(), blocks.to_owned());
        assert_eq!(before, None, "{row}");
    }
    let mut all = Vec::new();
    for folder in ["src", "capi"] {
        files(&root().join(folder), &mut all);
    }
    let mut found = BTreeMap::new();
    for path in all {
        let name = path.strip_prefix(root()).unwrap().to_str().unwrap();
        if name.ends_with("tests.rs") || name.contains("/tests/") {
            continue;
        }
        let blocks = assembly(&fs::read_to_string(&path).unwrap());
        if blocks != 0 {
            found.insert(name.to_owned(), blocks.to_string());
        }
    }
    assert!(found.len() > 20);
    assert_eq!(listed, found, "docs/safety.md lists other assembly");
}

/// Each file that a model includes has a mutant, or is there for those that do.
#[test]
fn each_modelled_file_has_a_mutant() {
    let mut sources = Vec::new();
    files(&root().join("loom-tests/src"), &mut sources);
    let table = protocols();
    let mut modelled = 0;
    for source in sources {
        let text = fs::read_to_string(source).unwrap();
        for included in text.split("#[path = \"").skip(1) {
            let path = included.split_once('"').unwrap().0;
            let Some((_, file)) = path.rsplit_once("../src/") else {
                continue;
            };
            modelled += 1;
            assert!(table.contains(&format!("| `src/{file}` |")), "{file}");
        }
    }
    assert!(modelled >= 10, "{modelled} files");
}
