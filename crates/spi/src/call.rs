//! Call states and how calls end (spec 2.3 to 2.6; TAPI: LINECALLSTATE and LINEDISCONNECTMODE).

use crate::CallId;
use crate::set::member;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The state of a call with its detail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CallState {
    /// The call no longer exists in the switch. Final; information stays readable until the call is closed.
    Idle,
    /// An INVITE came; nobody has claimed it.
    Offering(OfferingMode),
    /// The owner has claimed it; the caller is being alerted.
    Accepted,
    /// Off-hook, nothing dialled yet.
    Dialtone,
    /// The address is being collected, the INVITE is not sent yet.
    Dialing,
    /// The INVITE is on its way: nothing, 100 or 183 so far. Or the call has camped on, and waits until the other side is free.
    Proceeding,
    /// The other side is being alerted (180).
    Ringback,
    /// The other side is busy (486, 600). *Disconnected* follows, at once or after a while in which the call can camp on.
    Busy(BusyMode),
    /// Both sides can talk.
    Connected(ConnectedMode),
    /// Held by us.
    OnHold,
    /// Held by us while a consultation call is set up for a transfer.
    OnHoldPendingTransfer,
    /// A conference call that waits for another party.
    OnHoldPendingConference,
    /// A member leg of a conference call.
    Conferenced(CallId),
    /// The other side or the network ended it; the owner still has to drop it.
    Disconnected(Disconnect),
    /// The call exists, its state is not known.
    Unknown,
}

impl CallState {
    /// The state without its detail.
    pub const fn kind(&self) -> StateKind {
        match self {
            Self::Idle => StateKind::Idle,
            Self::Offering(_) => StateKind::Offering,
            Self::Accepted => StateKind::Accepted,
            Self::Dialtone => StateKind::Dialtone,
            Self::Dialing => StateKind::Dialing,
            Self::Proceeding => StateKind::Proceeding,
            Self::Ringback => StateKind::Ringback,
            Self::Busy(_) => StateKind::Busy,
            Self::Connected(_) => StateKind::Connected,
            Self::OnHold => StateKind::OnHold,
            Self::OnHoldPendingTransfer => StateKind::OnHoldPendingTransfer,
            Self::OnHoldPendingConference => StateKind::OnHoldPendingConference,
            Self::Conferenced(_) => StateKind::Conferenced,
            Self::Disconnected(_) => StateKind::Disconnected,
            Self::Unknown => StateKind::Unknown,
        }
    }
}

impl fmt::Display for CallState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind().name())?;
        match self {
            Self::Connected(mode) if *mode != ConnectedMode::Active => write!(f, " ({})", mode.name()),
            Self::Disconnected(end) => write!(f, " ({end})"),
            Self::Offering(OfferingMode::Inactive) => f.write_str(" (inactive)"),
            _ => Ok(()),
        }
    }
}

/// A call state without its detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)] // each is documented at CallState
pub enum StateKind {
    Idle,
    Offering,
    Accepted,
    Dialtone,
    Dialing,
    Proceeding,
    Ringback,
    Busy,
    Connected,
    OnHold,
    OnHoldPendingTransfer,
    OnHoldPendingConference,
    Conferenced,
    Disconnected,
    Unknown,
}

impl StateKind {
    /// The word used everywhere: events, ladders, the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Offering => "offering",
            Self::Accepted => "accepted",
            Self::Dialtone => "dialtone",
            Self::Dialing => "dialing",
            Self::Proceeding => "proceeding",
            Self::Ringback => "ringback",
            Self::Busy => "busy",
            Self::Connected => "connected",
            Self::OnHold => "on hold",
            Self::OnHoldPendingTransfer => "on hold pending transfer",
            Self::OnHoldPendingConference => "on hold pending conference",
            Self::Conferenced => "conferenced",
            Self::Disconnected => "disconnected",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for StateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether an offered call should alert here (TAPI: LINEOFFERINGMODE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OfferingMode {
    /// It should.
    Active,
    /// Advisory: another station of a shared address is alerted.
    Inactive,
}

/// What is busy (TAPI: LINEBUSYMODE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BusyMode {
    /// The called station (486, 600).
    Station,
    /// The way to it.
    Trunk,
}

/// How a connected call is connected (TAPI: LINECONNECTEDMODE).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConnectedMode {
    /// We take part.
    Active,
    /// A shared call that another station takes part in.
    Inactive,
    /// The other side holds us.
    ActiveHeld,
    /// A shared call, held.
    InactiveHeld,
}

