//! The layer: all transactions of one shard.

use super::answer;
use super::branch::Branch;
use super::clients::{Cancelled, Clients, Outgoing, Reply};
use super::config::{Config, Counts};
use super::keys::ClientKey;
use super::servers::{Arrival, Servers};
use super::shared::{Alarm, ClientId, Output, ServerId, Shared};
use super::slots::MAX_SLOTS;
use super::timers::Timers;
use crate::message::{Message, Method};
use bytes::Bytes;
use hookswitch_machine::{Entropy, Flow, Time};
use std::time::Duration;

/// The transaction layer. Give it every message that came, respond and send requests through it; after each call take its
/// [outputs](Self::poll).
#[derive(Debug)]
pub struct Layer {
    shard: u16,
    shared: Shared,
    clients: Clients,
    servers: Servers,
    refusals: Refusals,
    entropy: Entropy,
}

/// What became of a received message, and what it leaves to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Received {
    /// A new request: respond, in the end with a final response. To requests other than INVITE within 64·T1: then the peer has given
    /// up, and so does the transaction (RFC 4320 4.2).
    Request(ServerId),
    /// A copy of a request that came another way: respond with 482 (RFC 3261 8.2.2.2).
    Merged(ServerId),
    /// An ACK for a 2xx; the dialog it belongs to is to be found. (ACKs for other final responses stay in the layer.)
    Ack,
    /// A CANCEL (RFC 3261 9.2). Respond to `cancel`: with 200 and to the INVITE with 487 if that has no final response yet; with 481
    /// if there is no INVITE to cancel.
    Cancel {
        /// The CANCEL.
        cancel: ServerId,
        /// The INVITE it is about, if we have it.
        invite: Option<ServerId>,
    },
    /// A response to a request of ours. Of final responses to an INVITE, all 2xx arrive here (the first, retransmissions, other
    /// forks; each wants an ACK); of others, the first.
    Response(ClientId),
    /// A 2xx to an INVITE that no transaction waits for: send ACK and BYE, and never forward it (RFC 6026 7.3).
    StrayResponse,
    /// A retransmission, or part of the layer's own business. Nothing is left to do.
    Absorbed,
    /// A response that belongs to nothing. Nothing is left to do.
    Unmatched,
    /// There is no room for another transaction. Nothing is left to do.
    Overloaded {
        /// Whether a 503 went out; otherwise there were too many of them already.
        refused: bool,
    },
}

/// Why a response was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RespondError {
    /// The transaction has ended.
    #[error("expected a live transaction to respond through, but {0:?} is gone: drop the response")]
    Gone(ServerId),
    /// There was a final response before.
    #[error("expected {0:?} to be without final response, but it has one: drop this response")]
    Final(ServerId),
}

/// Why a request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// As many transactions as are permitted.
    #[error("expected room for a client transaction, but {live} are alive: try again when some have ended")]
    Full {
        /// How many.
        live: usize,
    },
}

impl Layer {
    /// An empty layer. `entropy` makes branches and keys of hash tables.
    pub fn new(config: Config, mut entropy: Entropy) -> Self {
        Self {
            shard: config.shard,
            shared: Shared::new(config.timers),
            clients: Clients::new(config.max_client.min(MAX_SLOTS), &mut entropy),
            servers: Servers::new(config.max_server.min(MAX_SLOTS), config.detect_merged, &mut entropy),
            refusals: Refusals::new(&config),
            entropy,
        }
    }

    /// A received message. Keeps nothing of its buffer. A flow whose `connection` is 0 counts as datagrams, any other as a stream.
    pub fn receive(&mut self, now: Time, flow: Flow, message: &Message) -> Received {
        if message.is_request() {
            self.receive_request(now, flow, message)
        } else {
            match self.clients.receive(&mut self.shared, now, message) {
                Reply::Deliver(id) => Received::Response(id),
                Reply::Stray => Received::StrayResponse,
                Reply::Absorbed => Received::Absorbed,
                Reply::Unmatched => Received::Unmatched,
            }
        }
    }

    fn receive_request(&mut self, now: Time, flow: Flow, message: &Message) -> Received {
        match self.servers.receive(&mut self.shared, now, flow, message) {
            Arrival::New(id) => Received::Request(id),
            Arrival::Merged(id) => Received::Merged(id),
            Arrival::Cancel { cancel, invite } => Received::Cancel { cancel, invite },
            Arrival::AckForUser => Received::Ack,
            Arrival::Absorbed => Received::Absorbed,
            Arrival::Full(tag) => {
                let refused = self.refusals.permit(now);
                if refused {
                    let bytes = answer::unavailable(message, flow, tag, self.refusals.retry_after);
                    self.shared
                        .output(Output::Transmit { flow: answer::response_flow(message, flow), bytes });
                }
                Received::Overloaded { refused }
            }
        }
    }

