//! Module definitions and programs of segments.

use super::support::*;
use ntheap::win16::*;
use std::cell::{Cell, RefCell};

/// The statements of a tutorial's definition file, wrapped as it has them.
const TUTORIAL: &str = "
NAME Memory
DESCRIPTION 'Sample Application'
EXETYPE WINDOWS
STUB 'WINSTUB.EXE'

SEGMENTS

MEMORY_MAIN
       PRELOAD    MOVEABLE

MEMORY_INIT
          LOADONCALL MOVEABLE
DISCARDABLE

MEMORY_WNDPROC PRELOAD    MOVEABLE

MEMORY_ABOUT
      LOADONCALL MOVEABLE
DISCARDABLE

CODE MOVEABLE DISCARDABLE   ; all others
DATA MOVEABLE MULTIPLE
HEAPSIZE 1024
STACKSIZE 0x2000
EXPORTS
    MainWndProc @1
    About       @2
";

fn parse(text: &str) -> Definition<'_> {
    Definition::parse(text).unwrap()
}

fn error(text: &str) -> (u32, DefinitionErrorKind) {
    let error = Definition::parse(text).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("line {}: ", error.line))
    );
    (error.line, error.kind)
}

#[test]
fn a_definition_says_what_its_statements_say() {
    let definition = parse(TUTORIAL);
    assert_eq!(definition.name, "Memory");
    assert_eq!((definition.heap_size, definition.stack_size), (1024, 8192));
    let names: Vec<_> = definition.segments().iter().map(|one| one.name).collect();
    let expected = [
        "MEMORY_MAIN",
        "MEMORY_INIT",
        "MEMORY_WNDPROC",
        "MEMORY_ABOUT",
    ];
    assert_eq!(names, expected);
    let of = |name| definition.attributes(name, SegmentKind::Code);
    for (name, load, discardable) in [
        ("MEMORY_MAIN", Load::Preload, true),
        ("memory_init", Load::OnCall, true),
        ("Memory_About", Load::OnCall, true),
        ("OTHER", Load::Preload, true),
    ] {
        let attributes = of(name);
        assert_eq!(attributes.load, Some(load), "{name}");
        assert_eq!(attributes.moveable, Some(true), "{name}");
        assert_eq!(attributes.discardable, Some(discardable), "{name}");
    }
    let main = definition.segment("MEMORY_MAIN").unwrap();
    assert_eq!(main.attributes.discardable, None);
    let data = definition.attributes("DGROUP", SegmentKind::Data);
    assert_eq!((data.moveable, data.discardable), (Some(true), Some(false)));
    assert_eq!(data.sharing, Some(Sharing::Multiple));
}

#[test]
fn what_is_not_said_is_the_default() {
    let definition = Definition::new();
    let code = definition.attributes("ANY", SegmentKind::Code);
    let expected = Attributes {
        load: Some(Load::Preload),
        moveable: Some(false),
        discardable: Some(false),
        sharing: Some(Sharing::Single),
    };
    assert_eq!(code, expected);
    let data = definition.attributes("ANY", SegmentKind::Data);
    let expected = Attributes {
        moveable: Some(true),
        sharing: Some(Sharing::Multiple),
        ..expected
    };
    assert_eq!(data, expected);
    // Discardable is moveable; fixed is not made discardable by others.
    let definition = parse("CODE DISCARDABLE\nSEGMENTS a FIXED b LOADONCALL");
    let of = |name| definition.attributes(name, SegmentKind::Code);
    assert_eq!(
        (of("a").moveable, of("a").discardable),
        (Some(false), Some(false))
    );
    assert_eq!(
        (of("b").moveable, of("b").discardable),
        (Some(true), Some(true))
    );
    assert_eq!(of("c").discardable, Some(true));
    let definition = parse("CODE FIXED SEGMENTS a DISCARDABLE");
    let a = definition.attributes("a", SegmentKind::Code);
    assert_eq!((a.moveable, a.discardable), (Some(true), Some(true)));
}

