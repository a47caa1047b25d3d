//! Heaps: HeapCreate's, and the process's.

use crate::answers::NULL;
use crate::pages::row;
use crate::scene::*;
use crate::table::{Row, family};
use ntheap::NtHeap;
use ntheap::win32::*;
use std::alloc::{GlobalAlloc, Layout};
use std::ptr::{null, null_mut};

const MEMORY: &[u32] = &[ERROR_NOT_ENOUGH_MEMORY];
const NOTHING: &[u32] = &[NULL];

/// Sizes of a bucket, of a region's block, and of a large block.
const SMALL: usize = 40;
const MIDDLE: usize = 0x2_0000;
const LARGE: usize = 0x20_0000;

fn create(options: DWORD, initial: usize, maximum: usize) -> Result<usize, u32> {
    // SAFETY: no promise to keep.
    got(unsafe { HeapCreate(options, initial, maximum) })
}

fn destroy(heap: usize) -> Result<usize, u32> {
    // SAFETY: nobody uses the heap any more.
    truth(unsafe { HeapDestroy(pointer(heap)) })
}

fn end_it(_: &Scene, heap: usize) {
    destroy(heap).expect("destroyed");
}

fn alloc(scene: &Scene, flags: DWORD, size: usize) -> Result<usize, u32> {
    // SAFETY: the scene's heap.
    memory(unsafe { HeapAlloc(scene.owner(), flags, size) })
}

fn free(scene: &Scene, block: usize) {
    // SAFETY: the scene's block, used no more.
    assert_eq!(unsafe { HeapFree(scene.owner(), 0, pointer(block)) }, TRUE);
}

fn fresh() -> Scene {
    Scene::heap(pointer(create(0, 0, 0).expect("a heap")), &[])
}

/// A heap with a block of a size.
fn with(size: usize) -> Scene {
    let scene = fresh();
    let block = alloc(&scene, 0, size).expect("a block");
    scene.given.borrow_mut().push(block);
    scene
}

/// A heap whose blocks of a small size are in a bucket, which is full.
fn hot() -> Scene {
    let scene = fresh();
    for _ in 0..40 {
        alloc(&scene, 0, SMALL).expect("a block");
    }
    scene
}

/// A heap with blocks of all kinds, which is then ended.
fn full() -> Scene {
    let scene = hot();
    for size in [MIDDLE, LARGE, 8 * MIDDLE] {
        alloc(&scene, 0, size).expect("a block");
    }
    Scene::given(&[scene.heap])
}

fn realloc(scene: &Scene, flags: DWORD, size: usize) -> Result<usize, u32> {
    // SAFETY: the scene's block; only what comes of it is used afterwards.
    let block = memory(unsafe { HeapReAlloc(scene.owner(), flags, scene.at(0), size) })?;
    scene.put(0, block);
    Ok(0)
}

/// Gives the scene's block its size again, at whatever place.
fn shrink(scene: &Scene, size: usize) {
    realloc(scene, 0, size).expect("smaller");
}

fn many(scene: &Scene, size: usize, count: u32) -> Result<usize, u32> {
    let mut blocks = vec![null_mut(); count as usize];
    let heap = scene.owner();
    // SAFETY: the array has room for so many; the blocks are used no more afterwards.
    unsafe {
        let got = RtlMultipleAllocateHeap(heap, 0, size, count, blocks.as_mut_ptr());
        assert_eq!(RtlMultipleFreeHeap(heap, 0, got, blocks.as_mut_ptr()), got);
        if got == count { Ok(0) } else { Err(NULL) }
    }
}

fn walk(scene: &Scene) -> Result<usize, u32> {
    // SAFETY: all zero begins a walk; the structure is this function's.
    unsafe {
        let mut entry: PROCESS_HEAP_ENTRY = std::mem::zeroed();
        while HeapWalk(scene.owner(), &raw mut entry) == TRUE {}
        match last_error() {
            ERROR_NO_MORE_ITEMS => Ok(0),
            error => Err(error),
        }
    }
}

fn rtl_create(flags: ULONG) -> Result<usize, u32> {
    // SAFETY: no promise to keep.
    memory(unsafe { RtlCreateHeap(flags, null_mut(), 0, 0, null_mut(), null_mut()) })
}

