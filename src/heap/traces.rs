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
    /// Where in a record the bytes asked for are.
    pub size: usize,
    /// Where in a record its heap's handle is.
    pub heap: usize,
    /// Bytes of a stack's head.
    pub head: usize,
    /// Where in a stack's head the number of its frames is, four bytes. The frames
    /// follow the head.
    pub frames: usize,
    /// The addresses that blocks with guard pages have, from the first to the one behind the
    /// last; both are 0 where there are none. They lie in nothing else that tells of them.
    pub guarded: [usize; 2],
    /// As above, of the two tables of those blocks; they hold the blocks' addresses.
    pub tables: [[usize; 2]; 2],
    /// Where in a record its tag is, two bytes; 0 where blocks have none.
    pub tag: usize,
    /// Address of the names of modules, of which the first one's tag is [`FIRST_MODULE`]; how
    /// many there can be, and the bytes from one to the next.
    pub modules: [usize; 3],
    /// Where in a module's record the bytes of its name are, [`MODULE_NAME`] at most, and where
    /// its length, which is 0 while there is none.
    pub module_name: [usize; 2],
}

/// The tag of the first module; those before are numbers that calls give.
pub const FIRST_MODULE: u16 = 0x1001;

/// Bytes of a module's name that are kept.
pub const MODULE_NAME: usize = 32;

#[cfg(feature = "debug")]
impl Traces {
    /// Nothing is anywhere.
    pub(in crate::heap) const NONE: Traces = Traces {
        database: 0,
        shards: 0,
        count: 0,
        stride: 0,
        table: 0,
        capacity: 0,
        record: 0,
        start: 0,
        stack: 0,
        state: 0,
        size: 0,
        heap: 0,
        head: 0,
        frames: 0,
        guarded: [0; 2],
        tables: [[0; 2]; 2],
        tag: 0,
        modules: [0; 3],
        module_name: [0; 2],
    };
}

