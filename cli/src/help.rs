//! The manual: what `--help` prints beyond the options.

pub(crate) const ABOUT: &str = "\
The Windows NT heap for programs on Linux.

ntheap runs programs on a heap that works as Windows' does: buckets of blocks
with their records kept apart, segments that are committed as needed, and
memory that goes back to the system when it is free.";

pub(crate) const AFTER: &str = "\
Examples:
  ntheap demo                     compare with the system's allocator
  ntheap run -- git status        run a program on ntheap, report its memory
  ntheap trace -- ls              show each call, from malloc to the system
  ntheap bench                    compare with other allocators, in a checkout
  ntheap top 1234                 show a process's heaps live
  ntheap gflags +hpa,+ust         explain a value of NTHEAP_GFLAGS
  ntheap run --help               the manual of `run`

Environment:
  NTHEAP_LIBRARY   path of libntheap.so, where it is not beside the command
                   nor in the lib folder next to the command's folder
  NO_COLOR         when set and not empty, no output is coloured

The heap's own options (NTHEAP_CACHE_BYTES, NTHEAP_RETAIN and others) are
listed in the README. They also apply to this command, which runs on ntheap.";

pub(crate) const DEMO_ABOUT: &str = "\
Build a search index twice, on ntheap and on the system's allocator.

Every text file under FOLDER is read and split into words by several threads,
which hand the words to other threads, which build an inverted index; then the
index answers some thousand queries and is dropped. Child processes do this by
turns on ntheap and on the system's allocator, with the same files and one
binary, so that nothing differs but the allocator. Both must give the same
answers.

The table shows the time from the first file to the last drop, and resident
memory (RSS): at its peak, with the last index complete, right after everything
was dropped, and after one idle second more.";

pub(crate) const DEMO_AFTER: &str = "\
Text is UTF-8 without zero bytes, at most 4 MiB a file. Hidden folders and
folders called `target` are left out, links are not followed. The files are
read once before the first child starts, so that none waits for the disk.

With --repeat N each side runs N times, by turns, and each figure is the least
of its N. One run tells little about time on a busy machine.

Examples:
  ntheap demo
  ntheap demo --repeat 5 ~/src
  ntheap demo --limit-mb 64 --rounds 2 /usr/share/doc
  ntheap demo --json | jq '.runs.ntheap[0].wall_s'

Exit status:
  0  both sides gave the same answers
  1  they did not, or the work could not be done; standard error says why
  2  the command line was wrong";

pub(crate) const RUN_ABOUT: &str = "\
Run a program on ntheap and report its memory at the end.

PROGRAM is found as a shell finds it and started with libntheap.so preloaded,
which takes the place of malloc, free and their family in it and in every
dynamically linked program it starts. Standard input, output and error are the
program's own; the report goes to standard error after its end, or to a file.

The report has the exit status, the time, the peak of resident memory, what the
heap held at exit, allocations by block size, and calls into the system. A
program that cannot run on ntheap is refused, or reported by an exit status of
its own: it never runs on another allocator without a word.

What the library finds wrong it reports at once, with addresses of code alone. Up to
64 such stops of each process are told again at the end, with the functions and lines
that the files of the program and its libraries name.";

pub(crate) const RUN_AFTER: &str = "\
Counting every allocation makes the program slower; --no-count leaves it out.
The peak of resident memory is the kernel's figure for the process, which takes
in this command's own few MiB at the start. The processes that the program
starts in turn are counted, not reported one by one.

An interrupt from the terminal goes to the program alone, and the report
follows when it has ended. SIGHUP, SIGINT, SIGQUIT and SIGTERM sent to this
command are passed on to the program.

Examples:
  ntheap run -- git log --stat
  ntheap run --no-count -- python3 server.py
  ntheap run --no-count --timeline memory.html -- python3 job.py
  ntheap run --json --output report.json -- sort big.txt > sorted.txt

Exit status:
  The program's own, or 128 + N when signal N killed it; otherwise
  120  libntheap.so was not found (cargo build --release --workspace makes it)
  121  the program is statically linked
  122  the program is set-user-ID, set-group-ID or has file capabilities, for
       which the loader ignores LD_PRELOAD
  123  the program has an allocator of its own
  124  libntheap.so was not loaded into the program
  125  the report could not be made or written
  126  the program cannot be executed
  127  the program was not found
  2    the command line was wrong

Environment:
  NTHEAP_LIBRARY   path of libntheap.so; without it, the folder of this command
                   is searched, then the lib folder beside that
  LD_PRELOAD       kept for the program, behind libntheap.so
  TMPDIR           where a private folder for the library's report is made
  NO_COLOR         when set and not empty, the report is not coloured

Set for the program: LD_PRELOAD, NTHEAP_RUN_REPORT, NTHEAP_RUN_STOPS,
NTHEAP_RUN_PARENT and, without --no-count, NTHEAP_COUNT=1.";

pub(crate) const BENCH_ABOUT: &str = "\
Compare allocators, each in processes of its own.