const GROWABLE: ULONG = 2;

#[test]
fn making_and_ending_heaps() {
    let rows = [
        row!(
            "`HeapCreate`",
            MEMORY,
            Scene::default,
            |_| create(0, 0, 0),
            end_it
        ),
        row!(
            "`HeapCreate` with an initial size",
            MEMORY,
            Scene::default,
            |_| create(0, 0x60000, 0),
            end_it
        ),
        row!(
            "`HeapCreate` of a fixed size",
            MEMORY,
            Scene::default,
            |_| create(0, 0x1000, 0x30000),
            end_it
        ),
        row!(
            "`HeapCreate` HEAP_CREATE_ENABLE_EXECUTE",
            MEMORY,
            Scene::default,
            |_| create(HEAP_CREATE_ENABLE_EXECUTE, 0, 0),
            end_it
        ),
        row!(
            "`HeapCreate` HEAP_NO_SERIALIZE",
            MEMORY,
            Scene::default,
            |_| create(HEAP_NO_SERIALIZE, 0, 0),
            end_it
        ),
        row!(
            "`RtlCreateHeap`",
            NOTHING,
            Scene::default,
            |_| rtl_create(GROWABLE),
            end_it
        ),
        row!(
            "`GetProcessHeap`",
            MEMORY,
            Scene::default,
            // SAFETY: no promise to keep.
            |_| got(unsafe { GetProcessHeap() }),
            |_, _| {}
        ),
        row!(
            "`GetProcessHeaps`",
            MEMORY,
            Scene::default,
            // SAFETY: there is room for no handle.
            |_| match unsafe { GetProcessHeaps(0, null_mut()) } {
                0 => Err(last_error()),
                _ => Ok(0),
            },
            |_, _| {}
        ),
        row!(
            "`HeapDestroy`",
            &[],
            full,
            |scene| {
                destroy(scene.at(0).addr())?;
                scene.put(0, 0);
                Ok(0)
            },
            |scene, _| scene.put(0, full().at(0).addr())
        ),
        row!(
            "`RtlDestroyHeap`",
            &[],
            full,
            |scene| {
                // SAFETY: nobody uses the heap any more.
                assert!(unsafe { RtlDestroyHeap(scene.at(0)) }.is_null());
                Ok(0)
            },
            |scene, _| scene.put(0, full().at(0).addr())
        ),
    ];
    family("Making and ending heaps", &rows);
}

