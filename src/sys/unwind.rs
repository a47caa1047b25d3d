//! The return addresses on the calling thread's stack, found without
//! allocating, without a lock, and without trusting what lies there.
//!
//! Compilers say in each module's `.eh_frame` where a function keeps its
//! caller's registers. The C library names the module of an address without a
//! lock (`_dl_find_object`, glibc 2.35); its table is searched, and the few rules
//! of the function are followed. Where there is nothing said, the frame pointer
//! is.
//!
//! What was found for an address of code is remembered (unwind_memory.rs): stacks
//! are alike, and finding a function's rules takes far longer than following them.
//!
//! Invariants: nothing is read from the stack but what lies above the stack
//! pointer of the walk, and the first read of a page asks the kernel whether it
//! can be read. Frames only go up. Nothing is allocated, and errno stays.

use super::unwind_memory::{self, Short};
use super::unwind_rules::{REGISTERS, RIP, RSP, Registers, Rules, Scratch, function_of, step};
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

impl Module {
    fn has(&self, address: usize) -> bool {
        (self.start..self.end).contains(&address)
    }

    /// A number for the code at `pc`: of another module that is loaded to the same
    /// place later it is another one, unless both are laid out alike.
    fn code(&self, pc: usize) -> u64 {
        // SAFETY: the header, of at least 12 bytes, is the loaded module's.
        let told = unsafe { self.header.add(4).cast::<u64>().read_unaligned() };
        let mixed =
            (self.header.addr() as u64 ^ told.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (pc as u64) ^ mixed
    }
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

/// The range of addresses of the function that `address` lies in, up to the next function
/// that its module tells of. The module stays loaded meanwhile.
pub fn function_range(address: usize) -> Option<(usize, usize)> {
    function_of(module_of(address)?.header, address)
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
    /// The lowest address of the walk.
    low: usize,
    /// The end of the highest page that was read.
    high: usize,
    /// Pages that can be read, by their first addresses: the last two that were
    /// asked about.
    known: [usize; 2],
}

impl Memory {
    /// Of a walk from the stack pointer `low` on, whose page is in use.
    pub(super) fn above(low: usize) -> Memory {
        let page = low & !(PAGE - 1);
        Memory {
            low,
            high: page.wrapping_add(PAGE),
            known: [page; 2],
        }
    }

    /// Of a walk from a stack pointer that may lead nowhere.
    fn unknown(low: usize) -> Memory {
        Memory {
            low,
            high: low & !(PAGE - 1),
            // No page begins there.
            known: [1; 2],
        }
    }

    /// The word at `address`, if it lies on the stack and can be read.
    #[inline]
    pub(super) fn word(&mut self, address: usize) -> Option<usize> {
        if address < self.low || !address.is_multiple_of(size_of::<usize>()) {
            return None;
        }
        let page = address & !(PAGE - 1);
        if !self.known.contains(&page) {
            self.ask(page)?;
        }
        // SAFETY: the kernel said that the page can be read, and an aligned word lies
        // in one page; it is the calling thread's stack, or what it was told is one.
        Some(unsafe { core::ptr::with_exposed_provenance::<usize>(address).read() })
    }

    /// Finds out whether a page can be read.
    #[cold]
    fn ask(&mut self, page: usize) -> Option<()> {
        if page > self.high.saturating_add(MOST_APART) || !super::is_readable(page) {
            return None;
        }
        self.high = self.high.max(page.saturating_add(PAGE));
        let [_, last] = self.known;
        self.known = [last, page];
        Some(())
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
    walk(registers, Memory::above(low), true, frames)
}

/// [`backtrace`] of the code that a fault interrupted. The first frame is the byte behind
/// the instruction's first, so that it lies behind what did it as all others do. After a call of
/// a wild pointer it is the address that the call returns to.
#[cold]
pub fn backtrace_of(fault: &super::Fault, frames: &mut [usize]) -> usize {
    let context = fault.registers.cast::<libc::ucontext_t>();
    // SAFETY: the kernel passed the thread's registers, which stay until the handler returns.
    let general = unsafe { &(*context).uc_mcontext.gregs };
    let mut registers: Registers = [0; REGISTERS];
    for (to, place) in registers.iter_mut().zip(PLACES) {
        *to = general.get(place as usize).map_or(0, |&held| held as usize);
    }
    let Some((first, rest)) = frames.split_first_mut() else {
        return 0;
    };
    let mut memory = Memory::unknown(registers[RSP]);
    // Code may lie in no module, as what a program makes while it runs does: a wild call is
    // one where the processor found no instruction.
    let is_wild = fault.wanted == super::Wanted::Execute || !super::is_readable(registers[RIP]);
    // What was called in vain has no frame: its caller's begins behind the return address.
    // What was jumped to in vain has left none, and any word may lie there.
    let caller = match is_wild {
        true => memory.word(registers[RSP]),
        false => None,
    };
    let caller = caller.filter(|&word| module_of(word).is_some());
    if let Some(caller) = caller {
        *first = caller;
        registers[RIP] = caller;
        registers[RSP] = registers[RSP].wrapping_add(size_of::<usize>());
    } else {
        *first = registers[RIP].wrapping_add(1);
    }
    1 + walk(registers, memory, caller.is_none(), rest)
}

/// Where the kernel keeps the registers, by DWARF's numbers.
const PLACES: [c_int; REGISTERS] = [
    libc::REG_RAX,
    libc::REG_RDX,
    libc::REG_RCX,
    libc::REG_RBX,
    libc::REG_RSI,
    libc::REG_RDI,
    libc::REG_RBP,
    libc::REG_RSP,
    libc::REG_R8,
    libc::REG_R9,
    libc::REG_R10,
    libc::REG_R11,
    libc::REG_R12,
    libc::REG_R13,
    libc::REG_R14,
    libc::REG_R15,
    libc::REG_RIP,
];

/// Writes the return addresses above the frame that `registers` are of, and returns how
/// many: as many as there are and room for. `is_exact` says that the code's address is not a
/// return address itself.
fn walk(
    mut registers: Registers,
    mut memory: Memory,
    mut is_exact: bool,
    frames: &mut [usize],
) -> usize {
    let mut scratch = Scratch::new();
    let mut module = None;
    let mut count = 0;
    while count < frames.len() {
        let pc = registers[RIP].wrapping_sub(usize::from(!is_exact));
        if !module.as_ref().is_some_and(|of: &Module| of.has(pc)) {
            module = module_of(pc);
        }
        let Some((caller, is_signal)) =
            caller(pc, module.as_ref(), &registers, &mut memory, &mut scratch)
        else {
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
        is_exact = is_signal;
        registers = caller;
    }
    count
}

/// The registers of whoever called the code at `pc`, and whether that is the frame
/// of a signal.
fn caller(
    pc: usize,
    module: Option<&Module>,
    registers: &Registers,
    memory: &mut Memory,
    scratch: &mut Scratch,
) -> Option<(Registers, bool)> {
    let Some(module) = module else {
        let rules = Rules::of_frame_pointer();
        return Some((step(&rules, registers, memory)?, false));
    };
    let code = module.code(pc);
    if let Some(short) = unwind_memory::find(code) {
        return Some((short.step(registers, memory)?, false));
    }
    let rules = Rules::find(pc, module.header, scratch)?;
    if let Some(short) = Short::of(&rules) {
        unwind_memory::keep(code, short);
    }
    Some((step(&rules, registers, memory)?, rules.is_signal))
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
