//! Blocks that are freed by a thread of another shard: they go home, and no
//! two threads are given parts of one cache line.

use super::support::*;
use ntheap::{Stats, stats};
use std::collections::HashSet;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

const FACE: Face = Face::Checked;
const LINE: usize = 64;

type Task = Box<dyn FnOnce() + Send>;

/// A thread that does what it is told, one thing after the other.
struct Worker {
    tasks: Sender<Task>,
    thread: JoinHandle<()>,
}

impl Worker {
    fn new() -> Worker {
        let (tasks, todo): (Sender<Task>, Receiver<Task>) = channel();
        let thread = std::thread::spawn(move || todo.into_iter().for_each(|task| task()));
        Worker { tasks, thread }
    }

    /// Has the thread run `task` and waits for its answer.
    fn run<R: Send + 'static>(&self, task: impl FnOnce() -> R + Send + 'static) -> R {
        let (tell, answer) = channel();
        let task = move || tell.send(task()).unwrap();
        self.tasks.send(Box::new(task)).unwrap();
        answer.recv().unwrap()
    }

    fn allocate(&self, count: usize, size: usize) -> Vec<Block> {
        self.run(move || allocate(count, size))
    }

    fn free(&self, blocks: Vec<Block>) {
        self.run(move || free(&blocks));
    }

    fn end(self) {
        drop(self.tasks);
        self.thread.join().unwrap();
    }
}

fn allocate(count: usize, size: usize) -> Vec<Block> {
    let layout = layout(size, 8);
    let block = |_| {
        let start = FACE.allocate(layout);
        assert!(!start.is_null());
        // SAFETY: the block is ours.
        unsafe { start.write_bytes(1, size) };
        Block { start, layout }
    };
    (0..count).map(block).collect()
}

fn free(blocks: &[Block]) {
    for block in blocks {
        FACE.free(block.start, block.layout);
    }
}

fn addresses(blocks: &[Block]) -> HashSet<usize> {
    blocks.iter().map(|block| block.start.addr()).collect()
}

fn lines(blocks: &[Block]) -> HashSet<usize> {
    blocks
        .iter()
        .map(|block| block.start.addr() / LINE)
        .collect()
}

fn cached(stats: &Stats) -> u64 {
    stats.buckets.iter().map(|bucket| bucket.cached).sum()
}

#[test]
fn a_block_that_another_thread_frees_is_not_handed_out_to_it() {
    isolated(|| {
        let (one, other) = (Worker::new(), Worker::new());
        for size in [1, 16, 48, 200, 500] {
            let first = one.allocate(600, size);
            let theirs = lines(&first);
            let (kept, given) = (first[..10].to_vec(), first[10..].to_vec());
            other.free(given);
            let fresh = other.allocate(2000, size);
            assert!(
                theirs.is_disjoint(&lines(&fresh)),
                "two threads have parts of one line, {size} bytes"
            );
            other.free(fresh);
            one.free(kept);
        }
        one.end();
        other.end();
        assert_eq!(stats().allocated, 0);
    });
}

#[test]
fn blocks_that_another_thread_frees_come_back() {
    isolated(|| {
        let (one, other) = (Worker::new(), Worker::new());
        for size in [16, 100, 1000] {
            let first = one.allocate(3000, size);
            let before = addresses(&first);
            other.free(first);
            let again = one.allocate(3000, size);
            let back = addresses(&again).intersection(&before).count();
            // What a magazine or two hold is still with the other thread.
            assert!(back > 2500, "{back} of 3000, {size} bytes");
            one.free(again);
        }
        assert_eq!(stats().allocated, 0);
        one.end();
        other.end();
    });
}

#[test]
fn figures_tell_of_blocks_that_are_on_their_way_home() {
    isolated(|| {
        let (one, other) = (Worker::new(), Worker::new());
        let mut blocks = one.allocate(1000, 40);
        for part in [1, 3, 10, 60, 200, 700] {
            let rest = blocks.split_off(part.min(blocks.len()));
            other.free(std::mem::replace(&mut blocks, rest));
            let stats = stats();
            assert_eq!(stats.allocated, blocks.len() * 48);
            let bucket = stats.buckets[3];
            assert_eq!(bucket.live, blocks.len() as u64);
            assert!(bucket.live + bucket.cached <= bucket.blocks);
        }
        other.free(blocks);
        assert_eq!(stats().allocated, 0);
        one.end();
        other.end();
        assert_eq!((stats().allocated, stats().threads), (0, 0));
    });
}

