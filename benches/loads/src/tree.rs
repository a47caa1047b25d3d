//! A small parser of JSON whose tree lies in a heap and is never freed but
//! with it.

use crate::heaps::Heap;
use std::alloc::Layout;
use std::marker::PhantomData;
use std::ptr::NonNull;

/// What a value is. Members and elements are linked through their nodes.
enum Value {
    /// null, true, false or a number, as written.
    Plain,
    Text,
    Group(Option<NonNull<Node>>),
}

struct Node {
    value: Value,
    /// The text of a plain value or a string, or a member's name.
    text: NonNull<u8>,
    length: usize,
    /// The one before it in its group.
    before: Option<NonNull<Node>>,
}

/// A tree in a heap, which must outlive it.
pub(crate) struct Tree<'a, H> {
    root: NonNull<Node>,
    heap: PhantomData<&'a H>,
}

/// How large a tree is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Size {
    /// One for each value, and one for each member's name.
    pub(crate) nodes: u64,
    /// Bytes of names, strings and plain values.
    pub(crate) bytes: u64,
}

impl<H> Tree<'_, H> {
    pub(crate) fn size(&self) -> Size {
        let mut size = Size::default();
        add(self.root, &mut size);
        size
    }
}

fn add(node: NonNull<Node>, size: &mut Size) {
    // SAFETY: nodes live as long as their heap, which outlives the tree; nobody
    // writes to one after it was made.
    let node = unsafe { node.as_ref() };
    // SAFETY: a node's text is so long and lives as long as the node.
    let text = unsafe { std::slice::from_raw_parts(node.text.as_ptr(), node.length) };
    size.nodes += 1;
    size.bytes += text.iter().filter(|byte| **byte != 0).count() as u64;
    if let Value::Group(mut last) = node.value {
        while let Some(child) = last {
            add(child, size);
            // SAFETY: as above.
            last = unsafe { child.as_ref().before };
        }
    }
}

/// How large a tree a text gives, told from the bytes that begin a value.
pub(crate) fn size_of(text: &str) -> Size {
    let (mut size, mut in_string, mut before) = (Size::default(), false, b',');
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => {
                size.nodes += u64::from(!in_string);
                in_string = !in_string;
            }
            _ if in_string => {
                size.bytes += 1;
                if byte == b'\\' {
                    size.bytes += u64::from(bytes.next().is_some());
                }
            }
            b'{' | b'[' => size.nodes += 1,
            b',' | b':' | b'}' | b']' => {}
            _ => {
                size.bytes += 1;
                size.nodes += u64::from(matches!(before, b',' | b':' | b'['));
            }
        }
        before = byte;
    }
    size
}

/// Parses `text`, which is without blanks; `None` where it is not JSON or the
/// heap has no room.
pub(crate) fn parse<'a, H: Heap>(heap: &'a H, text: &str) -> Option<Tree<'a, H>> {
    let mut parser = Parser {
        heap,
        left: text.as_bytes(),
    };
    let root = parser.value(None)?;
    parser.left.is_empty().then_some(Tree {
        root,
        heap: PhantomData,
    })
}

struct Parser<'a, 't, H> {
    heap: &'a H,
    left: &'t [u8],
}

