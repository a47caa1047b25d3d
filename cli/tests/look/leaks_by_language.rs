//! Planted leaks of programs in C++ and Rust, by the functions that allocated them.

use super::common::running::Running;
use super::common::{compile_cpp, folder, library, profile_folder, root, stderr, stdout};
use super::look;
use std::process::Command;

const ALBUM: &str = r#"
#include <cstdio>
#include <memory>
#include <vector>
struct Album {
    __attribute__((noinline)) Album() : pictures(new char[2400]) { pictures[0] = 1; }
    /* No destructor. */
    char *pictures;
};
struct Node {
    std::shared_ptr<Node> other;
    char bytes[600];
};
static std::vector<std::vector<char>> kept;
__attribute__((noinline)) static void lose() {
    /* What a local owns is not given back when it goes. */
    { Album album; }
    /* What was let go of. */
    std::unique_ptr<char[]> letter(new char[2200]);
    letter.release()[0] = 1;
    /* A ring, which keeps itself. */
    auto first = std::make_shared<Node>(), second = std::make_shared<Node>();
    first->other = second;
    second->other = first;
    throw new char[2100];
}
__attribute__((noinline)) static void wipe() {
    volatile char stack[1 << 15];
    for (unsigned i = 0; i < sizeof stack; i++) stack[i] = 0;
}
__attribute__((noinline)) static void lose_all() {
    /* What is thrown by its address is nobody's. */
    try { lose(); } catch (char *) {}
}
int main() {
    static char output[1 << 10], input[1 << 10];
    setvbuf(stdout, output, _IOLBF, sizeof output);
    setvbuf(stdin, input, _IOFBF, sizeof input);
    for (int i = 0; i < 100; i++) kept.emplace_back(2400);
    lose_all();
    wipe();
    printf("ready\n");
    getchar();
    return 0;
}
"#;

const LOST_IN_CPP: &str = "\
nothing leads to 5 blocks
2,400 bytes in 1 block of 2,400, process heap, allocated at
    Album::Album()
    lose
    lose_all
2,200 bytes in 1 block of 2,200, process heap, allocated at
    lose
    lose_all
2,100 bytes in 1 block of 2,100, process heap, allocated at
    lose
    lose_all
632 bytes in 1 block of 632, process heap, allocated at
    lose
    lose_all
632 bytes in 1 block of 632, process heap, allocated at
    lose
    lose_all
";

const LOST_IN_RUST: &str = "\
nothing leads to 5 blocks
3,200 bytes in 1 block of 3,200, process heap, allocated at
    lose
2,800 bytes in 1 block of 2,800, process heap, allocated at
    lose
2,700 bytes in 1 block of 2,700, process heap, allocated at
    lose
632 bytes in 1 block of 632, process heap, allocated at
    node
    lose
632 bytes in 1 block of 632, process heap, allocated at
    node
    lose
";

/// What is said of the lost blocks without bytes and places; of stacks, the functions whose
/// names `keeps` says.
fn told(command: &mut Command, keeps: &dyn Fn(&str) -> bool) -> String {
    let mut running = Running::start(command.env("NTHEAP_GFLAGS", "+ust"));
    running.until_ready();
    let out = look(&["leaks", &running.pid()]);
    assert_eq!(out.status.code(), Some(1), "{}", stderr(&out));
    running.end();
    let mut told = String::new();
    for line in stdout(&out).lines().skip(1) {
        let line = match line.strip_prefix("    ") {
            Some(frame) => {
                let name = frame.split(" at ").next().unwrap_or_default();
                let name = name.split(" (").next().unwrap_or_default();
                // A symbol tells the crate, and debugging information does not.
                let name = name.strip_prefix("lost::").unwrap_or(name);
                if !keeps(name) {
                    continue;
                }
                format!("    {name}")
            }
            None if line.starts_with("nothing leads to") => {
                line.split(", ").next().unwrap_or_default().to_owned()
            }
            None => line.to_owned(),
        };
        told.push_str(&line);
        told.push('\n');
    }
    told
}

#[test]
fn planted_leaks_of_cpp_are_found() {
    let folder = folder("look-leaks-cpp");
    let program = folder.join("program");
    if !compile_cpp("look-leaks-cpp", ALBUM, &program, &["-O1", "-g"]) {
        return;
    }
    let mut command = Command::new(&program);
    command.env("LD_PRELOAD", library());
    let keeps = |name: &str| ["Album", "lose"].iter().any(|own| name.starts_with(own));
    let told = told(&mut command, &keeps);
    assert_eq!(told, LOST_IN_CPP);
}

#[test]
fn planted_leaks_of_rust_are_found() {
    let folder = profile_folder();
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--package", "ntheap-inspect"])
        .args(["--example", "lost", "--target-dir"])
        .arg(folder.parent().expect("a target folder"))
        .current_dir(root())
        .env_remove("CARGO_BUILD_TARGET")
        .env_remove("LD_PRELOAD")
        .status()
        .expect("cargo runs");
    assert!(built.success());
    let mut command = Command::new(folder.join("examples/lost"));
    let told = told(&mut command, &|name| ["lose", "node"].contains(&name));
    assert_eq!(told, LOST_IN_RUST);
}
