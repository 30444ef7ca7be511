//! The tables of a shard, and the few things that everything above does with them: tell, ask the provider, close.

use crate::calls::{Call, Handles, Stage};
use crate::config::Config;
use crate::event::{CallSnapshot, Event, Reply};
use crate::opens::Line;
use crate::requests::{Pending, Purpose, Requests};
use crate::sessions::{Presence, Sessions};
use crate::timeline::Timeline;
use crate::{AppRequestId, Privilege, RequestError, SessionId};
use hookswitch_machine::{Entropy, Map, Time, TimerQueue};
use hookswitch_spi::{
    AddressId, CallId, CallState, Features, LineId, MediaType, MediaTypes, Operation, OperationError,
    Provider, TimelineEntry, TimelineFact,
};
use std::collections::VecDeque;

/// Without calls the table keeps room for so many.
const KEPT: usize = 64;

/// Everything a shard knows.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) config: Config,
    pub(crate) sessions: Sessions,
    pub(crate) lines: Map<LineId, Line>,
    pub(crate) calls: Map<CallId, Call>,
    pub(crate) requests: Requests,
    /// Of lost sessions: when each is given up.
    pub(crate) graces: TimerQueue<SessionId>,
    pub(crate) timeline: Timeline,
    pub(crate) events: VecDeque<(SessionId, Event)>,
}

impl Shard {
    pub(crate) fn new(config: Config, entropy: &mut Entropy) -> Self {
        Self {
            sessions: Sessions::new(entropy.hash_keys()),
            lines: Map::with_hasher(entropy.hash_keys()),
            calls: Map::with_hasher(entropy.hash_keys()),
            requests: Requests::default(),
            graces: TimerQueue::new(),
            timeline: Timeline::new(config.timeline_entries),
            events: VecDeque::new(),
            config,
        }
    }

    /// Tells a session something, if it hears.
    pub(crate) fn tell(&mut self, session: SessionId, event: Event) {
        if self.sessions.get(session).is_some_and(|s| s.hears()) {
            self.events.push_back((session, event));
        }
    }

    /// Tells every holder of a handle that hears, except one.
    pub(crate) fn tell_holders(
        &mut self,
        call: CallId,
        except: Option<SessionId>,
        mut event: impl FnMut() -> Event,
    ) {
        let Some(entry) = self.calls.get(&call) else { return };
        for (session, _) in entry.handles.iter() {
            if Some(session) != except && self.sessions.get(session).is_some_and(|s| s.hears()) {
                self.events.push_back((session, event()));
            }
        }
    }

    /// Tells holders how many own and monitor a call now; the session that caused the change knows.
    pub(crate) fn tell_owners(&mut self, call: CallId, except: Option<SessionId>) {
        let Some(entry) = self.calls.get(&call) else { return };
        let (owners, monitors) = (entry.handles.owners(), entry.handles.monitors());
        self.tell_holders(call, except, || Event::Owners { call, owners, monitors });
    }

    /// Completes a request of a session; a lost one hears of it when it comes back.
    pub(crate) fn complete(&mut self, who: (SessionId, AppRequestId), result: Result<Reply, RequestError>) {
        let (id, request) = who;
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.pending = session.pending.saturating_sub(1);
        match &mut session.presence {
            Presence::Present | Presence::Busy => {
                self.events.push_back((id, Event::Completed { request, result }));
            }
            // At most as many as it could have outstanding.
            Presence::Absent { missed, .. } => missed.push((request, result)),
        }
    }

    /// Remembers what happened to a call.
    pub(crate) fn record(&mut self, at: Time, call: CallId, fact: TimelineFact) {
        self.timeline.push(TimelineEntry { at, call, fact });
    }

    /// Remembers who owns a call now.
    pub(crate) fn record_owner(&mut self, at: Time, call: CallId, owner: SessionId) {
        let name = self.sessions.get(owner).map(|session| session.name.clone()).unwrap_or_default();
        self.record(at, call, TimelineFact::Owner(name));
    }

