//! What is told of the machine and to its debugger.

use crate::answers::NULL;
use crate::pages::row;
use crate::scene::*;
use crate::table::{Row, family};
use ntheap::win32::*;
use std::mem::MaybeUninit;

const OWN: HANDLE = std::ptr::without_provenance_mut(usize::MAX);

fn keep(_: &Scene, _: usize) {}

/// A number that is 0 where the system does not tell.
fn number(told: usize) -> Result<usize, u32> {
    if told == 0 {
        return Err(NULL);
    }
    Ok(told)
}

fn guarantee(bytes: ULONG) -> Result<(), u32> {
    let mut bytes = bytes;
    // SAFETY: the number is this function's.
    truth(unsafe { SetThreadStackGuarantee(&raw mut bytes) }).map(|_| ())
}

/// A process that says nothing to whoever started it.
fn silent() -> Scene {
    let nobody = std::fs::File::options().write(true).open("/dev/null");
    let nobody = std::os::fd::IntoRawFd::into_raw_fd(nobody.expect("nobody"));
    // SAFETY: two descriptors of this process, which has no other thread.
    unsafe {
        assert_eq!(libc::dup2(nobody, 2), 2);
        libc::close(nobody);
    }
    Scene::default()
}

#[test]
fn the_machine() {
    let rows = [
        row!(
            "`GetSystemInfo`",
            &[],
            Scene::default,
            |_| {
                let mut told = MaybeUninit::<SYSTEM_INFO>::zeroed();
                // SAFETY: the structure is this function's, and all zero is a value of it.
                let told = unsafe {
                    GetSystemInfo(told.as_mut_ptr());
                    told.assume_init()
                };
                number(told.dwPageSize as usize)
            },
            keep
        ),
        row!(
            "`GetNativeSystemInfo`",
            &[],
            Scene::default,
            |_| {
                let mut told = MaybeUninit::<SYSTEM_INFO>::zeroed();
                // SAFETY: as above.
                let told = unsafe {
                    GetNativeSystemInfo(told.as_mut_ptr());
                    told.assume_init()
                };
                number(told.dwNumberOfProcessors as usize)
            },
            keep
        ),
        row!(
            "`GetPhysicallyInstalledSystemMemory`",
            &[ERROR_NOT_SUPPORTED],
            Scene::default,
            |_| {
                let mut kib = 0;
                // SAFETY: the number is this function's.
                truth(unsafe { GetPhysicallyInstalledSystemMemory(&raw mut kib) })?;
                number(kib as usize)
            },
            keep
        ),
        row!(
            "`GetLargePageMinimum`",
            &[NULL],
            Scene::default,
            |_| number(GetLargePageMinimum()),
            keep
        ),
        row!(
            "`GlobalMemoryStatusEx`",
            &[ERROR_NOT_SUPPORTED],
            Scene::default,
            |_| {
                let mut told = MaybeUninit::<MEMORYSTATUSEX>::zeroed();
                // SAFETY: the structure is this function's, and all zero is a value of it.
                let (done, told) = unsafe {
                    (*told.as_mut_ptr()).dwLength = size_of::<MEMORYSTATUSEX>() as DWORD;
                    (GlobalMemoryStatusEx(told.as_mut_ptr()), told.assume_init())
                };
                truth(done)?;
                number(told.ullTotalPhys as usize)
            },
            keep
        ),
        row!(
            "`GlobalMemoryStatus`",
            &[NULL],
            Scene::default,
            |_| {
                let mut told = MaybeUninit::<MEMORYSTATUS>::zeroed();
                // SAFETY: as above.
                let told = unsafe {
                    GlobalMemoryStatus(told.as_mut_ptr());
                    told.assume_init()
                };
                number(told.dwTotalPhys)
            },
            keep
        ),
        row!(
            "`K32GetPerformanceInfo`",
            &[ERROR_NOT_SUPPORTED],
            Scene::default,
            |_| {
                let mut told = MaybeUninit::<PERFORMANCE_INFORMATION>::zeroed();
                let size = size_of::<PERFORMANCE_INFORMATION>() as DWORD;
                // SAFETY: as above.
                let (done, told) = unsafe {
                    (
                        K32GetPerformanceInfo(told.as_mut_ptr(), size),
                        told.assume_init(),
                    )
                };
                truth(done)?;
                assert!(told.ProcessCount > 0, "a part of it is told");
                number(told.PhysicalTotal)
            },
            keep
        ),
        row!(
            "`K32GetProcessMemoryInfo`",
            &[ERROR_NOT_SUPPORTED],
            Scene::default,
            |_| {
                let mut told = MaybeUninit::<PROCESS_MEMORY_COUNTERS>::zeroed();
                let size = size_of::<PROCESS_MEMORY_COUNTERS>() as DWORD;
                // SAFETY: as above.
                let (done, told) = unsafe {
                    (
                        K32GetProcessMemoryInfo(OWN, told.as_mut_ptr(), size),
                        told.assume_init(),
                    )
                };
                truth(done)?;
                number(told.WorkingSetSize)
            },
            keep
        ),
        row!(
            "`SetThreadStackGuarantee`",
            &[ERROR_NOT_ENOUGH_MEMORY],
            Scene::default,
            // Once more when there is one, in a thread that then ends.
            |_| std::thread::spawn(|| guarantee(0x8000).and_then(|()| guarantee(0x2_0000)))
                .join()
                .expect("no panic")
                .map(|()| 0),
            keep
        ),
        row!(
            "`OutputDebugStringA`",
            &[],
            silent,
            |_| {
                // SAFETY: the text ends with 0.
                unsafe { OutputDebugStringA(c"text".as_ptr()) };
                Ok(0)
            },
            keep
        ),
        row!(
            "`OutputDebugStringW`",
            &[],
            silent,
            |_| {
                // SAFETY: as above.
                unsafe { OutputDebugStringW([65, 0].as_ptr()) };
                Ok(0)
            },
            keep
        ),
        row!(
            "`Toolhelp32ReadProcessMemory`",
            &[ERROR_NOT_SUPPORTED],
            Scene::default,
            |_| {
                let (from, mut bytes, mut count) = ([7u8; 16], [0u8; 16], 0);
                let (at, to) = (from.as_ptr().cast(), bytes.as_mut_ptr().cast());
                // SAFETY: the buffer has room for so many.
                let done = unsafe { Toolhelp32ReadProcessMemory(0, at, to, 16, &raw mut count) };
                truth(done)?;
                assert_eq!((count, bytes), (16, from));
                Ok(0)
            },
            keep
        ),
    ];
    family("The machine", &rows);
}
