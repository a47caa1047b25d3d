//! Where a function keeps its caller's registers, as compilers write it down
//! (DWARF's call frame information, in the form that `.eh_frame` has it).
//!
//! Only what compilers for x86-64 use is understood; where something else is
//! met, the walk ends.

use super::unwind::Memory;

/// Registers by DWARF's numbers, the address of code the last.
pub(super) const REGISTERS: usize = 17;
pub(super) type Registers = [usize; REGISTERS];
pub(super) const RBP: usize = 6;
pub(super) const RSP: usize = 7;
pub(super) const RIP: usize = 16;

/// Where a register of the caller's is.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    Same,
    Undefined,
    /// So many bytes from the frame's address.
    Offset(isize),
    /// In another register.
    Register(usize),
    /// Where an expression says.
    Expression(Bytes),
}

/// How the frame's address, which is the caller's stack pointer, is found.
#[derive(Clone, Copy)]
pub(super) enum Frame {
    Offset(usize, isize),
    Expression(Bytes),
}

#[derive(Clone, Copy)]
pub(super) struct State {
    pub(super) frame: Frame,
    pub(super) rules: [Rule; REGISTERS],
}

impl State {
    /// What holds where a function says nothing.
    const FIRST: State = State {
        frame: Frame::Offset(RSP, 8),
        rules: [Rule::Same; REGISTERS],
    };
}

/// States that may be remembered at a time.
const REMEMBERED: usize = 4;

/// Room for states that a function's instructions have remembered: made once a walk,
/// since it is larger than what most functions have to say.
pub(super) struct Scratch([State; REMEMBERED]);

impl Scratch {
    pub(super) fn new() -> Scratch {
        Scratch([State::FIRST; REMEMBERED])
    }
}

/// The rules at one address of code.
pub(super) struct Rules {
    pub(super) state: State,
    /// Whether it is the frame that the kernel makes for a signal.
    pub(super) is_signal: bool,
}

/// Bytes that are read from the front.
#[derive(Clone, Copy)]
pub(super) struct Bytes {
    at: *const u8,
    left: usize,
}

