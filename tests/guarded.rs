//! Blocks with guard pages or patterns about them, among Rust's blocks and in private
//! heaps: each test in a process of its own, by what the environment asks for.

#![cfg(target_os = "linux")]

mod face;
mod isolated;

use face::{Face, layout};
use isolated::{isolated, succeeds};
use ntheap::heap::private::{self, Cursor, EntryKind, Handle, Settings};
use ntheap::sys::{self, fault};
use ntheap::{Config, stats};
use std::alloc::Layout;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt;
use std::process::Output;
use std::sync::OnceLock;

static CONFIG: Config = Config::new();

/// Prints what the report of a fault beside or in a block is compared with.
fn announce(block: *mut u8) {
    let pid = std::process::id();
    let name = std::fs::read_to_string("/proc/thread-self/comm").unwrap();
    let (thread, start) = (sys::thread_id(), block.addr());
    println!("\nannounced {pid} {thread} {start} {}", name.trim_end());
}

/// Whether stacks of allocations can be kept here: a static program of musl has no way to.
const HAS_STACKS: bool = cfg!(all(target_env = "gnu", target_arch = "x86_64"));

/// What such a report says of the block.
struct Said {
    /// The heap, as the line says it; empty where it has no name.
    heap: &'static str,
    place: &'static str,
    is_freed: bool,
    /// Whether stacks are kept.
    has_stacks: bool,
}

/// What a process wrote to standard error after [`announce`]: the report of a first-chance
/// access violation, `distance` bytes from the block's start, word for word. The frames of a stack are not compared, nor where the code and the registers
/// are.
fn expect_first_chance(output: &Output, (operation, distance): (&str, usize), said: &Said) {
    let out = String::from_utf8_lossy(&output.stdout);
    let words = out
        .lines()
        .find_map(|line| line.strip_prefix("announced "))
        .unwrap_or_else(|| panic!("{output:?}"));
    let words: Vec<&str> = words.splitn(4, ' ').collect();
    let [pid, thread, block] = [0, 1, 2].map(|at| words[at].parse::<usize>().unwrap());
    let name = words[3];
    let error = String::from_utf8_lossy(&output.stderr);
    let mut seen = String::new();
    for line in error.lines() {
        let label = [" : code that accessed it", " : context record"]
            .into_iter()
            .find(|label| line.ends_with(label));
        if let Some(label) = label {
            assert_ne!(
                line.trim_start().strip_suffix(label),
                Some("0000000000000000")
            );
            seen += &format!("    <some>{label}\n");
        } else if line.starts_with("    #0 ") {
            assert!(line.contains(" guarded-"), "{error}");
            seen += "    <frames>\n";
        } else if !line.starts_with("    #") {
            seen += &format!("{line}\n");
        }
    }
    let address = block + distance;
    let trace = |what: &str| {
        // That of the access is found when it is told.
        let frames = if said.has_stacks || what == "accessed" {
            ":\n    <frames>"
        } else {
            ""
        };
        format!("  {what} by thread {thread} {name:?}{frames}\n")
    };
    let mut expected = format!(
        "ntheap: VERIFIER STOP 0000000000000013: pid 0x{pid:X}: first-chance access violation \
         (FIRST_CHANCE_ACCESS_VIOLATION)\n\
         \x20   {address:016X} : address accessed\n\
         \x20   <some> : code that accessed it\n\
         \x20   0000000000000000 : exception record\n\
         \x20   <some> : context record\n\
         \x20 {operation}({address:#x}){}, thread {thread}\n\
         \x20 the address {}\n",
        said.heap,
        said.place.replace("<block>", &format!("{block:#x}"))
    );
    expected += &trace("accessed");
    expected += &trace("allocated");
    if said.is_freed {
        expected += &trace("freed");
    }
    assert_eq!(seen, expected, "{error}");
}

/// Random numbers that are the same in every run (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        ((u128::from(bits) * bound as u128) >> 64) as usize
    }
}

