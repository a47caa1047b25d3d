//! The C runtime's blocks and what Rust programs have: heaps, pages, arenas.

use crate::answers::{NO_MEMORY, NULL};
use crate::pages::row;
use crate::scene::*;
use crate::table::{Row, family};
use ntheap::crt::Crt;
use ntheap::vm::{
    GrowingStack, PageAccess, PageError, PhysicalPages, Placeholder, Reservation, Section,
    SparseArray, TouchArray, View, ViewAccess, Window,
};
use ntheap::win16::GlobalHeap;
use ntheap::{Heap, HeapError, HeapSnapshot};
use std::alloc::Layout;
use std::cell::RefCell;
use std::ptr::NonNull;

const LARGE: usize = 0x20_0000;

fn keep(_: &Scene, _: usize) {}

/// Something made, as a number.
fn boxed<T>(made: T) -> usize {
    Box::into_raw(Box::new(made)).expose_provenance()
}

/// Ends it.
fn end<T>(_: &Scene, made: usize) {
    // SAFETY: `boxed` made the number of a value of this type, and it is used once.
    drop(unsafe { Box::from_raw(pointer(made).cast::<T>()) });
}

static CRT: Crt = Crt::private("faults");

fn crt_free(_: &Scene, block: usize) {
    // SAFETY: the scene's, used no more.
    unsafe { CRT.free(pointer(block).cast()) }.expect("freed");
}

fn crt_block(size: usize) -> Scene {
    Scene::given(&[memory(CRT.allocate(size)).expect("a block")])
}

fn crt_change(scene: &Scene, size: usize) -> Result<usize, u32> {
    // SAFETY: the scene's; only what comes of it is used afterwards.
    let block = memory(unsafe { CRT.reallocate(scene.at(0).cast(), size) })?;
    scene.put(0, block);
    Ok(0)
}

#[test]
fn the_c_runtime() {
    const WANT: &[u32] = &[NULL];
    let rows = [
        row!(
            "`Crt::allocate`",
            WANT,
            Scene::default,
            |_| memory(CRT.allocate(100)),
            crt_free
        ),
        row!(
            "`Crt::allocate_zeroed` of 2 MiB",
            WANT,
            Scene::default,
            |_| memory(CRT.allocate_zeroed(LARGE)),
            crt_free
        ),
        row!(
            "`Crt::reallocate`",
            WANT,
            || crt_block(100),
            |scene| crt_change(scene, LARGE),
            |scene, _| {
                crt_change(scene, 100).expect("smaller");
            }
        ),
        row!(
            "`Crt::free`",
            &[],
            || crt_block(LARGE),
            |scene| {
                crt_free(scene, scene.at(0).addr());
                Ok(0)
            },
            |scene, _| scene.put(0, memory(CRT.allocate(LARGE)).expect("a block"))
        ),
        row!(
            "`Crt::aligned_malloc`",
            WANT,
            Scene::default,
            |_| memory(CRT.aligned_malloc(100, 4096)),
            // SAFETY: the scene's, used no more.
            |_, block| unsafe { CRT.aligned_free(pointer(block).cast()) }
        ),
        row!(
            "`Crt::heap`",
            &[NULL],
            Scene::default,
            |_| CRT.heap().map(|_| 0).map_err(|_| NULL),
            keep
        ),
    ];
    family("The C runtime", &rows);
}

fn page(error: PageError) -> u32 {
    match error {
        PageError::NoMemory => NO_MEMORY,
        _ => NULL,
    }
}

thread_local! {
    static RESERVED: RefCell<Option<Reservation>> = const { RefCell::new(None) };
    static SECTION: RefCell<Option<Section>> = const { RefCell::new(None) };
    static SPARSE: RefCell<Option<SparseArray<u64>>> = const { RefCell::new(None) };
}

fn reservation() -> Scene {
    let mut made = Reservation::new(64 * PAGE).expect("reserved");
    made.commit(0..8 * PAGE).expect("committed").fill(3);
    RESERVED.set(Some(made));
    Scene::default()
}