Without --preload: the Rust programs in benches/peers of ntheap's sources, one
for each allocator, all with the same loads. They are built first; one that
cannot be built is named and left out.

With --preload NAME=PATH: shared libraries that replace malloc, on the C
programs in benches/c and on installed ones (gcc, g++, python3, perl, ruby,
sqlite3, redis, node, git, xz; what is not installed is named). Before it is
measured, each program is asked where its malloc came from, so that a library
that did not take effect is not measured as something else.

The allocators take turns, and every round begins with the next one. Reported
is the least of each figure over the rounds. The tables have the time of one
allocator, the reference, and the others' as ratios to it; the same for peak
RSS; and then, for every load and allocator, time, peak RSS, RSS after
everything was dropped, page faults, and calls into the system for memory. The
calls are counted by strace, in a further run that is not timed.";

pub(crate) const BENCH_AFTER: &str = "\
Peers are all allocators but ntheap and those named ntheap-SOMETHING, which are
taken for variants of it. The best peer of a row is the one with the least
figure; `ntheap/best` is ntheap's figure over that. A geometric mean of fewer
rows than the table has says of how many, as in `1.23 (3/4)`. A row in which
every time is below 1 ms has no ratios of time.

CPU time is user and system time of all threads of the process, in the timed
part only where a program of ours was run, and of the whole process and those
it waited for where an installed one was; of redis the server alone.

benches/peers/shared/build.sh builds other allocators as shared libraries.

Examples:
  ntheap bench
  ntheap bench --allocators ntheap,mimalloc3,system --group pairs --rounds 9
  ntheap bench --json all.json --svg all.svg
  ntheap bench --preload mimalloc3=target/peers/shared/libmimalloc3.so
  ntheap bench --preload system= --only 'replace*' --wall

Exit status:
  0  everything was measured
  1  something failed or could not be built: standard error, or the end of the
     tables, says what; the rest was measured
  2  the command line was wrong

Environment:
  NTHEAP_LIBRARY    path of libntheap.so, as for `ntheap run`
  CARGO_TARGET_DIR  cargo's target folder, where everything is built; without
                    it, `target` in the checkout
  CC                the C compiler; without it, cc
  NO_COLOR          when set and not empty, the tables are not coloured";

pub(crate) const TRACE_ABOUT: &str = "\
Show a program's calls, from new down to the system.

Each call that the program makes of operator new and delete, malloc and its kin,
or a function of Windows' names is shown when it has ended, and indented below it
what it came to: the heap's function, the page layer's, the system call. The
names are those of Windows and so are their modules:

  C++ operator new(size 40) -> 0x7f8a10000000
    msvcrt.malloc(size 40) -> 0x7f8a10000000
      kernel32.HeapAlloc = ntdll.RtlAllocateHeap(heap process heap, ...) -> ...
        ntdll.NtAllocateVirtualMemory(address NULL, size 4194304, ...) -> STATUS_SUCCESS
          system mmap(address NULL, length 4194304, prot PROT_NONE, ...) -> ...";

pub(crate) const TRACE_AFTER: &str = "\
While it is traced a program takes no fast path of malloc's, and each event is
written to a file: it is slower by far. The file lies in the folder for temporary
files, and is gone when the program has ended.

A call that is left by an exception, or still runs when the process ends, is shown
without a result. Calls of several threads are shown as they end, with the thread
named. The programs that PROGRAM starts are traced as well.

Examples:
  ntheap trace --call new --first 1 -- ./program
  ntheap trace --call HeapCreate --call HeapDestroy -- ./program
  ntheap trace --json --output calls.json -- ./program

Exit status:
  as of `ntheap run`";

pub(crate) const COMPLETIONS_ABOUT: &str = "\
Write a shell's completions of this command to standard output.

For bash:  ntheap completions bash > ~/.local/share/bash-completion/completions/ntheap
For zsh:   ntheap completions zsh > FOLDER/_ntheap, with FOLDER in fpath
For fish:  ntheap completions fish > ~/.config/fish/completions/ntheap.fish";

pub(crate) const MAN_ABOUT: &str = "\
Write this command's manual pages into a folder: ntheap.1, and a page for each
subcommand, as ntheap-run.1. `man -l FOLDER/ntheap.1` shows one; in a folder
man1 of MANPATH they are found by name.";

pub(crate) const GFLAGS_ABOUT: &str = "\
Explain the global flags, and what a value of NTHEAP_GFLAGS comes to.

NTHEAP_GFLAGS turns on, for a program that is already built, what gflags turns on
for an image on Windows. Without VALUE every flag is listed with its number and what
it does, and the items of NTHEAP_PAGEHEAP and NTHEAP_REPORT. With one, by name or by
number, the flags it sets are listed, with NtGlobalFlag and the variables that say the
same.";

pub(crate) const GFLAGS_AFTER: &str = "\
Examples:
  ntheap gflags
  ntheap gflags +hpa,+ust
  ntheap gflags 0x02000070 --format json
  ntheap gflags +hpa NTHEAP_PAGEHEAP=light,size=16-4096

Exit status:
  0  the value was understood
  2  it was not, or the command line was wrong";
