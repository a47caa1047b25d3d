//! A debug heap: asking for blocks, and freeing them.
//!
//! The order of a request: checks that are due, its number and the breakpoint,
//! the program's allocation hook, the runtime's heap, the list. Of a free: checks
//! that are due, the look at the block, reports of what is wrong with it, the
//! hook, the list, the runtime's heap.
//!
//! Microsoft's pages have the words of dumps and of assertions in general. Those of
//! damage, and of what is no block, are the ones that programs' users quote in
//! public; where the two say nothing of a case (a request that cannot be, a hook
//! that refuses), the choice is this library's: a warning, and the documented
//! errno.

use super::block::{self, LEAD, OVERHEAD};
use super::kind::{
    ASSERT, CRT_BLOCK, ERROR, FREE_BLOCK, HOOK_ALLOC, HOOK_FREE, IGNORE_BLOCK, NORMAL_BLOCK,
    UNKNOWN_BLOCK, WARN, can_be_asked_for, flags, name_of, type_of,
};
use super::life;
use super::list::{List, Request, Seen};
use super::records::{NONE, Record};
use super::report::{self, complain};
use super::text::Text;
use crate::crt::{Crt, MAX_REQUEST, errno, instance, new_handler};
use crate::sync::{Function, Mutex, Once};
use core::ffi::{CStr, c_char, c_int, c_long, c_uchar, c_void};
use core::ptr;
use core::sync::atomic::{AtomicI32, AtomicIsize, AtomicPtr, Ordering};

/// A program's own look at every request, before it is done: what it is
/// ([`HOOK_ALLOC`] and its kin), the block to be resized or freed, null for a new
/// one, the size, the block's type, the request's number, and where it comes from. 0 makes it fail.
pub type AllocHook = unsafe extern "C" fn(
    what: c_int,
    block: *mut c_void,
    size: usize,
    block_use: c_int,
    request: c_long,
    file: *const c_uchar,
    line: c_int,
) -> c_int;

/// A program's own way to show a client block: its bytes, and how many they are.
pub type DumpClient = unsafe extern "C" fn(block: *mut c_void, size: usize);

/// Where a request comes from. The text is kept as an address.
#[derive(Clone, Copy, Debug)]
pub struct Origin {
    file: *const c_char,
    line: i32,
}

impl Origin {
    /// Nobody knows.
    pub const NONE: Origin = Origin {
        file: ptr::null(),
        line: 0,
    };

    /// A line of a file.
    pub const fn new(file: &'static CStr, line: i32) -> Origin {
        Origin {
            file: file.as_ptr(),
            line,
        }
    }

    /// A line of a file by the address of its name, which may be null.
    ///
    /// # Safety
    /// A text that ends with 0 lies there, which does not change. It should live
    /// as long as the program: where it can be read no more, reports say so.
    pub const unsafe fn from_raw(file: *const c_char, line: i32) -> Origin {
        Origin { file, line }
    }

    /// The address of the file's name, or null.
    pub const fn file(&self) -> *const c_char {
        self.file
    }

    /// The line.
    pub const fn line(&self) -> i32 {
        self.line
    }
}

/// What a new block's bytes are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// [`block::NEW`].
    New,
    /// 0.
    Zero,
}

/// A debug heap on the heap of an instance of the C runtime. See the
/// [module](super).
pub struct DebugHeap {
    pub(super) crt: &'static Crt,
    pub(super) list: Mutex<List>,
    flags: AtomicI32,
    break_at: AtomicIsize,
    alloc_hook: Function<AllocHook>,
    dump_client: Function<DumpClient>,
    /// The debug heap that was entered before this one.
    pub(super) entered: AtomicPtr<DebugHeap>,
    pub(super) started: Once,
}

/// The debug heap of the runtime that all modules share.
static SHARED: DebugHeap = DebugHeap::on(&instance::SHARED);

