//! Module definition files: what a program says of its segments.
//!
//! ```text
//!   NAME Memory
//!   SEGMENTS
//!     MEMORY_MAIN  PRELOAD    MOVEABLE
//!     MEMORY_INIT  LOADONCALL MOVEABLE DISCARDABLE
//!   CODE MOVEABLE DISCARDABLE          ; all others
//!   DATA MOVEABLE MULTIPLE
//!   HEAPSIZE 1024
//!   STACKSIZE 8192
//! ```
//!
//! Words are separated by white space, lines do not matter, and `;` starts a
//! comment. In `SEGMENTS` a word that is neither an attribute nor a statement
//! begins the next segment. Statements about other things (`EXPORTS`, `STUB`)
//! are passed over.

use super::local::SEGMENT_MAX;
use core::fmt;

/// The most segments of a definition and of a program.
pub const SEGMENTS: usize = 64;

/// Why a definition is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DefinitionErrorKind {
    /// A word where a statement must begin, or a file that ends in one.
    Syntax,
    /// No attribute, or none of this statement's.
    UnknownAttribute,
    /// Two attributes that exclude each other, or one for two words.
    Conflict,
    /// A data segment that is to be discardable.
    DiscardableData,
    /// A number that is none, or more than 64 KiB for `HEAPSIZE` or `STACKSIZE`.
    Number,
    /// The same segment twice.
    Duplicate,
    /// More segments than [`SEGMENTS`].
    TooManySegments,
}

/// Where a definition is wrong, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DefinitionError {
    /// The line, counted from 1.
    pub line: u32,
    /// What is wrong there.
    pub kind: DefinitionErrorKind,
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self.kind {
            DefinitionErrorKind::Syntax => "not a statement",
            DefinitionErrorKind::UnknownAttribute => "not an attribute of this statement",
            DefinitionErrorKind::Conflict => "attributes that exclude each other",
            DefinitionErrorKind::DiscardableData => "a data segment cannot be discardable",
            DefinitionErrorKind::Number => "not a number of at most 65536",
            DefinitionErrorKind::Duplicate => "the segment has attributes already",
            DefinitionErrorKind::TooManySegments => "too many segments",
        };
        write!(out, "line {}: {text}", self.line)
    }
}

impl core::error::Error for DefinitionError {}

/// When a segment is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// With the program.
    Preload,
    /// When it is first needed.
    OnCall,
}

/// Whether instances of a program have their own copy of its automatic data
/// segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// One for all instances.
    Single,
    /// One for each instance.
    Multiple,
    /// There is none.
    None,
}

/// What a segment is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SegmentKind {
    /// Instructions, read-only, shared by all instances.
    Code,
    /// Data. The first of a program is its automatic data segment, which has the
    /// stack and the local heap, too.
    Data,
}

/// A segment's attributes, each `None` where the definition says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `PRELOAD` or `LOADONCALL`.
    pub load: Option<Load>,
    /// `MOVEABLE` (true) or `FIXED`.
    pub moveable: Option<bool>,
    /// `DISCARDABLE` (true) or `NONDISCARDABLE`.
    pub discardable: Option<bool>,
    /// `SINGLE`, `MULTIPLE` or `NONE`.
    pub sharing: Option<Sharing>,
}

impl Attributes {
    const EMPTY: Attributes = Attributes {
        load: None,
        moveable: None,
        discardable: None,
        sharing: None,
    };

    /// What is said here, and where nothing is, what is said in `others`. What
    /// is fixed here does not become discardable by `others`, and what is
    /// discardable here does not become fixed.
    pub fn or(self, others: Attributes) -> Attributes {
        let fixed = self.moveable == Some(false);
        let discardable = self.discardable == Some(true);
        Attributes {
            load: self.load.or(others.load),
            moveable: match self.moveable {
                None if discardable => Some(true),
                None => others.moveable,
                said => said,
            },
            discardable: match self.discardable {
                None if fixed => Some(false),
                None => others.discardable,
                said => said,
            },
            sharing: self.sharing.or(others.sharing),
        }
    }

    /// Adds the attribute that a word names; false if it names none.
    fn add(&mut self, word: &str) -> Result<bool, DefinitionErrorKind> {
        if is(word, "PRELOAD") {
            once(&mut self.load, Load::Preload)?;
        } else if is(word, "LOADONCALL") {
            once(&mut self.load, Load::OnCall)?;
        } else if is(word, "FIXED") {
            once(&mut self.moveable, false)?;
        } else if is(word, "MOVEABLE") || is(word, "MOVABLE") {
            once(&mut self.moveable, true)?;
        } else if is(word, "DISCARDABLE") {
            once(&mut self.discardable, true)?;
        } else if is(word, "NONDISCARDABLE") {
            once(&mut self.discardable, false)?;
        } else if is(word, "SINGLE") {
            once(&mut self.sharing, Sharing::Single)?;
        } else if is(word, "MULTIPLE") {
            once(&mut self.sharing, Sharing::Multiple)?;
        } else if is(word, "NONE") {
            once(&mut self.sharing, Sharing::None)?;
        } else {
            return Ok(false);
        }
        if self.discardable == Some(true) && self.moveable == Some(false) {
            return Err(DefinitionErrorKind::Conflict);
        }
        Ok(true)
    }
}

