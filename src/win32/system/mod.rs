//! What the machine is, and how its memory is used.
//!
//! Most figures are the system's. What can be committed is the sum of its memory and
//! its room for swapping, or the process's own limit where that is smaller; what is
//! committed is what the system counts, and with it what this library has committed
//! of address space that the system promises nobody: its own account (`vm`).

mod machine;
mod memory;
mod usage;

pub use machine::{
    GetLargePageMinimum, GetNativeSystemInfo, GetPhysicallyInstalledSystemMemory, GetSystemInfo,
};
pub use memory::{GlobalMemoryStatus, GlobalMemoryStatusEx};
pub use usage::{K32GetPerformanceInfo, K32GetProcessMemoryInfo};
