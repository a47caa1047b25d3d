//! What the loader reads once goes back.
//!
//! The table of addresses to move is half of what a process has of the library's beginning in
//! memory, and nobody reads it once the library is loaded. Its whole pages are a private mapping
//! of the file that nobody has written to: whoever reads one after all has it from the file again.

use core::arch::asm;

/// An entry of the dynamic section.
#[repr(C)]
struct Entry {
    tag: usize,
    value: usize,
}

const NULL: usize = 0;
const RELA: usize = 7;
const RELASZ: usize = 8;

const PAGE: usize = 4096;

/// Gives the pages of the table back to the system. At load, when the loader is done with it.
#[inline]
pub(crate) fn give_back() {
    let mut entry: *const Entry;
    let start: usize;
    // SAFETY: both are addresses that the linker gives, of this library.
    unsafe {
        asm!(
            "lea {entry}, [rip + _DYNAMIC]",
            "lea {start}, [rip + __ehdr_start]",
            entry = out(reg) entry,
            start = out(reg) start,
            options(nomem, nostack, preserves_flags),
        );
    }
    let (mut table, mut bytes) = (0, 0);
    loop {
        // SAFETY: the dynamic section is in memory for as long as the library, and its last
        // entry is null.
        let Entry { tag, value } = unsafe { entry.read() };
        match tag {
            NULL => break,
            RELA => table = value,
            RELASZ => bytes = value,
            _ => {}
        }
        entry = entry.wrapping_add(1);
    }
    // One loader makes an address of what the file has, another leaves it.
    if table < start {
        table = table.wrapping_add(start);
    }
    let end = table.wrapping_add(bytes) & !(PAGE - 1);
    let first = table.wrapping_add(PAGE - 1) & !(PAGE - 1);
    if first < end {
        // Not by `madvise`, whose page a process that never allocates does not need.
        // SAFETY: the pages are whole ones of this library's first segment, which nobody may
        // write to, and so hold what the file does whether they go or not.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") libc::SYS_madvise => _,
                in("rdi") first,
                in("rsi") end - first,
                in("rdx") libc::MADV_DONTNEED,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
    }
}
