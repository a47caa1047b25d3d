//! A report's exact text, but for the numbers that differ from run to run: those
//! must be what they stand for.

use super::common::{Ended, text};
use std::os::unix::process::ExitStatusExt;

/// What advises who frees in another module.
pub(crate) const CROSS_HEAP: &str = "advice: free a block in the module that allocated it, or let \
     all modules share one C runtime library (\"Potential Errors Passing CRT Objects Across DLL \
     Boundaries\")";
/// What advises who gives malloc's block to HeapFree.
pub(crate) const NOT_HEAP_FREE: &str = "advice: give what malloc or new allocated to free or \
     delete, not to HeapFree (\"Comparing Memory Allocation Methods\")";
/// What advises who frees an aligned block.
pub(crate) const ALIGNED: &str = "advice: a block of _aligned_malloc lies around it; such are \
     released by _aligned_free alone (\"_aligned_malloc\")";
/// What advises who frees a debug block.
pub(crate) const DEBUG_BLOCK: &str = "advice: a block of the debug runtime lies around it; free it \
     with the debug runtime that allocated it (\"CRT debug heap details\")";
/// What advises who frees a block of a heap that is gone.
pub(crate) const GONE: &str = "advice: that heap was destroyed with the runtime of its module, and \
     all its blocks with it; free them before the module is unloaded, or let all modules share one \
     C runtime library (\"Potential Errors Passing CRT Objects Across DLL Boundaries\")";

/// What advises who finds the bytes behind a block changed.
const OVERRUN: &str = "advice: something wrote past the end of this block after it was allocated; \
     NTHEAP_GFLAGS=+hpa ends the program at the write, +ust tells who allocated the block";

/// A heap, as reports name it: with the file name of the module whose runtime's it
/// is, if it is one's.
pub(crate) type Heap = (&'static str, &'static str);

/// Stop 6.
pub(crate) struct Switched {
    pub(crate) operation: &'static str,
    pub(crate) used: Heap,
    /// The address given to the operation.
    pub(crate) address: usize,
    /// The block's size, 0 for none.
    pub(crate) size: usize,
    /// What the address is.
    pub(crate) place: String,
    /// The other heap that has it.
    pub(crate) owner: Option<Heap>,
    pub(crate) advice: &'static str,
}

/// A heap in words.
fn named((name, module): Heap) -> String {
    if module.is_empty() {
        format!("\"{name}\"")
    } else {
        format!("\"{name}\" of {module}")
    }
}

/// The words for the start of a busy block.
pub(crate) fn start_of(size: usize) -> String {
    format!("the address is the start of a busy block of {size} bytes")
}

/// The number that line `index` of a report tells.
fn number(lines: &[&str], index: usize) -> usize {
    let line = lines[index].trim_start();
    let (number, _) = line.split_once(' ').expect("a parameter");
    usize::from_str_radix(number, 16).expect("a number")
}

/// Takes the next line.
fn take(lines: &mut Vec<&str>, expected: &str) {
    assert!(!lines.is_empty(), "ends before: {expected}");
    assert_eq!(lines.remove(0), expected);
}

impl Switched {
    /// Takes this report off the lines of what a process wrote.
    pub(crate) fn expect(&self, pid: u32, lines: &mut Vec<&str>) {
        assert!(lines.len() >= 7, "{lines:#?}");
        let (used, owner) = (number(lines, 1), number(lines, 4));
        assert!(used != 0 && used.is_multiple_of(0x10000), "{used:#x}");
        match self.owner {
            Some(_) => {
                assert_ne!(used, owner);
                assert!(owner != 0 && owner.is_multiple_of(0x10000), "{owner:#x}");
            }
            None => assert!(owner == used || owner == 0, "{owner:#x}"),
        }
        take(
            lines,
            &format!(
                "ntheap: VERIFIER STOP 0000000000000006: pid 0x{pid:X}: bad pointer or wrong heap \
                 (SWITCHED_HEAP_HANDLE)"
            ),
        );
        take(lines, &format!("    {used:016X} : heap handle used"));
        take(lines, &format!("    {:016X} : block", self.address));
        take(lines, &format!("    {:016X} : size", self.size));
        take(
            lines,
            &format!("    {owner:016X} : heap the block came from"),
        );
        take(
            lines,
            &format!(
                "  {}({:#x}) on heap {}, thread {pid}",
                self.operation,
                self.address,
                named(self.used)
            ),
        );
        take(lines, &format!("  {}", self.place));
        if let Some(owner) = self.owner {
            take(lines, &format!("  it belongs to heap {}", named(owner)));
        }
        if !self.advice.is_empty() {
            take(lines, &format!("  {}", self.advice));
        }
    }
}