/// Whether each byte is `byte`: the first is, and each is as the one before, which
/// takes one comparison of memory.
fn is_filled(bytes: &[u8], byte: u8) -> bool {
    let [first, rest @ ..] = bytes else {
        return true;
    };
    *first == byte && *rest == bytes[..rest.len()]
}

/// A block and what was written into it.
struct Held {
    block: *mut u8,
    layout: Layout,
    byte: u8,
}

// SAFETY: the block is whoever's has this.
unsafe impl Send for Held {}

impl Held {
    fn new(face: Face, random: &mut Random) -> Held {
        let size = match random.below(20) {
            0 => 20_000 + random.below(3_000_000),
            1..5 => 1000 + random.below(15_000),
            _ => 1 + random.below(300),
        };
        let layout = layout(size, 1 << random.below(7));
        let is_zero = random.below(4) == 0;
        let block = face.allocate(layout, is_zero);
        assert_eq!(block.addr() % layout.align(), 0);
        // SAFETY: the block holds so many bytes.
        unsafe {
            if is_zero {
                assert!(is_filled(std::slice::from_raw_parts(block, size), 0));
            }
            let byte = random.below(256) as u8;
            block.write_bytes(byte, size);
            Held {
                block,
                layout,
                byte,
            }
        }
    }

    fn check(&self, size: usize) {
        // SAFETY: the block holds so many bytes.
        let bytes = unsafe { std::slice::from_raw_parts(self.block, size) };
        assert!(is_filled(bytes, self.byte));
    }

    fn resize(&mut self, face: Face, random: &mut Random) {
        let size = 1 + random.below(2 * self.layout.size());
        let new = face.reallocate(self.block, self.layout, size);
        self.block = new;
        self.check(size.min(self.layout.size()));
        self.layout = layout(size, self.layout.align());
        // SAFETY: the block holds so many bytes.
        unsafe { new.write_bytes(self.byte, size) };
    }

    fn free(self, face: Face) {
        self.check(self.layout.size());
        face.free(self.block, self.layout);
    }
}

/// Threads that allocate, resize and free, each other's blocks too.
fn churn(face: Face, rounds: usize) {
    let before = {
        // The first use is what the figures begin with.
        Held::new(face, &mut Random(9)).free(face);
        stats().allocated
    };
    let threads: Vec<_> = (1..=3u64)
        .map(|seed| {
            std::thread::spawn(move || {
                let mut random = Random(seed);
                let mut held = Vec::new();
                for _ in 0..rounds {
                    match random.below(3) {
                        0 if held.len() < 100 => held.push(Held::new(face, &mut random)),
                        1 if !held.is_empty() => {
                            let at = random.below(held.len());
                            held[at].resize(face, &mut random);
                        }
                        _ if !held.is_empty() => {
                            let at = random.below(held.len());
                            held.swap_remove(at).free(face);
                        }
                        _ => {}
                    }
                }
                held
            })
        })
        .collect();
    for thread in threads {
        for held in thread.join().unwrap() {
            held.free(face);
        }
    }
    assert_eq!(stats().allocated, before);
}

#[test]
fn blocks_are_as_ever() {
    for face in [Face::Plain, Face::Checked] {
        let own = if face == Face::Plain { "0" } else { "1" };
        for variables in [
            &[("NTHEAP_SAMPLE", "1")][..],
            &[("NTHEAP_SAMPLE", "7")],
            &[("NTHEAP_GFLAGS", "+hpa")],
            &[("NTHEAP_GFLAGS", "+hpa"), ("NTHEAP_PAGEHEAP", "light")],
            &[
                ("NTHEAP_GFLAGS", "+hpa,+htc,+hfc,+hpc"),
                ("NTHEAP_PAGEHEAP", "random=50,delay=64K"),
            ],
            &[
                ("NTHEAP_GFLAGS", "+hpa"),
                ("NTHEAP_PAGEHEAP", "backwards,size=100-1000"),
            ],
            &[("NTHEAP_GFLAGS", "+hpa"), ("NTHEAP_PAGEHEAP", "mappings")],
        ] {
            let mut variables = variables.to_vec();
            variables.push(("HEAP_TEST_FACE", own));
            succeeds("blocks_are_as_ever", &variables, || churn(face, 800));
        }
    }
}