#[test]
fn words_are_read_in_either_case_with_classes_and_other_spellings() {
    let text = "library Both segments one class 'CODE' movable nondiscardable\r\n\
                two CLASS 'DATA' SINGLE data NONE heapsize maxval";
    let definition = parse(text);
    assert_eq!(definition.name, "Both");
    assert_eq!(definition.segment("ONE").unwrap().class, Some("CODE"));
    let one = definition.segment("one").unwrap().attributes;
    assert_eq!((one.moveable, one.discardable), (Some(true), Some(false)));
    let two = definition.segment("two").unwrap();
    assert_eq!(two.attributes.sharing, Some(Sharing::Single));
    assert_eq!(definition.data.sharing, Some(Sharing::None));
    assert_eq!(definition.heap_size, 65_536);
    assert_eq!(Definition::parse("  ; nothing\n;").unwrap().segments(), []);
}

#[test]
fn wrong_definitions_are_refused_with_their_line() {
    use DefinitionErrorKind::*;
    for (text, line, kind) in [
        ("MOVEABLE", 1, Syntax),
        ("NAME", 1, Syntax),
        ("\n\nHEAPSIZE", 3, Syntax),
        ("HEAPSIZE 1\n2", 2, Syntax),
        ("SEGMENTS PRELOAD", 1, Syntax),
        ("SEGMENTS CLASS 'X'", 1, Syntax),
        ("SEGMENTS a CLASS", 1, Syntax),
        ("CODE a", 1, UnknownAttribute),
        ("CODE SINGLE", 1, UnknownAttribute),
        ("CODE PRELOAD\nDATA; x\nb", 3, UnknownAttribute),
        ("SEGMENTS\n a FIXED\n MOVEABLE", 3, Conflict),
        ("CODE PRELOAD LOADONCALL", 1, Conflict),
        ("CODE DISCARDABLE NONDISCARDABLE", 1, Conflict),
        ("DATA SINGLE MULTIPLE", 1, Conflict),
        ("SEGMENTS a FIXED DISCARDABLE", 1, Conflict),
        ("SEGMENTS a DISCARDABLE FIXED", 1, Conflict),
        ("DATA MOVEABLE\nDISCARDABLE", 2, DiscardableData),
        ("HEAPSIZE x", 1, Number),
        ("HEAPSIZE 65537", 1, Number),
        ("STACKSIZE 0x10001", 1, Number),
        ("STACKSIZE -1", 1, Number),
        ("SEGMENTS a PRELOAD\nA", 2, Duplicate),
    ] {
        assert_eq!(error(text), (line, kind), "{text}");
    }
    let names = |count: usize| {
        let names: Vec<_> = (0..count).map(|n| format!("s{n}")).collect();
        format!("SEGMENTS\n{}", names.join("\n"))
    };
    assert_eq!(parse(&names(SEGMENTS)).segments().len(), SEGMENTS);
    let beyond = error(&names(SEGMENTS + 1));
    assert_eq!(beyond, (SEGMENTS as u32 + 2, TooManySegments));
}

/// A program's file: each segment is full of its number and counts its loads.
struct File {
    segments: Vec<ImageSegment<'static>>,
    loads: RefCell<Vec<usize>>,
    broken: Cell<bool>,
}

