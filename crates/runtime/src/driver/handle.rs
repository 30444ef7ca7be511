//! How other threads reach a running driver.

use super::network::NetworkThread;
use crate::counters::{Counters, Figures};
use crate::mailbox::{Mailbox, Refused};
use hookswitch_machine::{Endpoint, Machine};
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Why a driver did not take something. What was not taken comes back.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError<T> {
    /// The shard has more waiting than it can handle. Try again later.
    #[error("the shard's queue is full: it is overloaded, try again later")]
    Full(T),
    /// The driver has stopped.
    #[error("the driver has stopped")]
    Closed(T),
}

impl<T> From<Refused<T>> for RequestError<T> {
    fn from(refused: Refused<T>) -> Self {
        match refused {
            Refused::Full(back) => Self::Full(back),
            Refused::Closed(back) => Self::Closed(back),
        }
    }
}

/// Reaches one shard from any thread. Never blocks. Cloning is cheap.
pub struct DriverHandle<M: Machine> {
    mailbox: Arc<Mailbox<M::Request, M::MediaEvent>>,
}

impl<M: Machine> DriverHandle<M> {
    pub(super) const fn new(mailbox: Arc<Mailbox<M::Request, M::MediaEvent>>) -> Self {
        Self { mailbox }
    }

    /// Gives the machine a request. An accepted request reaches the machine, also when the driver is told to stop meanwhile.
    ///
    /// # Errors
    /// [`RequestError`] with the request if it was not taken.
    pub fn request(&self, request: M::Request) -> Result<(), RequestError<M::Request>> {
        Ok(self.mailbox.request(request)?)
    }

    /// Gives the machine a request that must not be lost, even if the queue is full: letting go of something, leaving. There must
    /// be no more of these than requests that were accepted before.
    ///
    /// # Errors
    /// [`RequestError::Closed`] with the request if the driver has stopped.
    pub fn last_word(&self, request: M::Request) -> Result<(), RequestError<M::Request>> {
        Ok(self.mailbox.last_word(request)?)
    }

    /// Gives the machine a report of the media threads.
    ///
    /// # Errors
    /// [`RequestError`] with the event if it was not taken.
    pub fn media_event(&self, event: M::MediaEvent) -> Result<(), RequestError<M::MediaEvent>> {
        Ok(self.mailbox.media(event)?)
    }

    /// Asks this shard to end after handling what it has. Returns at once; [`Running::shutdown`] ends the whole driver and
    /// waits.
    pub fn shutdown(&self) {
        self.mailbox.stop();
    }
}

impl<M: Machine> Clone for DriverHandle<M> {
    fn clone(&self) -> Self {
        Self { mailbox: Arc::clone(&self.mailbox) }
    }
}

impl<M: Machine> fmt::Debug for DriverHandle<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DriverHandle").finish_non_exhaustive()
    }
}

/// The driver did not end in time; what still runs is left behind.
#[derive(Debug, thiserror::Error)]
#[error("{threads} of the driver's threads did not end within {within:?}: a machine or sink blocks")]
pub struct Unfinished {
    /// How many threads still ran.
    pub threads: usize,
    /// The time that was given.
    pub within: Duration,
}

/// A driver at work. Dropping it asks all threads to end and does not wait.
pub struct Running<M: Machine> {
    pub(super) handles: Vec<DriverHandle<M>>,
    pub(super) endpoints: Vec<Endpoint>,
    pub(super) counters: Arc<Counters>,
    pub(super) threads: Vec<JoinHandle<()>>,
    /// Each shard's thread holds the other end; it closes when all have ended.
    pub(super) ended: Receiver<Infallible>,
    pub(super) network: NetworkThread,
}

impl<M: Machine> Running<M> {
    /// Reaches shard number `shard`.
    pub fn shard(&self, shard: usize) -> Option<&DriverHandle<M>> {
        self.handles.get(shard)
    }

    /// All shards in order.
    pub fn shards(&self) -> &[DriverHandle<M>] {
        &self.handles
    }

    /// Where the machines can be reached.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// What the transports have counted so far.
    pub fn figures(&self) -> Figures {
        self.counters.figures()
    }

    /// Whether every shard still runs. A shard ends early only by a fault in its machine.
    pub fn is_healthy(&self) -> bool {
        self.threads.iter().all(|thread| !thread.is_finished())
    }

    /// Stops everything. Users are refused from now on; what they asked for before is handled and carried out; streams get
    /// half of the time to write what is queued; open questions are answered; then the shards end.
    ///
    /// # Errors
    /// [`Unfinished`] if a thread still runs after `within`; it is left behind then.
    pub fn shutdown(mut self, within: Duration) -> Result<(), Unfinished> {
        let deadline = Instant::now() + within;
        let (mark, passed) = std::sync::mpsc::channel::<Infallible>();
        for handle in &self.handles {
            handle.mailbox.close_to_users(mark.clone());
        }
        drop(mark);
        // Nothing is ever sent, here and below: the call returns when the last shard has dropped its end.
        let _ = passed.recv_timeout(within / 4);
        self.network.stop(within / 2);
        for handle in &self.handles {
            handle.shutdown();
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if let Err(RecvTimeoutError::Disconnected) = self.ended.recv_timeout(left) {
            for thread in self.threads.drain(..) {
                // A panic was reported when it happened.
                let _ = thread.join();
            }
        }
        let threads = self.threads.iter().filter(|thread| !thread.is_finished()).count()
            + usize::from(!self.network.is_finished());
        if threads == 0 { Ok(()) } else { Err(Unfinished { threads, within }) }
    }
}

impl<M: Machine> Drop for Running<M> {
    fn drop(&mut self) {
        for handle in &self.handles {
            handle.shutdown();
        }
    }
}

impl<M: Machine> fmt::Debug for Running<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("shards", &self.handles.len())
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}
