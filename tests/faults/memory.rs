//! Global and local memory, COM's task memory, snapshots of heaps.

use crate::answers::NULL;
use crate::pages::row;
use crate::scene::*;
use crate::table::{Row, family};
use ntheap::win32::*;
use std::ptr::null_mut;

const MEMORY: &[u32] = &[ERROR_NOT_ENOUGH_MEMORY];
const NOTHING: &[u32] = &[NULL];
const LARGE: usize = 0x20_0000;

fn keep(_: &Scene, _: usize) {}

fn global(flags: UINT, size: usize) -> Result<usize, u32> {
    // SAFETY: no promise to keep.
    got(unsafe { GlobalAlloc(flags, size) })
}

fn global_free(_: &Scene, memory: usize) {
    // SAFETY: the scene's, used no more.
    assert!(unsafe { GlobalFree(pointer(memory)) }.is_null());
}

fn with_global(flags: UINT, size: usize) -> Scene {
    Scene::given(&[global(flags, size).expect("memory")])
}

fn global_realloc(scene: &Scene, size: usize) -> Result<usize, u32> {
    // SAFETY: the scene's; only what comes of it is used afterwards.
    let memory = got(unsafe { GlobalReAlloc(scene.at(0), size, GMEM_MOVEABLE) })?;
    scene.put(0, memory);
    Ok(0)
}

fn local(flags: UINT, size: usize) -> Result<usize, u32> {
    // SAFETY: no promise to keep.
    got(unsafe { LocalAlloc(flags, size) })
}

fn local_free(_: &Scene, memory: usize) {
    // SAFETY: the scene's, used no more.
    assert!(unsafe { LocalFree(pointer(memory)) }.is_null());
}

fn with_local(flags: UINT, size: usize) -> Scene {
    Scene::given(&[local(flags, size).expect("memory")])
}

fn local_realloc(scene: &Scene, size: usize) -> Result<usize, u32> {
    // SAFETY: as above.
    let memory = got(unsafe { LocalReAlloc(scene.at(0), size, LMEM_MOVEABLE) })?;
    scene.put(0, memory);
    Ok(0)
}

/// A call that answers about the scene's memory, and cannot fail.
macro_rules! asks {
    ($name:literal, $function:ident, $scene:expr) => {
        row!(
            concat!("`", $name, "`"),
            &[],
            $scene,
            |scene| {
                // SAFETY: the scene's memory.
                let _ = unsafe { $function(scene.at(0)) };
                Ok(0)
            },
            keep
        )
    };
}

#[test]
fn global_and_local_memory() {
    let rows = [
        row!(
            "`GlobalAlloc` GMEM_FIXED",
            MEMORY,
            Scene::default,
            |_| global(GMEM_FIXED, 100),
            global_free
        ),
        row!(
            "`GlobalAlloc` GMEM_MOVEABLE",
            MEMORY,
            Scene::default,
            |_| global(GMEM_MOVEABLE, 100),
            global_free
        ),
        row!(
            "`GlobalAlloc` GMEM_MOVEABLE of 2 MiB",
            MEMORY,
            Scene::default,
            |_| global(GMEM_MOVEABLE, LARGE),
            global_free
        ),
        row!(
            "`GlobalReAlloc`",
            MEMORY,
            || with_global(GMEM_MOVEABLE, 100),
            |scene| global_realloc(scene, LARGE),
            |scene, _| {
                global_realloc(scene, 100).expect("smaller");
            }
        ),
        row!(
            "`GlobalFree`",
            &[],
            || with_global(GMEM_MOVEABLE, LARGE),
            |scene| {
                global_free(scene, scene.at(0).addr());
                Ok(0)
            },
            |scene, _| scene.put(0, global(GMEM_MOVEABLE, LARGE).expect("memory"))
        ),
        row!(
            "`GlobalLock`, `GlobalUnlock`",
            &[],
            || with_global(GMEM_MOVEABLE, 100),
            |scene| {
                // SAFETY: the scene's memory.
                unsafe {
                    assert!(!GlobalLock(scene.at(0)).is_null());
                    GlobalUnlock(scene.at(0));
                }
                Ok(0)
            },
            keep
        ),
        asks!("GlobalSize", GlobalSize, || with_global(GMEM_MOVEABLE, 100)),
        asks!("GlobalFlags", GlobalFlags, || with_global(
            GMEM_MOVEABLE,
            100
        )),
        asks!("GlobalHandle", GlobalHandle, || with_global(
            GMEM_FIXED, 100
        )),
        row!(
            "`LocalAlloc` LMEM_FIXED",
            MEMORY,
            Scene::default,
            |_| local(LMEM_FIXED, 100),
            local_free
        ),
        row!(
            "`LocalAlloc` LMEM_MOVEABLE",
            MEMORY,
            Scene::default,
            |_| local(LMEM_MOVEABLE, 100),
            local_free
        ),
        row!(
            "`LocalReAlloc`",
            MEMORY,
            || with_local(LMEM_MOVEABLE, 100),
            |scene| local_realloc(scene, LARGE),
            |scene, _| {
                local_realloc(scene, 100).expect("smaller");
            }
        ),
        row!(
            "`LocalFree`",
            &[],
            || with_local(LMEM_MOVEABLE, LARGE),
            |scene| {
                local_free(scene, scene.at(0).addr());
                Ok(0)
            },
            |scene, _| scene.put(0, local(LMEM_MOVEABLE, LARGE).expect("memory"))
        ),
        row!(
            "`LocalLock`, `LocalUnlock`",
            &[],
            || with_local(LMEM_MOVEABLE, 100),
            |scene| {
                // SAFETY: the scene's memory.
                unsafe {
                    assert!(!LocalLock(scene.at(0)).is_null());
                    LocalUnlock(scene.at(0));
                }
                Ok(0)
            },
            keep
        ),
        asks!("LocalSize", LocalSize, || with_local(LMEM_MOVEABLE, 100)),
        asks!("LocalFlags", LocalFlags, || with_local(LMEM_MOVEABLE, 100)),
        asks!("LocalHandle", LocalHandle, || with_local(LMEM_FIXED, 100)),
    ];
    family("Global and local memory", &rows);
}

