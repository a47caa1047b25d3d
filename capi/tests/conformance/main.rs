//! What Windows' heap functions are observed to do, said by C programs that run
//! twice: with the project's headers and libraries, and, compiled by MinGW,
//! under Wine.
//!
//! ```text
//!   alloc_large.c --cc, our headers, libntheap_win32.so--> a test of its name
//!        |                                                 every check holds
//!        +--MinGW--> batch.exe under Wine, all at once --> mingw::..
//!                                                          but for DIFFERENCES
//! ```
//!
//! A program is about one behaviour; what it checks has a name each, and what it could not
//! check here one that begins with `skipped`. Windows is
//! the judge, as its documentation and observation tell; where Wine answers
//! otherwise, [`differences`] says so by name, and a difference that is none
//! any more fails as well.

#![cfg(target_os = "linux")]

#[path = "../common/mod.rs"]
mod common;
mod differences;
// Its one long test begins before the programs', since tests begin in the order of their names.
mod mingw;

use common::{command, find, folder, run, skip, text, windows_library};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the programs.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance")
}

/// What a program printed.
struct Outcome {
    /// Each check by its name: whether it held, and the line.
    checks: BTreeMap<String, (bool, String)>,
    /// Whether the program came to its end, with as many checks as it says.
    ended: bool,
}

impl Outcome {
    /// Reads what `program` printed; panics at lines that are none of its own,
    /// and at names that come twice with different outcomes.
    fn read(program: &str, output: &str) -> Outcome {
        let mut checks: BTreeMap<String, (bool, String)> = BTreeMap::new();
        let mut ended = false;
        for line in output.lines() {
            assert!(!ended, "{program} prints after its end: {line}");
            if let Some(count) = line.strip_prefix("done ") {
                assert_eq!(count.parse(), Ok(checks.len()), "{program}: {output}");
                ended = true;
                continue;
            }
            let (held, rest) = if let Some(name) = line.strip_prefix("ok ") {
                (true, name)
            } else if let Some(rest) = line.strip_prefix("FAIL ") {
                (false, rest)
            } else {
                panic!("{program} prints: {line}");
            };
            let name = rest.split(':').next().expect("a name").to_owned();
            let twice = checks.insert(name, (held, line.to_owned()));
            assert!(
                twice.is_none(),
                "{program} has two checks of a name: {line}"
            );
        }
        Outcome { checks, ended }
    }

