//! The manual of the commands that look at a process.

pub(crate) const WALK_ABOUT: &str = "\
List every block of a process's heaps, or of a snapshot.

The process is not stopped unless asked, and never changed: its heaps' records
are copied out of it and read here. Blocks that malloc or NtHeap handed out have
the size of their bucket, for those heaps do not keep what was asked for; blocks
of HeapAlloc's kind have the size that was asked for.

A block that a thread's cache keeps is free: its state is `cached`. A program on
NtHeap built for release does not mark its blocks; there the caches themselves
tell, and a block that is on its way between two of them counts as in use.
Should they not be readable, such blocks are `out`: in use or cached.

Of a process with NTHEAP_GFLAGS=+ust each block has the number of the stack it was
allocated at, and the stacks follow: the function and line of each call, as the
modules' files tell them, or the module and the address in it where they do not.

The blocks that NTHEAP_SAMPLE chose, at most 256, lie in guarded pages of their own and
are not seen from outside: the answer is partial then, and says so.";

pub(crate) const WALK_AFTER: &str = "\
Examples:
  ntheap walk 1234
  ntheap walk 1234 --summary
  ntheap walk before.heap --heap 'process heap' --size 4096-
  ntheap walk before.heap --stack parse_line
  ntheap walk 1234 --state free --format json

Exit status:
  0  all was read
  2  the command line was wrong
  3  the answer is partial: standard error says what is missing
  4  the process cannot be read: it has ended, is not ours, or has no heap of
     ntheap, or one of another version or build
  5  a file cannot be read or written, or is no snapshot

The process must be one that the caller may debug (ptrace(2)).";

pub(crate) const VALIDATE_ABOUT: &str = "\
Check every heap of a process from outside, or what was found when a snapshot was
taken.

Marks and bits, the tables of regions, and each heap's own figures must agree.
The process is held still for the moment that takes. A thread may have been
stopped in the middle of a change: what does not agree is looked at again, after
the process ran on, and reported if it is the same each time.";

pub(crate) const VALIDATE_AFTER: &str = "\
Examples:
  ntheap validate 1234 && echo sound
  ntheap validate before.heap --format json

Exit status:
  0  everything agrees
  1  something does not: it is listed
  2 to 5  as of `ntheap walk`";

pub(crate) const SNAPSHOT_ABOUT: &str = "\
Write what a process's heaps hold to a file.

The file has the process's mappings, its heaps with their regions and segments,
and every block. `walk`, `validate`, `diff` and `map` read it.";

pub(crate) const SNAPSHOT_AFTER: &str = "\
Examples:
  ntheap snapshot 1234 -o before.heap
  ntheap snapshot 1234 -o after.heap && ntheap diff before.heap after.heap

Exit status:
  as of `ntheap walk`";

pub(crate) const DIFF_ABOUT: &str = "\
Tell what grew between two snapshots: by heap, by size, by tag, by stack.

Lines are in the order of their growth. By tag is for snapshots of a process that runs with
NTHEAP_GFLAGS=+htd or +htg: its modules, or the numbers of its calls. By stack, and as UMDH
writes it, is for one with NTHEAP_GFLAGS=+ust.";

pub(crate) const DIFF_AFTER: &str = "\
Examples:
  ntheap diff before.heap after.heap
  ntheap diff before.heap 1234 --top 5
  ntheap diff before.heap 1234 --by tag
  ntheap diff before.heap after.heap --format json

Exit status:
  as of `ntheap walk`";

pub(crate) const LEAKS_ABOUT: &str = "\
List the blocks that nothing leads to.

With a process: as it is now. With a program: it is run on ntheap and looked at
when it ends. All its memory that can hold an address is looked through, from
registers, stacks and data to each block that is reached; whatever looks like an
address of a block counts as one. So a block that is listed is lost, unless its
address is kept in a form that no one can know (in a file, or with bits added);
one that is lost may be missing, because an old word still looks like its address.";

pub(crate) const LEAKS_AFTER: &str = "\
Examples:
  ntheap leaks 1234
  ntheap leaks -- ./program --its-options
  ntheap leaks --format json -- ./program

Exit status:
  0  nothing is lost
  1  something is: it is listed
  2 to 5  as of `ntheap walk`
  120 to 127  as of `ntheap run`, of a program that cannot be run";

pub(crate) const MAP_ABOUT: &str = "\
Draw a process's address space and its heaps, in the manner of VMMap.

The address space by kind (image, mapped file, shareable, heap, stack, private,
reserved), each heap's segments, regions and large blocks with what is busy,
free and not committed, and the fill and waste of each bucket. An SVG picture, or
one page of HTML that needs nothing else; both suit dark and light screens.";

pub(crate) const MAP_AFTER: &str = "\
Examples:
  ntheap map 1234 -o heap.html
  ntheap map before.heap -o heap.svg

Exit status:
  as of `ntheap walk`";

pub(crate) const TOP_ABOUT: &str = "\
Show a process's heaps live in a terminal.

Each heap with what it has committed, what is in use, its blocks, and how much both
grew in a second; the buckets of the one that is chosen; and the process's memory. The
process is not stopped: figures may be of slightly different moments.

Where standard input or output is no terminal one frame is written as text, as with
--once.";

pub(crate) const TOP_AFTER: &str = "\
Keys:
  up, down, j, k   choose a heap; in a heap, go through its buckets
  enter, right     the chosen heap alone; esc, left: back to all
  s, r             list by the next column; the other way round
  p                pause; space: look at once
  q, esc           end

Examples:
  ntheap top 1234
  ntheap top 1234 --every 0.2 --sort growth
  ntheap top 1234 --once --heap 'process heap'
  ntheap top 1234 --format json

Exit status:
  0  the user ended it, or a frame was written
  2  the command line was wrong
  3  the frame is partial: standard error says what is missing
  4  the process has ended, or cannot be read
  5  the terminal cannot be used";