/// A block that is handed out.
#[cfg(feature = "outside")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// Its first byte.
    pub start: usize,
    /// The bytes asked for.
    pub size: usize,
    /// Its heap's handle.
    pub heap: usize,
    /// The number of its allocation's stack; 0 if none was kept.
    pub stack: u32,
    /// Its tag; 0 for none.
    pub tag: u16,
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
            size: at(10)?,
            heap: at(11)?,
            head: at(12)?,
            frames: at(13)?,
            guarded: [at(14)?, at(15)?],
            tables: [[at(16)?, at(17)?], [at(18)?, at(19)?]],
            tag: at(20)?,
            modules: [at(21)?, at(22)?, at(23)?],
            module_name: [at(24)?, at(25)?],
        };
        let [_, modules, module] = found.modules;
        let [name, length] = found.module_name;
        let is_one = (1..=4096).contains(&found.count)
            && found.stride <= 4096
            // Shards have their words for themselves.
            && found.table.max(found.capacity) < found.stride
            // No record is smaller than what it says.
            && (29..=4096).contains(&found.record)
            && [
                found.start,
                found.stack,
                found.state,
                found.size,
                found.heap,
                found.tag,
            ]
            .iter()
            .all(|&at| at < found.record)
            && modules <= 4096
            && module <= 4096
            && (modules == 0 || name.max(length) < module)
            && found.head <= 64
            && found.frames < found.head;
        is_one.then_some(found)
    }

    /// What a record says, if its block is handed out.
    pub fn busy(&self, record: &[u8]) -> Option<Busy> {
        use super::outside::{byte, half, word};
        let busy = Busy {
            start: word(record, self.start)?,
            size: word(record, self.size)?,
            heap: word(record, self.heap)?,
            stack: half(record, self.stack)?,
            tag: match self.tag {
                0 => 0,
                at => u16::from_ne_bytes([byte(record, at)?, byte(record, at + 1)?]),
            },
        };
        let is_busy = byte(record, self.state)? == 0;
        (is_busy && busy.start != 0).then_some(busy)
    }

    /// Whether a block is one of those with guard pages.
    pub fn is_guarded(&self, block: &Busy) -> bool {
        let [start, end] = self.guarded;
        start <= block.start && block.start < end && block.size <= end - block.start
    }

    /// Where the record of the module lies that a tag is of, if it is a module's.
    pub fn module_at(&self, tag: u16) -> Option<usize> {
        let [first, count, bytes] = self.modules;
        let index = usize::from(tag.checked_sub(FIRST_MODULE)?);
        if index >= count {
            return None;
        }
        first.checked_add(index * bytes)
    }

    /// The bytes of a module's name, as its record says; `None` while it says none.
    pub fn module_name<'a>(&self, record: &'a [u8]) -> Option<&'a [u8]> {
        let [name, length] = self.module_name;
        let length = super::outside::word(record, length)?.min(MODULE_NAME);
        record
            .get(name..name.checked_add(length)?)
            .filter(|name| !name.is_empty())
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
        let words = [
            0x1000usize,
            0x2000,
            32,
            64,
            8,
            16,
            64,
            0,
            24,
            45,
            8,
            16,
            16,
            8,
            0x9000,
            0xa000,
            0xb000,
            0xb010,
            0xc000,
            0xc020,
            46,
            0xd000,
            2,
            48,
            8,
            40,
        ];
        let bytes = |words: &[usize]| -> std::vec::Vec<u8> {
            words.iter().flat_map(|word| word.to_ne_bytes()).collect()
        };
        let good = Traces::decode(&bytes(&words)).expect("can be");
        assert_eq!(
            (good.database, good.shards, good.frames),
            (0x1000, 0x2000, 8)
        );
        assert_eq!(good.tables, [[0xb000, 0xb010], [0xc000, 0xc020]]);
        assert_eq!(Traces::decode(&bytes(&words)[1..]), None);
        for (at, wrong) in [
            (2, 0),
            (3, 5000),
            (3, 0),
            (3, 16),
            (4, 4096),
            (6, 0),
            (6, 28),
            (8, 64),
            (12, 65),
            (13, 16),
            (20, 64),
            (22, 4097),
            (24, 48),
        ] {
            let mut words = words;
            words[at] = wrong;
            assert_eq!(Traces::decode(&bytes(&words)), None, "{at}");
        }
        let mut record = [0u8; 64];
        assert_eq!(good.busy(&record), None);
        let mut write = |at: usize, bytes: &[u8]| {
            record[at..at + bytes.len()].copy_from_slice(bytes);
            good.busy(&record)
        };
        write(8, &0x20usize.to_ne_bytes());
        write(16, &0x4000usize.to_ne_bytes());
        write(24, &9u32.to_ne_bytes());
        let busy = Busy {
            start: 0x9ff0,
            size: 0x20,
            heap: 0x4000,
            stack: 9,
            tag: 0,
        };
        assert_eq!(write(0, &0x9ff0usize.to_ne_bytes()), Some(busy));
        let tagged = Busy {
            tag: 0x1002,
            ..busy
        };
        assert_eq!(write(46, &0x1002u16.to_ne_bytes()), Some(tagged));
        assert_eq!(good.module_at(0x1002), Some(0xd030));
        assert_eq!(
            [0, 0x1000, 0x1003].map(|tag| good.module_at(tag)),
            [None; 3]
        );
        let mut module = [0u8; 48];
        module[8..11].copy_from_slice(b"abc");
        assert_eq!(good.module_name(&module), None);
        module[40] = 3;
        assert_eq!(good.module_name(&module), Some(&b"abc"[..]));
        assert_eq!(good.module_name(&module[..10]), None);
        assert_eq!(write(45, &[2]), None);
        assert!(!good.is_guarded(&busy), "its end is outside");
        assert!(good.is_guarded(&Busy { size: 0x10, ..busy }));
        assert!(!good.is_guarded(&Busy {
            start: 0x8fff,
            ..busy
        }));
        assert_eq!(good.busy(&record[..20]), None);
        assert_eq!(good.frames_of(&[0; 16]), None);
    }
}
