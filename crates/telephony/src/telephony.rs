//! The one door of a shard's application side.

use crate::config::Config;
use crate::event::{Event, Reply};
use crate::handoff::{self, HandedOff};
use crate::priorities::Priorities;
use crate::request::Request;
use crate::sessions::Presence;
use crate::shard::{Due, Shard};
use crate::timeline::Timeline;
use crate::{
    AppRequestId, RequestError, SessionId, downgrade, extension, inquire, loss, operate, pump, recipients,
    release,
};
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
        let answer = if loss::is_duplicate(&mut self.shard, session, request) {
            Err(RequestError::DuplicateRequest(request.0))
        } else {
            self.dispatch(now, provider, (session, request), what)
        };
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
        let (session, request) = who;
        let shard = &mut self.shard;
        if !shard.sessions.is_here(session) {
            return match what {
                Request::Attach { name, grace, versions, resume } => {
                    let introduction = loss::Introduction { name, grace, versions, resume };
                    loss::attach(shard, now, provider, session, introduction).map(Answer::Now)
                }
                Request::RequestCall { what, hold } => recipients::request(shard, what, hold).map(done),
                Request::Lost => Ok(Answer::Otherwise),
                _ => Err(RequestError::NotAttached),
            };
        }
        match what {
            Request::Attach { resume: Some(lost), .. } if lost == session => {
                Err(RequestError::NothingToResume)
            }
            Request::Attach { .. } => Err(RequestError::AlreadyAttached),
            Request::Detach => {
                let lines = shard.sessions.get(session).map(|s| s.lines.clone()).unwrap_or_default();
                for line in lines {
                    Self::close_line(shard, now, provider, session, line);
                }
                recipients::leave(shard, session);
                shard.sessions.remove(session);
                Ok(Answer::Now(Reply::Done))
            }
            Request::Lost => {
                loss::lost(shard, now, provider, session);
                Ok(Answer::Otherwise)
            }
            Request::OpenLine { line, interest } => {
                let opened = operate::open_line(shard, now, provider, session, line, interest);
                opened.map(|open| Answer::Now(Reply::Opened(open)))
            }
            Request::CloseOpen { line, open } => {
                if !release::close_open(shard, provider, session, line, open)? {
                    Self::close_line(shard, now, provider, session, line);
                }
                Ok(Answer::Now(Reply::Done))
            }
            Request::SetStatusMessages { line, open, status } => {
                operate::set_status(shard, provider, session, line, open, status).map(done)
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
            Request::LetGo { call } => release::let_go_soon(shard, now, provider, session, call).map(done),
            Request::ExistingCalls { line, address } => {
                let calls = inquire::existing_calls(shard, provider, session, line, address);
                calls.map(|calls| Answer::Now(Reply::Calls(calls)))
            }
            Request::ConferenceCalls { call } => {
                let calls = inquire::conference_calls(shard, provider, session, call);
                calls.map(|calls| Answer::Now(Reply::Calls(calls)))
            }
            Request::SetPriority { media, order } => self.set_priority(media, order).map(done),
            Request::SetRecipientPriority { order } => {
                Self::checked_order(&order)?;
                shard.config.priorities.set_recipients(order);
                Ok(Answer::Now(Reply::Done))
            }
            Request::RegisterRecipient { wanted } => {
                recipients::register(shard, session, wanted);
                Ok(Answer::Now(Reply::Done))
            }
            Request::TakeRequest => {
                let taken = recipients::take(shard, session);
                taken.map(|what| Answer::Now(Reply::CallRequest(Box::new(what))))
            }
            Request::RequestCall { what, hold } => recipients::request(shard, what, hold).map(done),
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
            Request::DeviceConfig { line } => {
                let config = provider.device_config(line).ok_or(LineError::NoSuchLine(line))?;
                Ok(Answer::Now(Reply::DeviceConfig(Box::new(config))))
            }
            Request::SetDeviceConfig { line, config } => {
                if !shard.sessions.get(session).is_some_and(|session| session.lines.contains(&line)) {
                    return Err(RequestError::LineNotOpen(line));
                }
                provider.set_device_config(line, *config)?;
                Ok(Answer::Now(Reply::Done))
            }
            Request::LineStatus { line } => {
                let status = provider.line_status(line).ok_or(LineError::NoSuchLine(line))?;
                Ok(Answer::Now(Reply::LineStatus(Box::new(status))))
            }
            Request::AddressStatus { line, address } => {
                let status = provider.address_status(line, address);
                let status = status.ok_or(RequestError::NoSuchAddress(line))?;
                Ok(Answer::Now(Reply::AddressStatus(Box::new(status))))
            }
            Request::AddressId { line, dialled } => {
                let address = provider.address_id(line, &dialled).ok_or(RequestError::NoSuchAddress(line))?;
                Ok(Answer::Now(Reply::Address(address)))
            }
            Request::CouldDetect { line, media, call } => {
                provider.could_detect(line, media, &call)?;
                Ok(Answer::Now(Reply::Done))
            }
            Request::NegotiateExtension { line, offered } => {
                let version = extension::negotiate(shard, provider, line, offered)?;
                Ok(Answer::Now(Reply::ExtensionVersion(version)))
            }
            Request::SelectExtension { line, version } => {
                extension::select(shard, provider, session, line, version).map(done)
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
            Request::Snapshot => {
                inquire::picture(shard, provider, session, request);
                Ok(Answer::Now(Reply::Done))
            }
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
        let (session, event) = self.shard.events.pop_front()?;
        if self.shard.sessions.is_old(session) {
            return Some((session, downgrade::event(event)));
        }
        Some((session, event))
    }

    /// To be called when the time of [`next_timeout`](Self::next_timeout) has come.
    pub fn timeout(&mut self, now: Time, provider: &mut dyn Provider) {
        while let Some(due) = self.shard.timers.pop(now) {
            match due {
                Due::Grace(session) => loss::end(&mut self.shard, now, provider, session),
                Due::LetGo(session, call) => {
                    release::let_go_now(&mut self.shard, now, provider, session, call);
                }
            }
        }
        pump::pump(&mut self.shard, now, provider);
    }

    /// When [`timeout`](Self::timeout) has something to do.
    pub fn next_timeout(&self) -> Option<Time> {
        self.shard.timers.next()
    }

    /// Whether a session is offered new calls: false while it does not read its events. It goes on hearing of the calls it
    /// has, and of those it monitors.
    pub fn offers(&mut self, session: SessionId, wanted: bool) {
        if let Some(session) = self.shard.sessions.get_mut(session).filter(|session| session.is_here()) {
            session.presence = if wanted { Presence::Present } else { Presence::Busy };
        }
    }

    /// Sets the order for a media type as [`Request::SetPriority`] does, for what another shard was asked.
    pub fn set_priority(&mut self, media: MediaType, order: Vec<Box<str>>) -> Result<(), RequestError> {
        Self::checked_order(&order)?;
        self.shard.config.priorities.set(media, order);
        Ok(())
    }

    fn checked_order(order: &[Box<str>]) -> Result<(), RequestError> {
        if order.len() > Priorities::MAX {
            return Err(RequestError::PriorityListTooLong(Priorities::MAX));
        }
        match order.iter().find(|name| name.is_empty() || name.len() > loss::NAME_MOST) {
            Some(name) => Err(RequestError::InvalidName(name.len())),
            None => Ok(()),
        }
    }

    /// Sets all orders at once, as they were stored elsewhere.
    pub fn set_priorities(&mut self, priorities: Priorities) {
        self.shard.config.priorities = priorities;
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
