//! Whether all of C++'s operators in a process are those of this library, so that a block
//! which goes back by another function than it came from is a mistake.
//!
//! It need not be one where a module has operators of its own: a block of its `new`, which
//! may be malloc, can go back to the `delete` of another module, or the other way round.
//! Such are a program that replaces operators, a module that keeps its own from others,
//! and one that has the C++ library in itself, whose operators nobody sees once its symbols
//! are gone: it is known by the name of the exception that its `new` throws.
//!
//! Asked when there is something to report, so what it costs does not matter; nothing
//! is allocated.

use crate::operators::SYMBOLS;
use core::ffi::{CStr, c_int, c_void};
use core::mem;
use core::ptr;
use core::slice;
use libc::{Elf64_Phdr, Elf64_Sym};

/// Modules by the beginning of their names whose operators are known.
const KNOWN: [&[u8]; 4] = [b"libntheap", b"libstdc++.so", b"libc++.so", b"libc++abi.so"];

/// The name of std::bad_alloc's type, as the module has it that has the type.
const BAD_ALLOC: &[u8] = b"\0St9bad_alloc\0";

/// Whether no operator of C++'s is anybody's but this library's, as far as can be seen.
pub(crate) fn knows_all_operators() -> bool {
    if !are_called() || crate::crt::has_modules_own() {
        return false;
    }
    let mut is_known = true;
    // SAFETY: the callback takes what it is given, and a bool.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut is_known).cast()) };
    is_known
}

/// Whether the operators that a program's calls lead to are those of this library.
pub(crate) fn are_called() -> bool {
    SYMBOLS.iter().all(|symbol| {
        // SAFETY: a name, and a place for what is found; all zeros are one.
        unsafe {
            let address = libc::dlsym(libc::RTLD_DEFAULT, symbol.as_ptr());
            let mut info: libc::Dl_info = mem::zeroed();
            !address.is_null()
                && libc::dladdr(address, &raw mut info) != 0
                && !info.dli_fname.is_null()
                && file(CStr::from_ptr(info.dli_fname)).starts_with(b"libntheap")
        }
    })
}

/// Whether a C++ library is loaded. A search for its symbols would cost a program without
/// one more memory than all of its heap.
pub(crate) fn has_a_library() -> bool {
    unsafe extern "C" fn look(
        info: *mut libc::dl_phdr_info,
        _size: usize,
        found: *mut c_void,
    ) -> c_int {
        // SAFETY: the linker's record of a module, which stays while this runs, with a path
        // or none, and the bool below.
        unsafe {
            let word = file_word((*info).dlpi_name.cast());
            let is_one = word == u64::from_le_bytes(*b"libstdc+")
                || word == u64::from_le_bytes(*b"libc++.s")
                || word == u64::from_le_bytes(*b"libc++ab");
            found.cast::<bool>().write(is_one);
            c_int::from(is_one)
        }
    }
    let mut found = false;
    // SAFETY: the callback takes what it is given, and a bool.
    unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut found).cast()) };
    found
}

/// The last part of a path.
fn file(path: &CStr) -> &[u8] {
    let path = path.to_bytes();
    path.rsplit(|&byte| byte == b'/').next().unwrap_or(path)
}

/// The first eight bytes of the last part of a path, the first one lowest; zeros where it has
/// fewer. Asked at load, so without a call or a table: C's functions of strings, and constants
/// that are no numbers, lie in pages of their own.
///
/// # Safety
/// `path` is a string that ends with a zero, or null.
unsafe fn file_word(path: *const u8) -> u64 {
    if path.is_null() {
        return 0;
    }
    let (mut at, mut word, mut bits) = (0, 0, 0);
    loop {
        // SAFETY: no byte before this one was the zero that ends the string.
        let byte = unsafe { path.add(at).read() };
        at += 1;
        match byte {
            0 => return word,
            b'/' => (word, bits) = (0, 0),
            _ if bits < u64::BITS => {
                word |= u64::from(byte) << bits;
                bits += 8;
            }
            _ => {}
        }
    }
}

/// Looks at a module; not 0 to look at no other.
unsafe extern "C" fn look(
    info: *mut libc::dl_phdr_info,
    _size: usize,
    is_known: *mut c_void,
) -> c_int {
    // SAFETY: the linker's record of a module, which stays while this runs.
    let module = unsafe { Module::new(&*info) };
    if module.is_known() || !(module.has_the_type() || module.has_an_operator()) {
        return 0;
    }
    // SAFETY: what `knows_all_operators` passes.
    unsafe { is_known.cast::<bool>().write(false) };
    1
}

struct Module<'a> {
    base: usize,
    name: &'a CStr,
    segments: &'a [Elf64_Phdr],
}

