//! The same programs, made by MinGW, under Wine: all of them in one start of it.

use super::common::{command, find, folder, run, skip, text};
use super::differences::{DIFFERENCES, END};
use super::{Outcome, PROGRAMS, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

const WINE: &str = "/usr/lib/wine/wine64";
const MINGW: &str = "x86_64-w64-mingw32-gcc-win32";

/// Wine's prefix, made the first time as CI makes it; why there is none.
fn prefix() -> Result<PathBuf, String> {
    if !Path::new(WINE).is_file() {
        return Err(format!("{WINE} is not installed"));
    }
    if find(MINGW).is_none() {
        return Err(format!("{MINGW} is not installed"));
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/windows.sh");
    let ended = run(command(script).arg("--prefix")).expect_success("windows.sh --prefix");
    let output = text(&ended.stdout);
    Ok(PathBuf::from(output.lines().last().expect("a line")))
}

/// Has MinGW make `output` of what the arguments name.
fn compile(arguments: &[&str], output: &Path) {
    run(command(MINGW)
        .args(["-std=gnu11", "-O1", "-Wall", "-Wextra", "-Werror"])
        .arg("-Winvalid-pch")
        .arg("-o")
        .arg(output)
        .args(arguments))
    .expect_success("MinGW");
}

/// The statuses that the programs ended with under Wine, in a folder with all
/// that they printed.
fn batch(prefix: &Path, folder: &Path) -> BTreeMap<String, u32> {
    // MinGW's headers take longer than the programs: once is enough.
    let header = folder.join("check.h");
    let source = |name: &str| sources().join(name).to_str().expect("UTF-8").to_owned();
    compile(
        &["-x", "c-header", &source("check.h")],
        &folder.join("check.h.gch"),
    );
    let once = ["-include", header.to_str().expect("UTF-8")];
    let make = |programs: &[&str]| {
        for program in programs {
            let file = source(&format!("{program}.c"));
            let libraries = ["-lntdll", "-lole32", "-loleaut32", "-luuid"];
            let arguments = [&once[..], &[&file], &libraries].concat();
            compile(&arguments, &folder.join(format!("{program}.exe")));
        }
    };
    let (first, second) = PROGRAMS.split_at(PROGRAMS.len() / 2);
    thread::scope(|scope| {
        scope.spawn(|| make(first));
        make(second);
    });
    compile(&[&source("batch/batch.c")], &folder.join("batch.exe"));
    fs::write(folder.join("list"), PROGRAMS.join("\n")).expect("written");
    // What Wine leaves running for a while must not hold this test's pipes.
    let script = format!(
        "{WINE} batch.exe <list >statuses 2>/dev/null; /usr/lib/wine/wineserver64 -w >/dev/null 2>&1"
    );
    run(command("sh")
        .args(["-c", &script])
        .current_dir(folder)
        .env("WINEPREFIX", prefix)
        .env("WINEDEBUG", "-all")
        .env_remove("DISPLAY"))
    .expect_success("Wine");
    let statuses = fs::read_to_string(folder.join("statuses")).expect("statuses");
    statuses
        .lines()
        .map(|line| {
            let (name, status) = line.split_once(' ').expect("a name and a status");
            (name.to_owned(), status.trim().parse().expect("a number"))
        })
        .collect()
}

#[test]
fn wine_answers_as_windows_but_for_the_listed_differences() {
    let prefix = match prefix() {
        Ok(prefix) => prefix,
        Err(why) => return skip("conformance under Wine", &why),
    };
    let folder = folder("wine");
    let statuses = batch(&prefix, &folder);
    let mut wrong = Vec::new();
    for program in PROGRAMS {
        let output = fs::read(folder.join(format!("{program}.out"))).unwrap_or_default();
        let output = text(&output).replace('\r', "");
        // Wine itself may add a line when a program faults.
        let own: String = output
            .lines()
            .filter(|line| !line.starts_with("wine: "))
            .map(|line| format!("{line}\n"))
            .collect();
        let outcome = Outcome::read(program, &own);
        let mut found: BTreeSet<&str> = outcome.failed().into_iter().collect();
        if !outcome.ended {
            found.insert(END);
        }
        let status = statuses.get(*program);
        if outcome.ended && status != Some(&u32::from(!found.is_empty())) {
            wrong.push(format!("{program}: status {status:?} does not fit:\n{own}"));
        }
        if outcome.checks.is_empty() && outcome.ended {
            wrong.push(format!("{program} checks nothing"));
        }
        let listed: BTreeSet<&str> = DIFFERENCES
            .iter()
            .filter(|difference| difference.program == *program)
            .map(|difference| difference.check)
            .collect();
        for check in found.difference(&listed) {
            wrong.push(format!(
                "{program}, {check}: Wine differs, not listed:\n{own}"
            ));
        }
        for check in listed.difference(&found) {
            wrong.push(format!(
                "{program}, {check}: listed, but Wine does not differ"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let _ = fs::remove_dir_all(folder);
}

#[test]
fn each_difference_is_of_a_program_and_says_something() {
    let mut seen = BTreeSet::new();
    for difference in DIFFERENCES {
        assert!(PROGRAMS.contains(&difference.program), "{difference:?}");
        assert!(
            seen.insert((difference.program, difference.check)),
            "twice: {difference:?}"
        );
        assert!(!difference.wine.is_empty(), "{difference:?}");
    }
}