fn once<T: PartialEq>(place: &mut Option<T>, value: T) -> Result<(), DefinitionErrorKind> {
    match place {
        Some(known) if *known != value => Err(DefinitionErrorKind::Conflict),
        _ => {
            *place = Some(value);
            Ok(())
        }
    }
}

fn is(word: &str, keyword: &str) -> bool {
    word.eq_ignore_ascii_case(keyword)
}

/// A segment that `SEGMENTS` names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SegmentDefinition<'t> {
    /// Its name.
    pub name: &'t str,
    /// `CLASS`, without quotes.
    pub class: Option<&'t str>,
    /// Its attributes.
    pub attributes: Attributes,
}

impl SegmentDefinition<'_> {
    const EMPTY: SegmentDefinition<'static> = SegmentDefinition {
        name: "",
        class: None,
        attributes: Attributes::EMPTY,
    };
}

/// A module definition.
///
/// Source: "Module-Definition Statements" of the Windows 3.1 SDK; the defaults
/// are those of Petzold's "Programming Windows" (Microsoft Press, 1990) for
/// `CODE` (`PRELOAD`, `FIXED`), and `MOVEABLE MULTIPLE` for `DATA`.
///
/// ```
/// use ntheap::win16::{Definition, Load};
///
/// let text = "SEGMENTS\n INIT LOADONCALL MOVEABLE DISCARDABLE\nHEAPSIZE 1024";
/// let definition = Definition::parse(text)?;
/// assert_eq!(definition.heap_size, 1024);
/// let init = definition.segment("init").expect("it is listed");
/// assert_eq!(init.attributes.load, Some(Load::OnCall));
/// # Ok::<(), ntheap::win16::DefinitionError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Definition<'t> {
    /// `NAME` or `LIBRARY`; empty without.
    pub name: &'t str,
    /// `CODE`: attributes of code segments that `SEGMENTS` does not list.
    pub code: Attributes,
    /// `DATA`: the same of data segments.
    pub data: Attributes,
    /// `HEAPSIZE`: first bytes of the local heap. `MAXVAL` is 65,536: all that
    /// the segment has left.
    pub heap_size: u32,
    /// `STACKSIZE`, in bytes.
    pub stack_size: u32,
    segments: [SegmentDefinition<'t>; SEGMENTS],
    count: usize,
}

/// A statement that goes on over several words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Code,
    Data,
    Segments,
    /// Whose words say nothing of segments.
    Other,
}

/// Statements of whose words nothing matters here.
const OTHERS: [&str; 9] = [
    "DESCRIPTION",
    "EXETYPE",
    "STUB",
    "PROTMODE",
    "REALMODE",
    "OLD",
    "EXPORTS",
    "IMPORTS",
    "APPLOADER",
];