impl ConnectedMode {
    /// The word used in events and ladders.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Inactive => "inactive",
            Self::ActiveHeld => "held by the other side",
            Self::InactiveHeld => "inactive, held",
        }
    }
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disconnect {
    /// The class.
    pub mode: DisconnectMode,
    /// The SIP status that ended it, if one did.
    pub status: Option<u16>,
    /// The Q.850 cause, if the other side gave one (RFC 3326).
    pub q850: Option<u8>,
    /// The reason phrase or text, for people; may be empty.
    pub reason: Box<str>,
    /// Who ended it.
    pub by: EndedBy,
}

impl Disconnect {
    /// An end without a SIP status.
    pub fn new(mode: DisconnectMode, by: EndedBy, reason: impl Into<Box<str>>) -> Self {
        Self { mode, status: None, q850: None, reason: reason.into(), by }
    }
}

impl fmt::Display for Disconnect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.mode.name())?;
        if let Some(status) = self.status {
            write!(f, ", {status}")?;
        }
        if let Some(cause) = self.q850 {
            write!(f, ", Q.850 {cause}")?;
        }
        if !self.reason.is_empty() {
            write!(f, ", {}", self.reason)?;
        }
        write!(f, ", by {}", self.by.name())
    }
}

/// Who ended a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndedBy {
    /// Our side: an application, or the line.
    Us,
    /// The other party or the switch, by a message.
    Peer,
    /// Nobody said so: a timer ran out, or the network failed.
    Network,
}

impl EndedBy {
    /// The word used in events and ladders.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Us => "us",
            Self::Peer => "the other side",
            Self::Network => "the network",
        }
    }
}

/// Why a call ended (TAPI: LINEDISCONNECTMODE; the mapping from SIP is spec 2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DisconnectMode {
    /// An ordinary hang-up.
    Normal,
    /// Not known, may be learnt.
    Unknown,
    /// Refused by the called party (603).
    Reject,
    /// Answered elsewhere.
    Pickup,
    /// Forwarded elsewhere.
    Forwarded,
    /// Busy.
    Busy,
    /// Nobody answered.
    NoAnswer,
    /// The address does not exist or is malformed.
    BadAddress,
    /// The destination cannot be reached.
    Unreachable,
    /// The network is full (503).
    Congestion,
    /// No common media or protocol (488 and others).
    Incompatible,
    /// No reason will ever be known.
    Unavailable,
    /// No dialtone: the line is not registered.
    NoDialtone,
    /// The number has changed (301, 410).
    NumberChanged,
    /// The switch is out of order (502).
    OutOfOrder,
    /// A failure that may pass (500, no media, session expired).
    TemporaryFailure,
    /// The wanted quality cannot be had.
    QosUnavailable,
    /// Not allowed (402, 403, wrong password).
    Blocked,
    /// Do not disturb.
    DoNotDisturb,
    /// The caller gave up before an answer.
    Cancelled,
}

impl DisconnectMode {
    /// The word used everywhere.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Unknown => "unknown",
            Self::Reject => "rejected",
            Self::Pickup => "answered elsewhere",
            Self::Forwarded => "forwarded",
            Self::Busy => "busy",
            Self::NoAnswer => "no answer",
            Self::BadAddress => "bad address",
            Self::Unreachable => "unreachable",
            Self::Congestion => "congestion",
            Self::Incompatible => "incompatible",
            Self::Unavailable => "unavailable",
            Self::NoDialtone => "no dialtone",
            Self::NumberChanged => "number changed",
            Self::OutOfOrder => "out of order",
            Self::TemporaryFailure => "temporary failure",
            Self::QosUnavailable => "quality unavailable",
            Self::Blocked => "blocked",
            Self::DoNotDisturb => "do not disturb",
            Self::Cancelled => "cancelled",
        }
    }
}

member!(StateKind: Idle, Offering, Accepted, Dialtone, Dialing, Proceeding, Ringback, Busy, Connected, OnHold,
    OnHoldPendingTransfer, OnHoldPendingConference, Conferenced, Disconnected, Unknown);
member!(OfferingMode: Active, Inactive);
member!(BusyMode: Station, Trunk);
member!(ConnectedMode: Active, Inactive, ActiveHeld, InactiveHeld);
member!(DisconnectMode: Normal, Unknown, Reject, Pickup, Forwarded, Busy, NoAnswer, BadAddress, Unreachable, Congestion,
    Incompatible, Unavailable, NoDialtone, NumberChanged, OutOfOrder, TemporaryFailure, QosUnavailable, Blocked,
    DoNotDisturb, Cancelled);
