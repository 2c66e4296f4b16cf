//! The queue of the writer thread.

use std::fmt;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use kverse_core::{Error, ErrorKind, Operation, OperationOutcome, Result, Write, WriteOutcome};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::error::SqliteError;
use super::writer::Writer;

/// How long a job may wait for room in the queue before it is refused.
const ROOM_WAIT: Duration = Duration::from_secs(5);

/// How long the answer of a call is waited for; this ends the wait for a disk that hangs. Changes have no such limit: a
/// cache in front takes them for over when they are answered, and would hide what is stored later.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// Room is counted in units of this many bytes; a job takes at least one.
const UNIT_BYTES: usize = 1 << 10;

/// All the room: 64 MiB of waiting writes, at most 65,536 jobs.
const UNITS: usize = 1 << 16;

/// What the writer thread is asked to do.
pub(super) enum Job {
    /// Changes entries; shares a commit with its neighbours in the queue.
    Change(Change),
    /// Does anything else, outside a transaction.
    Call(Box<dyn FnOnce(&mut Writer) + Send>),
    /// Ends the thread.
    Close,
}

/// A call that changes entries.
pub(super) enum Change {
    Write {
        writes: Vec<Write>,
        reply: Reply<Vec<Result<WriteOutcome>>>,
    },
    Transact {
        operations: Vec<Operation>,
        reply: Reply<Vec<OperationOutcome>>,
    },
}

/// Answers a job. Its room in the queue is free again when this is gone.
pub(super) struct Reply<T> {
    sender: oneshot::Sender<Result<T>>,
    _room: OwnedSemaphorePermit,
}

impl<T> Reply<T> {
    pub(super) fn send(self, result: Result<T>) {
        // The caller may have gone; the job is done all the same.
        let _ = self.sender.send(result);
    }
}

/// The sending end. Bounded by bytes.
pub(super) struct Queue {
    sender: Sender<Job>,
    room: Arc<Semaphore>,
}

impl Queue {
    pub(super) fn new() -> (Self, mpsc::Receiver<Job>) {
        let (sender, receiver) = channel();
        let room = Arc::new(Semaphore::new(UNITS));
        (Self { sender, room }, receiver)
    }

    /// Has writes done.
    pub(super) async fn write(
        &self,
        writes: Vec<Write>,
        bytes: usize,
    ) -> Result<Vec<Result<WriteOutcome>>> {
        self.submit(bytes, |reply| Job::Change(Change::Write { writes, reply }))
            .await
    }

    /// Has a transaction done.
    pub(super) async fn transact(
        &self,
        operations: Vec<Operation>,
        bytes: usize,
    ) -> Result<Vec<OperationOutcome>> {
        self.submit(bytes, |reply| {
            Job::Change(Change::Transact { operations, reply })
        })
        .await
    }

    /// Has a function called with the writer, outside a transaction.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        call: impl FnOnce(&mut Writer) -> Result<T, SqliteError> + Send + 'static,
    ) -> Result<T> {
        let answer = self.submit(0, |reply| {
            Job::Call(Box::new(|writer| {
                reply.send(call(writer).map_err(Error::from));
            }))
        });
        timeout(ANSWER_WAIT, answer).await.unwrap_or_else(|error| {
            let message = format!(
                "the database did not answer within {} s",
                ANSWER_WAIT.as_secs()
            );
            Err(Error::new(ErrorKind::Timeout, message).with_source(error))
        })
    }

    async fn submit<T>(&self, bytes: usize, job: impl FnOnce(Reply<T>) -> Job) -> Result<T> {
        let units = (bytes / UNIT_BYTES + 1).min(UNITS);
        let room = Arc::clone(&self.room).acquire_many_owned(units as u32);
        let room = timeout(ROOM_WAIT, room)
            .await
            .map_err(|error| {
                let message = format!(
                    "the database is overloaded: no room in its queue for {} s",
                    ROOM_WAIT.as_secs()
                );
                Error::new(ErrorKind::Unavailable, message).with_source(error)
            })?
            .map_err(closed)?;
        let (sender, answer) = oneshot::channel();
        let reply = Reply {
            sender,
            _room: room,
        };
        // The job goes back with the error, and must not become its source: it holds values.
        self.sender
            .send(job(reply))
            .map_err(|_job: mpsc::SendError<Job>| stopped())?;
        // The writer has gone without an answer: a defect, after which nobody knows what is stored.
        answer.await.unwrap_or_else(|error| {
            let message = "the database's writer stopped: the write may or may not be stored";
            Err(Error::new(ErrorKind::Timeout, message).with_source(error))
        })
    }

    /// Ends the writer after what is already in the queue.
    pub(super) fn close(&self) {
        // An error means that it has ended before.
        let _ = self.sender.send(Job::Close);
    }
}

fn stopped() -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "the database's writer has stopped; restart the process",
    )
}

fn closed(error: tokio::sync::AcquireError) -> Error {
    stopped().with_source(error)
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("free_units", &self.room.available_permits())
            .finish()
    }
}
