//! The return addresses on the calling thread's stack, found without
//! allocating, without a lock, and without trusting what lies there.
//!
//! Compilers say in each module's `.eh_frame` where a function keeps its
//! caller's registers. The C library names the module of an address without a
//! lock (`_dl_find_object`, glibc 2.35); its table is searched, and the few rules
//! of the function are followed. Where there is nothing said, the frame pointer
//! is.
//!
//! Invariants: nothing is read from the stack but what lies above the stack
//! pointer of the walk, and the first read of a page asks the kernel whether it
//! can be read. Frames only go up. Nothing is allocated.

use super::unwind_rules::{REGISTERS, RIP, RSP, Registers, Rules, step};
use core::ffi::{c_int, c_void};

const PAGE: usize = 4096;

/// Most bytes that lie between two frames of one stack. Where a register is believed
/// to lead to a frame and does not, every page on the way is asked for.
const MOST_APART: usize = 1 << 20;

/// What the C library says of the module that an address lies in.
#[repr(C)]
pub(super) struct Module {
    flags: u64,
    start: usize,
    end: usize,
    map: *const c_void,
    /// Its `.eh_frame_hdr`.
    pub(super) header: *const u8,
    reserved: [u64; 7],
}

// Older C libraries, and others than glibc, have no such function: then the
// symbol's address is null.
core::arch::global_asm!(".weak _dl_find_object");

type FindObject = unsafe extern "C" fn(*const c_void, *mut Module) -> c_int;