/// Whether a sampled block starts at an address: those of a process lie below 2 GiB.
fn is_sampled(block: &*mut u8) -> bool {
    block.addr() < 1 << 31
}

/// A Rust program's blocks are sampled as often as was asked for, whatever their alignment.
#[test]
fn one_in_so_many_is_sampled() {
    succeeds(
        "one_in_so_many_is_sampled",
        &[("NTHEAP_SAMPLE", "100")],
        || {
            let layouts = [1, 8, 16, 64].map(|align| layout(24, align));
            let mut blocks = Vec::new();
            for layout in layouts {
                let before = blocks.len();
                blocks.extend((0..4000).map(|_| (Face::Plain.allocate(layout, false), layout)));
                let sampled = blocks[before..]
                    .iter()
                    .filter(|(block, _)| is_sampled(block));
                // 40 are due, give or take what chance has once in millions of runs.
                assert!((8..=85).contains(&sampled.count()), "{layout:?}");
            }
            let sampled = blocks.iter().filter(|(block, _)| is_sampled(block)).count();
            // Of 160, which deviate by 13.
            assert!((95..=235).contains(&sampled), "{sampled}");
            assert_eq!(stats().large_blocks, sampled, "they are counted");
            for (block, layout) in blocks {
                Face::Plain.free(block, layout);
            }
            assert_eq!(stats().large_blocks, 0);
        },
    );
}

/// However many blocks a program has, no more of them have guards than the pool holds.
#[test]
fn the_pool_is_small() {
    succeeds("the_pool_is_small", &[("NTHEAP_SAMPLE", "1")], || {
        let small = layout(100, 8);
        let blocks: Vec<*mut u8> = (0..5000)
            .map(|_| Face::Plain.allocate(small, false))
            .collect();
        let sampled = blocks.iter().filter(|block| is_sampled(block)).count();
        assert_eq!(sampled, 256);
        for block in blocks {
            Face::Plain.free(block, small);
        }
        let again = Face::Plain.allocate(layout(3000, 8), false);
        assert!(is_sampled(&again), "there is room again");
    });
}

#[test]
fn an_overrun_of_rusts_is_told() {
    for align in ["8", "16"] {
        let output = isolated(
            "an_overrun_of_rusts_is_told",
            &[("NTHEAP_SAMPLE", "1"), ("HEAP_TEST_ALIGN", align)],
            || {
                let align = std::env::var("HEAP_TEST_ALIGN").unwrap().parse().unwrap();
                // Whole pages end with the block.
                let block = Face::Plain.allocate(layout(48, align), false);
                assert_eq!((block.addr() + 48) % 4096, 0);
                announce(block);
                // SAFETY: none: this is the planted bug.
                unsafe { block.add(56).write_volatile(1) };
            },
        );
        if let Some(output) = output {
            // The standard library has a handler, and may be asked next.
            let said = Said {
                heap: " on heap \"process heap\"",
                place: "lies 8 bytes past the end of a busy block of 48 bytes that starts at \
                        <block>",
                is_freed: false,
                has_stacks: HAS_STACKS,
            };
            expect_first_chance(&output, ("write", 56), &said);
            assert_eq!(output.status.signal(), Some(libc::SIGSEGV));
        }
    }
}

