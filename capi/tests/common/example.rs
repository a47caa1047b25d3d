//! The examples' C++ programs: compiled against our headers, and by MinGW for Wine.

use super::{command, find, folder, run, skip, text, windows_library};
use std::path::{Path, PathBuf};

const WINE: &str = "/usr/lib/wine/wine64";
const MINGW: &str = "x86_64-w64-mingw32-g++-win32";

fn source(example: &str) -> PathBuf {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    examples.join(format!("{example}.cpp"))
}

fn name(example: &str) -> &str {
    example.rsplit('/').next().expect("a name")
}

/// Compiles an example without a warning, with our headers and libraries: the
/// program. `None`, and said so, without a compiler.
pub(crate) fn ours(example: &str) -> Option<PathBuf> {
    if find("g++").is_none() {
        skip(example, "g++ is not installed");
        return None;
    }
    let library = windows_library().parent().expect("in a folder");
    let program = folder(name(example)).join(name(example));
    run(command("g++")
        .args(["-std=c++11", "-O2", "-fshort-wchar"])
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"])
        .arg("-I")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
        .arg(source(example))
        .arg("-o")
        .arg(&program)
        .arg("-L")
        .arg(library)
        .args(["-lntheap_win32", "-lntheap"])
        .arg(format!("-Wl,-rpath,{}", library.display())))
    .expect_success("g++");
    Some(program)
}

/// What an example prints, with our libraries.
pub(crate) fn ours_says(example: &str, arguments: &[&str]) -> Option<String> {
    let program = ours(example)?;
    let ended = run(command(program).args(arguments)).expect_success(example);
    Some(text(&ended.stdout))
}

/// Compiles an example by MinGW and runs `script` in its folder, where `$wine` and
/// `$program` are what they say; what the script leaves in `report`. `None`, and
/// said so, without MinGW or Wine.
pub(crate) fn wine_does(example: &str, script: &str) -> Option<String> {
    if !Path::new(WINE).is_file() || find(MINGW).is_none() {
        let missing = format!("{WINE} or {MINGW} is not installed");
        skip(&format!("{example} under Wine"), &missing);
        return None;
    }
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/windows.sh");
    let ended = run(command(tool).arg("--prefix")).expect_success("windows.sh --prefix");
    let output = text(&ended.stdout);
    let prefix = output.lines().last().expect("a line");
    let folder = folder(&format!("{}-wine", name(example)));
    let program = format!("{}.exe", name(example));
    run(command(MINGW)
        .args(["-std=c++11", "-O2", "-static"])
        .args(["-Wall", "-Wextra", "-Wpedantic", "-Werror"])
        .arg(source(example))
        .arg("-o")
        .arg(folder.join(&program)))
    .expect_success("MinGW");
    run(command("sh")
        .args(["-c", script])
        .current_dir(&folder)
        .env("wine", WINE)
        .env("program", program)
        .env("WINEPREFIX", prefix)
        .env("WINEDEBUG", "-all")
        .env_remove("DISPLAY"))
    .expect_success("Wine");
    let report = std::fs::read(folder.join("report")).expect("a report");
    Some(text(&report).replace('\r', ""))
}

/// What an example prints under Wine; what Wine leaves running for a while must not
/// hold the test's pipes.
pub(crate) fn wine_says(example: &str, arguments: &str) -> Option<String> {
    wine_does(
        example,
        &format!("\"$wine\" \"$program\" {arguments} >report 2>/dev/null; true"),
    )
}
