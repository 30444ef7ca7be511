//! The streams' thread: accepts, opens, finds and ends connections.

use super::connection;
use super::table::{Limit, Link, Opener, Table};
use super::{StreamOptions, queue::Overflow};
use crate::counters::Counters;
use crate::mailbox::Inboxes;
use crate::transport::Steer;
use bytes::Bytes;
use hookswitch_machine::{CloseReason, EndpointId, Flow};
use std::cell::{Cell, RefCell};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, Semaphore};

/// How long to wait when the system gives no more descriptors.
const EXHAUSTED: Duration = Duration::from_millis(50);

/// What a hub is made of.
pub(crate) struct HubParts {
    pub(crate) options: StreamOptions,
    pub(crate) inboxes: Inboxes,
    pub(crate) steer: Option<Steer>,
    pub(crate) counters: Arc<Counters>,
    /// By endpoint number: the address that connections are opened from, if it is a specific one.
    pub(crate) sources: Vec<Option<IpAddr>>,
}

/// All stream connections of a driver. Lives on one thread; its tasks share it.
pub(crate) struct Hub {
    parts: HubParts,
    table: RefCell<Table>,
    /// By shard: permission to put one more message into its mailbox.
    credits: Vec<Arc<Semaphore>>,
    /// Where every connection's bytes are read to before they are framed.
    scratch: RefCell<Vec<u8>>,
    closing: Cell<bool>,
    emptied: Notify,
}

impl Hub {
    pub(crate) fn new(parts: HubParts) -> Rc<Self> {
        let table = RefCell::new(Table::new(&parts.options));
        let messages = parts.options.messages_per_shard.clamp(1, Semaphore::MAX_PERMITS);
        let credits = parts.inboxes.iter().map(|_| Arc::new(Semaphore::new(messages))).collect();
        Rc::new(Self {
            parts,
            table,
            credits,
            scratch: RefCell::new(vec![0; 64 << 10]),
            closing: Cell::new(false),
            emptied: Notify::new(),
        })
    }