/// A program's handler that was there before is called after the report.
#[test]
fn a_handler_of_the_programs_is_called_after_the_report() {
    extern "C" fn leave(_: libc::c_int) {
        // SAFETY: ends the process.
        unsafe { libc::_exit(7) };
    }
    let output = isolated(
        "a_handler_of_the_programs_is_called_after_the_report",
        &[("NTHEAP_SAMPLE", "1")],
        || {
            // SAFETY: a handler that only ends the process.
            unsafe { libc::signal(libc::SIGSEGV, leave as *const () as usize) };
            let block = Face::Checked.allocate(layout(50, 1), false);
            Face::Checked.free(block, layout(50, 1));
            announce(block);
            // SAFETY: none: this is the planted bug.
            unsafe { block.read_volatile() };
        },
    );
    if let Some(output) = output {
        let said = Said {
            heap: " on heap \"process heap\"",
            place: "is the start of a free block of 50 bytes",
            is_freed: true,
            has_stacks: HAS_STACKS,
        };
        expect_first_chance(&output, ("read", 0), &said);
        assert_eq!(output.status.code(), Some(7));
    }
}

/// Follows what a fresh block holds, a fill, which no processor has an address for.
fn follow_a_fill() {
    let block = Face::Plain.allocate(layout(64, 8), false);
    // SAFETY: none: this is the planted bug.
    unsafe { block.cast::<*const u8>().read().read_volatile() };
}

/// A handler that is set after the heap's and passes faults on to it, as it found it, is
/// called once for a fault, and the heap's tells the fault.
#[test]
fn a_handler_that_passes_faults_on_is_called_once() {
    static BEFORE: OnceLock<libc::sigaction> = OnceLock::new();
    type Handler = unsafe extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
    extern "C" fn pass_on(
        signal: libc::c_int,
        info: *mut libc::siginfo_t,
        registers: *mut libc::c_void,
    ) {
        const ASKED: &str = "asked\n";
        // SAFETY: writes bytes that stay; the handler before is one with these arguments.
        unsafe {
            libc::write(2, ASKED.as_ptr().cast(), ASKED.len());
            let before = BEFORE.get().unwrap().sa_sigaction;
            std::mem::transmute::<usize, Handler>(before)(signal, info, registers);
        }
    }
    for flags in ["+hfc", "+hpa"] {
        let output = isolated(
            "a_handler_that_passes_faults_on_is_called_once",
            &[("NTHEAP_GFLAGS", flags)],
            || {
                Face::Plain.allocate(layout(50, 8), false);
                // SAFETY: all zeros are a sigaction, and the handler is one with these flags.
                unsafe {
                    let mut action: libc::sigaction = std::mem::zeroed();
                    let mut before = action;
                    action.sa_sigaction = pass_on as *const () as usize;
                    action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
                    libc::sigaction(libc::SIGSEGV, &raw const action, &raw mut before);
                    assert!(BEFORE.set(before).is_ok());
                }
                follow_a_fill();
            },
        );
        if let Some(output) = output {
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{error}");
            // The standard library's handler gives the signal back to the system, which ends
            // the process when the access is tried again.
            assert_eq!(error.matches("asked\n").count(), 1, "{flags}: {error}");
            assert_eq!(
                error.matches("VERIFIER STOP").count(),
                1,
                "{flags}: {error}"
            );
        }
    }
}

/// A handler that was set for a while, in which the heap was used, is not called any more
/// when the one before it was put back, and the heap's is there again.
#[test]
fn a_handler_that_was_taken_away_is_not_called() {
    extern "C" fn leave(_: libc::c_int) {
        // SAFETY: ends the process.
        unsafe { libc::_exit(7) };
    }
    for flags in ["+hfc", "+hpa"] {
        let output = isolated(
            "a_handler_that_was_taken_away_is_not_called",
            &[("NTHEAP_GFLAGS", flags)],
            || {
                Face::Plain.allocate(layout(50, 8), false);
                // SAFETY: all zeros are a sigaction; a handler that only ends the process.
                unsafe {
                    let mut action: libc::sigaction = std::mem::zeroed();
                    let mut before = action;
                    action.sa_sigaction = leave as *const () as usize;
                    libc::sigaction(libc::SIGSEGV, &raw const action, &raw mut before);
                    Face::Plain.allocate(layout(50, 8), false);
                    libc::sigaction(libc::SIGSEGV, &raw const before, std::ptr::null_mut());
                }
                follow_a_fill();
            },
        );
        if let Some(output) = output {
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.signal(), Some(libc::SIGSEGV), "{error}");
            assert_eq!(
                error.matches("VERIFIER STOP").count(),
                1,
                "{flags}: {error}"
            );
        }
    }
}

