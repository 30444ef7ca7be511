//! Sessions: attached applications, and those that were lost and may come back.

use crate::{AppRequestId, SessionId};
use hookswitch_machine::{HashKeys, Map, TimerKey};
use hookswitch_spi::{CallId, InterfaceVersion, LineId};
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

/// One application.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) name: Box<str>,
    pub(crate) grace: Duration,
    pub(crate) version: InterfaceVersion,
    pub(crate) presence: Presence,
    pub(crate) lines: BTreeSet<LineId>,
    /// Requests accepted and not completed.
    pub(crate) pending: u32,
    /// The highest number of a request so far: a higher one is no duplicate.
    pub(crate) highest: AppRequestId,
    /// Calls that ended while it had a handle, oldest first; some may be released since.
    ended: VecDeque<CallId>,
}

/// Whether somebody is there to act for a session. What it is told is told in any case: whoever keeps its events keeps them for
/// one that comes back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Presence {
    /// There is, and it is offered calls.
    Present,
    /// There is, but it reads too slowly to be offered more.
    Busy,
    /// It was lost; until the timer fires it may come back.
    Absent { until: TimerKey },
}

impl Session {
    pub(crate) fn new(name: Box<str>, grace: Duration, version: InterfaceVersion) -> Self {
        Self {
            name,
            grace,
            version,
            presence: Presence::Present,
            lines: BTreeSet::new(),
            pending: 0,
            highest: AppRequestId(0),
            ended: VecDeque::new(),
        }
    }

    pub(crate) const fn is_here(&self) -> bool {
        match self.presence {
            Presence::Present | Presence::Busy => true,
            Presence::Absent { .. } => false,
        }
    }

    pub(crate) const fn takes_offers(&self) -> bool {
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
    /// How many speak an older version.
    old: usize,
}

impl Sessions {
    pub(crate) fn new(keys: HashKeys) -> Self {
        Self { table: Map::with_hasher(keys), old: 0 }
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
        self.old += usize::from(session.version < InterfaceVersion::V1);
        self.table.insert(id, session);
    }

    pub(crate) fn remove(&mut self, id: SessionId) -> Option<Session> {
        let session = self.table.remove(&id)?;
        self.old -= usize::from(session.version < InterfaceVersion::V1);
        Some(session)
    }

    /// Whether a session is to be told things in older words.
    pub(crate) fn is_old(&self, id: SessionId) -> bool {
        self.old > 0 && self.get(id).is_some_and(|session| session.version < InterfaceVersion::V1)
    }

    /// Whether somebody is there to act for it.
    pub(crate) fn is_here(&self, id: SessionId) -> bool {
        self.get(id).is_some_and(Session::is_here)
    }

    /// All, in the order of their ids.
    pub(crate) fn all(&self) -> Vec<SessionId> {
        let mut ids: Vec<_> = self.table.keys().copied().collect();
        ids.sort_unstable();
        ids
    }
}
