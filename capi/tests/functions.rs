//! Each exported function does what C, POSIX and glibc say of it.

#![cfg(target_os = "linux")]

mod common;

use common::{compiled, preloaded, run, text};

/// Runs one case of `c/functions.c`, with more in the environment.
fn case_with(name: &str, environment: &[(&str, &str)]) {
    let Some(program) = compiled(name, "functions.c", &[]) else {
        return;
    };
    let ended = run(preloaded(program)
        .arg(name)
        .envs(environment.iter().copied()))
    .expect_success(name);
    assert_eq!(text(&ended.stdout), "done\n");
    assert_eq!(text(&ended.stderr), "");
}

macro_rules! cases {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                case_with(stringify!($name), &[]);
            }
        )*
    };
}

cases! {
    malloc calloc realloc reallocarray free free_sized free_aligned_sized aligned_alloc
    posix_memalign memalign valloc pvalloc malloc_usable_size malloc_trim mallinfo2
}

#[test]
fn out_of_memory_at_the_commit_limit_is_enomem_and_passes() {
    case_with("commit_limit", &[("NTHEAP_COMMIT_LIMIT", "48M")]);
}

#[test]
fn out_of_address_space_is_enomem_and_passes() {
    case_with("address_space", &[]);
}

#[test]
fn functions_work_while_every_allocation_is_counted() {
    for name in ["malloc", "realloc", "free", "aligned_alloc"] {
        case_with(name, &[("NTHEAP_COUNT", "1")]);
    }
}

#[test]
fn functions_work_while_a_profile_is_on() {
    // Nearly every block is noted, and few are. That the profile is then what a program took
    // by each of them is the command's to show, which reads it (`cli/tests/profile.rs`).
    for rate in ["100", "64K"] {
        for name in [
            "malloc",
            "calloc",
            "realloc",
            "free",
            "free_sized",
            "aligned_alloc",
            "posix_memalign",
            "malloc_usable_size",
            "mallinfo2",
        ] {
            case_with(name, &[("NTHEAP_PROFILE", rate)]);
        }
    }
}

#[test]
fn functions_work_without_caches() {
    let least = [("NTHEAP_CACHE_BYTES", "0"), ("NTHEAP_RETAIN", "0")];
    for name in ["malloc", "realloc", "free", "mallinfo2"] {
        case_with(name, &least);
    }
}