/// A forked child has its parent's guards, and gives its blocks back.
#[test]
fn guards_hold_in_a_forked_child() {
    succeeds(
        "guards_hold_in_a_forked_child",
        &[("NTHEAP_SAMPLE", "1")],
        || {
            let wanted = layout(64, 8);
            let block = Face::Checked.allocate(wanted, false);
            let fork = |child: &dyn Fn()| {
                // SAFETY: the child allocates, and ends by a fault or by itself.
                unsafe {
                    let pid = libc::fork();
                    if pid == 0 {
                        // Its report would be one of the test's.
                        libc::close(2);
                        child();
                        libc::_exit(3);
                    }
                    let mut status = 0;
                    assert_eq!(libc::waitpid(pid, &raw mut status, 0), pid);
                    status
                }
            };
            let status = fork(&|| {
                Face::Checked.free(block, wanted);
                for _ in 0..1000 {
                    let other = Face::Checked.allocate(wanted, false);
                    Face::Checked.free(other, wanted);
                }
            });
            assert!(libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 3);
            // SAFETY: none: this is the planted bug.
            let status = fork(&|| unsafe { block.add(64).write_volatile(1) });
            assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSEGV);
            Face::Checked.free(block, wanted);
        },
    );
}

/// Random calls on a heap, against what it should hold.
fn model(seed: u64) {
    let mut random = Random(seed);
    // SAFETY: no memory of the caller's.
    let heap = unsafe { private::create(&Settings::DEFAULT) }.unwrap();
    let mut blocks: BTreeMap<usize, usize> = BTreeMap::new();
    let byte_of = |start: usize| (start >> 4) as u8;
    for round in 0..800 {
        let size = match random.below(30) {
            0 => random.below(2_000_000),
            _ => random.below(600),
        };
        let pick = |random: &mut Random, blocks: &BTreeMap<usize, usize>| {
            let at = random.below(blocks.len());
            blocks.iter().nth(at).map(|(&start, &size)| (start, size))
        };
        // SAFETY: the heap is serialized; blocks are this test's.
        unsafe {
            match random.below(3) {
                0 => {
                    let block = private::allocate(heap, 0, size).unwrap().as_ptr();
                    block.write_bytes(byte_of(block.addr()), size);
                    assert!(blocks.insert(block.expose_provenance(), size).is_none());
                }
                1 if !blocks.is_empty() => {
                    let (start, old) = pick(&mut random, &blocks).unwrap();
                    let block = std::ptr::with_exposed_provenance_mut::<u8>(start);
                    let new = private::reallocate(heap, 0, block, size).unwrap().as_ptr();
                    for at in 0..old.min(size) {
                        assert_eq!(new.add(at).read(), byte_of(start));
                    }
                    new.write_bytes(byte_of(new.addr()), size);
                    blocks.remove(&start);
                    assert!(blocks.insert(new.expose_provenance(), size).is_none());
                }
                _ if !blocks.is_empty() => {
                    let (start, _) = pick(&mut random, &blocks).unwrap();
                    let block = std::ptr::with_exposed_provenance_mut::<u8>(start);
                    private::free(heap, 0, block).unwrap();
                    blocks.remove(&start);
                }
                _ => {}
            }
        }
        if round % 100 == 0 {
            assert_holds(heap, &blocks);
        }
    }
    assert_holds(heap, &blocks);
    // SAFETY: nobody uses it any more.
    unsafe { private::destroy(heap) }.unwrap();
}

