//! Sessions: attached applications, and those that were lost and may come back.

use crate::{AppRequestId, Reply, RequestError, SessionId};
use hookswitch_machine::{HashKeys, Map, TimerKey};
use hookswitch_spi::{CallId, LineId};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// One application.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) name: Box<str>,
    pub(crate) grace: Duration,
    pub(crate) presence: Presence,
    pub(crate) lines: BTreeSet<LineId>,
    /// Requests accepted and not completed.
    pub(crate) pending: u32,
    /// Calls that ended while it had a handle, oldest first; some may be released since.
    ended: VecDeque<CallId>,
}

/// A completion that nobody was there to hear.
pub(crate) type Missed = (AppRequestId, Result<Reply, RequestError>);

/// Whether a session hears what it is told.
#[derive(Debug)]
pub(crate) enum Presence {
    /// It does, and is offered calls.
    Present,
    /// It does, but it reads too slowly to be offered more.
    Busy,
    /// It was lost; until the timer fires it may come back, and then has these completions to hear.
    Absent { until: TimerKey, missed: Vec<Missed> },
}

impl Session {
    pub(crate) fn new(name: Box<str>, grace: Duration) -> Self {
        Self {
            name,
            grace,
            presence: Presence::Present,
            lines: BTreeSet::new(),
            pending: 0,
            ended: VecDeque::new(),
        }
    }

    pub(crate) fn hears(&self) -> bool {
        match self.presence {
            Presence::Present | Presence::Busy => true,
            Presence::Absent { .. } => false,
        }
    }

    pub(crate) fn takes_offers(&self) -> bool {
        match self.presence {
            Presence::Present => true,
            Presence::Busy | Presence::Absent { .. } => false,
        }
    }

    /// Notes that a call ended; returns the oldest such call when there are more than `most`.
    pub(crate) fn note_ended(&mut self, call: CallId, most: u32) -> Option<CallId> {
        self.ended.push_back(call);
        if self.ended.len() > most as usize { self.ended.pop_front() } else { None }
    }
}

/// All sessions of the shard.
#[derive(Debug)]
pub(crate) struct Sessions {
    table: Map<SessionId, Session>,
}

impl Sessions {
    pub(crate) fn new(keys: HashKeys) -> Self {
        Self { table: Map::with_hasher(keys) }
    }

    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    pub(crate) fn get(&self, id: SessionId) -> Option<&Session> {
        self.table.get(&id)
    }

    pub(crate) fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.table.get_mut(&id)
    }

    pub(crate) fn insert(&mut self, id: SessionId, session: Session) {
        self.table.insert(id, session);
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Session> {
        self.table.remove(&id)
    }

    /// All that hear, in the order of their ids.
    pub(crate) fn hearing(&self) -> Vec<SessionId> {
        let mut ids: Vec<_> = self.table.iter().filter(|(_, s)| s.hears()).map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids
    }
}