impl DebugHeap {
    /// The debug heap of [`Crt::shared`], and so of the C library's functions.
    pub fn shared() -> &'static DebugHeap {
        &SHARED
    }

    /// A debug heap on an instance of the runtime, which is not to be detached
    /// from its module any more.
    pub const fn on(crt: &'static Crt) -> DebugHeap {
        DebugHeap {
            crt,
            list: Mutex::new(List::new()),
            flags: AtomicI32::new(flags::ALLOC_MEM),
            break_at: AtomicIsize::new(-1),
            alloc_hook: Function::none(),
            dump_client: Function::none(),
            entered: AtomicPtr::new(ptr::null_mut()),
            started: Once::new(),
        }
    }

    /// Its [`flags`].
    pub fn flags(&self) -> i32 {
        self.flags.load(Ordering::Relaxed)
    }

    pub(super) fn has(&self, flag: i32) -> bool {
        self.flags() & flag != 0
    }

    /// Sets its [`flags`]; those before. None, and nothing changed, when one has
    /// no meaning.
    pub fn set_flags(&'static self, new: i32) -> Option<i32> {
        if new & !flags::KNOWN != 0 {
            return None;
        }
        self.start();
        if new & flags::LEAK_CHECK != 0 {
            life::expect_end();
        }
        Some(self.flags.swap(new, Ordering::Relaxed))
    }

    /// Where the flags are, for programs that change them themselves.
    pub fn flags_place(&self) -> *mut i32 {
        self.flags.as_ptr()
    }

    /// Breaks into the debugger at the request of this number, before it is
    /// done; -1 at none. The number before.
    ///
    /// Source: "_CrtSetBreakAlloc".
    pub fn break_at(&self, request: isize) -> isize {
        self.break_at.swap(request, Ordering::Relaxed)
    }

    /// Where that number is, for programs that change it themselves.
    pub fn break_place(&self) -> *mut isize {
        self.break_at.as_ptr()
    }

    /// Sets the allocation hook, or takes it away; the one before. It is called
    /// with no lock held, by any thread, and may allocate and free; it must not
    /// ask for more in answer to what it asks for itself.
    ///
    /// # Safety
    /// The hook can be called until it is replaced, and a while after that if
    /// other threads are allocating.
    pub unsafe fn set_alloc_hook(&self, hook: Option<AllocHook>) -> Option<AllocHook> {
        self.alloc_hook.swap(hook)
    }

    /// The allocation hook.
    pub fn alloc_hook(&self) -> Option<AllocHook> {
        self.alloc_hook.get()
    }

    /// Sets what shows client blocks, or takes it away; the one before. It is
    /// called with no lock held.
    ///
    /// # Safety
    /// As for [`DebugHeap::set_alloc_hook`].
    pub unsafe fn set_dump_client(&self, dump: Option<DumpClient>) -> Option<DumpClient> {
        self.dump_client.swap(dump)
    }

    /// What shows client blocks.
    pub fn dump_client(&self) -> Option<DumpClient> {
        self.dump_client.get()
    }

    /// Asks for `size` bytes of the given type: filled with [`block::NEW`] and
    /// fenced. Null and ENOMEM when there is no memory, and the new handler, asked
    /// in new mode 1, knows of none, the hook refuses, or the size is above what a
    /// block can have; null and EINVAL, after a report,
    /// when blocks cannot be asked for as that type.
    ///
    /// Constant time, but for the filling and the checks that the flags ask for.
    ///
    /// Source: "_malloc_dbg".
    pub fn allocate(&'static self, size: usize, block_use: i32, origin: Origin) -> *mut u8 {
        self.obtain(size, Fill::New, block_use, origin)
    }

    /// [`DebugHeap::allocate`] of `count` times `size` bytes of 0; null and ENOMEM
    /// also when that is more than there can be.
    ///
    /// Source: "_calloc_dbg".
    pub fn allocate_zeroed(
        &'static self,
        count: usize,
        size: usize,
        block_use: i32,
        origin: Origin,
    ) -> *mut u8 {
        match count.checked_mul(size) {
            Some(bytes) => self.obtain(bytes, Fill::Zero, block_use, origin),
            None => {
                errno::set(errno::ENOMEM);
                ptr::null_mut()
            }
        }
    }

    fn obtain(&'static self, size: usize, fill: Fill, block_use: i32, origin: Origin) -> *mut u8 {
        self.check_if_due();
        let Some(request) = self.request(HOOK_ALLOC, ptr::null_mut(), size, block_use, origin)
        else {
            return ptr::null_mut();
        };
        new_handler::attempt(size, || self.place(size, fill, request))
    }

    /// Numbers a request for a new block (null) or for another size of a block,
    /// and asks the hook. None, and errno set, when it is
    /// refused.
    pub(super) fn request(
        &'static self,
        what: i32,
        block: *mut u8,
        size: usize,
        block_use: i32,
        origin: Origin,
    ) -> Option<Request> {
        self.start();
        if !can_be_asked_for(block_use) {
            self.complain_of_origin(
                ERROR,
                origin,
                format_args!("Error: memory allocation: bad memory block type.\n"),
            );
            errno::set(errno::EINVAL);
            return None;
        }
        let number = self.list.lock().next_number();
        if self.break_at.load(Ordering::Relaxed) == number as isize {
            report::break_here();
        }
        let is_ignored = !self.has(flags::ALLOC_MEM) && type_of(block_use) != CRT_BLOCK as usize;
        let request = Request {
            number,
            block_use: if is_ignored { IGNORE_BLOCK } else { block_use },
            file: origin.file,
            line: origin.line,
        };
        if !self.ask_hook(what, block, size, &request) {
            match origin.file.is_null() {
                true => complain(WARN, format_args!("Client hook allocation failure.\n")),
                false => {
                    let mut text = Text::<1200>::new();
                    text.append(b"Client hook allocation failure at file ");
                    append_name(&mut text, origin.file);
                    // The buffer truncates and never fails.
                    let _ = fmt_line(&mut text, origin.line);
                    if report::say_bytes(WARN, text.as_bytes()) {
                        report::break_here();
                    }
                }
            }
            errno::set(errno::ENOMEM);
            return None;
        }
        if size > MAX_REQUEST - OVERHEAD {
            complain(
                WARN,
                format_args!("Invalid allocation size: {size} bytes.\n"),
            );
            errno::set(errno::ENOMEM);
            return None;
        }
        Some(request)
    }

    /// Whether the hook lets a request go on.
    pub(super) fn ask_hook(
        &self,
        what: i32,
        block: *mut u8,
        size: usize,
        request: &Request,
    ) -> bool {
        let Some(hook) = self.alloc_hook() else {
            return true;
        };
        // SAFETY: whoever set it promised so; no lock is held.
        unsafe {
            hook(
                what,
                block.cast(),
                size,
                request.block_use,
                request.number as c_long,
                request.file.cast(),
                request.line,
            ) != 0
        }
    }

    /// A new block that has passed the hook; null when there is no memory.
    pub(super) fn place(&'static self, size: usize, fill: Fill, request: Request) -> *mut u8 {
        let base = self.crt.allocate(size + OVERHEAD);
        if base.is_null() {
            return base;
        }
        let data = base.wrapping_add(LEAD);
        let value = match fill {
            Fill::New => block::NEW,
            Fill::Zero => 0,
        };
        // SAFETY: the new block has room for its lead, its bytes and a fence.
        let is_entered = unsafe {
            data.write_bytes(value, size);
            self.list.lock().enter(data, size, request)
        };
        if !is_entered {
            // SAFETY: nobody else knows of the block.
            let _ = unsafe { self.crt.free(base) };
            return ptr::null_mut();
        }
        data
    }

    /// The block of the list that starts at `data`. Any address may be asked
    /// about.
    pub(super) fn find(&self, list: &List, data: *const u8) -> u32 {
        let base = data.wrapping_sub(LEAD);
        if data.addr() <= LEAD || !data.addr().is_multiple_of(16) {
            return NONE;
        }
        if !self.crt.owns(base) {
            return NONE;
        }
        // SAFETY: a block of the runtime's heap starts at `base`, and any has 16
        // bytes that can be read.
        unsafe { list.find(data.cast_mut()) }.unwrap_or(NONE)
    }

    /// What a look at the block that starts at `data` finds.
    pub(super) fn look(&self, data: *const u8) -> Option<Seen> {
        let list = self.list.lock();
        let index = self.find(&list, data);
        list.look(index)
    }

    /// Looks at a block that a program wants something done with, as that type,
    /// and reports what is wrong with it. None when it is no block at all, or
    /// one that was freed.
    pub(super) fn inspect(&self, data: *mut u8, block_use: i32) -> Option<Seen> {
        let Some(seen) = self.look(data) else {
            complain(ASSERT, format_args!("_CrtIsValidHeapPointer(block)"));
            return None;
        };
        let own = seen.record.block_use;
        if type_of(own) == FREE_BLOCK as usize {
            complain(
                ASSERT,
                format_args!("_BLOCK_TYPE_IS_VALID(header->_block_use)"),
            );
            return None;
        }
        let fits = block_use == UNKNOWN_BLOCK
            || own == block_use
            || own == IGNORE_BLOCK
            || (own & 0xFFFF == CRT_BLOCK && block_use == NORMAL_BLOCK);
        if !fits {
            complain(
                ASSERT,
                format_args!(
                    "header->_block_use == block_use || \
                     header->_block_use == _CRT_BLOCK && block_use == _NORMAL_BLOCK"
                ),
            );
        }
        if seen.damage.any() {
            self.report_damage(ERROR, &seen);
        }
        Some(seen)
    }

    /// Reports what is damaged of a block, in the words of Microsoft's debug
    /// runtime.
    pub(super) fn report_damage(&self, kind: i32, seen: &Seen) {
        let record = &seen.record;
        let name = name_of(record.block_use);
        let origin = record.origin();
        if seen.damage.before {
            self.complain_of_origin(
                kind,
                origin,
                format_args!(
                    "HEAP CORRUPTION DETECTED: before {name} block (#{}) at 0x{:016X}.\n\
                     CRT detected that the application wrote to memory before start of heap \
                     buffer.\n",
                    record.request,
                    record.data.addr()
                ),
            );
        }
        if seen.damage.after {
            self.complain_of_origin(
                kind,
                origin,
                format_args!(
                    "HEAP CORRUPTION DETECTED: after {name} block (#{}) at 0x{:016X}.\n\
                     CRT detected that the application wrote to memory after end of heap \
                     buffer.\n",
                    record.request,
                    record.data.addr()
                ),
            );
        }
        if seen.damage.inside {
            self.complain_of_origin(
                kind,
                origin,
                format_args!(
                    "HEAP CORRUPTION DETECTED: on top of Free block at 0x{:016X}.\n\
                     CRT detected that the application wrote to a heap buffer that was freed.\n",
                    record.data.addr()
                ),
            );
        }
    }

    /// Reports, and says where the block comes from, if that is known.
    fn complain_of_origin(&self, kind: i32, origin: Origin, text: core::fmt::Arguments<'_>) {
        use core::fmt::Write;
        let mut whole = Text::<{ report::MESSAGE_MAX }>::new();
        // The buffer truncates and never fails.
        let _ = whole.write_fmt(text);
        if !origin.file.is_null() {
            whole.append(b"\nMemory allocated at ");
            append_name(&mut whole, origin.file);
            let _ = writeln!(whole, "({}).", origin.line);
        }
        if report::say_bytes(kind, whole.as_bytes()) {
            report::break_here();
        }
    }

    /// Frees a block of that type; null is none. What is wrong with it is
    /// reported; what is no block, or was freed, stays as it is. Freed bytes are
    /// filled with [`block::FREED`]; with [`flags::DELAY_FREE_MEM`] the block
    /// stays in the list. errno stays as it was. A block of another debug heap on
    /// the same heap is freed there.
    ///
    /// Constant time, but for the filling and the checks that the flags ask for.
    ///
    /// Source: "_free_dbg".
    ///
    /// # Safety
    /// If it is a block, nobody uses it any more.
    pub unsafe fn free(&'static self, data: *mut u8, block_use: i32) {
        if data.is_null() {
            return;
        }
        let me = self.keeper_of(data);
        me.check_if_due();
        let Some(seen) = me.inspect(data, block_use) else {
            return;
        };
        let record = seen.record;
        if !me.ask_hook(HOOK_FREE, data, record.size, &record.request()) {
            return;
        }
        // SAFETY: the caller's promise.
        errno::keep(|| unsafe { me.release(&seen) });
    }

    /// Takes a block out of the list, if it is still there, and gives it back, or
    /// keeps it freed.
    ///
    /// # Safety
    /// Nobody uses it any more.
    pub(super) unsafe fn release(&'static self, seen: &Seen) {
        let Record { data, size, .. } = seen.record;
        {
            let mut list = self.list.lock();
            let is_there = list
                .get(seen.index)
                .is_some_and(|now| now.request == seen.record.request && now.data == data);
            if !is_there {
                return;
            }
            // SAFETY: the caller's promise.
            unsafe {
                if self.has(flags::DELAY_FREE_MEM) {
                    list.keep_freed(seen.index);
                    return;
                }
                list.leave(seen.index);
            }
        }
        let base = data.wrapping_sub(LEAD);
        // SAFETY: the block is nobody's, and no longer in the list; its lead,
        // bytes and fence lie in the runtime's block at `base`.
        unsafe {
            base.write_bytes(block::FREED, size + OVERHEAD);
            let _ = self.crt.free_as("_free_dbg", base);
        }
    }

    /// The bytes of a block of that type; none, after a report, when it is none.
    ///
    /// Source: "_msize_dbg".
    pub fn size_of(&'static self, data: *mut u8, block_use: i32) -> Option<usize> {
        let me = self.keeper_of(data);
        me.check_if_due();
        me.inspect(data, block_use).map(|seen| seen.record.size)
    }
}

impl Record {
    pub(super) fn origin(&self) -> Origin {
        Origin {
            file: self.file,
            line: self.line,
        }
    }

    /// The request that the block was made for.
    pub(super) fn request(&self) -> Request {
        Request {
            number: self.request,
            block_use: self.block_use,
            file: self.file,
            line: self.line,
        }
    }
}

/// Appends the name of a file, or what Microsoft's runtime writes where it
/// cannot be read.
pub(super) fn append_name<const N: usize>(text: &mut Text<N>, name: *const c_char) {
    match report::name_at(name) {
        Some(name) => text.append(name.as_bytes()),
        None => text.append(b"#File Error#"),
    }
}

fn fmt_line<const N: usize>(text: &mut Text<N>, line: i32) -> core::fmt::Result {
    use core::fmt::Write;
    writeln!(text, " line {line}.")
}
