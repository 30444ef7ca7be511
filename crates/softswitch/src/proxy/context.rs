//! The response context (RFC 3261 16): one request that came, and the branches on which it was passed on.

use super::choose::{Wish, rank};
use crate::calls::CallNo;
use crate::location::UserId;
use bytes::Bytes;
use hookswitch_machine::{Flow, TimerKey};
use hookswitch_sip::transaction::{ClientId, ServerId};

/// Names a context, never another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ContextId(pub(crate) u64);

/// What kind of request it is: what is forwarded, and what is told, depends on it.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// An INVITE that opens a call, with its Call-ID, and its number if it is remembered.
    Call(Box<str>, Option<CallNo>),
    /// A re-INVITE.
    Invite,
    /// Anything else.
    Other,
}

impl Kind {
    /// The call that it opens, if that is remembered.
    pub(crate) const fn call(&self) -> Option<CallNo> {
        match self {
            Self::Call(_, no) => *no,
            Self::Invite | Self::Other => None,
        }
    }

    pub(crate) const fn is_invite(&self) -> bool {
        match self {
            Self::Call(..) | Self::Invite => true,
            Self::Other => false,
        }
    }
}

/// Where a context stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// No final response went upstream; branches may still be added.
    Open,
    /// The caller cancelled: the branches end one by one.
    Cancelled,
    /// Somebody declined for all (6xx): the other branches end one by one.
    Declined,
    /// A final response went upstream. Further 2xx to an INVITE follow it.
    Final,
}

/// Where a branch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// No final response yet.
    Waiting,
    /// It rang for too long and was cancelled by us: whatever it ends with counts as 408.
    Overdue,
    /// It has its final response; the transaction lingers.
    Done,
}

/// One copy of the request on its way.
#[derive(Debug)]
pub(crate) struct Branch {
    pub(crate) client: ClientId,
    /// Whose phone it goes to.
    pub(crate) user: Option<UserId>,
    pub(crate) stage: Stage,
    /// Timer C, of INVITEs.
    pub(crate) timer: Option<TimerKey>,
    /// What it may fork into, to be given back at its end (RFC 5393 5).
    pub(crate) breadth: u32,
}

/// A final response that may go upstream.
#[derive(Clone, Debug)]
pub(crate) struct Best {
    pub(crate) status: u16,
    /// As it came, our Via taken off; `None`: to be written by us.
    pub(crate) bytes: Option<Bytes>,
}

/// What the copies of a request have in common, kept until its final response.
#[derive(Debug)]
pub(crate) struct Origin {
    /// The request as it came.
    pub(crate) request: Bytes,
    /// The value of Route without what was ours, if that stood there; empty: no Route.
    pub(crate) routes: Option<String>,
    /// Whether we want to see what follows in the dialog.
    pub(crate) record: bool,
}

/// One request that came, and what became of it.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) server: ServerId,
    /// Where the request came from.
    pub(crate) flow: Flow,
    /// Where its responses go.
    pub(crate) reply_flow: Flow,
    pub(crate) kind: Kind,
    pub(crate) state: State,
    pub(crate) origin: Option<Box<Origin>>,
    pub(crate) branches: Vec<Branch>,
    /// Branches so far, those that are gone included.
    pub(crate) tried: usize,
    /// Branches that may still be opened at a time (RFC 5393 5).
    pub(crate) breadth: u32,
    /// Contacts that were tried: no redirection leads there again.
    pub(crate) visited: Vec<Box<str>>,
    pub(crate) best: Option<Best>,
    /// Challenges of all branches (RFC 3261 16.7, 7).
    pub(crate) challenges: Vec<(&'static str, String)>,
}

/// The most challenges passed on.
const MOST_CHALLENGES: usize = 16;

impl Context {
    pub(crate) fn branch(&mut self, client: ClientId) -> Option<&mut Branch> {
        self.branches.iter_mut().find(|branch| branch.client == client)
    }

    /// Whether every branch has its final response.
    pub(crate) fn is_settled(&self) -> bool {
        self.branches.iter().all(|branch| match branch.stage {
            Stage::Waiting | Stage::Overdue => false,
            Stage::Done => true,
        })
    }

    pub(crate) const fn wish(&self) -> Wish {
        match self.state {
            State::Open | State::Declined | State::Final => Wish::Answer,
            State::Cancelled => Wish::Cancelled,
        }
    }

    /// Whether a final response is still owed.
    pub(crate) const fn is_open(&self) -> bool {
        match self.state {
            State::Open | State::Cancelled | State::Declined => true,
            State::Final => false,
        }
    }

    /// Remembers a final response if it is better than what came before.
    pub(crate) fn offer(&mut self, status: u16, bytes: Option<Bytes>) {
        let wish = self.wish();
        if self.best.as_ref().is_none_or(|best| rank(status, wish) < rank(best.status, wish)) {
            self.best = Some(Best { status, bytes });
        }
    }

    pub(crate) fn challenged(&mut self, name: &'static str, value: &str) {
        if self.challenges.len() < MOST_CHALLENGES {
            self.challenges.push((name, value.to_owned()));
        }
    }

    /// The final response went upstream: nothing is kept but what further 2xx need.
    pub(crate) fn finish(&mut self) {
        self.state = State::Final;
        self.origin = None;
        self.best = None;
        self.challenges = Vec::new();
        self.visited = Vec::new();
    }
}