    /// Sends a response, provisional or final. `bytes` hold it complete.
    ///
    /// A 300-699 to an INVITE is retransmitted until its ACK comes. A 2xx to an INVITE is sent this once: its retransmission, through
    /// this function, is the user's task (RFC 6026 7.1; [`Retransmit2xx`](super::Retransmit2xx) says when).
    ///
    /// # Errors
    /// If the transaction ended or has a final response.
    pub fn respond(
        &mut self,
        now: Time,
        id: ServerId,
        status: u16,
        bytes: Bytes,
    ) -> Result<(), RespondError> {
        match self.servers.respond(&mut self.shared, now, id, status, bytes) {
            Some(true) => Ok(()),
            Some(false) => Err(RespondError::Final(id)),
            None => Err(RespondError::Gone(id)),
        }
    }

    /// A branch for the topmost Via of a request.
    pub fn next_branch(&mut self) -> Branch {
        Branch::new(self.shard, self.entropy.next_u64())
    }

    /// Sends a request other than ACK. `bytes` hold it complete, with `branch` in the topmost Via and `method` as its method; `reliable`:
    /// whether `flow` is a stream. ACKs for 2xx need no transaction: transmit them.
    ///
    /// Whatever happens, the user learns one outcome: a final response, [`Output::TimedOut`] or [`Output::TransportFailed`].
    ///
    /// # Errors
    /// If there are too many transactions.
    pub fn request(
        &mut self,
        now: Time,
        flow: Flow,
        reliable: bool,
        branch: Branch,
        method: Method<'_>,
        bytes: Bytes,
    ) -> Result<ClientId, RequestError> {
        let outgoing = Outgoing { flow, reliable, key: ClientKey::new(branch, method), bytes };
        let live = self.clients.invites() + self.clients.non_invites();
        self.clients.request(&mut self.shared, now, method, outgoing).ok_or(RequestError::Full { live })
    }

    /// Sends a message that needs no transaction: the ACK to a 2xx (RFC 3261 13.2.2.4).
    pub fn transmit(&mut self, flow: Flow, bytes: Bytes) {
        self.shared.output(Output::Transmit { flow, bytes });
    }

    /// The timers in use.
    pub const fn timers(&self) -> Timers {
        self.shared.timers
    }

    /// Cancels an INVITE (RFC 3261 9.1): now, or when a provisional response permits it. `reason`: the value of a Reason header field
    /// (RFC 3326). The outcome is that of the INVITE.
    pub fn cancel(&mut self, now: Time, id: ClientId, reason: Option<&str>) -> Cancelled {
        self.clients.cancel(&mut self.shared, now, id, reason)
    }

    /// A stream ended or could not be opened, or a datagram could not be sent. Requests without any response fail; all else finds
    /// another way.
    pub fn flow_closed(&mut self, now: Time, flow: Flow) {
        self.clients.flow_closed(&mut self.shared, now, flow);
        self.servers.flow_closed(&mut self.shared, now, flow);
        if flow.connection != 0 {
            // Requests that asked for any connection to the peer went out on this one.
            self.clients.flow_closed(&mut self.shared, now, Flow { connection: 0, ..flow });
        }
    }

    /// The time of [`next_timeout`](Self::next_timeout) has come.
    pub fn timeout(&mut self, now: Time) {
        while let Some(alarm) = self.shared.due(now) {
            match alarm {
                Alarm::InviteClient(id, timer) => self.clients.invite_timer(&mut self.shared, now, id, timer),
                Alarm::RequestClient(id, timer) => {
                    self.clients.non_invite_timer(&mut self.shared, now, id, timer);
                }
                Alarm::InviteServer(id, timer) => self.servers.invite_timer(&mut self.shared, now, id, timer),
                Alarm::RequestServer(id, timer) => {
                    self.servers.non_invite_timer(&mut self.shared, now, id, timer);
                }
            }
        }
    }

    /// When to call [`timeout`](Self::timeout); may be early, never late.
    pub fn next_timeout(&self) -> Option<Time> {
        self.shared.next_timeout()
    }

    /// The next output, in order. Call until `None` after every other call.
    pub fn poll(&mut self) -> Option<Output> {
        self.shared.poll()
    }

    /// What is alive.
    pub fn counts(&self) -> Counts {
        Counts {
            client_invite: self.clients.invites(),
            client_non_invite: self.clients.non_invites(),
            server_invite: self.servers.invites(),
            server_non_invite: self.servers.non_invites(),
            timers: self.shared.timers_set(),
        }
    }

    /// Whether no table holds anything any more.
    pub fn is_idle(&self) -> bool {
        self.clients.is_empty() && self.servers.is_empty() && self.shared.timers_set() == 0
    }
}

/// The rate limit of answers without a transaction.
#[derive(Debug)]
struct Refusals {
    retry_after: u32,
    per_second: u32,
    left: u32,
    second: Time,
}

impl Refusals {
    fn new(config: &Config) -> Self {
        Self {
            retry_after: config.retry_after,
            per_second: config.refusals_per_second,
            left: config.refusals_per_second,
            second: Time::ZERO,
        }
    }

    fn permit(&mut self, now: Time) -> bool {
        if now.since(self.second) >= Duration::from_secs(1) {
            self.second = now;
            self.left = self.per_second;
        }
        let permitted = self.left > 0;
        self.left = self.left.saturating_sub(1);
        permitted
    }
}