#[test]
fn blocks_of_heaps() {
    let rows = [
        row!(
            "`HeapAlloc` the first block",
            NOTHING,
            fresh,
            |scene| alloc(scene, 0, SMALL),
            free
        ),
        row!(
            "`HeapAlloc` of a bucket that is full",
            NOTHING,
            hot,
            |scene| many(scene, SMALL, 600),
            |_, _| {}
        ),
        row!(
            "`HeapAlloc` where the region grows",
            NOTHING,
            fresh,
            |scene| alloc(scene, HEAP_ZERO_MEMORY, MIDDLE),
            free
        ),
        row!(
            "`HeapAlloc` with another region",
            NOTHING,
            fresh,
            |scene| many(scene, MIDDLE, 12),
            |_, _| {}
        ),
        row!(
            "`HeapAlloc` a large block",
            NOTHING,
            fresh,
            |scene| alloc(scene, 0, LARGE),
            free
        ),
        row!(
            "`HeapFree` a large block",
            &[],
            || with(LARGE),
            |scene| {
                free(scene, scene.at(0).addr());
                Ok(0)
            },
            |scene, _| scene.put(0, alloc(scene, 0, LARGE).expect("a block"))
        ),
        row!(
            "`HeapFree` a block of a region",
            &[],
            || with(MIDDLE),
            |scene| {
                free(scene, scene.at(0).addr());
                Ok(0)
            },
            |scene, _| scene.put(0, alloc(scene, 0, MIDDLE).expect("a block"))
        ),
        row!(
            "`HeapReAlloc` within a region",
            NOTHING,
            || with(SMALL),
            |scene| realloc(scene, 0, MIDDLE),
            |scene, _| shrink(scene, SMALL)
        ),
        row!(
            "`HeapReAlloc` to a large block",
            NOTHING,
            || with(MIDDLE),
            |scene| realloc(scene, 0, LARGE),
            |scene, _| shrink(scene, MIDDLE)
        ),
        row!(
            "`HeapReAlloc` of a large block",
            NOTHING,
            || with(LARGE),
            |scene| realloc(scene, HEAP_ZERO_MEMORY, 3 * LARGE),
            |scene, _| shrink(scene, LARGE)
        ),
        row!(
            "`HeapReAlloc` of a large block, smaller",
            NOTHING,
            || with(3 * LARGE),
            |scene| realloc(scene, 0, LARGE),
            |scene, _| {
                realloc(scene, 0, 3 * LARGE).expect("larger");
            }
        ),
        row!(
            "`HeapReAlloc` HEAP_REALLOC_IN_PLACE_ONLY",
            NOTHING,
            || with(MIDDLE),
            |scene| realloc(scene, HEAP_REALLOC_IN_PLACE_ONLY, 2 * MIDDLE),
            |scene, _| shrink(scene, MIDDLE)
        ),
        row!(
            "`RtlAllocateHeap`",
            NOTHING,
            fresh,
            // SAFETY: the scene's heap.
            |scene| memory(unsafe { RtlAllocateHeap(scene.owner(), 0, LARGE) }),
            free
        ),
        row!(
            "`RtlReAllocateHeap`",
            NOTHING,
            || with(MIDDLE),
            |scene| {
                let (heap, block) = (scene.owner(), scene.at(0));
                // SAFETY: only what comes of the block is used afterwards.
                let got = memory(unsafe { RtlReAllocateHeap(heap, 0, block, LARGE) })?;
                scene.put(0, got);
                Ok(0)
            },
            |scene, _| shrink(scene, MIDDLE)
        ),
        row!(
            "`RtlFreeHeap`",
            &[],
            || with(LARGE),
            |scene| {
                // SAFETY: the scene's block, used no more.
                assert_ne!(unsafe { RtlFreeHeap(scene.owner(), 0, scene.at(0)) }, 0);
                Ok(0)
            },
            |scene, _| scene.put(0, alloc(scene, 0, LARGE).expect("a block"))
        ),
        row!(
            "`RtlMultipleAllocateHeap`, `RtlMultipleFreeHeap`",
            NOTHING,
            fresh,
            |scene| many(scene, MIDDLE, 12),
            |_, _| {}
        ),
        row!(
            "`RtlSetUserValueHeap`",
            &[],
            || with(SMALL),
            |scene| {
                // SAFETY: the scene's block.
                unsafe { RtlSetUserValueHeap(scene.owner(), 0, scene.at(0), null_mut()) };
                Ok(0)
            },
            |_, _| {}
        ),
        row!(
            "`RtlGetUserInfoHeap`",
            &[],
            || with(SMALL),
            |scene| {
                let (mut value, mut flags) = (null_mut(), 0);
                let (value, flags) = (&raw mut value, &raw mut flags);
                // SAFETY: the scene's block; the variables are this function's.
                unsafe { RtlGetUserInfoHeap(scene.owner(), 0, scene.at(0), value, flags) };
                Ok(0)
            },
            |_, _| {}
        ),
        row!(
            "`RtlSetUserFlagsHeap`",
            &[],
            || with(SMALL),
            |scene| {
                // SAFETY: the scene's block.
                unsafe { RtlSetUserFlagsHeap(scene.owner(), 0, scene.at(0), 0, 0) };
                Ok(0)
            },
            |_, _| {}
        ),
    ];
    family("Blocks of heaps", &rows);
}