fn segment(name: &'static str, kind: SegmentKind, size: u32) -> ImageSegment<'static> {
    ImageSegment { name, kind, size }
}

fn code(name: &'static str, size: u32) -> ImageSegment<'static> {
    segment(name, SegmentKind::Code, size)
}

fn data(name: &'static str, size: u32) -> ImageSegment<'static> {
    segment(name, SegmentKind::Data, size)
}

impl File {
    fn new(segments: &[ImageSegment<'static>]) -> File {
        File {
            segments: segments.to_vec(),
            loads: RefCell::default(),
            broken: Cell::new(false),
        }
    }

    fn tutorial() -> File {
        File::new(&[
            code("MEMORY_MAIN", 4000),
            code("MEMORY_INIT", 8000),
            code("MEMORY_WNDPROC", 2000),
            code("MEMORY_ABOUT", 3000),
            data("DGROUP", 1001),
        ])
    }
}

impl Image for File {
    fn segments(&self) -> &[ImageSegment<'_>] {
        &self.segments
    }

    fn load(&self, segment: usize, into: &[Cell<u8>]) -> bool {
        assert_eq!(into.len(), self.segments[segment].size as usize);
        into.iter().for_each(|cell| cell.set(segment as u8 + 1));
        self.loads.borrow_mut().push(segment);
        !self.broken.get()
    }
}

#[test]
fn preload_segments_come_with_the_program_and_others_on_call() {
    let heap = arena(128);
    let file = File::tutorial();
    let module = Module::load(&heap, &parse(TUTORIAL), &file).unwrap();
    assert_eq!(*file.loads.borrow(), [0, 2]);
    let init = module.find("memory_init").unwrap();
    assert_eq!((init, module.segment(init)), (1, None));
    let running = module.code(init).unwrap();
    assert_eq!(*file.loads.borrow(), [0, 2, 1]);
    let mut bytes = [0; 8000];
    assert!(running.read(0, &mut bytes) && bytes == [2; 8000]);
    assert!(!running.read(running.len(), &mut [0]) && !running.is_empty());
    let block = module.segment(init).unwrap();
    assert_eq!(heap.flags(block).unwrap().locks, 1);
    drop(running);
    // In memory already.
    drop(module.code(init).unwrap());
    assert_eq!(file.loads.borrow().len(), 3);
    assert_eq!(module.find("NONE"), None);
}

#[test]
fn a_discarded_segment_is_brought_back_by_the_next_access() {
    let heap = arena(64);
    let file = File::tutorial();
    let module = Module::load(&heap, &parse(TUTORIAL), &file).unwrap();
    drop(module.code(1).unwrap());
    let block = module.segment(1).unwrap();
    assert!(heap.flags(block).unwrap().discardable);
    for round in 0..3 {
        heap.compact(u32::MAX).unwrap();
        assert!(heap.flags(block).unwrap().discarded);
        file.loads.borrow_mut().clear();
        let code = module.code(1).unwrap();
        let mut byte = [0];
        assert!(code.read(7999, &mut byte) && byte == [2], "round {round}");
        assert_eq!(*file.loads.borrow(), [1]);
        assert_eq!(module.segment(1), Some(block));
        // It stays while it runs.
        heap.compact(u32::MAX).unwrap();
        assert!(!heap.flags(block).unwrap().discarded);
    }
    // Want of room discards it as well, the least recently used first.
    drop(module.code(3).unwrap());
    drop(module.code(1).unwrap());
    let about = module.segment(3).unwrap();
    heap.alloc(MOVEABLE, heap.compact(0).unwrap() - 8 * KIB)
        .unwrap();
    assert!(heap.flags(about).unwrap().discarded);
    assert!(!heap.flags(block).unwrap().discarded);
}

#[test]
fn code_is_read_only() {
    let heap = arena(64);
    let file = File::tutorial();
    let module = Module::load(&heap, &parse(TUTORIAL), &file).unwrap();
    let code = module.code(0).unwrap();
    assert_eq!(code.write(0, &[1]), Err(Error::GeneralProtection));
    // Nor does the heap give it away for writing, or let it be freed.
    let block = module.segment(0).unwrap();
    assert_eq!(heap.lock(block).err(), Some(Error::GeneralProtection));
    assert_eq!(heap.wire(block).err(), Some(Error::GeneralProtection));
    drop(code);
    assert_eq!(heap.free(block), Err(Error::InUse));
    assert_eq!(heap.realloc(block, 32, MOVEABLE), Err(Error::InUse));
    assert_eq!(heap.discard(block), Err(Error::InUse));
    let mut byte = [0];
    assert!(module.code(0).unwrap().read(0, &mut byte) && byte == [1]);
}

#[test]
fn segments_lie_where_their_attributes_say() {
    let heap = arena(64);
    let file = File::new(&[code("m", 1024), code("d", 1024), code("f", 1024)]);
    let text = "SEGMENTS m MOVEABLE d DISCARDABLE f FIXED DATA NONE";
    let module = Module::load(&heap, &parse(text), &file).unwrap();
    let at = |n| heap.address(module.segment(n).unwrap()).unwrap();
    assert_eq!((at(2), at(0), at(1)), (0, 1024, 63 * KIB));
}

#[test]
fn an_instance_has_static_data_stack_and_local_heap() {
    let heap = arena(128);
    let file = File::tutorial();
    let module = Module::load(&heap, &parse(TUTORIAL), &file).unwrap();
    let instance = module.instance().unwrap();
    let segment = instance.data_segment().unwrap();
    // 1001 bytes, rounded to 4, a stack of 8192 and a heap of 1024.
    assert_eq!(heap.size_of(segment), Ok(10_240));
    let bytes = heap.lock(segment).unwrap();
    assert_eq!(
        (bytes[0].get(), bytes[1000].get(), bytes[1001].get()),
        (5, 5, 0)
    );
    drop(bytes);
    let local = instance.local().unwrap();
    assert_eq!(local.size(), 10_240 - 9196);
    let block = local.alloc(FIXED, 10).unwrap();
    assert_eq!(local.near(block), Ok(9196));
    // HEAPSIZE is the least that shrinking leaves.
    let large = local.alloc(MOVEABLE, 20_000).unwrap();
    local.free(large).unwrap();
    assert_eq!(local.shrink(0), Ok(1044));
    assert!(!heap.flags(segment).unwrap().discardable);
}

#[test]
fn data_is_locked_while_it_runs_but_for_what_it_does_itself() {
    let heap = arena(128);
    let below = heap.alloc(MOVEABLE, 4 * KIB).unwrap();
    let file = File::new(&[code("TEXT", 100), data("DGROUP", 100)]);
    let definition = parse("CODE MOVEABLE HEAPSIZE 1024 STACKSIZE 1024");
    let module = Module::load(&heap, &definition, &file).unwrap();
    let instance = module.instance().unwrap();
    let segment = instance.data_segment().unwrap();
    let at = || heap.address(segment).unwrap();
    assert_eq!(heap.flags(segment).unwrap().locks, 0);
    let running = instance.run();
    assert_eq!(heap.flags(segment).unwrap().locks, 1);
    let before = at();
    heap.free(below).unwrap();
    heap.compact(0).unwrap();
    assert_eq!(at(), before);
    // Somebody else's request does not move it, its own does.
    assert_eq!(heap.alloc(MOVEABLE, 124 * KIB), Err(Error::NoMemory));
    let local = instance.local().unwrap();
    let near = local.alloc(Flags::PTR, 100).unwrap();
    local.lock(near).unwrap().write(0, b"near");
    let block = running.alloc(MOVEABLE, 124 * KIB).unwrap();
    assert!(at() < before);
    assert_eq!(heap.flags(segment).unwrap().locks, 1);
    assert_eq!(local.lock(near).unwrap()[0].get(), b'n');
    heap.free(block).unwrap();
    // So does its local heap, when it must grow.
    let wall = heap.alloc(FIXED, KIB).unwrap();
    let before = at();
    local.alloc(MOVEABLE, 30 * KIB).unwrap();
    assert!(at() != before && heap.address(wall).is_ok());
    drop(running);
    assert_eq!(heap.flags(segment).unwrap().locks, 0);
}

#[test]
fn multiple_instances_have_data_of_their_own_and_code_in_common() {
    let heap = arena(128);
    let file = File::tutorial();
    let module = Module::load(&heap, &parse(TUTORIAL), &file).unwrap();
    let [one, two] = [module.instance().unwrap(), module.instance().unwrap()];
    assert_ne!(one.data_segment(), two.data_segment());
    assert_ne!(one.task(), two.task());
    heap.lock(one.data_segment().unwrap()).unwrap()[0].set(99);
    assert_eq!(heap.lock(two.data_segment().unwrap()).unwrap()[0].get(), 5);
    let code_loads = |of: &File| of.loads.borrow().iter().filter(|at| **at == 0).count();
    assert_eq!(code_loads(&file), 1);
    // What an instance allocated while it ran goes with it.
    let running = one.run();
    let block = heap.alloc(MOVEABLE, KIB).unwrap();
    drop(running);
    let kept = heap.alloc(MOVEABLE, KIB).unwrap();
    let segment = one.data_segment().unwrap();
    drop(one);
    assert_eq!(heap.size_of(block), Err(Error::InvalidHandle));
    assert_eq!(heap.size_of(segment), Err(Error::InvalidHandle));
    assert_eq!(heap.size_of(kept), Ok(KIB));
    // And all with the module.
    drop(two);
    drop(module);
    heap.free(kept).unwrap();
    assert_eq!(heap.free_bytes(), heap.size());
}

#[test]
fn single_instances_share_their_data() {
    let heap = arena(128);
    let file = File::new(&[code("TEXT", 100), data("DGROUP", 100), data("FAR", 50)]);
    let definition = parse("LIBRARY shared DATA SINGLE HEAPSIZE 512");
    let module = Module::load(&heap, &definition, &file).unwrap();
    let [one, two] = [module.instance().unwrap(), module.instance().unwrap()];
    assert_eq!(one.data_segment(), two.data_segment());
    let block = one.local().unwrap().alloc(Flags::PTR, 4).unwrap();
    one.local().unwrap().lock(block).unwrap().write(0, b"both");
    assert_eq!(two.local().unwrap().lock(block).unwrap()[3].get(), b'h');
    drop(one);
    assert_eq!(two.local().unwrap().lock(block).unwrap()[3].get(), b'h');
    drop(two);
    drop(module);
    assert_eq!(heap.free_bytes(), heap.size());
}

#[test]
fn a_listed_data_segment_is_shared_or_not_as_its_own_line_says() {
    for (text, shares) in [
        ("SEGMENTS dgroup SINGLE DATA MULTIPLE", true),
        ("SEGMENTS dgroup MULTIPLE DATA SINGLE", false),
        ("SEGMENTS dgroup SINGLE", true),
        ("SEGMENTS dgroup MOVEABLE", false),
        // Of another segment it says nothing.
        ("SEGMENTS far SINGLE", false),
    ] {
        let heap = arena(128);
        let file = File::new(&[code("TEXT", 100), data("DGROUP", 100)]);
        let definition = parse(text);
        let module = Module::load(&heap, &definition, &file).unwrap();
        let [one, two] = [module.instance().unwrap(), module.instance().unwrap()];
        let [first, second] = [&one, &two].map(|of| of.data_segment().unwrap());
        assert_eq!(first == second, shares, "{text}");
        heap.lock(first).unwrap()[0].set(99);
        let seen = heap.lock(second).unwrap()[0].get();
        assert_eq!(seen, if shares { 99 } else { 2 }, "{text}");
        let data_loads = file.loads.borrow().iter().filter(|at| **at == 1).count();
        assert_eq!(data_loads, if shares { 1 } else { 2 }, "{text}");
    }
    // A shared one among several data segments lets there be more instances.
    let heap = arena(128);
    let file = File::new(&[data("DGROUP", 100), data("FAR", 50)]);
    let definition = parse("SEGMENTS dgroup SINGLE");
    let module = Module::load(&heap, &definition, &file).unwrap();
    let [one, two] = [module.instance().unwrap(), module.instance().unwrap()];
    assert_eq!(one.data_segment(), two.data_segment());
}

#[test]
fn a_program_without_heapsize_has_a_local_heap_that_grows_from_nothing() {
    for text in ["", "HEAPSIZE 0"] {
        let heap = arena(128);
        let definition = parse(text);
        assert_eq!((definition.heap_size, definition.stack_size), (0, 0));
        let file = File::new(&[code("TEXT", 100), data("DGROUP", 100)]);
        let module = Module::load(&heap, &definition, &file).unwrap();
        let instance = module.instance().unwrap();
        let segment = instance.data_segment().unwrap();
        // The static data, rounded up to what blocks of the global heap are.
        assert_eq!(heap.size_of(segment), Ok(128), "{text}");
        let local = instance.local().unwrap();
        assert_eq!(local.size(), 28, "{text}");
        let block = local.alloc(MOVEABLE, 1000).unwrap();
        local.lock(block).unwrap().write(0, b"grown");
        assert!(local.size() >= 1000 && heap.size_of(segment).unwrap() >= 1100);
        assert_eq!(heap.lock(segment).unwrap()[99].get(), 2);
        // Nothing is kept for it when it shrinks.
        local.free(block).unwrap();
        assert_eq!(local.shrink(0), Ok(28), "{text}");
        assert_eq!(heap.size_of(segment), Ok(128), "{text}");
    }
}

#[test]
fn a_program_with_several_data_segments_has_one_instance() {
    let heap = arena(128);
    let file = File::new(&[code("TEXT", 100), data("DGROUP", 100), data("FAR", 50)]);
    let module = Module::load(&heap, &Definition::new(), &file).unwrap();
    let first = module.instance().unwrap();
    assert_eq!(module.instance().err(), Some(Error::SecondInstance));
    let far = module.data(2).unwrap();
    assert_eq!(far[49].get(), 3);
    far[0].set(8);
    assert_eq!(module.data(2).unwrap()[0].get(), 8);
    // Neither the automatic one nor code.
    assert_eq!(module.data(1).err(), Some(Error::InvalidParameter));
    assert_eq!(module.data(0).err(), Some(Error::InvalidParameter));
    drop(first);
    assert!(module.instance().is_ok());
}

#[test]
fn the_memory_model_is_in_how_many_segments_there_are() {
    let heap = arena(64);
    let definition = parse("CODE LOADONCALL");
    for (codes, datas, model) in [
        (1, 1, MemoryModel::Small),
        (3, 1, MemoryModel::Medium),
        (1, 2, MemoryModel::Compact),
        (2, 2, MemoryModel::Large),
    ] {
        let names = ["a", "b", "c"];
        let mut segments: Vec<_> = names[..codes].iter().map(|name| code(name, 64)).collect();
        segments.extend(names[..datas].iter().map(|name| data(name, 64)));
        let file = File::new(&segments);
        let module = Module::load(&heap, &definition, &file).unwrap();
        assert_eq!(module.model(), model);
    }
    assert_eq!(MemoryModel::of(1, 0), MemoryModel::Small);
}

#[test]
fn a_program_without_data_has_no_local_heap() {
    let heap = arena(64);
    let file = File::new(&[code("TEXT", 100), data("D", 32)]);
    let module = Module::load(&heap, &parse("DATA NONE"), &file).unwrap();
    let instance = module.instance().unwrap();
    assert_eq!(instance.local().err(), Some(Error::NoDataSegment));
    assert_eq!(instance.data_segment().err(), Some(Error::NoDataSegment));
    assert!(instance.run().alloc(MOVEABLE, 32).is_ok());
    assert_eq!(module.data(1).unwrap()[0].get(), 2);
}

#[test]
fn programs_that_cannot_be_loaded() {
    let heap = arena(128);
    let load = |text: &'static str, segments: &[ImageSegment<'static>]| {
        let file = File::new(segments);
        Module::load(&heap, &parse(text), &file).err()
    };
    let many: Vec<_> = (0..=SEGMENTS).map(|_| code("x", 32)).collect();
    assert_eq!(load("", &many), Some(Error::InvalidParameter));
    assert_eq!(load("", &[code("x", 0)]), Some(Error::InvalidParameter));
    assert_eq!(load("", &[code("x", 65_537)]), Some(Error::TooLarge));
    assert_eq!(load("", &[data("x", 65_537)]), Some(Error::TooLarge));
    assert_eq!(load("", &[code("x", 65_536)]), None);
    // Static data, stack and heap share 64 KiB.
    let full = "STACKSIZE 4096 HEAPSIZE 61440";
    assert_eq!(load(full, &[data("x", 0)]), None);
    assert_eq!(load(full, &[data("x", 1)]), Some(Error::TooLarge));
    assert_eq!(
        load("STACKSIZE 65536", &[data("x", 1)]),
        Some(Error::TooLarge)
    );
    let discardable = Some(Error::SegmentAttributes);
    assert_eq!(load("SEGMENTS x DISCARDABLE", &[data("x", 9)]), discardable);
    let two = [code("x", 65_536), code("y", 65_536)];
    assert_eq!(load("", &two), None);
    heap.alloc(FIXED, 32).unwrap();
    assert_eq!(load("", &two), Some(Error::NoMemory));
    assert_eq!(heap.free_bytes(), heap.size() - 32);
}

#[test]
fn maxval_is_all_that_the_segment_has_left() {
    let heap = arena(128);
    let file = File::new(&[data("DGROUP", 1000)]);
    let definition = parse("HEAPSIZE MAXVAL STACKSIZE 1000");
    let module = Module::load(&heap, &definition, &file).unwrap();
    let instance = module.instance().unwrap();
    assert_eq!(heap.size_of(instance.data_segment().unwrap()), Ok(64 * KIB));
    assert_eq!(instance.local().unwrap().size(), 64 * KIB - 2000);
}

#[test]
fn a_segment_that_does_not_load_is_not_there() {
    let heap = arena(128);
    let file = File::tutorial();
    file.broken.set(true);
    let definition = parse(TUTORIAL);
    let module = Module::load(&heap, &definition, &file);
    assert_eq!(module.err(), Some(Error::LoadFailed));
    assert_eq!(heap.free_bytes(), heap.size());
    file.broken.set(false);
    let module = Module::load(&heap, &definition, &file).unwrap();
    let free = heap.free_bytes();
    file.broken.set(true);
    assert_eq!(module.code(1).err(), Some(Error::LoadFailed));
    assert_eq!(module.segment(1), None);
    assert_eq!(module.instance().err(), Some(Error::LoadFailed));
    assert_eq!(heap.free_bytes(), free);
    file.broken.set(false);
    // Brought back, and again when it was discarded and could not be.
    drop(module.code(1).unwrap());
    heap.compact(u32::MAX).unwrap();
    file.broken.set(true);
    assert_eq!(module.code(1).err(), Some(Error::LoadFailed));
    file.broken.set(false);
    let mut byte = [0];
    assert!(module.code(1).unwrap().read(0, &mut byte) && byte == [2]);
    assert_eq!(module.code(4).err(), Some(Error::InvalidParameter));
    assert_eq!(module.code(99).err(), Some(Error::InvalidParameter));
    // Without room: the error of the heap.
    heap.alloc(MOVEABLE, heap.compact(0).unwrap()).unwrap();
    assert_eq!(module.code(3).err(), Some(Error::NoMemory));
    assert_eq!(module.instance().err(), Some(Error::NoMemory));
}

/// A program of which nothing is loaded with it. Its segment 2 is a data segment, and not the automatic one.
fn lazy() -> (File, Definition<'static>) {
    let segments = [code("a", 100), data("DGROUP", 1000), data("extra", 100)];
    let definition = parse("CODE LOADONCALL DATA LOADONCALL MULTIPLE");
    (File::new(&segments), definition)
}

#[test]
fn segments_without_handles_or_bytes_are_not_loaded() {
    let heap = arena(1024);
    let (file, definition) = lazy();
    let module = Module::load(&heap, &definition, &file).unwrap();
    file.broken.set(true);
    assert_eq!(module.data(2).err(), Some(Error::LoadFailed));
    file.broken.set(false);
    while heap.alloc(MOVEABLE, 0).is_ok() {}
    let expected = Some(Error::NoHandles);
    let tutorial = File::tutorial();
    let loaded = Module::load(&heap, &parse(TUTORIAL), &tutorial);
    assert_eq!(loaded.err(), expected);
    assert_eq!(module.code(0).err(), expected);
    assert_eq!(module.data(2).err(), expected);
    assert_eq!(module.instance().err(), expected);
}

#[test]
fn nothing_is_loaded_while_a_notification_runs() {
    let asked: &Cell<u32> = Box::leak(Box::new(Cell::new(0)));
    // Leaked, so that the notification can reach them.
    let heap: &'static GlobalHeap<'static> = Box::leak(Box::new(arena(64)));
    let (file, definition) = lazy();
    let file: &'static File = Box::leak(Box::new(file));
    let definition: &'static Definition<'_> = Box::leak(Box::new(definition));
    let module = Module::load(heap, definition, file).unwrap();
    let module: &'static Module<'_, '_, '_> = Box::leak(Box::new(module));
    let ask = move |_: HGlobal| {
        asked.set(asked.get() + 1);
        let busy = Some(Error::Busy);
        assert_eq!(
            Module::load(heap, &parse(TUTORIAL), &File::tutorial()).err(),
            busy
        );
        assert_eq!(module.code(0).err(), busy);
        assert_eq!(module.data(2).err(), busy);
        assert_eq!(module.instance().err(), busy);
        true
    };
    let ask = Box::leak(Box::new(ask));
    heap.notify(Task(0), Some(ask)).unwrap();
    let block = heap.alloc(discardable() | Flags::NOTIFY, 40 * KIB).unwrap();
    heap.lru_oldest(block).unwrap();
    heap.alloc(MOVEABLE, 40 * KIB).unwrap();
    assert_eq!(asked.get(), 1);
}
