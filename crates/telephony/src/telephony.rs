//! The one door of a shard's application side.

use crate::config::Config;
use crate::event::{Event, Reply};
use crate::handoff::{self, HandedOff};
use crate::priorities::Priorities;
use crate::request::Request;
use crate::sessions::Presence;
use crate::shard::Shard;
use crate::timeline::Timeline;
use crate::{AppRequestId, RequestError, SessionId, inquire, loss, operate, pump, release};
use hookswitch_machine::{Entropy, Time};
use hookswitch_spi::{LineError, MediaType, Provider};

/// The application side of one shard: sessions, their lines, and all calls of those lines.
///
/// Whoever drives it calls [`request`](Self::request) for what sessions ask, [`pump`](Self::pump) after everything else that
/// touched the provider, [`timeout`](Self::timeout) when [`next_timeout`](Self::next_timeout) has come, and after each of
/// these [`poll`](Self::poll) until `None`.
#[derive(Debug)]
pub struct Telephony {
    shard: Shard,
}

/// How an accepted request is answered.
enum Answer {
    /// With this, once what the provider has to say first is said.
    Now(Reply),
    /// When the provider completes it, or it has been answered already.
    Otherwise,
}

impl Telephony {
    /// An application side without sessions. `entropy` keys its tables.
    pub fn new(config: Config, entropy: &mut Entropy) -> Self {
        Self { shard: Shard::new(config, entropy) }
    }

    /// A session asks for something; the answer is an event.
    pub fn request(
        &mut self,
        now: Time,
        provider: &mut dyn Provider,
        session: SessionId,
        request: AppRequestId,
        what: Request,
    ) {
        let answer = self.dispatch(now, provider, (session, request), what);
        pump::pump(&mut self.shard, now, provider);
        match answer {
            Ok(Answer::Now(reply)) => {
                let result = Ok(reply);
                self.shard.events.push_back((session, Event::Completed { request, result }));
            }
            Ok(Answer::Otherwise) => {}
            Err(error) => self.shard.events.push_back((session, Event::Refused { request, error })),
        }
    }

    fn dispatch(
        &mut self,
        now: Time,
        provider: &mut dyn Provider,
        who: (SessionId, AppRequestId),
        what: Request,
    ) -> Result<Answer, RequestError> {
        let (session, _) = who;
        let shard = &mut self.shard;
        if let Request::Attach { name, grace, resume } = what {
            return loss::attach(shard, provider, who, name, grace, resume).map(|()| Answer::Otherwise);
        }
        if !shard.sessions.get(session).is_some_and(|session| session.hears()) {
            return match what {
                Request::Lost => Ok(Answer::Otherwise),
                _ => Err(RequestError::NotAttached),
            };
        }
        match what {
            Request::Attach { .. } => Err(RequestError::AlreadyAttached),
            Request::Detach => {
                let lines = shard.sessions.get(session).map(|s| s.lines.clone()).unwrap_or_default();
                for line in lines {
                    Self::close_line(shard, now, provider, session, line);
                }
                shard.sessions.remove(session);
                Ok(Answer::Now(Reply::Done))
            }
            Request::Lost => {
                loss::lost(shard, now, provider, session);
                Ok(Answer::Otherwise)
            }
            Request::OpenLine { line, interest } => {
                operate::open_line(shard, now, provider, session, line, interest).map(done)
            }
            Request::CloseLine { line } => {
                if !shard.sessions.get(session).is_some_and(|session| session.lines.contains(&line)) {
                    return Err(RequestError::LineNotOpen(line));
                }
                Self::close_line(shard, now, provider, session, line);
                Ok(Answer::Now(Reply::Done))
            }
            Request::Operate(operation) => {
                Self::has_room(shard, session)?;
                operate::operate(shard, now, provider, who, operation).map(|()| Answer::Otherwise)
            }
            Request::HandOff { call, to } => {
                Self::has_room(shard, session)?;
                handoff::hand_off(shard, now, provider, who, call, to).map(|handed| match handed {
                    HandedOff::Done => Answer::Now(Reply::Done),
                    HandedOff::Asked => Answer::Otherwise,
                })
            }
            Request::TakeOwnership { call } => handoff::take(shard, now, session, call).map(done),
            Request::Monitor { call } => handoff::step_back(shard, session, call).map(done),
            Request::Release { call } => release::release(shard, now, provider, session, call).map(done),
            Request::ExistingCalls { line } => inquire::existing_calls(shard, provider, session, line)
                .map(|calls| Answer::Now(Reply::Calls(calls))),
            Request::SetPriority { media, order } => self.set_priority(media, order).map(done),
            Request::Lines => Ok(Answer::Now(Reply::Lines(provider.lines()))),
            Request::Capabilities { line } => {
                let able = provider.capabilities(line).cloned().ok_or(LineError::NoSuchLine(line))?;
                Ok(Answer::Now(Reply::Capabilities(Box::new(able))))
            }
            Request::Forwarding { line, address } => {
                let rules = provider.forwarding(line, address).cloned();
                rules
                    .map(|rules| Answer::Now(Reply::Forwarding(rules)))
                    .ok_or(RequestError::NoSuchAddress(line))
            }
            Request::CallInfo { call } => {
                let snapshot = shard.snapshot(provider, session, call);
                snapshot
                    .map(|call| Answer::Now(Reply::Call(Box::new(call))))
                    .ok_or(RequestError::NoSuchCall(call))
            }
            Request::Timeline { call } => {
                Ok(Answer::Now(Reply::Timeline(shard.timeline.of(call).cloned().collect())))
            }
            Request::Snapshot => Ok(Answer::Now(Reply::Calls(shard.snapshots(provider, session)))),
        }
    }