impl<'t, H: Heap> Parser<'_, 't, H> {
    fn node(
        &self,
        value: Value,
        text: &[u8],
        before: Option<NonNull<Node>>,
    ) -> Option<NonNull<Node>> {
        let mut copy = NonNull::dangling();
        if !text.is_empty() {
            let layout = Layout::from_size_align(text.len(), 1).ok()?;
            copy = NonNull::new(self.heap.allocate(layout))?;
            // SAFETY: a new block of so many bytes.
            unsafe { copy.copy_from_nonoverlapping(NonNull::from(text).cast(), text.len()) };
        }
        let node = NonNull::new(self.heap.allocate(Layout::new::<Node>()))?.cast::<Node>();
        // SAFETY: a new block for a node.
        unsafe {
            node.write(Node {
                value,
                text: copy,
                length: text.len(),
                before,
            });
        }
        Some(node)
    }

    fn value(&mut self, before: Option<NonNull<Node>>) -> Option<NonNull<Node>> {
        match self.left.first()? {
            b'{' => self.group(b'}', before),
            b'[' => self.group(b']', before),
            b'"' => {
                let text = self.string()?;
                self.node(Value::Text, text, before)
            }
            _ => {
                let end = |byte: &u8| matches!(byte, b',' | b'}' | b']');
                let length = self.left.iter().position(end).unwrap_or(self.left.len());
                let (text, left) = self.left.split_at(length);
                self.left = left;
                self.node(Value::Plain, text, before)
            }
        }
    }

    fn group(&mut self, close: u8, before: Option<NonNull<Node>>) -> Option<NonNull<Node>> {
        self.left = &self.left[1..];
        let mut last = None;
        while *self.left.first()? != close {
            if last.is_some() {
                self.left = self.left.strip_prefix(b",")?;
            }
            if close == b'}' {
                let name = self.string()?;
                last = Some(self.node(Value::Text, name, last)?);
                self.left = self.left.strip_prefix(b":")?;
            }
            last = Some(self.value(last)?);
        }
        self.left = &self.left[1..];
        self.node(Value::Group(last), &[], before)
    }

    /// A string as it is written, without its quotes.
    fn string(&mut self) -> Option<&'t [u8]> {
        let text = self.left.strip_prefix(b"\"")?;
        let mut at = 0;
        while *text.get(at)? != b'"' {
            at += if text[at] == b'\\' { 2 } else { 1 };
        }
        self.left = &text[at + 1..];
        Some(&text[..at])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus;

    /// Blocks from the global allocator, which no drop gives back.
    struct Leaking;

    // SAFETY: the global allocator's blocks, never freed.
    unsafe impl Heap for Leaking {
        fn create() -> Self {
            Leaking
        }

        fn allocate(&self, layout: Layout) -> *mut u8 {
            // SAFETY: no layout here is of size 0.
            unsafe { std::alloc::alloc(layout) }
        }

        unsafe fn free(&self, _: *mut u8, _: Layout) {}
    }

    fn text_of(node: NonNull<Node>) -> Vec<u8> {
        // SAFETY: the test's heap never ends.
        unsafe {
            let node = node.as_ref();
            std::slice::from_raw_parts(node.text.as_ptr(), node.length).to_vec()
        }
    }

    fn nodes_of(value: &serde_json::Value) -> u64 {
        use serde_json::Value::{Array, Object};
        1 + match value {
            Array(elements) => elements.iter().map(nodes_of).sum(),
            Object(members) => members.values().map(|value| 1 + nodes_of(value)).sum(),
            _ => 0,
        }
    }

    #[test]
    fn a_tree_has_a_node_for_each_value_and_name() {
        let heap = Leaking;
        let tree = parse(&heap, r#"{"a":[1,"x\"y",null],"b":{}}"#).expect("JSON");
        assert_eq!(
            tree.size(),
            Size {
                nodes: 8,
                bytes: 11
            }
        );
        let text = corpus::json(50).expect("a text");
        let nodes = nodes_of(&serde_json::from_str(&text).expect("JSON"));
        let tree = parse(&heap, &text).expect("JSON");
        assert_eq!(tree.size().nodes, nodes);
        assert_eq!(tree.size(), size_of(&text));
        let tree = parse(&heap, r#"["x\"y"]"#).expect("JSON");
        // SAFETY: the test's heap never ends.
        let Value::Group(Some(only)) = (unsafe { &tree.root.as_ref().value }) else {
            panic!("no group");
        };
        assert_eq!(text_of(*only), br#"x\"y"#);
    }

    #[test]
    fn what_is_not_json_gives_no_tree() {
        let heap = Leaking;
        for text in ["", "[", "[1", "{\"a\"}", "[1]]", "\"x", "{1:2}", "[1 2"] {
            assert!(parse(&heap, text).is_none(), "{text}");
        }
    }
}
