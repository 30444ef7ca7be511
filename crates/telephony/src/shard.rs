//! The tables of a shard, and the few things that everything above does with them: tell, ask the provider, close.

use crate::assisted::Assisted;
use crate::calls::{Call, Handles, Stage};
use crate::config::Config;
use crate::event::{CallSnapshot, Event, OpenLine, Reply};
use crate::opens::Line;
use crate::requests::{Pending, Purpose, Requests};
use crate::sessions::Sessions;
use crate::timeline::Timeline;
use crate::{AppRequestId, Privilege, RequestError, SessionId};
use hookswitch_machine::{Entropy, Map, Time, TimerKey, TimerQueue};
use hookswitch_spi::{
    AddressId, CallId, Features, LineId, MediaType, MediaTypes, Operation, OperationError, Provider,
    RequestId, Set, StatusKind, TimelineEntry, TimelineFact,
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
    /// The number of the last opening of a line.
    pub(crate) last_open: u64,
    pub(crate) timers: TimerQueue<Due>,
    /// Handles that were dropped without a word and are not given back yet.
    pub(crate) dropped: Map<(SessionId, CallId), TimerKey>,
    pub(crate) assisted: Assisted,
    pub(crate) setting_media: Vec<SettingMedia>,
    pub(crate) timeline: Timeline,
    pub(crate) events: VecDeque<(SessionId, Event)>,
}

/// A request that the provider has accepted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Submitted {
    pub(crate) request: RequestId,
    /// The call that it creates.
    pub(crate) created: Option<CallId>,
}

/// A session that is setting the media types of a call; it is not told that they have changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SettingMedia {
    pub(crate) request: RequestId,
    pub(crate) call: CallId,
    pub(crate) session: SessionId,
    pub(crate) media: MediaTypes,
}

/// What is to be done later.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Due {
    /// A lost session is given up.
    Grace(SessionId),
    /// A dropped handle is given back.
    LetGo(SessionId, CallId),
}

impl Shard {
    pub(crate) fn new(config: Config, entropy: &mut Entropy) -> Self {
        Self {
            sessions: Sessions::new(entropy.hash_keys()),
            lines: Map::with_hasher(entropy.hash_keys()),
            calls: Map::with_hasher(entropy.hash_keys()),
            requests: Requests::default(),
            last_open: 0,
            timers: TimerQueue::new(),
            dropped: Map::with_hasher(entropy.hash_keys()),
            assisted: Assisted::default(),
            setting_media: Vec::new(),
            timeline: Timeline::new(config.timeline_entries),
            events: VecDeque::new(),
            config,
        }
    }

    /// Tells a session something, if it is one.
    pub(crate) fn tell(&mut self, session: SessionId, event: Event) {
        if self.sessions.get(session).is_some() {
            self.events.push_back((session, event));
        }
    }

    /// Tells every holder of a handle, except one.
    pub(crate) fn tell_holders(
        &mut self,
        call: CallId,
        except: Option<SessionId>,
        mut event: impl FnMut() -> Event,
    ) {
        let Some(entry) = self.calls.get(&call) else { return };
        for (session, _) in entry.handles.iter() {
            if Some(session) != except {
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

    /// Completes a request of a session.
    pub(crate) fn complete(&mut self, who: (SessionId, AppRequestId), result: Result<Reply, RequestError>) {
        let (id, request) = who;
        let Some(session) = self.sessions.get_mut(id) else { return };
        session.pending = session.pending.saturating_sub(1);
        self.events.push_back((id, Event::Completed { request, result }));
    }

    /// Tells the others that a session has opened or closed a line.
    pub(crate) fn tell_opens(&mut self, id: LineId, who: SessionId, opened: bool) {
        let Some(line) = self.lines.get(&id) else { return };
        let opens = u32::try_from(line.opens.len()).unwrap_or(u32::MAX);
        let hearing = line.hearing(StatusKind::OtherOpens);
        for session in hearing.filter(|session| *session != who) {
            self.events.push_back((session, Event::LineOpens { line: id, opened, opens }));
        }
    }

    /// A session's openings of a line, in their order.
    pub(crate) fn opens_of(&self, session: SessionId, id: LineId) -> impl Iterator<Item = OpenLine> {
        let opens = self.lines.get(&id).into_iter().flat_map(|line| &line.opens);
        let theirs = opens.filter(move |open| open.session == session);
        theirs.map(move |open| OpenLine { line: id, open: open.id, interest: open.interest })
    }

    /// A handle that a session has dropped counts as given back. True: it had dropped it.
    pub(crate) fn take_dropped(&mut self, session: SessionId, call: CallId) -> bool {
        if self.dropped.is_empty() {
            return false;
        }
        let key = self.dropped.remove(&(session, call));
        key.is_some_and(|key| self.timers.cancel(key).is_some())
    }

    /// The handles that a session has dropped are not given back after all.
    pub(crate) fn keep_handles(&mut self, session: SessionId) {
        let timers = &mut self.timers;
        self.dropped.retain(|(of, _), key| {
            let theirs = *of == session;
            if theirs {
                timers.cancel(*key);
            }
            !theirs
        });
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
    ) -> Result<Submitted, OperationError> {
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
        Ok(Submitted { request, created })
    }

    /// A call that a request of `session` is creating, and that will be its own.
    pub(crate) fn conceive(&mut self, call: CallId, line: LineId, address: AddressId, session: SessionId) {
        let mut handles = Handles::default();
        handles.set(session, Privilege::Owner);
        self.add_call(call, Call::new(line, address, Stage::Embryo, handles));
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
        let (since, possible) = match provider.call_status(id) {
            Some(status) => (status.since, status.possible),
            None => (Time::ZERO, Features::NONE),
        };
        Some(CallSnapshot {
            call: id,
            state: call.state.clone(),
            privilege,
            since,
            possible,
            owners: call.handles.owners(),
            monitors: call.handles.monitors(),
            info: provider.call_info(id).map(|info| Box::new(call.seen(info))),
        })
    }

    /// All calls that `session` has a handle to.
    pub(crate) fn snapshots(&self, provider: &dyn Provider, session: SessionId) -> Vec<CallSnapshot> {
        let lines = self.sessions.get(session).into_iter().flat_map(|s| &s.lines);
        let calls = lines.filter_map(|line| self.lines.get(line)).flat_map(|line| &line.calls);
        // A handle that was dropped a moment ago is none any more.
        let calls = calls.filter(|call| !self.dropped.contains_key(&(session, **call)));
        calls.filter_map(|call| self.snapshot(provider, session, *call)).collect()
    }

    /// Tells the provider what is wanted of a line, if that has changed.
    pub(crate) fn detect(&mut self, provider: &mut dyn Provider, id: LineId) {
        self.detect_media(provider, id);
        self.detect_status(provider, id);
    }

    /// Tells the provider which news of a line somebody wants, if that has changed (lineSetStatusMessages).
    pub(crate) fn detect_status(&mut self, provider: &mut dyn Provider, id: LineId) {
        let Some(line) = self.lines.get_mut(&id) else { return };
        let wanted = line
            .opens
            .iter()
            .fold(Set::NONE, |kinds: Set<StatusKind>, open| kinds.union(open.interest.status));
        // Those of the application side are none of the provider's business.
        let wanted = wanted.without(StatusKind::OtherOpens);
        if wanted != line.told && provider.detect_status(id, wanted).is_ok() {
            line.told = wanted;
        }
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