impl<'a> Module<'a> {
    /// # Safety
    /// The linker's record of a module, which is not unloaded while this is kept.
    unsafe fn new(info: &'a libc::dl_phdr_info) -> Module<'a> {
        // SAFETY: the caller's promise: the name is a string or null, and there are as many
        // segments as it says.
        unsafe {
            Module {
                base: info.dlpi_addr as usize,
                name: if info.dlpi_name.is_null() {
                    c""
                } else {
                    CStr::from_ptr(info.dlpi_name)
                },
                segments: if info.dlpi_phdr.is_null() {
                    &[]
                } else {
                    slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum))
                },
            }
        }
    }

    fn is_known(&self) -> bool {
        let file = file(self.name);
        KNOWN.iter().any(|name| file.starts_with(name))
    }

    fn segments_of(&self, kind: u32) -> impl Iterator<Item = &Elf64_Phdr> {
        self.segments
            .iter()
            .filter(move |segment| segment.p_type == kind)
    }

    /// Whether std::bad_alloc is the module's.
    fn has_the_type(&self) -> bool {
        self.segments_of(libc::PT_LOAD).any(|segment| {
            let is_constant = segment.p_flags & (libc::PF_R | libc::PF_W) == libc::PF_R;
            // SAFETY: the bytes of a segment of a loaded module, which can be read and which
            // nobody writes.
            is_constant
                && !unsafe {
                    libc::memmem(
                        ptr::with_exposed_provenance(
                            self.base.wrapping_add(segment.p_vaddr as usize),
                        ),
                        segment.p_filesz as usize,
                        BAD_ALLOC.as_ptr().cast(),
                        BAD_ALLOC.len(),
                    )
                }
                .is_null()
        })
    }

    /// Whether the module shows an operator to others.
    fn has_an_operator(&self) -> bool {
        let Some(table) = self.symbols() else {
            return false;
        };
        // SAFETY: the tables of a loaded module.
        SYMBOLS.iter().any(|name| unsafe { table.defines(name) })
    }

    fn symbols(&self) -> Option<Symbols> {
        const GNU_HASH: usize = 0x6fff_fef5;
        let (strings, symbols) = (5, 6);
        let dynamic = self.segments_of(libc::PT_DYNAMIC).next()?;
        let mut entry: *const [usize; 2] =
            ptr::with_exposed_provenance(self.base.wrapping_add(dynamic.p_vaddr as usize));
        let (mut hash, mut names, mut table) = (0, 0, 0);
        loop {
            // SAFETY: the entries of a dynamic section, which ends with one of kind 0.
            let [kind, value] = unsafe { entry.read() };
            // The linker has made addresses of them, but for modules of the kernel's.
            let address = if value < self.base {
                self.base.wrapping_add(value)
            } else {
                value
            };
            match kind {
                0 => break,
                GNU_HASH => hash = address,
                _ if kind == strings => names = address,
                _ if kind == symbols => table = address,
                _ => {}
            }
            entry = entry.wrapping_add(1);
        }
        (hash != 0 && names != 0 && table != 0).then_some(Symbols { hash, names, table })
    }
}

/// The tables by which the linker finds a module's symbols, by their addresses.
struct Symbols {
    hash: usize,
    names: usize,
    table: usize,
}

impl Symbols {
    /// Whether a symbol of this name is defined.
    ///
    /// # Safety
    /// The tables are those of a loaded module.
    unsafe fn defines(&self, name: &CStr) -> bool {
        let word = |at: usize| -> u32 {
            // SAFETY: the callers' words lie in the table of hashes, at multiples of 4.
            unsafe { ptr::with_exposed_provenance::<u32>(at).read() }
        };
        let hash = name.to_bytes().iter().fold(5381u32, |hash, &byte| {
            hash.wrapping_mul(33).wrapping_add(u32::from(byte))
        });
        // Buckets, the first symbol that is hashed, words of the filter; then the filter,
        // the buckets, and a hash for each symbol whose last bit ends its chain.
        let (buckets, first, filters) = (
            word(self.hash),
            word(self.hash + 4),
            word(self.hash + 8) as usize,
        );
        if buckets == 0 {
            return false;
        }
        let bucket_table = self.hash + 16 + filters * 8;
        let chains = bucket_table + buckets as usize * 4;
        let mut index = word(bucket_table + (hash % buckets) as usize * 4);
        if index < first {
            return false;
        }
        loop {
            let found = word(chains + (index - first) as usize * 4);
            if found | 1 == hash | 1 {
                let symbol: *const Elf64_Sym = ptr::with_exposed_provenance(
                    self.table + index as usize * size_of::<Elf64_Sym>(),
                );
                // SAFETY: a symbol of the table, and its name among the strings.
                let (is_defined, is_it) = unsafe {
                    let symbol = &*symbol;
                    let text = ptr::with_exposed_provenance(self.names + symbol.st_name as usize);
                    (symbol.st_shndx != 0, CStr::from_ptr(text) == name)
                };
                if is_it {
                    return is_defined;
                }
            }
            if found & 1 != 0 {
                return false;
            }
            index += 1;
        }
    }
}