impl Bytes {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        if self.left < N {
            return None;
        }
        // SAFETY: `left` bytes can be read from `at`, part of a loaded module
        // whose code is running.
        let bytes = unsafe { self.at.cast::<[u8; N]>().read_unaligned() };
        self.skip(N)?;
        Some(bytes)
    }

    fn skip(&mut self, count: usize) -> Option<()> {
        self.left = self.left.checked_sub(count)?;
        self.at = self.at.wrapping_add(count);
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn uleb(&mut self) -> Option<usize> {
        let (mut value, mut shift) = (0usize, 0);
        loop {
            let byte = self.byte()?;
            value |= usize::from(byte & 0x7f).checked_shl(shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
    }

    fn sleb(&mut self) -> Option<isize> {
        let (mut value, mut shift) = (0isize, 0);
        loop {
            let byte = self.byte()?;
            value |= (isize::from(byte & 0x7f)).checked_shl(shift)?;
            shift += 7;
            if byte & 0x80 == 0 {
                if byte & 0x40 != 0 && shift < isize::BITS {
                    value |= -1 << shift;
                }
                return Some(value);
            }
        }
    }

    /// So many of the next bytes, which are passed.
    fn part(&mut self, length: usize) -> Option<Bytes> {
        let part = Bytes {
            at: self.at,
            left: length,
        };
        self.skip(length)?;
        Some(part)
    }
}

/// The bytes of a pointer in an encoding of `.eh_frame`.
fn pointer_size(encoding: u8) -> Option<usize> {
    match encoding & 0x0f {
        0x00 | 0x04 | 0x0c => Some(8),
        0x03 | 0x0b => Some(4),
        0x02 | 0x0a => Some(2),
        _ => None,
    }
}

/// What a module's table says of an address of code.
struct Entry {
    /// Where the function begins, and the next one.
    function: usize,
    next: Option<usize>,
    /// Its record of `.eh_frame`.
    record: *const u8,
}

/// Looks in the table of a module: pairs of a function's address and of its record, by
/// address, as distances from the table's header.
fn find_entry(header: *const u8, pc: usize) -> Option<Entry> {
    let mut bytes = Bytes {
        at: header,
        left: 12,
    };
    // Version 1; pointer pc-relative, count and table of four bytes each.
    if bytes.take::<4>()? != [1, 0x1b, 0x03, 0x3b] {
        return None;
    }
    bytes.u32()?;
    let count = bytes.u32()? as usize;
    let table = bytes.at;
    // SAFETY: the header is the one that the C library told of the module, which is loaded: code
    // of it is on the stack, or the caller says that it stays. It says that its table has
    // `count` pairs, and only those below are asked for.
    let pair = |index: usize| unsafe {
        let at = table.cast::<[i32; 2]>().wrapping_add(index);
        let [function, entry] = at.read_unaligned();
        let place = |distance: i32| header.wrapping_offset(distance as isize);
        (place(function), place(entry))
    };
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if pair(middle).0.addr() <= pc {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let (function, record) = pair(low.checked_sub(1)?);
    let next = (low < count).then(|| pair(low).0.addr());
    Some(Entry {
        function: function.addr(),
        next,
        record,
    })
}

/// Where the code begins that `pc` lies in, and where that of the next function does, if the
/// table of the module with this `.eh_frame_hdr` has one.
/// The module stays loaded meanwhile.
pub(super) fn function_of(header: *const u8, pc: usize) -> Option<(usize, usize)> {
    let entry = find_entry(header, pc)?;
    Some((entry.function, entry.next?))
}

/// What a function's entry says that is alike for many.
struct Common {
    code_align: usize,
    data_align: isize,
    pointers: u8,
    has_data: bool,
    is_signal: bool,
    instructions: Bytes,
}

impl Common {
    /// # Safety
    /// A record of `.eh_frame` lies at the address.
    unsafe fn read(at: *const u8) -> Option<Common> {
        // SAFETY: a record begins with its length.
        let length = unsafe { at.cast::<u32>().read_unaligned() } as usize;
        if length >= 0xffff_fff0 {
            return None;
        }
        let mut bytes = Bytes {
            at: at.wrapping_add(4),
            left: length,
        };
        if bytes.u32()? != 0 {
            return None;
        }
        let version = bytes.byte()?;
        let mut names = bytes;
        while bytes.byte()? != 0 {}
        let code_align = bytes.uleb()?;
        let data_align = bytes.sleb()?;
        match version {
            1 => usize::from(bytes.byte()?),
            3 => bytes.uleb()?,
            _ => return None,
        };
        let mut common = Common {
            code_align,
            data_align,
            pointers: 0,
            has_data: false,
            is_signal: false,
            instructions: bytes,
        };
        if names.byte()? == b'z' {
            common.has_data = true;
            let length = bytes.uleb()?;
            let mut data = bytes.part(length)?;
            loop {
                match names.byte()? {
                    0 => break,
                    b'R' => common.pointers = data.byte()?,
                    b'L' => {
                        data.byte()?;
                    }
                    b'P' => {
                        let encoding = data.byte()?;
                        data.skip(pointer_size(encoding)?)?;
                    }
                    b'S' => common.is_signal = true,
                    b'B' => {}
                    _ => return None,
                }
            }
            common.instructions = bytes;
        }
        Some(common)
    }
}

impl Rules {
    /// The rules of the code at `pc`, in the module whose table's header this is. Those
    /// of a frame pointer where nothing is known of the code.
    pub(super) fn find(pc: usize, header: *const u8, scratch: &mut Scratch) -> Option<Rules> {
        match find_entry(header, pc) {
            // SAFETY: the module's own table leads to the record, and the module
            // is loaded: its code runs.
            Some(entry) => unsafe { Rules::read(entry.record, pc, scratch) },
            None => Some(Rules::of_frame_pointer()),
        }
    }

    pub(super) fn of_frame_pointer() -> Rules {
        let mut rules = [Rule::Same; REGISTERS];
        rules[RBP] = Rule::Offset(-16);
        rules[RIP] = Rule::Offset(-8);
        Rules {
            state: State {
                frame: Frame::Offset(RBP, 16),
                rules,
            },
            is_signal: false,
        }
    }

    /// # Safety
    /// A function's record of `.eh_frame` lies at the address.
    unsafe fn read(entry: *const u8, pc: usize, scratch: &mut Scratch) -> Option<Rules> {
        // SAFETY: a record begins with its length, then the distance back to
        // what is common.
        let (common, mut bytes) = unsafe {
            let length = entry.cast::<u32>().read_unaligned() as usize;
            if length >= 0xffff_fff0 {
                return None;
            }
            let back = entry.wrapping_add(4);
            let mut bytes = Bytes {
                at: back,
                left: length,
            };
            let distance = bytes.u32()? as usize;
            (Common::read(back.wrapping_sub(distance))?, bytes)
        };
        let size = pointer_size(common.pointers)?;
        let field = bytes.at.addr();
        let raw = match size {
            4 => i32::from_le_bytes(bytes.take()?) as isize,
            8 => isize::from_le_bytes(bytes.take()?),
            _ => return None,
        };
        let start = match common.pointers & 0x70 {
            0x00 => raw as usize,
            0x10 => field.wrapping_add_signed(raw),
            _ => return None,
        };
        let range = match size {
            4 => bytes.u32()? as usize,
            _ => usize::from_le_bytes(bytes.take()?),
        };
        if pc.wrapping_sub(start) >= range {
            // Between two functions: nothing is said of it.
            return Some(Rules::of_frame_pointer());
        }
        if common.has_data {
            let length = bytes.uleb()?;
            bytes.skip(length)?;
        }
        let mut state = State::FIRST;
        let everywhere = 0..usize::MAX;
        run(
            &mut state,
            None,
            common.instructions,
            &common,
            everywhere,
            scratch,
        )?;
        let initial = state;
        run(
            &mut state,
            Some(&initial),
            bytes,
            &common,
            start..pc,
            scratch,
        )?;
        Some(Rules {
            state,
            is_signal: common.is_signal,
        })
    }
}

/// Follows instructions for code from the range's start on, up to those for addresses
/// after its end.
fn run(
    state: &mut State,
    initial: Option<&State>,
    mut code: Bytes,
    common: &Common,
    range: core::ops::Range<usize>,
    scratch: &mut Scratch,
) -> Option<()> {
    let (mut at, pc) = (range.start, range.end);
    let Scratch(kept) = scratch;
    let mut depth = 0;
    let data = |value: usize| (value as isize).wrapping_mul(common.data_align);
    let advance = |steps: usize, at: &mut usize| {
        *at = at.wrapping_add(steps.wrapping_mul(common.code_align));
    };
    while code.left > 0 {
        let byte = code.byte()?;
        let low = usize::from(byte & 0x3f);
        match byte {
            0x40..=0x7f => advance(low, &mut at),
            0x80..=0xbf => set(state, low, Rule::Offset(data(code.uleb()?))),
            0xc0..=0xff => restore(state, initial, low),
            0x00 => {}
            0x02 => advance(usize::from(code.byte()?), &mut at),
            0x03 => advance(usize::from(u16::from_le_bytes(code.take()?)), &mut at),
            0x04 => advance(code.u32()? as usize, &mut at),
            0x05 => {
                let register = code.uleb()?;
                set(state, register, Rule::Offset(data(code.uleb()?)));
            }
            0x06 => restore(state, initial, code.uleb()?),
            0x07 => set(state, code.uleb()?, Rule::Undefined),
            0x08 => set(state, code.uleb()?, Rule::Same),
            0x09 => {
                let register = code.uleb()?;
                set(state, register, Rule::Register(code.uleb()?));
            }
            0x0a => {
                *kept.get_mut(depth)? = *state;
                depth += 1;
            }
            0x0b => {
                depth = depth.checked_sub(1)?;
                *state = *kept.get(depth)?;
            }
            0x0c => {
                let register = code.uleb()?;
                state.frame = Frame::Offset(register, code.uleb()? as isize);
            }
            0x0d => {
                let Frame::Offset(_, offset) = state.frame else {
                    return None;
                };
                state.frame = Frame::Offset(code.uleb()?, offset);
            }
            0x0e => {
                let Frame::Offset(register, _) = state.frame else {
                    return None;
                };
                state.frame = Frame::Offset(register, code.uleb()? as isize);
            }
            0x0f => {
                let length = code.uleb()?;
                state.frame = Frame::Expression(code.part(length)?);
            }
            0x10 => {
                let register = code.uleb()?;
                let length = code.uleb()?;
                set(state, register, Rule::Expression(code.part(length)?));
            }
            0x11 => {
                let register = code.uleb()?;
                let offset = code.sleb()?.wrapping_mul(common.data_align);
                set(state, register, Rule::Offset(offset));
            }
            0x12 => {
                let register = code.uleb()?;
                let offset = code.sleb()?.wrapping_mul(common.data_align);
                state.frame = Frame::Offset(register, offset);
            }
            // The bytes of arguments pushed: of no use to a walk.
            0x2e => {
                code.uleb()?;
            }
            _ => return None,
        }
        if at > pc {
            // What came before holds for `pc`; nothing was applied since the
            // last advance.
            return Some(());
        }
    }
    Some(())
}

fn set(state: &mut State, register: usize, rule: Rule) {
    // Registers above are vectors, which a walk has no use for.
    if let Some(place) = state.rules.get_mut(register) {
        *place = rule;
    }
}

fn restore(state: &mut State, initial: Option<&State>, register: usize) {
    if let Some(rule) = initial.and_then(|initial| initial.rules.get(register)) {
        set(state, register, *rule);
    }
}

/// The caller's registers.
pub(super) fn step(rules: &Rules, now: &Registers, memory: &mut Memory) -> Option<Registers> {
    let frame = match rules.state.frame {
        Frame::Offset(register, offset) => now.get(register)?.checked_add_signed(offset)?,
        Frame::Expression(code) => evaluate(code, now, memory, None)?,
    };
    let mut caller = *now;
    for ((place, rule), old) in caller.iter_mut().zip(&rules.state.rules).zip(now) {
        *place = match *rule {
            Rule::Same => *old,
            Rule::Undefined => 0,
            Rule::Offset(offset) => memory.word(frame.checked_add_signed(offset)?)?,
            Rule::Register(register) => *now.get(register)?,
            Rule::Expression(code) => {
                let address = evaluate(code, now, memory, Some(frame))?;
                memory.word(address)?
            }
        };
    }
    if matches!(rules.state.rules[RSP], Rule::Same) {
        caller[RSP] = frame;
    }
    // Code that says nothing of its caller's address has none.
    if matches!(rules.state.rules[RIP], Rule::Same | Rule::Undefined) {
        return None;
    }
    Some(caller)
}

/// Runs a DWARF expression of the kinds that linkers and compilers write.
fn evaluate(
    mut code: Bytes,
    registers: &Registers,
    memory: &mut Memory,
    first: Option<usize>,
) -> Option<usize> {
    let mut stack = [0usize; 8];
    let mut depth = 0;
    if let Some(first) = first {
        stack[0] = first;
        depth = 1;
    }
    while code.left > 0 {
        let byte = code.byte()?;
        let pushed = match byte {
            0x08 => usize::from(code.byte()?),
            0x09 => code.byte()? as i8 as usize,
            0x0a => usize::from(u16::from_le_bytes(code.take()?)),
            0x0b => i16::from_le_bytes(code.take()?) as usize,
            0x30..=0x4f => usize::from(byte - 0x30),
            0x70..=0x8f => registers
                .get(usize::from(byte - 0x70))?
                .wrapping_add_signed(code.sleb()?),
            0x06 => {
                depth = usize::checked_sub(depth, 1)?;
                memory.word(*stack.get(depth)?)?
            }
            0x23 => {
                depth = usize::checked_sub(depth, 1)?;
                stack.get(depth)?.wrapping_add(code.uleb()?)
            }
            0x1a | 0x1c | 0x22 | 0x24 | 0x2a => {
                depth = usize::checked_sub(depth, 2)?;
                let (left, right) = (*stack.get(depth)?, *stack.get(depth + 1)?);
                match byte {
                    0x1a => left & right,
                    0x1c => left.wrapping_sub(right),
                    0x22 => left.wrapping_add(right),
                    0x24 => left.checked_shl(right as u32).unwrap_or(0),
                    _ => usize::from(left as isize >= right as isize),
                }
            }
            _ => return None,
        };
        *stack.get_mut(depth)? = pushed;
        depth += 1;
    }
    stack.get(usize::checked_sub(depth, 1)?).copied()
}