/// The module that `address` lies in, if the C library can tell.
pub(super) fn module_of(address: usize) -> Option<Module> {
    let find: usize;
    // SAFETY: reads the symbol's address, null if nothing defines it.
    unsafe {
        core::arch::asm!(
            "mov {find}, qword ptr [rip + _dl_find_object@GOTPCREL]",
            find = out(reg) find,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    if find == 0 {
        return None;
    }
    let mut module = Module {
        flags: 0,
        start: 0,
        end: 0,
        map: core::ptr::null(),
        header: core::ptr::null(),
        reserved: [0; 7],
    };
    // SAFETY: the symbol is the C library's function of this type, and the module
    // is as large as it writes on this architecture.
    unsafe {
        let find = core::mem::transmute::<usize, FindObject>(find);
        let found = find(core::ptr::without_provenance(address), &raw mut module) == 0;
        (found && !module.header.is_null()).then_some(module)
    }
}

/// The range of addresses of the module that `address` lies in.
pub fn module_range(address: usize) -> Option<(usize, usize)> {
    module_of(address).map(|module| (module.start, module.end))
}

/// What was added to the addresses in the file of the module that `address` lies
/// in.
pub fn module_slide(address: usize) -> Option<usize> {
    let module = module_of(address)?;
    // SAFETY: the C library's record of a loaded module, whose first word is this
    // (struct link_map, l_addr).
    (!module.map.is_null()).then(|| unsafe { module.map.cast::<usize>().read() })
}

/// A number, never 0, for the module that `address` lies in, mixed from where it begins and
/// the name that the C library has for it. The address lies in code that is running, so that
/// the module stays loaded meanwhile.
pub fn module_key(address: usize) -> Option<u64> {
    /// Bytes of a name that are looked at.
    const MOST: usize = 4096;
    let module = module_of(address)?;
    let mut key = module.start as u64;
    if !module.map.is_null() {
        // SAFETY: the C library's record of a loaded module, whose second word leads to its
        // name (struct link_map, l_name), which ends with a zero.
        let name = unsafe { module.map.cast::<*const u8>().add(1).read() };
        for at in 0..MOST {
            if name.is_null() {
                break;
            }
            // SAFETY: as above; no byte before this one was zero.
            let byte = unsafe { name.add(at).read() };
            if byte == 0 {
                break;
            }
            key = (key ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
    Some(key.max(1))
}

/// What of the stack may be read.
pub(super) struct Memory {
    low: usize,
    known: usize,
}

impl Memory {
    /// The word at `address`, if it lies on the stack and can be read.
    pub(super) fn word(&mut self, address: usize) -> Option<usize> {
        let end = address.checked_add(size_of::<usize>())?;
        if address < self.low || !address.is_multiple_of(size_of::<usize>()) {
            return None;
        }
        while end > self.known {
            if end - self.known > MOST_APART || !super::is_readable(self.known) {
                return None;
            }
            self.known += PAGE;
        }
        // SAFETY: the kernel said that the page can be read; it is the calling
        // thread's stack, or what it was told is one.
        Some(unsafe { core::ptr::with_exposed_provenance::<usize>(address).read() })
    }
}

/// Writes the return addresses of the functions that are being called, the
/// caller's own first, and returns how many: as many as there are and room for.
#[inline(never)]
pub fn backtrace(frames: &mut [usize]) -> usize {
    let mut registers: Registers = [0; REGISTERS];
    // SAFETY: stores registers where they belong.
    unsafe {
        core::arch::asm!(
            "mov [{to} + 3*8], rbx",
            "mov [{to} + 6*8], rbp",
            "mov [{to} + 7*8], rsp",
            "mov [{to} + 12*8], r12",
            "mov [{to} + 13*8], r13",
            "mov [{to} + 14*8], r14",
            "mov [{to} + 15*8], r15",
            "lea {scratch}, [rip]",
            "mov [{to} + 16*8], {scratch}",
            to = in(reg) registers.as_mut_ptr(),
            scratch = out(reg) _,
            options(nostack, preserves_flags),
        );
    }
    let low = registers.get(RSP).copied().unwrap_or(0);
    let mut memory = Memory {
        low,
        known: (low | (PAGE - 1)) + 1,
    };
    let mut is_exact = true;
    let mut count = 0;
    while count < frames.len() {
        let Some(rules) = Rules::find(&registers, is_exact) else {
            break;
        };
        let Some(caller) = step(&rules, &registers, &mut memory) else {
            break;
        };
        let (before, now) = (registers.get(RSP), caller.get(RSP));
        let pc = caller.get(RIP).copied().unwrap_or(0);
        if pc == 0 || now <= before {
            break;
        }
        if let Some(frame) = frames.get_mut(count) {
            *frame = pc;
        }
        count += 1;
        // A signal's frame says where the code was, others where it goes on.
        is_exact = rules.is_signal;
        registers = caller;
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[inline(never)]
    fn deep(depth: usize, frames: &mut [usize]) -> usize {
        if depth == 0 {
            return std::hint::black_box(backtrace(frames));
        }
        std::hint::black_box(deep(depth - 1, frames))
    }

    #[test]
    fn each_call_is_a_frame() {
        let mut frames = [0; 64];
        let shallow = deep(0, &mut frames);
        let mut more = [0; 64];
        let deeper = deep(7, &mut more);
        assert_eq!(deeper, shallow + 7);
        assert!(
            shallow > 5,
            "a test's thread has more than {shallow} frames"
        );
        // The frames of the recursion return to the same place.
        assert!(more[2..8].iter().all(|&frame| frame == more[1]));
        let (start, end) = module_range(deep as *const () as usize).expect("a module");
        assert!(more[..8].iter().all(|frame| (start..end).contains(frame)));
    }

    #[test]
    fn stops_where_there_is_no_room() {
        let mut frames = [0; 3];
        assert_eq!(deep(9, &mut frames), 3);
        assert_eq!(backtrace(&mut []), 0);
    }

    #[test]
    fn of_a_first_thread_and_of_a_signal_handler() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        extern "C" fn handler(_: libc::c_int) {
            let mut frames = [0; 64];
            COUNT.store(backtrace(&mut frames), Ordering::Relaxed);
        }
        #[inline(never)]
        fn raise() -> i32 {
            // SAFETY: the handler is this test's own.
            unsafe {
                let mut action: libc::sigaction = std::mem::zeroed();
                action.sa_sigaction = handler as *const () as usize;
                libc::sigaction(libc::SIGUSR2, &raw const action, std::ptr::null_mut());
                libc::raise(libc::SIGUSR2)
            }
        }
        let mut frames = [0; 64];
        let here = backtrace(&mut frames);
        assert_eq!(std::hint::black_box(raise()), 0);
        let in_handler = COUNT.load(Ordering::Relaxed);
        assert!(in_handler >= here + 2, "{in_handler} frames in, {here} out");
    }
}
