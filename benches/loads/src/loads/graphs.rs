//! A graph of counted references: nodes that many others share, freed one by
//! one when the last that shares them goes.

use crate::catalogue::{Group::Programs, Load, Program, Scale};
use crate::measure::{Measured, Stopwatch};
use anyhow::{Result, ensure};
use fastrand::Rng;
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

pub(crate) fn list<A: 'static>() -> &'static [Load] {
    const { &[Load::new("arc-graph", Programs, Program::<A>::arc_graph)] }
}

struct Node {
    number: u64,
    label: String,
    edges: Vec<Arc<Node>>,
    /// The node made before this one.
    before: Weak<Node>,
    dropped: Arc<AtomicU64>,
}

impl Drop for Node {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Relaxed);
    }
}

impl<A> Program<A> {
    /// Each node leads to up to four random older ones. The nodes are dropped
    /// in random order, so most go when something else lets go of them.
    fn arc_graph(scale: Scale) -> Result<Measured> {
        const NODES: usize = 100_000;
        let nodes = scale.live(NODES);
        let rounds = scale.of(12);
        let mut rng = Rng::with_seed(14);
        let dropped = Arc::new(AtomicU64::new(0));
        let watch = Stopwatch::start();
        for _ in 0..rounds {
            let mut graph: Vec<Arc<Node>> = Vec::new();
            for number in 0..nodes as u64 {
                let older = graph.len();
                let edges = (0..rng.usize(0..=4).min(older)).map(|_| rng.usize(..older));
                graph.push(Arc::new(Node {
                    number,
                    edges: edges.map(|edge| graph[edge].clone()).collect(),
                    label: format!("node {number}"),
                    before: graph.last().map(Arc::downgrade).unwrap_or_default(),
                    dropped: dropped.clone(),
                }));
            }
            let mut graph = black_box(graph);
            let right = graph.iter().skip(1).all(|node| {
                let before = node.before.upgrade().map(|before| before.number);
                before == Some(node.number - 1)
                    && node.edges.iter().all(|edge| edge.number < node.number)
                    && node.label.len() > 5
            });
            ensure!(right, "a node is wrong");
            rng.shuffle(&mut graph);
            drop(graph);
        }
        let elapsed = watch.stop();
        let dropped = dropped.load(Relaxed);
        let made = rounds * nodes as u64;
        ensure!(dropped == made, "{dropped} of {made} nodes were dropped");
        Ok(Measured::new(made, elapsed))
    }
}
