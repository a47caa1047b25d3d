//! Freeing in one module what another one allocated: the bug that crashes
//! programs whose libraries have a C runtime each, for real.
//!
//! ```text
//!   host (Rust)                     CrtHeap "host"
//!     dlopen libntheap_plugin_a.so  CrtHeap "ntheap-plugin-a"   its own copy
//!     dlopen libntheap_plugin_b.so  CrtHeap "ntheap-plugin-b"   its own copy
//!     dlopen libcpp_a.so            heap "cpp a"  }  both by libntheap.so,
//!     dlopen libcpp_b.so            heap "cpp b"  }  a copy as well
//! ```
//!
//! `ntheap-plugins FOLDER` plays every case in every mode of `NTHEAP_CRT`, in a
//! process each, and says whether it works, is hidden, or is caught, with the
//! report. `ntheap-plugins FOLDER CASE` plays one case in the mode that the
//! environment names. FOLDER has the four libraries above, `libntheap.so` and
//! `libntheap_win32.so`.

mod cases;
mod library;
mod play;

use ntheap::CrtHeap;
use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

#[global_allocator]
static RUNTIME: CrtHeap = CrtHeap::new("host");

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let Some(folder) = arguments.next().map(PathBuf::from) else {
        eprintln!("usage: ntheap-plugins FOLDER [CASE]");
        return ExitCode::FAILURE;
    };
    match arguments.next() {
        None => play::all(&folder),
        Some(name) => {
            let name = name.to_string_lossy();
            match cases::CASES.iter().find(|case| case.name == name) {
                Some(case) => {
                    (case.play)(&folder);
                    println!("went on");
                    ExitCode::SUCCESS
                }
                None => {
                    eprintln!("no case {name}");
                    ExitCode::FAILURE
                }
            }
        }
    }
}