    /// The names of the checks that did not hold.
    fn failed(&self) -> Vec<&str> {
        self.checks
            .iter()
            .filter(|(_, (held, _))| !held)
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// Runs one program on the project's library: every check must hold.
fn conforms(program: &str) {
    if find("gcc").is_none() {
        skip(program, "gcc is not installed");
        return;
    }
    let library = windows_library().parent().expect("in a folder");
    let folder = folder(program);
    let executable = folder.join(program);
    run(command("gcc")
        .args(["-std=gnu11", "-O1", "-g", "-Wall", "-Wextra", "-Wpedantic"])
        .args(["-Wconversion", "-Werror", "-fshort-wchar", "-pthread"])
        .arg("-I")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
        .arg(sources().join(format!("{program}.c")))
        .arg("-o")
        .arg(&executable)
        .arg("-L")
        .arg(library)
        .args(["-lntheap_win32", "-lntheap"])
        .arg(format!("-Wl,-rpath,{}", library.display())))
    .expect_success(program);
    let ended = run(&mut command(&executable));
    let output = text(&ended.stdout);
    let everything = format!("{}\n{output}\n{}", ended.status, text(&ended.stderr));
    let outcome = Outcome::read(program, &output);
    assert!(
        outcome.ended && outcome.failed().is_empty(),
        "{program}: {everything}"
    );
    assert!(!outcome.checks.is_empty(), "{program} checks nothing");
    assert!(ended.status.success(), "{program}: {everything}");
    for name in outcome.checks.keys() {
        if let Some(why) = name.strip_prefix("skipped-") {
            skip(program, &why.replace('-', " "));
        }
    }
    let _ = fs::remove_dir_all(folder);
}

macro_rules! programs {
    ($($name:ident)*) => {
        /// The programs' names.
        const PROGRAMS: &[&str] = &[$(stringify!($name)),*];

        mod ours {
            $(
                #[test]
                fn $name() {
                    super::conforms(stringify!($name));
                }
            )*
        }
    };
}

programs! {
    create_handle create_flags create_destroy process_heaps growable_first_region growable_growth
    fixed_reservation fixed_limits rtl_create_parameters rtl_create_wild_parameters
    rtl_create_memory rtl_destroy_garbage rtl_destroy_debugged

    alloc_sizes alloc_overflow alloc_exceptions alloc_region_alignment alloc_large
    alloc_zero_memory alloc_spacing size_null

    free_null free_wild free_multiple

    realloc_null realloc_zero realloc_overflow realloc_in_place realloc_in_place_large
    realloc_threshold

    validate lock_no_serialize lock_excludes lock_buckets

    compatibility_query compatibility_no_heap compatibility_set buckets_activation buckets_walk buckets_walk_end

    walk_fresh walk_blocks walk_large walk_coalesced walk_process_heap rtl_walk rtl_walk_buckets

    user_info user_info_realloc

    gflags_heap_flags gflags_page_heap gflags_spacing gflags_tail gflags_tail_corrupt gflags_fill
    gflags_destroy_garbage

    global_handles global_table_full global_data global_handle_is_no_block global_sizes global_flags
    global_lock local_lock global_bad_handles local_bad_handles global_bad_pointers
    local_bad_pointers global_null local_null foreign
    global_realloc_fixed global_realloc_moveable global_realloc_locked local_realloc_fixed
    local_realloc_moveable local_realloc_locked global_compact
    global_modify global_discard

    com_get_malloc com_malloc com_bad_pointers com_minimize com_spy_register com_spy_order com_spy_refuses com_spy_deferred
    com_spy_moves com_spy_revokes com_strings com_string_cache

    toolhelp_lists toolhelp_walk toolhelp_moveable toolhelp_errors toolhelp_read

    crt_constants crt_sizes crt_recalloc crt_expand crt_invalid crt_aligned crt_aligned_recalloc crt_heap crt_heapset
    crt_new_mode

    crtdbg_constants crtdbg_blocks crtdbg_known crtdbg_flags crtdbg_states
    pages_alloc_arguments pages_alloc_rounding pages_alloc_conflicts pages_commit pages_reset
    pages_reset_undo pages_nt_zero_bits pages_nt_allocate pages_process_handle pages_free
    pages_nt_free pages_nt_protect pages_nt_prefetch pages_nt_allocate_ex pages_protect pages_nocache pages_query pages_nt_query pages_guard
    pages_guard_lock pages_guard_system pages_lock pages_write_watch pages_write_watch_errors
    pages_write_watch_system pages_guard_watch pages_bad_pointers pages_process_memory
    pages_prefetch pages_placeholders pages_requirements pages_from_app pages_commit_on_touch
    pages_access_violation pages_offer pages_stack stack_overflow
    commit_limit pages_lock_quota in_page_error pages_guard_stack
    pages_bad_addresses pages_bad_sizes pages_bad_flags pages_bad_memory native_bad_arguments
    native_wild_pointers
    view_bad_arguments physical_bad_arguments

    mapping_protections mapping_attributes mapping_query mapping_file_rights mapping_file_size
    mapping_names view_access view_handle_rights view_copy view_copy_protect view_query view_protect
    view_reserve view_reserve_protect view_alignment view_unmap view_placeholders native_sections
    native_names native_section_files view_from_app mapping_wide handles handles_rights files descriptors physical_pages physical_arrays large_pages large_sections
    tokens system_info memory_status memory_usage
}

#[test]
fn every_source_in_the_folder_is_a_program_here() {
    let mut listed: Vec<String> = PROGRAMS.iter().map(|name| format!("{name}.c")).collect();
    let mut found: Vec<String> = fs::read_dir(sources())
        .expect("the folder of programs")
        .map(|entry| entry.expect("an entry").file_name())
        .map(|name| name.into_string().expect("UTF-8"))
        .filter(|name| name.ends_with(".c"))
        .collect();
    listed.sort();
    found.sort();
    assert_eq!(listed, found);
}

/// The headers serve both languages, with the warnings that a program turns on.
#[test]
fn every_program_is_c99_and_cpp_as_well() {
    let ways: [(&str, &[&str]); 2] = [
        ("gcc", &["-std=c99", "-D_POSIX_C_SOURCE=200809L"]),
        ("g++", &["-std=c++11", "-x", "c++"]),
    ];
    for (compiler, language) in ways {
        if find(compiler).is_none() {
            skip("the programs", &format!("{compiler} is not installed"));
            continue;
        }
        for program in PROGRAMS {
            run(command(compiler)
                .args(language)
                .args(["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror"])
                .args(["-fshort-wchar", "-fsyntax-only", "-I"])
                .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"))
                .arg(sources().join(format!("{program}.c"))))
            .expect_success(program);
        }
    }
}