#[test]
fn heaps_as_a_whole() {
    let rows = [
        row!(
            "`HeapCompact`",
            &[],
            || with(MIDDLE),
            |scene| {
                // SAFETY: the scene's heap.
                unsafe { HeapCompact(scene.owner(), 0) };
                Ok(0)
            },
            |_, _| {}
        ),
        row!(
            "`RtlCompactHeap`",
            &[],
            || with(MIDDLE),
            |scene| {
                // SAFETY: the scene's heap.
                unsafe { RtlCompactHeap(scene.owner(), 0) };
                Ok(0)
            },
            |_, _| {}
        ),
        row!(
            "`HeapValidate`",
            &[],
            hot,
            // SAFETY: the scene's heap.
            |scene| truth(unsafe { HeapValidate(scene.owner(), 0, null()) }),
            |_, _| {}
        ),
        row!(
            "`RtlValidateHeap`",
            &[],
            hot,
            |scene| {
                // SAFETY: the scene's heap.
                assert_ne!(unsafe { RtlValidateHeap(scene.owner(), 0, null_mut()) }, 0);
                Ok(0)
            },
            |_, _| {}
        ),
        row!("`HeapWalk`", &[], hot, walk, |_, _| {}),
        row!(
            "`RtlWalkHeap`",
            &[],
            hot,
            |scene| {
                // SAFETY: all zero begins a walk; the structure is this function's.
                unsafe {
                    let mut entry: RTL_HEAP_WALK_ENTRY = std::mem::zeroed();
                    while RtlWalkHeap(scene.owner(), &raw mut entry) >= 0 {}
                }
                Ok(0)
            },
            |_, _| {}
        ),
        row!(
            "`HeapSummary`",
            &[],
            hot,
            |scene| {
                // SAFETY: the scene's heap; the structure is this function's.
                truth(unsafe {
                    let mut summary: HEAP_SUMMARY = std::mem::zeroed();
                    summary.cb = size_of::<HEAP_SUMMARY>() as DWORD;
                    HeapSummary(scene.owner(), 0, &raw mut summary)
                })
            },
            |_, _| {}
        ),
        row!(
            "`HeapSize`",
            &[],
            || with(LARGE),
            |scene| {
                // SAFETY: the scene's block.
                assert_eq!(unsafe { HeapSize(scene.owner(), 0, scene.at(0)) }, LARGE);
                Ok(0)
            },
            |_, _| {}
        ),
        row!(
            "`RtlSizeHeap`",
            &[],
            || with(LARGE),
            |scene| {
                // SAFETY: the scene's block.
                assert_eq!(unsafe { RtlSizeHeap(scene.owner(), 0, scene.at(0)) }, LARGE);
                Ok(0)
            },
            |_, _| {}
        ),
        row!(
            "`HeapLock`, `HeapUnlock`",
            &[],
            fresh,
            |scene| {
                // SAFETY: the scene's heap.
                truth(unsafe { HeapLock(scene.owner()) & HeapUnlock(scene.owner()) })
            },
            |_, _| {}
        ),
        row!(
            "`RtlLockHeap`, `RtlUnlockHeap`",
            &[],
            fresh,
            |scene| {
                // SAFETY: the scene's heap.
                let both = unsafe { RtlLockHeap(scene.owner()) & RtlUnlockHeap(scene.owner()) };
                assert_ne!(both, 0);
                Ok(0)
            },
            |_, _| {}
        ),
        row!(
            "`HeapSetInformation` HeapCompatibilityInformation",
            &[],
            fresh,
            |scene| {
                let mut kind: ULONG = 2;
                let at = (&raw mut kind).cast();
                // SAFETY: the scene's heap; the variable is this function's.
                truth(unsafe {
                    HeapSetInformation(scene.owner(), HeapCompatibilityInformation, at, 4)
                })
            },
            |_, _| {}
        ),
        row!(
            "`HeapQueryInformation` HeapCompatibilityInformation",
            &[],
            fresh,
            |scene| {
                let mut kind: ULONG = 0;
                let (heap, at) = (scene.owner(), (&raw mut kind).cast());
                // SAFETY: the scene's heap; the variable is this function's.
                truth(unsafe {
                    HeapQueryInformation(heap, HeapCompatibilityInformation, at, 4, null_mut())
                })
            },
            |_, _| {}
        ),
        row!(
            "`RtlGetProcessHeaps`",
            &[],
            fresh,
            // SAFETY: there is room for no handle.
            |_| Ok(usize::from(
                unsafe { RtlGetProcessHeaps(0, null_mut()) } == 0
            )),
            |_, _| {}
        ),
        row!(
            "`RtlGetNtGlobalFlags`",
            &[],
            Scene::default,
            |_| {
                // SAFETY: no promise to keep.
                unsafe { RtlGetNtGlobalFlags() };
                Ok(0)
            },
            |_, _| {}
        ),
    ];
    family("Heaps as a whole", &rows);
}