/// Stop 0x900: the blocks that were left when a module was unloaded.
pub(crate) fn expect_leak(pid: u32, lines: &mut Vec<&str>, heap: Heap, block: usize, size: usize) {
    assert!(lines.len() >= 8, "{lines:#?}");
    let (name, module) = (number(lines, 3), number(lines, 4));
    assert!(name != 0 && module != 0);
    take(
        lines,
        &format!(
            "ntheap: VERIFIER STOP 0000000000000900: pid 0x{pid:X}: heap allocation leaked by a \
             module that is unloaded (ALLOCATION)"
        ),
    );
    take(lines, &format!("    {block:016X} : leaked allocation"));
    take(
        lines,
        "    0000000000000000 : allocation's stack, 0 where not recorded",
    );
    take(lines, &format!("    {name:016X} : owner's name"));
    take(lines, &format!("    {module:016X} : address in the owner"));
    take(
        lines,
        &format!("  unload({block:#x}) on heap {}, thread {pid}", named(heap)),
    );
    take(lines, &format!("  {}", start_of(size)));
    take(
        lines,
        &format!("  1 blocks of {size} bytes in all are in use and go with the heap"),
    );
}

/// Stop 7.
pub(crate) fn expect_double_free(
    pid: u32,
    lines: &mut Vec<&str>,
    used: Heap,
    block: usize,
    size: usize,
    place: &str,
) {
    assert!(lines.len() >= 7, "{lines:#?}");
    let heap = number(lines, 1);
    assert!(heap != 0 && heap.is_multiple_of(0x10000), "{heap:#x}");
    take(
        lines,
        &format!(
            "ntheap: VERIFIER STOP 0000000000000007: pid 0x{pid:X}: block already freed (DOUBLE_FREE)"
        ),
    );
    take(lines, &format!("    {heap:016X} : heap handle"));
    take(lines, &format!("    {block:016X} : block"));
    take(lines, &format!("    {size:016X} : size"));
    take(lines, "    0000000000000000 : not used");
    take(
        lines,
        &format!("  free({block:#x}) on heap {}, thread {pid}", named(used)),
    );
    take(lines, &format!("  {place}"));
}

/// Stop 15, of a byte 0x5A behind the block: `fill` is what should be there, and as many
/// bytes of it are shown as `seen` and two lines allow.
pub(crate) fn expect_overrun(
    pid: u32,
    lines: &mut Vec<&str>,
    used: Heap,
    block: usize,
    size: usize,
    fill: &str,
    seen: usize,
) {
    assert!(lines.len() >= 9, "{lines:#?}");
    let heap = number(lines, 1);
    assert!(heap != 0 && heap.is_multiple_of(0x10000), "{heap:#x}");
    take(
        lines,
        &format!(
            "ntheap: VERIFIER STOP 000000000000000F: pid 0x{pid:X}: written past the end of the \
             block (CORRUPTED_HEAP_BLOCK_SUFFIX)"
        ),
    );
    take(lines, &format!("    {heap:016X} : heap handle"));
    take(lines, &format!("    {block:016X} : block"));
    take(lines, &format!("    {size:016X} : size"));
    take(lines, "    0000000000000000 : not used");
    take(
        lines,
        &format!("  free({block:#x}) on heap {}, thread {pid}", named(used)),
    );
    take(lines, &format!("  {}", start_of(size)));
    let end = block + size;
    take(
        lines,
        &format!(
            "  1 byte is not as expected, the first 0 bytes past the end of the block, at \
             {end:#x}; expected {fill}"
        ),
    );
    let mut left = seen;
    while lines.first().is_some_and(|line| line.starts_with("    0x")) {
        let line = lines.remove(0);
        let bytes: Vec<&str> = line.split_whitespace().skip(1).collect();
        let told = bytes.iter().filter(|byte| byte.len() == 2);
        for byte in told {
            let expected = if left == seen { "5A" } else { fill };
            assert_eq!(*byte, expected, "{line}");
            left -= 1;
        }
    }
    assert!(left < seen && (seen == usize::MAX || left == 0), "{left}");
    take(lines, &format!("  allocated by thread {pid} \"failures\""));
    if fill == "AB" {
        take(lines, &format!("  {OVERRUN}"));
    }
}

/// What a process wrote to standard error, in lines.
pub(crate) fn lines(errors: &str) -> Vec<&str> {
    errors.lines().collect()
}

/// Asserts that the process was ended by a report, which was `expect`ed, and said
/// nothing else.
pub(crate) fn caught(ended: &Ended, expect: impl FnOnce(u32, &mut Vec<&str>)) {
    let errors = text(&ended.stderr);
    assert_eq!(ended.status.signal(), Some(6), "{}\n{errors}", ended.status);
    let mut rest = lines(&errors);
    expect(ended.pid, &mut rest);
    assert!(rest.is_empty(), "{rest:#?}");
}

/// Asserts that the process came to its end and that nothing was said.
pub(crate) fn went_on(ended: &Ended) {
    let (out, errors) = (text(&ended.stdout), text(&ended.stderr));
    assert!(ended.status.success(), "{}\n{errors}", ended.status);
    assert_eq!(errors, "");
    assert!(out.ends_with("went on\n"), "{out}");
}

/// The address that a program printed as `block 0x…`, the last if there are
/// several.
pub(crate) fn block(ended: &Ended) -> usize {
    let out = text(&ended.stdout);
    let line = out
        .lines()
        .filter_map(|line| line.strip_prefix("block 0x"))
        .next_back()
        .unwrap_or_else(|| panic!("no block in {out:?}\n{}", text(&ended.stderr)));
    let digits: String = line.chars().take_while(char::is_ascii_hexdigit).collect();
    usize::from_str_radix(&digits, 16).expect("an address")
}