/// The heap's sizes, walk and validation say what the model says.
fn assert_holds(heap: Handle, blocks: &BTreeMap<usize, usize>) {
    let mut walked = BTreeMap::new();
    let mut cursor = Cursor::START;
    while let Ok(entry) = private::walk(heap, &mut cursor) {
        if entry.kind.flags() & EntryKind::BUSY != 0 {
            assert!(walked.insert(entry.data, entry.size).is_none());
        }
    }
    assert_eq!(&walked, blocks);
    assert!(private::validate(heap, 0, std::ptr::null()));
    for (&start, &size) in blocks {
        let block = std::ptr::with_exposed_provenance::<u8>(start);
        assert_eq!(private::size_of(heap, 0, block), Ok(size));
        assert!(private::validate(heap, 0, block));
    }
}

#[test]
fn private_heaps_agree_with_a_model() {
    for variables in [
        &[("NTHEAP_GFLAGS", "+hpa")][..],
        &[
            ("NTHEAP_GFLAGS", "+hpa"),
            ("NTHEAP_PAGEHEAP", "light,delay=100K"),
        ],
        &[
            ("NTHEAP_GFLAGS", "+hpa"),
            ("NTHEAP_PAGEHEAP", "random=50,delay=0"),
        ],
        &[
            ("NTHEAP_GFLAGS", "+hpa,+htc,+hfc"),
            ("NTHEAP_PAGEHEAP", "light,delay=100K"),
        ],
    ] {
        succeeds("private_heaps_agree_with_a_model", variables, || {
            for seed in 1..=2 {
                model(seed);
            }
        });
    }
}

/// Damage makes a block, and its heap, invalid, until it is undone.
#[test]
fn damage_makes_a_heap_invalid() {
    for variables in [
        &[("NTHEAP_GFLAGS", "+hpa")][..],
        &[("NTHEAP_GFLAGS", "+hpa"), ("NTHEAP_PAGEHEAP", "light")],
    ] {
        succeeds("damage_makes_a_heap_invalid", variables, || {
            // SAFETY: no memory of the caller's; bytes beside the blocks are those of
            // page heap, and are put back.
            unsafe {
                let heap = private::create(&Settings::DEFAULT).unwrap();
                let block = private::allocate(heap, 0, 60).unwrap().as_ptr();
                let other = private::allocate(heap, 0, 60).unwrap().as_ptr();
                for at in [block.add(60), block.sub(1), block.sub(64), block.sub(40)] {
                    let before = at.read();
                    at.write(!before);
                    assert!(!private::validate(heap, 0, block));
                    assert!(private::validate(heap, 0, other));
                    assert!(!private::validate(heap, 0, std::ptr::null()));
                    at.write(before);
                    assert!(private::validate(heap, 0, block));
                    assert!(private::validate(heap, 0, std::ptr::null()));
                }
                assert_eq!(private::flags_of(heap).unwrap() & 0x0100_0000, 0x0100_0000);
                let header: *const u8 = std::ptr::with_exposed_provenance(heap.address());
                assert!((0..0x740).all(|at| header.add(at).read() == 0xEE));
                private::destroy(heap).unwrap();
            }
        });
    }
}

/// A settable value and flags stay with a block, whichever kind it is of.
#[test]
fn settable_values_stay() {
    for variables in [
        &[("NTHEAP_GFLAGS", "+hpa")][..],
        &[("NTHEAP_GFLAGS", "+hpa"), ("NTHEAP_PAGEHEAP", "light")],
        &[("NTHEAP_GFLAGS", "+hpa"), ("NTHEAP_PAGEHEAP", "random=50")],
    ] {
        succeeds("settable_values_stay", variables, || {
            // SAFETY: no memory of the caller's; the blocks are this test's.
            unsafe {
                let heap = private::create(&Settings::DEFAULT).unwrap();
                let mut block = private::allocate(heap, 0x300, 50).unwrap().as_ptr();
                private::set_user_value(heap, 0, block, 77).unwrap();
                for size in [51, 5000, 20, 70] {
                    block = private::reallocate(heap, 0x300, block, size)
                        .unwrap()
                        .as_ptr();
                    block.write_bytes(1, size);
                    let info = private::user_info(heap, 0, block).unwrap();
                    assert_eq!(info.value, Some(77), "{size}");
                    assert_eq!(info.flags & 0x200, 0x200, "{size}");
                }
                private::free(heap, 0, block).unwrap();
                private::destroy(heap).unwrap();
            }
        });
    }
}

