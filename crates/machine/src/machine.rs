//! The border of a state machine: what goes in, what comes out.

use crate::{Flow, Time, Transport};
use bytes::Bytes;
use std::net::SocketAddr;

/// A sans-IO state machine.
///
/// The driver calls [`handle`](Self::handle) for everything that happens and [`poll`](Self::poll) until it returns `None`
/// after each call (or each batch of calls); it asks [`timeout`](Self::timeout) afterwards and calls `handle` with
/// [`Input::Timeout`] once that time has come. Time never runs backwards between calls.
pub trait Machine {
    /// What users of the machine ask of it.
    type Request;
    /// What the machine tells its users.
    type Event;
    /// What the machine asks of the media threads.
    type MediaCommand;
    /// What the media threads report.
    type MediaEvent;

    /// Takes one input. Never blocks, never fails: bad input from the network is counted or answered.
    fn handle(&mut self, now: Time, input: Input<Self::Request, Self::MediaEvent>);

    /// The next output, in order. Call until `None`.
    fn poll(&mut self) -> Option<Output<Self::Event, Self::MediaCommand>>;

    /// When to call `handle` with [`Input::Timeout`]; `None` if nothing is scheduled. May be early, never late.
    fn timeout(&self) -> Option<Time>;
}

/// Something that happened.
#[derive(Debug)]
pub enum Input<Request, MediaEvent> {
    /// A datagram, or one framed message of a stream. The machine keeps no slice of `bytes` beyond the call.
    Received {
        /// The path it came on.
        flow: Flow,
        /// One SIP message (or a keep-alive).
        bytes: Bytes,
    },
    /// A stream connection ended, could not be opened, or a datagram could not be sent (ICMP). Ends no call by itself.
    FlowClosed {
        /// The path; `connection` 0 if it never opened.
        flow: Flow,
        /// Why.
        reason: CloseReason,
    },
    /// The answer to an [`Output::Resolve`].
    Resolved {
        /// The question's number.
        query: QueryId,
        /// Targets in the order to try them (RFC 3263 4), never empty; or why there are none.
        answer: Result<Vec<Target>, ResolveError>,
    },
    /// A report of the media threads.
    Media(MediaEvent),
    /// A user's request.
    Request(Request),
    /// The time that [`Machine::timeout`] named has come.
    Timeout,
}

/// Something to be done.
#[derive(Debug)]
pub enum Output<Event, MediaCommand> {
    /// Send one message. Loss is the machine's business (retransmission), failure comes back as [`Input::FlowClosed`].
    Transmit {
        /// The path to send on.
        flow: Flow,
        /// One SIP message, or a keep-alive.
        bytes: Bytes,
    },
    /// Look a host up (RFC 3263). Answered by [`Input::Resolved`] exactly once, at the deadline at the latest.
    Resolve {
        /// The number the answer will carry.
        query: QueryId,
        /// What to look up.
        question: Question,
        /// When an answer is no longer of use.
        deadline: Time,
    },
    /// A command to the media threads.
    Media(MediaCommand),
    /// Something to tell the users.
    Event(Event),
}

/// Numbers the questions of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryId(pub u64);

/// Where does this host take SIP (RFC 3263)?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// A host name (numeric hosts need no question).
    pub host: String,
    /// The port, if the URI gave one: then no SRV look-up (RFC 3263 4.2).
    pub port: Option<u16>,
    /// The transport, if the URI gave one: then no NAPTR look-up (RFC 3263 4.1).
    pub transport: Option<Transport>,
}

/// One place to try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// How to send.
    pub transport: Transport,
    /// Where to.
    pub address: SocketAddr,
}

/// Why a host could not be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolveError {
    /// The name does not exist, or has no address.
    NotFound,
    /// The name servers did not answer in time.
    TimedOut,
    /// The look-up failed otherwise; the text is for people.
    Failed(String),
}

/// Why a flow ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CloseReason {
    /// The connection could not be opened, or the datagram was refused (ICMP port unreachable).
    Refused,
    /// The peer closed the connection.
    Ended,
    /// The bytes on the stream are no SIP, or a message was larger than allowed.
    Malformed,
    /// The peer does not read: the write queue is full.
    Overflow,
    /// Any other error of the socket.
    Failed,
    /// The driver is shutting down.
    Shutdown,
}
