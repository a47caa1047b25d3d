//! Gives the shared library its name.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libntheap.so");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,now");
        // Threads that end call into the library whether it was closed or not.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
