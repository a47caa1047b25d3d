// What a shared library needs in place of the standard library, where panics
// abort. Each of the three has it: they cannot share it otherwise, for a library
// that is linked with the standard library must not have it.

// The standard library would bring it.
#[cfg(panic = "abort")]
#[link(name = "c")]
unsafe extern "C" {
    safe fn abort() -> !;
}

#[cfg(panic = "abort")]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    abort()
}

// The unwinding tables of Rust's core library name this function; nothing
// unwinds here. Hidden, for a program has its own.
#[cfg(panic = "abort")]
core::arch::global_asm!(
    ".pushsection .text.rust_eh_personality",
    ".hidden rust_eh_personality",
    ".globl rust_eh_personality",
    "rust_eh_personality:",
    "ret",
    ".popsection",
);
