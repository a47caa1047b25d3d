use ntheap::win16::{Error, Flags, GlobalHeap};

fn main() -> Result<(), Error> {
    let heap = GlobalHeap::new(640 * 1024)?;
    let font = heap.alloc(Flags::MOVEABLE | Flags::DISCARDABLE, 3000)?;
    // A lock is a guard: the block stays as long as the guard lives.
    let bytes = heap.lock(font)?;
    bytes.write(0, b"glyphs");
    drop(bytes);
    // Somebody needs everything.
    let picture = heap.alloc(Flags::MOVEABLE, 640 * 1024)?;
    // The handle is good, the contents are gone: make them again.
    assert_eq!(heap.lock(font).err(), Some(Error::Discarded));
    heap.free(picture)?;
    heap.realloc(font, 3000, Flags::MOVEABLE)?;
    heap.lock(font)?.write(0, b"glyphs");
    Ok(())
}