static GLOBAL: NtHeap = NtHeap::new();

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a layout")
}

fn take(size: usize, align: usize, zeroed: bool) -> Result<usize, u32> {
    let layout = layout(size, align);
    // SAFETY: no size is 0.
    memory(unsafe {
        if zeroed {
            GLOBAL.alloc_zeroed(layout)
        } else {
            GLOBAL.alloc(layout)
        }
    })
}

fn give(block: usize, size: usize, align: usize) {
    // SAFETY: the caller's block, used no more.
    unsafe { GLOBAL.dealloc(pointer(block).cast(), layout(size, align)) };
}

fn global(size: usize) -> Scene {
    Scene::given(&[take(size, 16, false).expect("a block"), size])
}

/// Gives the scene's block another size.
fn change(scene: &Scene, size: usize) -> Result<usize, u32> {
    let old = layout(scene.at(1).addr(), 16);
    // SAFETY: the scene's block; only what comes of it is used afterwards.
    let block = memory(unsafe { GLOBAL.realloc(scene.at(0).cast(), old, size) })?;
    scene.put(0, block);
    scene.put(1, size);
    Ok(0)
}

#[test]
fn the_process_heap() {
    let rows = [
        row!(
            "`NtHeap::alloc` of 40 bytes",
            NOTHING,
            Scene::default,
            |_| take(SMALL, 8, false),
            |_, block| give(block, SMALL, 8)
        ),
        row!(
            "`NtHeap::alloc` of 128 KiB",
            NOTHING,
            Scene::default,
            |_| take(MIDDLE, 16, false),
            |_, block| give(block, MIDDLE, 16)
        ),
        row!(
            "`NtHeap::alloc_zeroed` of 3 MiB",
            NOTHING,
            Scene::default,
            |_| take(3 << 20, 16, true),
            |_, block| give(block, 3 << 20, 16)
        ),
        row!(
            "`NtHeap::alloc` at a multiple of 1 MiB",
            NOTHING,
            Scene::default,
            |_| take(100, 1 << 20, false),
            |_, block| give(block, 100, 1 << 20)
        ),
        row!(
            "`NtHeap::realloc` of 40 bytes to 128 KiB",
            NOTHING,
            || global(SMALL),
            |scene| change(scene, MIDDLE),
            |scene, _| {
                change(scene, SMALL).expect("smaller");
            }
        ),
        row!(
            "`NtHeap::realloc` of 3 MiB to 9 MiB",
            NOTHING,
            || global(3 << 20),
            |scene| change(scene, 9 << 20),
            |scene, _| {
                change(scene, 3 << 20).expect("smaller");
            }
        ),
        row!(
            "`NtHeap::realloc` of 9 MiB to 3 MiB",
            NOTHING,
            || global(9 << 20),
            |scene| change(scene, 3 << 20),
            |scene, _| {
                change(scene, 9 << 20).expect("larger");
            }
        ),
        row!(
            "`NtHeap::dealloc` of 40 MiB",
            &[],
            || global(40 << 20),
            |scene| {
                give(scene.at(0).addr(), 40 << 20, 16);
                Ok(0)
            },
            |scene, _| scene.put(0, take(40 << 20, 16, false).expect("a block"))
        ),
        row!(
            "`purge`",
            &[],
            || {
                let scene = global(MIDDLE);
                give(take(MIDDLE, 16, false).expect("a block"), MIDDLE, 16);
                scene
            },
            |_| {
                ntheap::purge();
                Ok(0)
            },
            |_, _| {}
        ),
        row!(
            "`stats`",
            &[],
            Scene::default,
            |_| {
                ntheap::stats();
                Ok(0)
            },
            |_, _| {}
        ),
    ];
    family("The process heap", &rows);
}