/// A size that nothing can hold takes nothing from the queue of freed blocks.
#[test]
fn an_impossible_size_lets_no_freed_block_go() {
    const TEST: &str = "an_impossible_size_lets_no_freed_block_go";
    let Some(output) = isolated(TEST, &[("NTHEAP_GFLAGS", "+hpa")], || {
        // SAFETY: the blocks are this test's.
        unsafe {
            let heap = private::create(&Settings::DEFAULT).unwrap();
            let freed = private::allocate(heap, 0, 100).unwrap().as_ptr();
            private::free(heap, 0, freed).unwrap();
            assert!(private::allocate(heap, 0, 1 << 45).is_err());
            let next = private::allocate(heap, 0, 100).unwrap().as_ptr();
            assert_ne!(next.addr() & !0xfff, freed.addr() & !0xfff);
        }
    }) else {
        return;
    };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    assert!(!errors.contains("no more pages"), "{errors}");
}

/// Pages that the system does not shut are used again: their next blocks hold what fresh
/// ones hold, have what lies about them checked, and the page behind them faults as ever.
#[test]
fn what_cannot_be_shut_is_used_again() {
    const TEST: &str = "what_cannot_be_shut_is_used_again";
    const ROUNDS: usize = 2000;
    let variables = [
        ("NTHEAP_GFLAGS", "+hpa"),
        ("NTHEAP_PAGEHEAP", "mappings,delay=64K"),
    ];
    let output = isolated(TEST, &variables, || {
        // SAFETY: no memory of the caller's; the blocks are this test's.
        unsafe {
            let heap = private::create(&Settings::DEFAULT).unwrap();
            let mut pages = std::collections::BTreeSet::new();
            fault::plan(0, u64::MAX, &[sys::Call::Decommit]);
            for round in 0..ROUNDS {
                // The window is of one page, and of two.
                let size = [3000, 4060][round % 2];
                let flags = if round % 3 == 0 { 8 } else { 0 };
                let block = private::allocate(heap, flags, size).unwrap().as_ptr();
                let fresh = if flags == 0 { 0xC0 } else { 0 };
                assert!((0..size).all(|at| block.add(at).read() == fresh));
                block.write_bytes(1, size);
                pages.insert(block.addr() >> 12);
                private::free(heap, 0, block).unwrap();
            }
            let (_, refused) = fault::end();
            assert!(refused as usize >= ROUNDS);
            assert!(pages.len() < ROUNDS / 10, "{}", pages.len());
            // The system shuts pages again: those that are open get shut as they leave.
            for _ in 0..100 {
                let block = private::allocate(heap, 0, 4060).unwrap();
                private::free(heap, 0, block.as_ptr()).unwrap();
            }
            assert!(private::validate(heap, 0, std::ptr::null()));
            let block = private::allocate(heap, 0, 3000).unwrap().as_ptr();
            announce(block);
            // None: this is the planted bug.
            block.add(3016).write_volatile(1);
        }
    });
    if let Some(output) = output {
        let said = Said {
            heap: "",
            place: "lies 16 bytes past the end of a busy block of 3000 bytes that starts at <block>",
            is_freed: false,
            has_stacks: false,
        };
        expect_first_chance(&output, ("write", 3016), &said);
        assert_eq!(output.status.signal(), Some(libc::SIGSEGV));
    }
}

