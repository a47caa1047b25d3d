//! Many small asynchronous tasks on tokio's threads.

use crate::catalogue::{Group::Programs, Load, Program, Scale};
use crate::measure::{Measured, Stopwatch};
use anyhow::{Result, ensure};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, oneshot};

pub(crate) fn list<A: 'static>() -> &'static [Load] {
    const {
        &[Load::new(
            "tokio-tasks",
            Programs,
            Program::<A>::tokio_tasks,
        )]
    }
}

/// A request, with the way back.
struct Request {
    number: u64,
    text: String,
    answer: oneshot::Sender<Vec<u8>>,
}

impl<A> Program<A> {
    /// Tasks each of which asks a server task and awaits the answer; at most a
    /// thousand at a time.
    fn tokio_tasks(scale: Scale) -> Result<Measured> {
        const WORKERS: usize = 2;
        const AT_A_TIME: u64 = 1000;
        let tasks = scale.of(300_000);
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .build()?;
        let watch = Stopwatch::start();
        let right = runtime.block_on(async {
            let (ask, mut asked) = mpsc::channel::<Request>(256);
            let server = tokio::spawn(async move {
                while let Some(request) = asked.recv().await {
                    let mut answer = request.text.into_bytes();
                    answer.extend(request.number.to_le_bytes());
                    // A task that no longer waits is one that failed, which is
                    // seen where it is joined.
                    let _ = request.answer.send(answer);
                }
            });
            let mut right = 0;
            let mut done = 0;
            while done < tasks {
                let running: Vec<_> = (done..tasks.min(done + AT_A_TIME))
                    .map(|number| tokio::spawn(client(number, ask.clone())))
                    .collect();
                done += running.len() as u64;
                for task in running {
                    right += u64::from(task.await?);
                }
            }
            drop(ask);
            server.await?;
            Ok::<u64, tokio::task::JoinError>(right)
        })?;
        let elapsed = watch.stop();
        drop(runtime);
        ensure!(right == tasks, "{right} of {tasks} answers were right");
        Ok(Measured::new(tasks, elapsed).threads(WORKERS as u32 + 1))
    }
}

/// Asks once. Whether the answer was right.
async fn client(number: u64, ask: mpsc::Sender<Request>) -> bool {
    let (answer, answered) = oneshot::channel();
    let text = format!("request {number}");
    let request = Request {
        number,
        text: text.clone(),
        answer,
    };
    if ask.send(request).await.is_err() {
        return false;
    }
    let Ok(answer) = answered.await else {
        return false;
    };
    answer.split_last_chunk() == Some((text.as_bytes(), &number.to_le_bytes()))
}