fn reserved<R>(act: impl FnOnce(&mut Reservation) -> Result<R, PageError>) -> Result<usize, u32> {
    RESERVED.with_borrow_mut(|made| act(made.as_mut().expect("made")).map(|_| 0).map_err(page))
}

#[test]
fn pages_of_rust_programs() {
    const WANT: &[u32] = &[NO_MEMORY];
    const CAUGHT: &[u32] = &[NO_MEMORY, NULL];
    let rows = [
        row!(
            "`Reservation::new`",
            WANT,
            Scene::default,
            |_| Reservation::new(64 * PAGE).map(boxed).map_err(page),
            end::<Reservation>
        ),
        row!(
            "`Reservation::commit`",
            WANT,
            reservation,
            |_| reserved(|made| made.commit(4 * PAGE..20 * PAGE).map(drop)),
            |_, _| {
                reserved(|made| made.decommit(8 * PAGE..20 * PAGE)).expect("decommitted");
            }
        ),
        row!(
            "`Reservation::protect`",
            WANT,
            reservation,
            |_| reserved(|made| made.protect(2 * PAGE..5 * PAGE, PageAccess::Read)),
            |_, _| {
                let back = |made: &mut Reservation| {
                    made.protect(2 * PAGE..5 * PAGE, PageAccess::ReadWrite)
                };
                reserved(back).expect("protected");
            }
        ),
        row!(
            "`Reservation::decommit`",
            WANT,
            reservation,
            |_| reserved(|made| made.decommit(2 * PAGE..5 * PAGE)),
            |_, _| {
                reserved(|made| made.commit(2 * PAGE..5 * PAGE).map(drop)).expect("again");
            }
        ),
        row!(
            "`Reservation::guard`",
            CAUGHT,
            reservation,
            |_| reserved(|made| made.guard(2 * PAGE..5 * PAGE, PageAccess::ReadWrite)),
            |_, _| {
                let back = |made: &mut Reservation| {
                    made.protect(2 * PAGE..5 * PAGE, PageAccess::ReadWrite)
                };
                reserved(back).expect("protected");
            }
        ),
        row!(
            "`Reservation::offer`",
            WANT,
            reservation,
            |_| reserved(|made| made.offer(2 * PAGE..5 * PAGE)),
            |_, _| {
                reserved(|made| made.reclaim(2 * PAGE..5 * PAGE).map(drop)).expect("reclaimed");
            }
        ),
        row!(
            "`Placeholder::new`",
            WANT,
            Scene::default,
            |_| Placeholder::new(64 * PAGE).map(boxed).map_err(page),
            end::<Placeholder>
        ),
        row!(
            "`Section::new`",
            WANT,
            Scene::default,
            |_| Section::new(64 * PAGE).map(boxed).map_err(page),
            end::<Section>
        ),
        row!(
            "`Section::map`",
            WANT,
            || {
                SECTION.set(Some(Section::new(64 * PAGE).expect("a section")));
                Scene::default()
            },
            |_| SECTION.with_borrow(|section| {
                let section = section.as_ref().expect("made");
                section
                    .map(0, 0, ViewAccess::ReadWrite)
                    .map(boxed)
                    .map_err(page)
            }),
            end::<View>
        ),
        row!(
            "`PhysicalPages::new`",
            WANT,
            Scene::default,
            |_| PhysicalPages::new(4).map(boxed).map_err(page),
            end::<PhysicalPages>
        ),
        row!(
            "`Window::new`",
            WANT,
            Scene::default,
            |_| Window::new(4 * PAGE).map(boxed).map_err(page),
            end::<Window>
        ),
        row!(
            "`SparseArray::new`",
            WANT,
            Scene::default,
            |_| SparseArray::<u64>::new(1 << 20).map(boxed).map_err(page),
            end::<SparseArray<u64>>
        ),
        row!(
            "`SparseArray::get_mut`",
            WANT,
            || {
                SPARSE.set(Some(SparseArray::new(1 << 20).expect("an array")));
                Scene::default()
            },
            |_| SPARSE.with_borrow_mut(|array| {
                let array = array.as_mut().expect("made");
                array.get_mut(70_000).map(|_| 0).map_err(page)
            }),
            |_, _| SPARSE.with_borrow_mut(|array| {
                array
                    .as_mut()
                    .expect("made")
                    .clear(0..1 << 20)
                    .expect("cleared");
            })
        ),
        row!(
            "`TouchArray::new`",
            CAUGHT,
            Scene::default,
            |_| TouchArray::<u64>::new(1 << 16).map(boxed).map_err(page),
            end::<TouchArray<u64>>
        ),
        row!(
            "`GrowingStack::new`",
            CAUGHT,
            Scene::default,
            |_| GrowingStack::new(1 << 20, 1 << 15).map(boxed).map_err(page),
            end::<GrowingStack>
        ),
        row!(
            "`win16::GlobalHeap::new`",
            &[NULL],
            Scene::default,
            |_| GlobalHeap::new(1 << 20).map(boxed).map_err(|_| NULL),
            end::<GlobalHeap<'static>>
        ),
    ];
    family("Pages of Rust programs", &rows);
}