impl<'t> Definition<'t> {
    /// A definition that says nothing: the defaults.
    pub const fn new() -> Definition<'t> {
        Definition {
            name: "",
            code: Attributes::EMPTY,
            data: Attributes::EMPTY,
            heap_size: 0,
            stack_size: 0,
            segments: [SegmentDefinition::EMPTY; SEGMENTS],
            count: 0,
        }
    }

    /// Reads a definition file's text, whose words the result borrows.
    ///
    /// # Errors
    /// The first thing that is wrong, and its line.
    pub fn parse(text: &'t str) -> Result<Definition<'t>, DefinitionError> {
        let mut words = Words { text, line: 1 };
        let mut definition = Definition::new();
        let mut part = None;
        while let Some(word) = words.next() {
            let line = words.line;
            definition
                .take(word, &mut words, &mut part)
                .map_err(|kind| DefinitionError { line, kind })?;
        }
        Ok(definition)
    }

    /// Takes one word, and those that belong to it.
    fn take(
        &mut self,
        word: &'t str,
        words: &mut Words<'t>,
        part: &mut Option<Part>,
    ) -> Result<(), DefinitionErrorKind> {
        if is(word, "NAME") || is(word, "LIBRARY") {
            self.name = words.next().ok_or(DefinitionErrorKind::Syntax)?;
            *part = Some(Part::Other);
        } else if is(word, "HEAPSIZE") {
            self.heap_size = number(words.next())?;
            *part = None;
        } else if is(word, "STACKSIZE") {
            self.stack_size = number(words.next())?;
            *part = None;
        } else if is(word, "CODE") {
            *part = Some(Part::Code);
        } else if is(word, "DATA") {
            *part = Some(Part::Data);
        } else if is(word, "SEGMENTS") {
            *part = Some(Part::Segments);
        } else if OTHERS.iter().any(|keyword| is(word, keyword)) {
            *part = Some(Part::Other);
        } else {
            return self.go_on(word, words, *part);
        }
        Ok(())
    }

    /// A word that begins no statement.
    fn go_on(
        &mut self,
        word: &'t str,
        words: &mut Words<'t>,
        part: Option<Part>,
    ) -> Result<(), DefinitionErrorKind> {
        match part {
            None => Err(DefinitionErrorKind::Syntax),
            Some(Part::Other) => Ok(()),
            Some(Part::Code) => {
                if !self.code.add(word)? || self.code.sharing.is_some() {
                    return Err(DefinitionErrorKind::UnknownAttribute);
                }
                Ok(())
            }
            Some(Part::Data) => {
                if !self.data.add(word)? {
                    return Err(DefinitionErrorKind::UnknownAttribute);
                }
                if self.data.discardable == Some(true) {
                    return Err(DefinitionErrorKind::DiscardableData);
                }
                Ok(())
            }
            Some(Part::Segments) => self.segment_word(word, words),
        }
    }

    /// A word of `SEGMENTS`.
    fn segment_word(
        &mut self,
        word: &'t str,
        words: &mut Words<'t>,
    ) -> Result<(), DefinitionErrorKind> {
        let last = self.count.checked_sub(1);
        let last = last.and_then(|at| self.segments.get_mut(at));
        if let Some(segment) = last {
            if is(word, "CLASS") {
                segment.class = Some(words.next().ok_or(DefinitionErrorKind::Syntax)?);
                return Ok(());
            }
            if segment.attributes.add(word)? {
                return Ok(());
            }
        }
        // An attribute, and no segment that it could be of.
        if Attributes::default().add(word)? || is(word, "CLASS") {
            return Err(DefinitionErrorKind::Syntax);
        }
        if self.segment(word).is_some() {
            return Err(DefinitionErrorKind::Duplicate);
        }
        let place = self.segments.get_mut(self.count);
        let place = place.ok_or(DefinitionErrorKind::TooManySegments)?;
        place.name = word;
        self.count += 1;
        Ok(())
    }

    /// The segments that `SEGMENTS` lists, in its order.
    pub fn segments(&self) -> &[SegmentDefinition<'t>] {
        self.segments.get(..self.count).unwrap_or_default()
    }

    /// The listed segment of this name, in letters of either case.
    pub fn segment(&self, name: &str) -> Option<&SegmentDefinition<'t>> {
        self.segments().iter().find(|known| is(known.name, name))
    }

    /// What holds for a segment of this name and kind: its own attributes, then
    /// those of `CODE` or `DATA`, then the defaults. All are `Some`.
    pub fn attributes(&self, name: &str, kind: SegmentKind) -> Attributes {
        let (general, moveable, sharing) = match kind {
            SegmentKind::Code => (self.code, false, Sharing::Single),
            SegmentKind::Data => (self.data, true, Sharing::Multiple),
        };
        let own = self.segment(name).map(|known| known.attributes);
        let said = own.unwrap_or_default().or(general);
        said.or(Attributes {
            load: Some(Load::Preload),
            moveable: Some(moveable),
            discardable: Some(false),
            sharing: Some(sharing),
        })
    }
}

impl Default for Definition<'_> {
    fn default() -> Self {
        Self::new()
    }
}

fn number(word: Option<&str>) -> Result<u32, DefinitionErrorKind> {
    let word = word.ok_or(DefinitionErrorKind::Syntax)?;
    if is(word, "MAXVAL") {
        return Ok(SEGMENT_MAX);
    }
    let hexadecimal = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
    let value = match hexadecimal {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => word.parse(),
    };
    let value = value.map_err(|_| DefinitionErrorKind::Number)?;
    if value > SEGMENT_MAX {
        return Err(DefinitionErrorKind::Number);
    }
    Ok(value)
}

/// The words of a text.
struct Words<'t> {
    text: &'t str,
    /// The line of the last word.
    line: u32,
}

impl<'t> Words<'t> {
    /// Cuts off the text before `end`, and counts its lines.
    fn cut(&mut self, end: usize) -> &'t str {
        let (before, after) = self.text.split_at_checked(end).unwrap_or((self.text, ""));
        let lines = before.bytes().filter(|byte| *byte == b'\n').count();
        self.line += u32::try_from(lines).unwrap_or(0);
        self.text = after;
        before
    }

    fn next(&mut self) -> Option<&'t str> {
        loop {
            let blank = self.text.len() - self.text.trim_start().len();
            self.cut(blank);
            if !self.text.starts_with(';') {
                break;
            }
            let end = self.text.find('\n').unwrap_or(self.text.len());
            self.cut(end);
        }
        let first = self.text.chars().next()?;
        if first == '\'' || first == '"' {
            self.cut(1);
            let end = self.text.find([first, '\n']).unwrap_or(self.text.len());
            let word = self.cut(end);
            if self.text.starts_with(first) {
                self.cut(1);
            }
            return Some(word);
        }
        let ends = |letter: char| letter.is_whitespace() || letter == ';';
        let end = self.text.find(ends).unwrap_or(self.text.len());
        Some(self.cut(end))
    }
}