#[test]
fn a_purge_reaches_blocks_that_are_on_their_way_home() {
    isolated(|| {
        let (one, other) = (Worker::new(), Worker::new());
        for round in 0..3 {
            let blocks: Vec<Block> = [16, 100, 1000]
                .into_iter()
                .flat_map(|size| one.allocate(50, size))
                .collect();
            other.free(blocks);
            assert!(cached(&stats()) >= 150);
            FACE.purge();
            let stats = stats();
            assert_eq!(stats.allocated, 0);
            if ntheap::sys::barrier() {
                // The first thread keeps one block of each size, and the other
                // none: what it freed it never takes from.
                assert!(cached(&stats) <= 3, "{} cached, {round}", cached(&stats));
            } else {
                eprintln!("skipped: this system has no process-wide barrier");
            }
        }
        one.end();
        other.end();
        FACE.purge();
        assert_eq!(cached(&stats()), 0);
    });
}

/// Runs `body` in a process of its own, which believes that it has so many processors.
fn on(processors: usize, body: impl FnOnce()) {
    let number = processors.to_string();
    if let Some(output) = isolated_with(&[("MOCK_PROCESSORS", &number)], body) {
        assert_done(&format!("on {number} processors"), &output);
    }
}

/// The blocks of seven threads, all of which have ended, but for the caches of the last four,
/// which are kept; `deserted` of the others are of a shard without any.
fn blocks_of_shards_without_threads(deserted: usize) {
    let main = allocate(1, 16);
    let workers: Vec<Worker> = (0..7).map(|_| Worker::new()).collect();
    let blocks: Vec<Vec<Block>> = workers.iter().map(|w| w.allocate(50, 16)).collect();
    for worker in workers.into_iter().rev() {
        worker.end();
    }
    for (at, blocks) in blocks.iter().enumerate() {
        free(blocks);
        if at < deserted {
            let again = allocate(50, 16);
            let both = addresses(&again).intersection(&addresses(blocks)).count();
            assert!(both >= 49, "{both} of 50 of thread {at} were taken over");
            free(&again);
        }
    }
    free(&main);
    assert_eq!(stats().allocated, 0);
}

/// The first and the third of them are of another shard than the others and this thread.
#[test]
fn blocks_of_a_shard_without_threads_belong_to_whoever_frees_them() {
    on(2, || blocks_of_shards_without_threads(1));
}

/// Each of them is of a shard of its own.
#[test]
fn blocks_of_three_shards_without_threads_belong_to_whoever_frees_them() {
    on(8, || blocks_of_shards_without_threads(3));
}

/// Many threads that free each other's blocks; each shard has some of them.
fn hand_blocks_round(threads: usize) {
    let workers: Vec<Worker> = (0..threads).map(|_| Worker::new()).collect();
    let mut blocks: Vec<Block> = Vec::new();
    let mut random = Random::new(5);
    for turn in 0..400 {
        let worker = &workers[turn % workers.len()];
        let size = 1 + random.below(1024);
        blocks.extend(worker.allocate(100, size));
        if blocks.len() > 3000 {
            random.shuffle(&mut blocks);
            let given = blocks.split_off(2000);
            workers[random.below(workers.len())].free(given);
        }
    }
    let usable = |block: &Block| block.layout.size().next_multiple_of(16);
    assert_eq!(
        stats().allocated,
        blocks.iter().map(usable).sum::<usize>(),
        "what is alive"
    );
    let count = addresses(&blocks).len();
    assert_eq!(count, blocks.len(), "no block was handed out twice");
    workers[3].free(blocks);
    assert_eq!(stats().allocated, 0);
    workers.into_iter().for_each(Worker::end);
    FACE.purge();
    assert_eq!((stats().allocated, cached(&stats())), (0, 0));
}

#[test]
fn more_threads_than_shards_hand_blocks_round() {
    isolated(|| hand_blocks_round(20));
}

#[test]
fn more_threads_than_eight_shards_hand_blocks_round() {
    on(8, || hand_blocks_round(20));
}

/// The subsegments that one block each of twenty threads at once takes, which are one for each
/// shard.
#[cfg(target_os = "linux")]
fn shards_of_twenty() -> usize {
    let workers: Vec<Worker> = (0..20).map(|_| Worker::new()).collect();
    let blocks: Vec<_> = workers.iter().map(|w| w.allocate(1, 16)).collect();
    let subsegments = stats().buckets[1].blocks as usize / (64 * 1024 / 16);
    for (worker, blocks) in workers.into_iter().zip(blocks) {
        worker.free(blocks);
        worker.end();
    }
    assert_eq!(stats().allocated, 0);
    subsegments
}

#[cfg(target_os = "linux")]
#[test]
fn threads_are_spread_over_as_many_shards_as_there_are_processors() {
    isolated(|| {
        let processors = ntheap::sys::processors();
        assert!((1..1 << 16).contains(&processors));
        assert_eq!(shards_of_twenty(), processors.clamp(2, 8));
    });
}

