//! Where an outsider finds who allocated a block: what the root record's
//! [`Traces`](crate::vm::root::Anchor::Traces) leads to.
//!
//! ```text
//!   Anchor::Traces --> Published --> shards of the registry --> records: start, stack
//!                            \-----> the stack database --> number --> frames
//! ```
//!
//! The words say where everything is, so that who reads them need not be built with the
//! feature that keeps such records. Nothing is believed: a [`Traces`] is decoded from
//! any bytes, and what cannot be is `None`.

/// The words of a copy's registry and stack database, each a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Traces {
    /// Address of the database's record, whose first words are the database's address and
    /// the bytes in use.
    pub database: usize,
    /// Address of the first shard's value.
    pub shards: usize,
    /// How many shards there are.
    pub count: usize,
    /// Bytes from one shard to the next.
    pub stride: usize,
    /// Where in a shard the address of its table is.
    pub table: usize,
    /// Where in a shard the number of its table's records is.
    pub capacity: usize,
    /// Bytes of a record.
    pub record: usize,
    /// Where in a record the address of its block is; 0 there is no record.
    pub start: usize,
    /// Where in a record the number of the allocation's stack is, four bytes.
    pub stack: usize,
    /// Where in a record its state is, one byte; 0 is a block that is handed out.
    pub state: usize,
    /// Bytes of a stack's head.
    pub head: usize,
    /// Where in a stack's head the number of its frames is, four bytes. The frames
    /// follow the head.
    pub frames: usize,
}

/// Bytes of a [`Traces`].
#[cfg(feature = "outside")]
pub const BYTES: usize = size_of::<Traces>();

#[cfg(feature = "outside")]
impl Traces {
    /// Decodes [`BYTES`] bytes; `None` for fewer, and for what no copy says.
    pub fn decode(bytes: &[u8]) -> Option<Traces> {
        use super::outside::word;
        let at = |index: usize| word(bytes, index * size_of::<usize>());
        let found = Traces {
            database: at(0)?,
            shards: at(1)?,
            count: at(2)?,
            stride: at(3)?,
            table: at(4)?,
            capacity: at(5)?,
            record: at(6)?,
            start: at(7)?,
            stack: at(8)?,
            state: at(9)?,
            head: at(10)?,
            frames: at(11)?,
        };
        let is_one = (1..=4096).contains(&found.count)
            && found.stride <= 4096
            && found.table.max(found.capacity) < 4096
            && (1..=4096).contains(&found.record)
            && found.start.max(found.stack).max(found.state) < found.record
            && found.head <= 64
            && found.frames < found.head;
        is_one.then_some(found)
    }

    /// The block and the stack of a record, if the block is handed out and the stack was
    /// kept.
    pub fn busy(&self, record: &[u8]) -> Option<(usize, u32)> {
        use super::outside::{byte, half, word};
        let start = word(record, self.start)?;
        let stack = half(record, self.stack)?;
        let is_busy = byte(record, self.state)? == 0;
        (is_busy && start != 0 && stack != 0).then_some((start, stack))
    }

    /// Where the stack of a number lies, seen from the database's address.
    pub const fn stack_at(number: u32) -> usize {
        number as usize * 8
    }

    /// The number of frames that a stack's head says; `None` for a head that is none.
    pub fn frames_of(&self, head: &[u8]) -> Option<usize> {
        let count = super::outside::half(head, self.frames)? as usize;
        (1..=1024).contains(&count).then_some(count)
    }
}

#[cfg(all(test, feature = "outside"))]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_is_none() {
        let words = [0x1000usize, 0x2000, 32, 64, 8, 16, 64, 0, 24, 45, 16, 8];
        let bytes = |words: &[usize]| -> std::vec::Vec<u8> {
            words.iter().flat_map(|word| word.to_ne_bytes()).collect()
        };
        let good = Traces::decode(&bytes(&words)).expect("can be");
        assert_eq!(
            (good.database, good.shards, good.frames),
            (0x1000, 0x2000, 8)
        );
        assert_eq!(Traces::decode(&bytes(&words)[1..]), None);
        for (at, wrong) in [
            (2, 0),
            (3, 5000),
            (4, 4096),
            (6, 0),
            (8, 64),
            (10, 65),
            (11, 16),
        ] {
            let mut words = words;
            words[at] = wrong;
            assert_eq!(Traces::decode(&bytes(&words)), None, "{at}");
        }
        let mut record = [0u8; 64];
        assert_eq!(good.busy(&record), None);
        record[..8].copy_from_slice(&0x7000usize.to_ne_bytes());
        record[24..28].copy_from_slice(&9u32.to_ne_bytes());
        assert_eq!(good.busy(&record), Some((0x7000, 9)));
        record[45] = 2;
        assert_eq!(good.busy(&record), None);
        assert_eq!(good.busy(&record[..20]), None);
        assert_eq!(good.frames_of(&[0; 16]), None);
    }
}