    /// Accepts connections until the thread ends.
    pub(crate) async fn accept(self: Rc<Self>, endpoint: EndpointId, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.accepted(endpoint, stream, peer),
                Err(error) if is_of_the_peer(&error) => {}
                Err(error) => {
                    tracing::warn!(target: "hookswitch::tcp", endpoint = endpoint.0, %error, "cannot accept connections");
                    tokio::time::sleep(EXHAUSTED).await;
                }
            }
        }
    }

    fn accepted(self: &Rc<Self>, endpoint: EndpointId, stream: TcpStream, peer: SocketAddr) {
        if self.closing.get() {
            return;
        }
        let admitted = self.table.borrow_mut().admit(endpoint, peer, Opener::Peer);
        match admitted {
            Ok(link) => {
                self.parts.counters.accepted.add(1);
                tracing::debug!(target: "hookswitch::tcp", %peer, connection = link.flow.connection, "accepted");
                tokio::task::spawn_local(Rc::clone(self).run(link, stream));
            }
            Err(limit) => {
                self.parts.counters.turned_away.add(1);
                tracing::warn!(target: "hookswitch::tcp", %peer, ?limit, "connection turned away");
            }
        }
    }

    /// Sends on the connection that `flow` names; number 0 asks for one to the peer, opened if there is none.
    pub(crate) fn send(self: &Rc<Self>, shard: usize, flow: Flow, bytes: Bytes) {
        let found = self.table.borrow().find(flow);
        let link = match (found, flow.connection) {
            (Some(link), _) => link,
            (None, 0) => match self.open(flow.endpoint, flow.peer) {
                Ok(link) => link,
                Err(limit) => {
                    tracing::warn!(target: "hookswitch::tcp", peer = %flow.peer, ?limit, "connection not opened");
                    return self.tell(shard, flow, CloseReason::Failed);
                }
            },
            // The other shards heard of its end when it ended.
            (None, _) => return self.tell(shard, flow, CloseReason::Ended),
        };
        match link.queue.push(bytes) {
            Ok(()) => self.parts.counters.frames_out.add(1),
            Err(Overflow) => link.stop(CloseReason::Overflow),
        }
    }

    fn tell(&self, shard: usize, flow: Flow, reason: CloseReason) {
        if let Some(inbox) = self.parts.inboxes.get(shard) {
            inbox.flow_closed(flow, reason);
        }
    }

    fn open(self: &Rc<Self>, endpoint: EndpointId, peer: SocketAddr) -> Result<Rc<Link>, Limit> {
        let link = self.table.borrow_mut().admit(endpoint, peer, Opener::Us)?;
        let hub = Rc::clone(self);
        let opening = Rc::clone(&link);
        tokio::task::spawn_local(async move {
            let connected = tokio::select! {
                reason = opening.stopped() => Err(reason),
                connected = hub.connect(endpoint, peer) => connected.map_err(|error| {
                    tracing::debug!(target: "hookswitch::tcp", %peer, %error, "connection refused");
                    CloseReason::Refused
                }),
            };
            match connected {
                Ok(stream) => {
                    hub.parts.counters.opened.add(1);
                    tracing::debug!(target: "hookswitch::tcp", %peer, connection = opening.flow.connection, "opened");
                    hub.run(opening, stream).await;
                }
                // It never opened, so it is known by its peer only.
                Err(reason) => hub.gone(&opening, Flow::to(endpoint, peer), reason),
            }
        });
        Ok(link)
    }

    async fn connect(&self, endpoint: EndpointId, peer: SocketAddr) -> io::Result<TcpStream> {
        let socket = if peer.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        let source = self.parts.sources.get(usize::from(endpoint.0)).copied().flatten();
        if let Some(ip) = source.filter(|ip| ip.is_ipv4() == peer.is_ipv4()) {
            socket.bind(SocketAddr::new(ip, 0))?;
        }
        match tokio::time::timeout(self.parts.options.connect, socket.connect(peer)).await {
            Ok(connected) => connected,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }

    async fn run(self: Rc<Self>, link: Rc<Link>, stream: TcpStream) {
        let reason = connection::run(&self, &link, stream).await;
        self.gone(&link, link.flow, reason);
    }

    /// Forgets a connection and tells every shard.
    fn gone(&self, link: &Link, flow: Flow, reason: CloseReason) {
        tracing::debug!(target: "hookswitch::tcp", peer = %flow.peer, connection = link.flow.connection, ?reason, "closed");
        match reason {
            CloseReason::Malformed => self.parts.counters.malformed.add(1),
            CloseReason::Overflow => self.parts.counters.overflows.add(1),
            CloseReason::Refused | CloseReason::Ended | CloseReason::Failed | CloseReason::Shutdown => {}
        }
        self.table.borrow_mut().remove(link.flow);
        link.written.notify_one();
        for inbox in self.parts.inboxes.iter() {
            inbox.flow_closed(flow, reason);
        }
        if self.table.borrow().is_empty() {
            self.emptied.notify_one();
        }
    }

    /// Hands a message to its shard; waits while the shard has too many.
    pub(super) async fn deliver(&self, flow: Flow, bytes: Bytes) {
        let shards = self.parts.inboxes.len();
        let to = self.parts.steer.as_ref().map_or(0, |steer| steer(&bytes, flow));
        // A shard that does not exist was named by the peer's bytes; any shard may answer that.
        let to = if to < shards { to } else { 0 };
        let (Some(inbox), Some(credit)) = (self.parts.inboxes.get(to), self.credits.get(to)) else { return };
        if let Ok(permit) = Arc::clone(credit).acquire_owned().await {
            self.parts.counters.frames_in.add(1);
            inbox.stream_message(flow, bytes, permit);
        }
    }

    pub(super) const fn options(&self) -> &StreamOptions {
        &self.parts.options
    }

    pub(super) const fn scratch(&self) -> &RefCell<Vec<u8>> {
        &self.scratch
    }

    /// Lets queues be written for at most `grace`, then ends every connection.
    pub(crate) async fn close(&self, grace: Duration) {
        self.closing.set(true);
        let links = self.table.borrow().all();
        let written = async {
            for link in &links {
                while !link.queue.is_empty() && self.table.borrow().find(link.flow).is_some() {
                    link.written.notified().await;
                }
            }
        };
        let _ = tokio::time::timeout(grace, written).await;
        for link in &links {
            link.stop(CloseReason::Shutdown);
        }
        let ended = async {
            while !self.table.borrow().is_empty() {
                self.emptied.notified().await;
            }
        };
        // Ending needs no network: the time only bounds a fault.
        let _ = tokio::time::timeout(EXHAUSTED * 4, ended).await;
    }
}

fn is_of_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    )
}
