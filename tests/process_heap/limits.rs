//! Limits of the system itself: address space, data, mappings. What they
//! refuse is a null pointer, and lifted they leave nothing behind.
#![cfg(target_os = "linux")]

use super::support::*;
use super::workload::Load;
use ntheap::{stats, sys};

/// A limit's number, as the C library types it.
#[cfg(target_env = "gnu")]
type Resource = libc::__rlimit_resource_t;
#[cfg(not(target_env = "gnu"))]
type Resource = libc::c_int;

/// Sets this process's soft limit of a resource; `u64::MAX` lifts it.
fn set_limit(resource: Resource, bytes: u64) {
    let limit = libc::rlimit {
        rlim_cur: bytes,
        rlim_max: libc::RLIM_INFINITY,
    };
    // SAFETY: the kernel reads one structure.
    assert_eq!(unsafe { libc::setrlimit(resource, &raw const limit) }, 0);
}

/// What a limited process got: refusals of a load, and bytes of 64 KiB blocks
/// and of 3 MiB blocks until one was refused.
struct Got {
    refused: usize,
    runs: usize,
    large: usize,
}

/// A load in a limited process, and another after `lift`.
fn limited(face: Face, lift: impl FnOnce()) -> Got {
    let mut load = Load::new(face, 3);
    load.run(false);
    let refused = load.refused;
    let runs = load.exhaust(64 * KIB, 256 * MIB) * 64 * KIB;
    let large = load.exhaust(3 * MIB, 2 * GIB) * 3 * MIB;
    lift();
    assert_eq!(stats().allocated, 0, "blocks were lost");
    load.refused = 0;
    load.run(true);
    assert_eq!(load.refused, 0, "the heap did not recover");
    assert_eq!(stats().allocated, 0);
    Got {
        refused,
        runs,
        large,
    }
}

#[cfg(target_env = "gnu")]
/// The amounts that are left to a process, beyond what it has.
const LEFT: [usize; 9] = [
    0,
    256 * KIB,
    4 * MIB,
    4400 * KIB,
    5 * MIB,
    16 * MIB,
    64 * MIB,
    256 * MIB,
    GIB,
];

#[cfg(target_env = "gnu")]
fn under_limits(what: &str, resource: Resource, line: &str, face: Face) {
    for left in LEFT {
        let answer = in_fork(|| {
            let used = status(line);
            set_limit(resource, (used + left) as u64);
            let got = limited(face, || set_limit(resource, u64::MAX));
            figure(&format!(
                "{what} of {} more, {face:?}: {} refusals in a load, {} of 64 KiB and {} of 3 MiB \
                 blocks to be had",
                mib(left),
                got.refused,
                mib(got.runs),
                mib(got.large)
            ));
            assert!(got.runs <= left && got.large <= left);
            if left < MIB {
                assert!(got.refused > 0);
            } else {
                assert!(got.runs >= left / 8, "little is within reach");
            }
            if left >= 256 * MIB {
                assert_eq!(got.refused, 0, "the load needs less than that");
                assert!(got.large >= left / 4, "much is out of reach");
            }
            0
        });
        assert_eq!(answer, 0, "{what} of {left} bytes more");
    }
}

#[cfg(target_env = "gnu")]
fn little_address_space(face: Face) {
    under_limits("address space", libc::RLIMIT_AS, "VmSize", face);
}

#[cfg(target_env = "gnu")]
fn little_data(face: Face) {
    under_limits("data", libc::RLIMIT_DATA, "VmData", face);
}

// The test's own memory is `malloc`'s: glibc's has some left, musl's has none.
#[cfg(target_env = "gnu")]
each_face!(little_address_space: plain = Plain, checked = Checked);
#[cfg(target_env = "gnu")]
each_face!(little_data: plain = Plain, checked = Checked);

/// Limits that come when the heap is at work already.
fn a_limit_set_later(face: Face) {
    let mut load = Load::new(face, 5);
    load.run(true);
    set_limit(libc::RLIMIT_AS, 0);
    load.run(false);
    let refused = load.refused;
    set_limit(libc::RLIMIT_AS, u64::MAX);
    assert!(refused > 0);
    load.refused = 0;
    load.run(true);
    assert_eq!((load.refused, stats().allocated), (0, 0));
}

each_face!(a_limit_set_later: plain = Plain, checked = Checked);