thread_local! {
    static HEAP: RefCell<Option<Heap>> = const { RefCell::new(None) };
}

fn error(error: HeapError) -> u32 {
    match error {
        HeapError::OutOfMemory => NO_MEMORY,
        _ => NULL,
    }
}

fn heap(size: usize) -> Scene {
    let made = Heap::new().expect("a heap");
    let given = if size == 0 {
        0
    } else {
        made.alloc(layout(size)).expect("a block").addr().get()
    };
    HEAP.set(Some(made));
    Scene::given(&[given])
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 16).expect("a layout")
}

fn on_heap<R>(act: impl FnOnce(&Heap) -> R) -> R {
    HEAP.with_borrow(|made| act(made.as_ref().expect("made")))
}

fn block(address: usize) -> NonNull<u8> {
    NonNull::new(pointer(address).cast()).expect("a block")
}

fn change(scene: &Scene, from: usize, to: usize) -> Result<usize, u32> {
    let (old, layout) = (block(scene.at(0).addr()), layout(from));
    // SAFETY: the scene's; only what comes of it is used afterwards.
    let new = on_heap(|made| unsafe { made.realloc(old, layout, to) }).map_err(error)?;
    scene.put(0, new.as_ptr().expose_provenance());
    Ok(0)
}

#[test]
fn heaps_of_rust_programs() {
    const WANT: &[u32] = &[NO_MEMORY];
    let free = |_: &Scene, address: usize| {
        // SAFETY: the scene's, used no more.
        on_heap(|made| unsafe { made.free(block(address)) }).expect("freed");
    };
    let rows = [
        row!(
            "`Heap::new`",
            WANT,
            Scene::default,
            |_| Heap::new().map(boxed).map_err(error),
            end::<Heap>
        ),
        row!(
            "`Heap::alloc`",
            WANT,
            || heap(0),
            |_| on_heap(|made| made.alloc(layout(100)))
                .map(|got| got.as_ptr().expose_provenance())
                .map_err(error),
            free
        ),
        row!(
            "`Heap::alloc_zeroed` of 2 MiB",
            WANT,
            || heap(0),
            |_| on_heap(|made| made.alloc_zeroed(layout(LARGE)))
                .map(|got| got.as_ptr().expose_provenance())
                .map_err(error),
            free
        ),
        row!(
            "`Heap::realloc`",
            WANT,
            || heap(100),
            |scene| change(scene, 100, LARGE),
            |scene, _| {
                change(scene, LARGE, 100).expect("smaller");
            }
        ),
        row!(
            "`Heap::validate`, `compact`, `summary`, `lock`, `walk`",
            &[],
            || heap(100),
            |_| on_heap(|made| {
                assert!(made.validate());
                made.compact();
                assert_eq!(made.summary().allocated, 100);
                assert!(made.lock().walk().count() > 0);
                Ok(0)
            }),
            keep
        ),
        row!(
            "`HeapSnapshot::take`",
            WANT,
            || heap(100),
            |_| HeapSnapshot::take().map(|_| 0).map_err(error),
            keep
        ),
    ];
    family("Heaps of Rust programs", &rows);
}