/// The processors on which the calling thread may run.
#[cfg(target_os = "linux")]
fn own_processors() -> Vec<usize> {
    // SAFETY: a set of zeros is an empty one, and the call writes to it alone.
    let set = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        assert_eq!(
            libc::sched_getaffinity(0, size_of_val(&set), &raw mut set),
            0
        );
        set
    };
    // SAFETY: the filter below passes none beyond the set's size.
    let is_there = |&at: &usize| unsafe { libc::CPU_ISSET(at, &set) };
    (0..libc::CPU_SETSIZE as usize).filter(is_there).collect()
}

/// Has the calling thread run on one of these alone.
#[cfg(target_os = "linux")]
fn run_on(processors: &[usize]) {
    // SAFETY: a set of zeros is an empty one, which the call reads.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        for &processor in processors {
            libc::CPU_SET(processor, &mut set);
        }
        let answer = libc::sched_setaffinity(0, size_of_val(&set), &raw const set);
        assert_eq!(answer, 0);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn threads_of_one_processor_are_spread_over_two_shards() {
    isolated(|| {
        run_on(&own_processors()[..1]);
        assert_eq!(ntheap::sys::processors(), 1);
        assert_eq!(shards_of_twenty(), 2);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn threads_that_have_a_processor_each_count_the_others() {
    isolated(|| {
        let all = own_processors();
        for (before, &own) in all.iter().enumerate() {
            let counted = std::thread::spawn(move || {
                run_on(&[own]);
                ntheap::sys::processors()
            });
            assert_eq!(counted.join().unwrap(), before + 1);
        }
        assert_eq!(shards_of_twenty(), all.len().clamp(2, 8));
    });
}

/// Whether the second of two threads hands out what it frees of the first one's blocks: if they
/// are of one shard.
fn are_together(one: &Worker, other: &Worker) -> bool {
    let blocks = one.allocate(50, 16);
    let theirs = addresses(&blocks);
    other.free(blocks);
    let again = other.allocate(50, 16);
    let both = addresses(&again).intersection(&theirs).count();
    other.free(again);
    assert!(both == 0 || both >= 49, "{both} of 50");
    both != 0
}

/// Each of some threads, one made after the other, has the number of the first one of its shard.
fn spread(threads: usize) -> Vec<usize> {
    let mut workers: Vec<Worker> = Vec::new();
    let mut ones = Vec::new();
    for _ in 0..threads {
        let worker = Worker::new();
        ones.push(worker.allocate(1, 16));
        workers.push(worker);
    }
    let first = |other: &Worker| {
        let mut all = workers.iter();
        all.position(|one| std::ptr::eq(one, other) || are_together(one, other))
    };
    let firsts = workers
        .iter()
        .map(|worker| first(worker).unwrap())
        .collect();
    for (worker, blocks) in workers.iter().zip(ones) {
        worker.free(blocks);
    }
    workers.into_iter().for_each(Worker::end);
    assert_eq!(stats().allocated, 0);
    firsts
}

/// Of many threads on one processor the first four are spread over two shards.
#[test]
fn many_threads_on_one_processor_share_the_first_shard() {
    on(1, || assert_eq!(spread(7), [0, 1, 0, 1, 0, 0, 0]));
}

#[test]
fn many_threads_on_two_processors_share_the_first_shard() {
    on(2, || assert_eq!(spread(7), [0, 1, 0, 1, 0, 0, 0]));
}

/// Where more than two may run at a time, all are spread.
#[test]
fn many_threads_on_three_processors_are_spread() {
    on(3, || assert_eq!(spread(10), [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]));
}

#[test]
fn many_threads_on_eight_processors_are_spread() {
    on(8, || {
        assert_eq!(spread(10), [0, 1, 2, 3, 4, 5, 6, 7, 0, 1]);
    });
}

#[cfg(unix)]
#[test]
fn a_fork_gives_back_blocks_that_were_on_their_way_home() {
    isolated(|| {
        let (one, other) = (Worker::new(), Worker::new());
        let kept = one.allocate(100, 64);
        other.free(one.allocate(300, 64));
        let before = stats();
        assert!(before.buckets[4].cached > 0);
        let answer = in_fork(|| {
            // Neither thread exists here: what they kept is in the free bits,
            // but for what is in depots.
            FACE.purge();
            let stats = stats();
            assert_eq!(stats.allocated, 100 * 64);
            assert_eq!(stats.buckets[4].cached, 0);
            free(&kept);
            assert_eq!(ntheap::stats().allocated, 0);
            7
        });
        assert_eq!(answer, 7);
        assert_eq!(stats().buckets[4].cached, before.buckets[4].cached);
        one.free(kept);
        one.end();
        other.end();
        assert_eq!(stats().allocated, 0);
    });
}