    fn close_line(
        shard: &mut Shard,
        now: Time,
        provider: &mut dyn Provider,
        session: SessionId,
        line: hookswitch_spi::LineId,
    ) {
        release::close_line(shard, now, provider, session, line);
        // What the provider completes by itself comes with its own results; the rest is closed.
        pump::pump(shard, now, provider);
        release::complete_rest(shard, session, line);
    }

    fn has_room(shard: &Shard, session: SessionId) -> Result<(), RequestError> {
        let most = shard.config.limits.requests_per_session;
        match shard.sessions.get(session) {
            Some(session) if session.pending >= most => Err(RequestError::TooManyRequests(most)),
            Some(_) => Ok(()),
            None => Err(RequestError::NotAttached),
        }
    }

    /// Turns what the provider has to tell into sessions' events. To be called after everything that touched the provider.
    pub fn pump(&mut self, now: Time, provider: &mut dyn Provider) {
        pump::pump(&mut self.shard, now, provider);
    }

    /// The next event and the session that it is for. Call until `None` after every other call.
    pub fn poll(&mut self) -> Option<(SessionId, Event)> {
        self.shard.events.pop_front()
    }

    /// To be called when the time of [`next_timeout`](Self::next_timeout) has come.
    pub fn timeout(&mut self, now: Time, provider: &mut dyn Provider) {
        loss::expire(&mut self.shard, now, provider);
        pump::pump(&mut self.shard, now, provider);
    }

    /// When [`timeout`](Self::timeout) has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        self.shard.graces.next()
    }

    /// Whether a session is offered new calls: false while it does not read its events. It goes on hearing of the calls it
    /// has, and of those it monitors.
    pub fn offers(&mut self, session: SessionId, wanted: bool) {
        if let Some(session) = self.shard.sessions.get_mut(session).filter(|session| session.hears()) {
            session.presence = if wanted { Presence::Present } else { Presence::Busy };
        }
    }

    /// Sets the order for a media type as [`Request::SetPriority`] does, for what another shard was asked.
    pub fn set_priority(&mut self, media: MediaType, order: Vec<Box<str>>) -> Result<(), RequestError> {
        if order.len() > Priorities::MAX {
            return Err(RequestError::PriorityListTooLong(Priorities::MAX));
        }
        if let Some(name) = order.iter().find(|name| name.is_empty() || name.len() > loss::NAME_MOST) {
            return Err(RequestError::InvalidName(name.len()));
        }
        self.shard.config.priorities.set(media, order);
        Ok(())
    }

    /// Who comes first for which media type, to be stored and given back in [`Config::priorities`] at the next start.
    pub fn priorities(&self) -> &Priorities {
        &self.shard.config.priorities
    }

    /// What is remembered of all calls.
    pub fn timeline(&self) -> &Timeline {
        &self.shard.timeline
    }

    /// How many calls there are, those that a request is creating included.
    pub fn calls(&self) -> usize {
        self.shard.calls.len()
    }

    /// How many sessions there are, lost ones that may still come back included.
    pub fn sessions(&self) -> usize {
        self.shard.sessions.len()
    }

    /// How many requests the provider has not completed.
    pub fn outstanding(&self) -> usize {
        self.shard.requests.len()
    }
}

fn done((): ()) -> Answer {
    Answer::Now(Reply::Done)
}