    /// Asks the provider for something on behalf of a session, or of the shard itself. `Err`: refused, nothing is pending.
    pub(crate) fn submit(
        &mut self,
        now: Time,
        provider: &mut dyn Provider,
        who: Option<(SessionId, AppRequestId)>,
        line: LineId,
        operation: Operation,
        purpose: Purpose,
    ) -> Result<(), OperationError> {
        let request = self.requests.mint();
        let (name, about) = (operation.name(), operation.call());
        let created = provider.submit(now, request, operation)?;
        let call = created.or(about);
        if let Some(call) = call {
            self.record(now, call, TimelineFact::Asked(request, name));
        }
        if let Some(session) = who.and_then(|(id, _)| self.sessions.get_mut(id)) {
            session.pending += 1;
        }
        self.requests.insert(request, Pending { who, line, call, purpose });
        if let (Purpose::Create(address), Some(call), Some((session, _))) = (purpose, created, who) {
            self.conceive(call, line, address, session);
        }
        Ok(())
    }

    /// A call that a request of `session` is creating, and that will be its own.
    pub(crate) fn conceive(&mut self, call: CallId, line: LineId, address: AddressId, session: SessionId) {
        let mut handles = Handles::default();
        handles.set(session, Privilege::Owner);
        let (state, media) = (CallState::Unknown, MediaTypes::NONE);
        self.add_call(call, Call { line, address, media, stage: Stage::Embryo, state, handles });
    }

    /// Takes a call into the tables.
    pub(crate) fn add_call(&mut self, id: CallId, call: Call) {
        if let Some(line) = self.lines.get_mut(&call.line) {
            line.calls.insert(id);
            self.calls.insert(id, call);
        }
    }

    /// Takes a call out of the tables.
    pub(crate) fn forget_call(&mut self, id: CallId) {
        if let Some(call) = self.calls.remove(&id)
            && let Some(line) = self.lines.get_mut(&call.line)
        {
            line.calls.remove(&id);
        }
        if self.calls.is_empty() {
            // A peak is over.
            self.calls.shrink_to(KEPT);
        }
    }

    /// Ends the life of a call: the provider hangs up if it must.
    pub(crate) fn close_call(&mut self, now: Time, provider: &mut dyn Provider, id: CallId) {
        self.forget_call(id);
        provider.close_call(now, id);
    }

    /// The calls of a line, oldest first.
    pub(crate) fn calls_of(&self, line: LineId) -> Vec<CallId> {
        self.lines.get(&line).map(|line| line.calls.iter().copied().collect()).unwrap_or_default()
    }

    /// The known call that `session` has a handle to.
    pub(crate) fn held(&self, session: SessionId, id: CallId) -> Result<(&Call, Privilege), RequestError> {
        let call = self.calls.get(&id).filter(|call| call.stage == Stage::Known);
        let held = call.and_then(|call| Some((call, call.handles.get(session)?)));
        held.ok_or(RequestError::NoSuchCall(id))
    }

    /// The known call that `session` owns.
    pub(crate) fn owned(&self, session: SessionId, id: CallId) -> Result<&Call, RequestError> {
        match self.held(session, id)? {
            (call, Privilege::Owner) => Ok(call),
            (_, Privilege::Monitor) => Err(RequestError::NotOwner(id)),
        }
    }

    /// A call as `session` sees it.
    pub(crate) fn snapshot(
        &self,
        provider: &dyn Provider,
        session: SessionId,
        id: CallId,
    ) -> Option<CallSnapshot> {
        let call = self.calls.get(&id).filter(|call| call.stage == Stage::Known)?;
        let privilege = call.handles.get(session)?;
        let able = provider.call_status(id).map_or(Features::NONE, |status| status.possible);
        Some(CallSnapshot {
            call: id,
            state: call.state.clone(),
            privilege,
            possible: able,
            owners: call.handles.owners(),
            monitors: call.handles.monitors(),
            info: provider.call_info(id).map(Box::new),
        })
    }

    /// All calls that `session` has a handle to.
    pub(crate) fn snapshots(&self, provider: &dyn Provider, session: SessionId) -> Vec<CallSnapshot> {
        let lines = self.sessions.get(session).into_iter().flat_map(|s| &s.lines);
        let calls = lines.filter_map(|line| self.lines.get(line)).flat_map(|line| &line.calls);
        calls.filter_map(|call| self.snapshot(provider, session, *call)).collect()
    }

    /// Tells the provider which media types somebody wants to hear of, if that has changed.
    pub(crate) fn detect_media(&mut self, provider: &mut dyn Provider, id: LineId) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let possible = provider.capabilities(id).map_or(MediaTypes::NONE, |able| able.media);
        let wanted = line.wanted(&self.sessions).intersection(possible.with(MediaType::Unknown));
        if wanted != line.detected && provider.detect_media(id, wanted).is_ok() {
            line.detected = wanted;
        }
    }
}