/// What is idle makes room for whoever is refused by the system, as by a limit of the heap's.
#[cfg(target_env = "gnu")]
fn what_is_idle_makes_room(resource: Resource, line: &str) {
    use ntheap::heap::private::{self, Settings};
    use ntheap::win32::{
        MEM_COMMIT, MEM_RELEASE, MEM_RESERVE, PAGE_READWRITE, VirtualAlloc, VirtualFree,
    };
    const SIZE: usize = 4 * MIB;
    // SAFETY: no memory is given, and heaps and blocks are used no more.
    let allocate = |size| unsafe {
        let heap = private::create(&Settings::DEFAULT).unwrap();
        move || private::allocate(heap, 0, size).is_ok()
    };
    let create = || ntheap::Heap::options().initial_size(SIZE).create().is_ok();
    let pages = |place, kind| {
        // SAFETY: fresh pages, or those of the test's own region.
        unsafe { VirtualAlloc(place, SIZE, kind, PAGE_READWRITE) }
    };
    let null = std::ptr::null_mut();
    let take = || {
        let taken = pages(null, MEM_RESERVE | MEM_COMMIT);
        // SAFETY: the test's own region, or nothing.
        !taken.is_null() && unsafe { VirtualFree(taken, 0, MEM_RELEASE) } != 0
    };
    let reserved = pages(null, MEM_RESERVE);
    let commit = || !pages(reserved, MEM_COMMIT).is_null();
    let (small, large) = (allocate(600_000), allocate(SIZE));
    let wants: [(&str, &dyn Fn() -> bool); 5] = [
        ("a heap's block", &small),
        ("a heap's large block", &large),
        ("a heap", &create),
        ("pages", &take),
        ("commit", &commit),
    ];
    for (what, want) in wants {
        // Kept, since as much was wanted again.
        for _ in 0..2 {
            assert!(Load::new(Face::Global, 35).exhaust(3 * MIB, 12 * MIB) >= 3);
        }
        set_limit(resource, status(line) as u64);
        let is_there = want();
        set_limit(resource, u64::MAX);
        assert!(is_there, "{what}");
    }
}

#[cfg(target_env = "gnu")]
#[test]
fn what_is_idle_makes_room_below_a_limit_of_address_space() {
    isolated(|| what_is_idle_makes_room(libc::RLIMIT_AS, "VmSize"));
}

#[cfg(target_env = "gnu")]
#[test]
fn what_is_idle_makes_room_below_a_limit_of_data() {
    isolated(|| what_is_idle_makes_room(libc::RLIMIT_DATA, "VmData"));
}

/// Mappings of the test's own, each a page, that use up what the system
/// allows a process.
struct Mappings {
    base: *mut u8,
    size: usize,
    /// The pages whose rights were changed, from the start.
    changed: usize,
}

impl Mappings {
    fn reserve(limit: usize) -> Mappings {
        let size = (limit + 64) * sys::page_size();
        let base = sys::reserve(size, 1);
        assert!(!base.is_null());
        Mappings {
            base,
            size,
            changed: 0,
        }
    }

    /// Changes the rights of every second page till the system refuses.
    fn use_up(&mut self) {
        while self.change(libc::PROT_READ) {
            self.changed += 2;
            assert!(self.changed * sys::page_size() < self.size, "no end");
        }
    }

    /// Takes the last changes back, so that about twice as many mappings are
    /// to be had.
    fn give_back(&mut self, changes: usize) {
        for _ in 0..changes {
            self.changed -= 2;
            assert!(self.change(libc::PROT_NONE));
        }
    }

    fn change(&self, rights: libc::c_int) -> bool {
        let page = self.base.wrapping_add(self.changed * sys::page_size());
        // SAFETY: a page of the test's own reservation, which nobody uses.
        unsafe { libc::mprotect(page.cast(), sys::page_size(), rights) == 0 }
    }
}

fn near_the_mapping_limit(face: Face) {
    let text = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap();
    let limit: usize = text.trim().parse().unwrap();
    if limit > 2_000_000 {
        figure(&format!(
            "skipped: the limit of mappings, which is {limit} here and takes too long to reach"
        ));
        return;
    }
    for warm in [false, true] {
        for left in [0, 2, 5, 60] {
            let answer = in_fork(|| {
                let mut warm_up = Load::new(face, 4);
                if warm {
                    warm_up.run(true);
                }
                let mut own = Mappings::reserve(limit);
                own.use_up();
                own.give_back(left);
                let got = limited(face, || {
                    // SAFETY: the whole reservation; unmapping all of it needs
                    // no mapping more.
                    assert!(unsafe { sys::release(own.base, own.size) });
                });
                figure(&format!(
                    "about {} mappings left, {face:?}, {}: {} refusals in a load, {} of 64 KiB \
                     and {} of 3 MiB blocks to be had",
                    2 * left,
                    if warm { "heap in use" } else { "first calls" },
                    got.refused,
                    mib(got.runs),
                    mib(got.large)
                ));
                if left == 0 && !warm {
                    assert!(got.refused > 0);
                }
                if left >= 20 {
                    assert_eq!(got.refused, 0, "the load needs fewer mappings");
                }
                0
            });
            assert_eq!(answer, 0, "about {} mappings left", 2 * left);
        }
    }
}

each_face!(near_the_mapping_limit: plain = Plain, checked = Checked);