fn task(size: usize) -> Result<usize, u32> {
    // SAFETY: no promise to keep.
    memory(unsafe { CoTaskMemAlloc(size) })
}

fn task_free(_: &Scene, block: usize) {
    // SAFETY: the scene's, used no more.
    unsafe { CoTaskMemFree(pointer(block)) };
}

fn task_realloc(scene: &Scene, size: usize) -> Result<usize, u32> {
    // SAFETY: the scene's; only what comes of it is used afterwards.
    let block = memory(unsafe { CoTaskMemRealloc(scene.at(0), size) })?;
    scene.put(0, block);
    Ok(0)
}

fn text() -> Vec<u16> {
    vec![65; 40_000].into_iter().chain([0]).collect()
}

fn free_string(_: &Scene, string: usize) {
    // SAFETY: the scene's, used no more.
    unsafe { SysFreeString(pointer(string).cast()) };
}

fn string() -> Scene {
    let text = text();
    // SAFETY: the text ends with 0.
    Scene::given(&[memory(unsafe { SysAllocString(text.as_ptr()) }).expect("a string")])
}

#[test]
fn task_memory_and_snapshots() {
    let rows = [
        row!(
            "`CoTaskMemAlloc`",
            NOTHING,
            Scene::default,
            |_| task(100),
            task_free
        ),
        row!(
            "`CoTaskMemAlloc` of 2 MiB",
            NOTHING,
            Scene::default,
            |_| task(LARGE),
            task_free
        ),
        row!(
            "`CoTaskMemRealloc`",
            NOTHING,
            || Scene::given(&[task(100).expect("a block")]),
            |scene| task_realloc(scene, LARGE),
            |scene, _| {
                task_realloc(scene, 100).expect("smaller");
            }
        ),
        row!(
            "`CoTaskMemFree`",
            &[],
            || Scene::given(&[task(LARGE).expect("a block")]),
            |scene| {
                task_free(scene, scene.at(0).addr());
                Ok(0)
            },
            |scene, _| scene.put(0, task(LARGE).expect("a block"))
        ),
        row!(
            "`CoGetMalloc`",
            &[0x8007_000e],
            Scene::default,
            |_| {
                let mut malloc = null_mut();
                // SAFETY: the pointer is a variable of this function.
                status(unsafe { CoGetMalloc(1, &raw mut malloc) })
            },
            keep
        ),
        row!(
            "`SysAllocString`",
            NOTHING,
            Scene::default,
            |_| {
                let text = text();
                // SAFETY: the text ends with 0.
                memory(unsafe { SysAllocString(text.as_ptr()) })
            },
            free_string
        ),
        row!(
            "`SysAllocStringLen`",
            NOTHING,
            Scene::default,
            // SAFETY: there is no text.
            |_| memory(unsafe { SysAllocStringLen(std::ptr::null(), 40_000) }),
            free_string
        ),
        row!(
            "`SysAllocStringByteLen`",
            NOTHING,
            Scene::default,
            // SAFETY: there is no text.
            |_| memory(unsafe { SysAllocStringByteLen(std::ptr::null(), 80_000) }),
            free_string
        ),
        row!(
            "`SysReAllocString`",
            NOTHING,
            string,
            |scene| {
                let (text, mut string) = (text(), scene.at(0).cast());
                // SAFETY: the scene's string; the text ends with 0.
                if unsafe { SysReAllocString(&raw mut string, text.as_ptr()) } == FALSE {
                    return Err(NULL);
                }
                scene.put(0, string.expose_provenance());
                Ok(0)
            },
            keep
        ),
        row!(
            "`SysReAllocStringLen`",
            NOTHING,
            string,
            |scene| {
                let mut string = scene.at(0).cast();
                let none = std::ptr::null();
                // SAFETY: the scene's string; there is no text.
                if unsafe { SysReAllocStringLen(&raw mut string, none, 40_000) } == FALSE {
                    return Err(NULL);
                }
                scene.put(0, string.expose_provenance());
                Ok(0)
            },
            keep
        ),
        row!(
            "`SysFreeString`",
            &[],
            string,
            |scene| {
                free_string(scene, scene.at(0).addr());
                Ok(0)
            },
            |scene, _| scene.put(0, string().at(0).addr())
        ),
        row!(
            "`CreateToolhelp32Snapshot`",
            MEMORY,
            Scene::default,
            // SAFETY: no promise to keep.
            |_| match unsafe { CreateToolhelp32Snapshot(TH32CS_SNAPHEAPLIST, 0) } {
                INVALID_HANDLE_VALUE => Err(last_error()),
                snapshot => Ok(snapshot.addr()),
            },
            // SAFETY: the scene's, used no more.
            |_, snapshot| assert_eq!(unsafe { CloseHandle(pointer(snapshot)) }, TRUE)
        ),
    ];
    family("Task memory and snapshots", &rows);
}
