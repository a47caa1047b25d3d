//! Compilers, whose output must be the same to the byte.

use crate::common::{command, find, preloaded, run, skip, text};
use crate::{Trial, installed};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// A C program of 1,000 lines.
fn generated_c() -> String {
    let mut text = String::from("#include <stdio.h>\n#include <stdint.h>\n");
    for i in 0..120 {
        let previous = if i == 0 { 0 } else { i - 1 };
        let _ = write!(
            text,
            "static uint64_t f{i}(uint64_t x)\n{{\n    uint64_t table[{size}], sum = x;\n    \
             for (int k = 0; k < {size}; k++)\n        table[k] = (x ^ (uint64_t)k * {odd}u) >> (k % 13);\n    \
             for (int k = 0; k < {size}; k++)\n        sum = sum * 31 + table[({size} - k) % {size}];\n    \
             return {call}sum;\n}}\n",
            size = 4 + i % 29,
            odd = 2 * i + 1,
            call = if i == 0 {
                String::new()
            } else {
                format!("f{previous}(sum ^ {i}) + ")
            },
        );
    }
    text.push_str("int main(void)\n{\n    for (uint64_t i = 0; i < 5; i++)\n");
    text.push_str("        printf(\"%llu\\n\", (unsigned long long)f119(i));\n    return 0;\n}\n");
    text
}

/// A C++ program of 1,000 lines, with much to instantiate.
fn generated_cpp() -> String {
    let mut text = String::from(
        "#include <algorithm>\n#include <iostream>\n#include <map>\n#include <string>\n#include <vector>\n",
    );
    for i in 0..75 {
        let _ = write!(
            text,
            "struct S{i} {{\n    std::string name;\n    int values[{size}];\n    \
             bool operator<(const S{i} &other) const {{ return name < other.name; }}\n}};\n\
             static long g{i}(int n)\n{{\n    std::map<std::string, int> m;\n    \
             for (int k = 0; k < n; k++)\n        m[std::to_string(k % {size})] += k;\n    \
             return (long)m.size() + m.begin()->second;\n}}\n",
            size = 3 + i % 17,
        );
    }
    text.push_str("int main()\n{\n    std::vector<S7> v(20);\n");
    text.push_str("    for (int i = 0; i < 20; i++) v[i].name = std::to_string(i * 7919 % 20);\n");
    text.push_str("    std::sort(v.begin(), v.end());\n    long sum = 0;\n");
    for i in 0..75 {
        let _ = writeln!(text, "    sum += g{i}({});", 10 + i);
    }
    text.push_str("    std::cout << v[3].name << ' ' << sum << '\\n';\n}\n");
    text
}

/// Compiles and runs; the object code must be the same to the byte.
fn compiler(name: &str, source: &str, contents: &str) {
    let Some(program) = installed(name) else {
        return;
    };
    Trial {
        name,
        program: program.clone(),
        arguments: &["-O2", "-c", "-o", "object.o", source],
        environment: &[],
        input: &[(source, contents)],
        output: &["object.o"],
        processes: 3,
    }
    .check();
    let linked = Trial {
        name,
        program,
        arguments: &["-O2", "-o", "program", source],
        environment: &[],
        input: &[(source, contents)],
        output: &[],
        processes: 5,
    }
    .check();
    let outputs = [command, preloaded].map(|start| {
        let ended = run(&mut start(linked.folder.join("program"))).expect_success(name);
        text(&ended.stdout)
    });
    assert!(!outputs[0].is_empty());
    assert_eq!(outputs[0], outputs[1]);
}

#[test]
fn gcc_of_1000_lines() {
    compiler("gcc", "source.c", &generated_c());
}

#[test]
fn gpp_of_1000_lines() {
    compiler("g++", "source.cpp", &generated_cpp());
}

/// Whether a program or one of the libraries beside it brings its own malloc.
fn has_own_malloc(program: &Path) -> Option<bool> {
    let nm = find("nm")?;
    let ended = run(command(nm).args(["-D", "--defined-only"]).arg(program));
    Some(text(&ended.stdout).lines().any(|line| {
        line.split_whitespace()
            .nth(2)
            .is_some_and(|name| name == "malloc" || name.starts_with("malloc@"))
    }))
}

/// The distribution's rustc, which has no malloc of its own: the one that rustup installs has
/// jemalloc in it. `None`, and a line that says what is not tried, where there is none.
pub(crate) fn distributions_rustc(what: &str) -> Option<PathBuf> {
    let program = PathBuf::from("/usr/bin/rustc");
    let why = if program.is_file() {
        match has_own_malloc(&program) {
            Some(false) => return Some(program),
            Some(true) => "/usr/bin/rustc brings a malloc",
            None => "nm is not installed",
        }
    } else {
        "/usr/bin/rustc is not there"
    };
    skip(what, why);
    None
}

/// A small crate, with much of the standard library to instantiate.
pub(crate) const SHAPES: &str = r#"
        use std::collections::{BTreeMap, HashMap};
        use std::fmt::Debug;

        trait Shape: Debug {
            fn area(&self) -> u64;
        }
        #[derive(Debug, Clone, PartialEq)]
        struct Square(u64);
        #[derive(Debug, Clone, PartialEq)]
        struct Box2 { width: u64, height: u64 }
        impl Shape for Square {
            fn area(&self) -> u64 { self.0 * self.0 }
        }
        impl Shape for Box2 {
            fn area(&self) -> u64 { self.width * self.height }
        }
        fn group<K: Ord + Clone, V>(items: impl IntoIterator<Item = V>, key: impl Fn(&V) -> K) -> BTreeMap<K, Vec<V>> {
            let mut groups = BTreeMap::new();
            for item in items {
                groups.entry(key(&item)).or_insert_with(Vec::new).push(item);
            }
            groups
        }
        fn main() {
            let shapes: Vec<Box<dyn Shape>> = (1..50u64)
                .map(|i| -> Box<dyn Shape> {
                    if i % 3 == 0 { Box::new(Square(i)) } else { Box::new(Box2 { width: i, height: i + 1 }) }
                })
                .collect();
            let total: u64 = shapes.iter().map(|shape| shape.area()).sum();
            let groups = group(shapes, |shape| shape.area() % 7);
            let mut words: HashMap<String, usize> = HashMap::new();
            for word in "the heap of the heap and the page of the page".split(' ') {
                *words.entry(word.to_owned()).or_default() += 1;
            }
            let mut words: Vec<_> = words.into_iter().collect();
            words.sort();
            println!("{total} {:?} {words:?}", groups.iter().map(|(k, v)| (*k, v.len())).collect::<Vec<_>>());
            println!("{:?}", groups[&0].first());
        }
    "#;

#[test]
fn rustc_of_the_distribution() {
    let Some(program) = distributions_rustc("a rustc without a malloc of its own") else {
        return;
    };
    let compiled = Trial {
        name: "rustc",
        program,
        arguments: &[
            "--edition=2021",
            "-O",
            "-Ccodegen-units=1",
            "--emit=asm,link",
            "main.rs",
        ],
        environment: &[],
        input: &[("main.rs", SHAPES)],
        output: &["main.s", "main"],
        processes: 2,
    }
    .check();
    let ended = run(&mut preloaded(compiled.folder.join("main"))).expect_success("main");
    assert!(text(&ended.stdout).contains("(\"heap\", 2)"));
}
