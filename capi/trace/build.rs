//! Gives the shared library its name.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libntheap_trace.so");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,now");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    }
}
