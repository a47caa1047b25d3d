//! Counts and prints the table.
//!
//! ```console
//! $ cargo run --release -p ntheap-instructions
//! ```

use ntheap_instructions::{Bench, target_folder};
use std::process::ExitCode;

fn main() -> ExitCode {
    let bench = target_folder().and_then(|target| Bench::prepare(&target));
    match bench.and_then(|bench| bench.table()) {
        Ok(table) => {
            print!("{table}");
            ExitCode::SUCCESS
        }
        Err(e) => {
            eprintln!("ntheap-instructions: {e}");
            ExitCode::FAILURE
        }
    }
}
