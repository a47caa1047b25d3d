//! Gives the shared library its name and the order of its code.

use std::env;
use std::path::Path;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=rare.ld");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libntheap.so");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,now");
        // Threads that end call into the library whether it was closed or not.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
        if env::var("CARGO_CFG_TARGET_ENV").as_deref() == Ok("gnu")
            && env::var("CARGO_CFG_TARGET_ARCH").as_deref() == Ok("x86_64")
            && env::var("CARGO_CFG_TARGET_POINTER_WIDTH").as_deref() == Ok("64")
        {
            // What it would bring is in calls.rs, or for nothing.
            println!("cargo:rustc-cdylib-link-arg=-nostartfiles");
        }
        // A segment that begins within a page touches one more.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,separate-loadable-segments");
        let folder = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default();
        let order = Path::new(&folder).join("rare.ld");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-T,{}", order.display());
    }
}