/// A heap is valid, and nothing faults, whatever other threads allocate and free
/// meanwhile; and while it is held, no block goes or comes.
#[test]
fn a_heap_is_looked_at_while_others_use_it() {
    for variables in [
        &[("NTHEAP_GFLAGS", "+hpa")][..],
        &[("NTHEAP_GFLAGS", "+hpa"), ("NTHEAP_PAGEHEAP", "light")],
    ] {
        succeeds("a_heap_is_looked_at_while_others_use_it", variables, || {
            // SAFETY: no memory of the caller's.
            let heap = unsafe { private::create(&Settings::DEFAULT) }.unwrap();
            let is_done = std::sync::atomic::AtomicBool::new(false);
            let looks = std::sync::atomic::AtomicUsize::new(0);
            let has_looked = || looks.load(std::sync::atomic::Ordering::Relaxed) >= 10;
            std::thread::scope(|scope| {
                for _ in 0..2 {
                    scope.spawn(|| {
                        // It ends even if nobody looks any more.
                        for round in 0..300_000 {
                            if round >= 3000 && has_looked() {
                                break;
                            }
                            // SAFETY: the block is this thread's.
                            unsafe {
                                let block = private::allocate(heap, 0, 40 + round % 500).unwrap();
                                private::free(heap, 0, block.as_ptr()).unwrap();
                            }
                        }
                        is_done.store(true, std::sync::atomic::Ordering::Relaxed);
                    });
                }
                while !is_done.load(std::sync::atomic::Ordering::Relaxed) {
                    assert!(private::validate(heap, 0, std::ptr::null()));
                    private::lock(heap).unwrap();
                    let blocks = || {
                        let mut blocks = Vec::new();
                        let mut cursor = private::Cursor::START;
                        while let Ok(entry) = private::walk(heap, &mut cursor) {
                            if entry.kind == private::EntryKind::Busy && entry.size != 0 {
                                let last = entry.data + entry.size - 1;
                                let last: *const u8 = std::ptr::with_exposed_provenance(last);
                                // SAFETY: a busy block of a heap that is held.
                                unsafe { last.read_volatile() };
                                blocks.push((entry.data, entry.size));
                            }
                        }
                        blocks
                    };
                    let before = blocks();
                    std::thread::yield_now();
                    let after = blocks();
                    assert!(private::unlock(heap).is_ok());
                    assert_eq!(before, after);
                    looks.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                }
            });
            assert!(has_looked());
        });
    }
}

/// Freed blocks wait until about as many bytes were freed as is said, and not longer: what
/// waits is bounded, whatever is freed.
#[test]
fn what_waits_after_it_was_freed_is_bounded() {
    const TEST: &str = "what_waits_after_it_was_freed_is_bounded";
    const DELAY: usize = 256 << 10;
    const SIZE: usize = 1000;
    for pages in ["light,delay=256K", "delay=256K"] {
        let variables = [("NTHEAP_GFLAGS", "+hpa"), ("NTHEAP_PAGEHEAP", pages)];
        succeeds(TEST, &variables, || {
            // SAFETY: the blocks are this test's.
            unsafe {
                let heap = private::create(&Settings::DEFAULT).unwrap();
                let mut last = BTreeMap::new();
                let mut least = usize::MAX;
                for round in 0..10 * DELAY / SIZE {
                    let block = private::allocate(heap, 0, SIZE).unwrap().as_ptr();
                    if let Some(before) = last.insert(block.addr(), round) {
                        least = least.min(round - before);
                    }
                    private::free(heap, 0, block).unwrap();
                }
                // Ten times as much was freed.
                assert!(
                    last.len() * SIZE <= DELAY + 8 * SIZE,
                    "{} blocks",
                    last.len()
                );
                // With guards a block counts as its page does.
                assert!(least * 4096 >= DELAY, "{least} rounds");
                private::destroy(heap).unwrap();
            }
        });
    }
}
