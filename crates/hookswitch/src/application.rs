//! An attached application and the lines it has open.

use crate::service::ServiceShared;
use crate::session::Session;
use crate::token::SessionToken;
use crate::{Audio, Call, Error, Event};
use hookswitch_spi::{
    AddressId, AddressStatus, CallOptions, Capabilities, DeviceConfig, ForwardingRules, LineDescription,
    LineId, LineState, LineStatus, MediaType, MediaTypes, Operation, Set, StatusKind,
};
use hookswitch_telephony::{CallRequest, HandOffTarget, Interest, OpenId, Reply, Request, RequestError};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// An application attached to a service (TAPI: lineInitialize). [`close`](Self::close) leaves on purpose. Dropping it is a loss:
/// calls still offered pass on at once, answered ones wait for its grace period, in which
/// [`Service::resume`](crate::Service::resume) gives it back.
///
/// Its events have numbers, from 1. Those that were read are kept (4,096 of them) and can be read again.
pub struct Application {
    session: Arc<Session>,
    service: Arc<ServiceShared>,
    name: String,
    left: bool,
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Application {
    pub(crate) const fn new(session: Arc<Session>, service: Arc<ServiceShared>, name: String) -> Self {
        Self { session, service, name, left: false }
    }

    /// Its name: what others hand off to.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it needs to come back after it was lost.
    pub fn token(&self) -> SessionToken {
        self.session.token
    }

    /// The lines that exist.
    pub async fn lines(&self) -> Result<Vec<LineDescription>, Error> {
        match self.session.request(Request::Lines).await? {
            Reply::Lines(lines) => Ok(lines),
            _ => Ok(Vec::new()),
        }
    }

    /// Opens a line by its name (lineOpen): cheap, works while the line is out of service. The same line may be opened several
    /// times with different interests. All news of the line come but those that come with every call (ringing, numbers of
    /// calls), unless the interest names some or [`Line::set_status_messages`] chooses others.
    pub async fn open(&self, name: &str, interest: Interest) -> Result<Line, Error> {
        let lines = self.lines().await?;
        let Some(found) = lines.iter().find(|line| line.name == name) else {
            let known: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
            return Err(Error::NoSuchLine { name: name.to_owned(), known: known.join(", ") });
        };
        let line = found.line;
        let interest = if interest.status.is_empty() { interest.hearing(usual_news()) } else { interest };
        match self.session.request(Request::OpenLine { line, interest }).await? {
            Reply::Opened(open) => Ok(Line::new(&self.session, line, open, name)),
            _ => Err(Error::Stopped),
        }
    }

    /// Opens the first line that is in service, has these media types and could make such a call (TAPI: LINEMAPPER).
    ///
    /// # Errors
    /// [`Error::NoLineFits`] if there is none.
    pub async fn open_any(&self, interest: Interest, call: CallOptions) -> Result<Line, Error> {
        for description in self.lines().await? {
            if description.state != LineState::InService {
                continue;
            }
            let call = Box::new(call.clone());
            let fits = Request::CouldDetect { line: description.line, media: interest.owner, call };
            match self.session.request(fits).await {
                Ok(_) => match self.open(&description.name, interest).await {
                    Err(Error::Refused(_) | Error::Failed(_)) => {}
                    opened_or_stopped => return opened_or_stopped,
                },
                Err(Error::Refused(_) | Error::Failed(_)) => {}
                Err(stopped) => return Err(stopped),
            }
        }
        Err(Error::NoLineFits)
    }

    /// The order in which applications are offered calls of a media type (lineSetAppPriority).
    pub async fn set_priority(&self, media: MediaType, order: &[&str]) -> Result<(), Error> {
        let order: Vec<Box<str>> = order.iter().map(|name| (*name).into()).collect();
        self.session.request(Request::SetPriority { media, order: order.clone() }).await?;
        self.service.priorities.send_modify(|priorities| priorities.set(media, order));
        Ok(())
    }

    /// The order in which applications are given requests for calls.
    pub async fn set_recipient_priority(&self, order: &[&str]) -> Result<(), Error> {
        let order: Vec<Box<str>> = order.iter().map(|name| (*name).into()).collect();
        self.session.request(Request::SetRecipientPriority { order: order.clone() }).await?;
        self.service.priorities.send_modify(|priorities| priorities.set_recipients(order));
        Ok(())
    }

    /// Takes requests for calls from now on (lineRegisterRequestRecipient); [`Event::RequestWaiting`] says when there are some.
    pub async fn register_recipient(&self) -> Result<(), Error> {
        self.session.request(Request::RegisterRecipient { wanted: true }).await.map(drop)
    }

    /// Takes no more requests for calls.
    pub async fn unregister_recipient(&self) -> Result<(), Error> {
        self.session.request(Request::RegisterRecipient { wanted: false }).await.map(drop)
    }

    /// The oldest request for a call (lineGetRequest); `None` if none waits.
    pub async fn take_request(&self) -> Result<Option<CallRequest>, Error> {
        match self.session.request(Request::TakeRequest).await {
            Ok(Reply::CallRequest(what)) => Ok(Some(*what)),
            Ok(_) | Err(Error::Refused(RequestError::NoRequest)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives a call to another application; see [`Call::hand_off`].
    pub async fn hand_off(&self, call: &Call, application: &str) -> Result<(), Error> {
        call.hand_off(HandOffTarget::Application(application.into())).await.map(drop)
    }

    /// The next event; `None` when the service has stopped.
    pub async fn next(&mut self) -> Option<Event> {
        self.next_numbered().await.map(|(_, event)| event)
    }

    /// The next event with its number. Numbers grow by one, except at an [`Event::Gap`], which has its last number.
    pub async fn next_numbered(&mut self) -> Option<(u64, Event)> {
        loop {
            let event = self.session.next();
            if event.is_some() {
                return event;
            }
            if self.session.queue.is_closed() {
                return None;
            }
            self.session.queue.changed().await;
        }
    }

    /// Reads again from this number, or goes on from it. What is not kept any more is read as an [`Event::Gap`]. Events about
    /// calls that the application has let go of meanwhile come with handles that are over.
    pub fn read_from(&mut self, number: u64) {
        self.session.queue.read_from(number);
    }

    /// The number of the last event that there is, read or not; 0 before the first.
    pub fn last_number(&self) -> u64 {
        self.session.queue.last()
    }

    /// Asks for a picture of the lines that it has open and the calls that it has handles to. It comes among the events, from
    /// [`Event::SnapshotBegin`] to [`Event::SnapshotEnd`]; done when all of it is there, with the number of its beginning.
    pub async fn snapshot(&self) -> Result<u64, Error> {
        self.session.snapshot().await
    }

    /// Leaves on purpose (lineShutdown): its lines are closed, calls that only it owns are dropped.
    pub async fn close(mut self) -> Result<(), Error> {
        self.left = true;
        let done = self.session.request(Request::Detach).await.map(drop);
        self.service.forget(self.session.id);
        done
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        if !self.left {
            self.session.lose();
        }
    }
}

/// A line that an application has open; cheap to clone.
#[derive(Clone)]
pub struct Line {
    session: Arc<Session>,
    id: LineId,
    open: OpenId,
    name: String,
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Line({}, {})", self.name, self.id)
    }
}

impl Line {
    pub(crate) fn new(session: &Arc<Session>, id: LineId, open: OpenId, name: &str) -> Self {
        Self { session: Arc::clone(session), id, open, name: name.to_owned() }
    }

    /// Chooses which news come through this opening of the line (lineSetStatusMessages). [`in_service`](Self::in_service) needs
    /// those of its service.
    pub async fn set_status_messages(&self, status: Set<StatusKind>) -> Result<(), Error> {
        let (line, open) = (self.id, self.open);
        self.session.request(Request::SetStatusMessages { line, open, status }).await.map(drop)
    }

    /// Its number, as in [`Event`]s.
    pub fn id(&self) -> LineId {
        self.id
    }

    /// Its name in the configuration.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it can do.
    pub async fn capabilities(&self) -> Result<Capabilities, Error> {
        match self.session.request(Request::Capabilities { line: self.id }).await? {
            Reply::Capabilities(capabilities) => Ok(*capabilities),
            _ => Err(Error::Stopped),
        }
    }

    /// Whether it can be used now.
    pub async fn state(&self) -> Result<LineState, Error> {
        let lines = match self.session.request(Request::Lines).await? {
            Reply::Lines(lines) => lines,
            _ => Vec::new(),
        };
        let own = lines.into_iter().find(|line| line.line == self.id);
        own.map(|line| line.state).ok_or(Error::Stopped)
    }

    /// Waits until the line is in service: registered, unless it is a trunk. A refusal by the switch (a wrong password) ends
    /// the wait at once; a switch that does not answer is waited for, `within` at most.
    pub async fn in_service(&self, within: Duration) -> Result<(), Error> {
        let mut news = self.session.line_news.subscribe();
        let out = |reason| Error::OutOfService { line: self.name.clone(), reason };
        let wait = async {
            loop {
                news.borrow_and_update();
                match self.state().await? {
                    LineState::InService => return Ok(()),
                    LineState::OutOfService(why) if why.status.is_some() => return Err(out(why.reason)),
                    LineState::OutOfService(_) => {}
                }
                news.changed().await.map_err(|_| Error::Stopped)?;
            }
        };
        match tokio::time::timeout(within, wait).await {
            Ok(done) => done,
            Err(_) => match self.state().await? {
                LineState::InService => Ok(()),
                LineState::OutOfService(why) => Err(out(why.reason)),
            },
        }
    }

    /// Calls somebody (lineMakeCall); done when the call is under way. `audio` is what they hear.
    pub async fn call(&self, destination: &str, audio: Audio) -> Result<Call, Error> {
        self.call_with(destination, audio, CallOptions::default()).await
    }

    /// Calls somebody who is given up on after `no_answer`.
    pub async fn call_for(
        &self,
        destination: &str,
        audio: Audio,
        no_answer: Duration,
    ) -> Result<Call, Error> {
        let options = CallOptions { no_answer_after: Some(no_answer), ..CallOptions::default() };
        self.call_with(destination, audio, options).await
    }

    /// Calls somebody with details; their `source` is what `audio` says. An empty destination goes off-hook and waits for
    /// [`Call::dial`], one that ends in `;` for more of it.
    pub async fn call_with(
        &self,
        destination: &str,
        audio: Audio,
        options: CallOptions,
    ) -> Result<Call, Error> {
        let operation = Operation::MakeCall {
            line: self.id,
            address: AddressId(0),
            destination: destination.to_owned(),
            options: CallOptions { source: audio.into_source(), ..options },
        };
        let (_, mut calls) = self.session.request_call(Request::Operate(operation)).await?;
        calls.pop().ok_or(Error::Stopped)
    }

    /// Replaces the standing forwarding rules of the line's first address (lineForward).
    pub async fn forward(&self, rules: ForwardingRules) -> Result<(), Error> {
        let operation = Operation::Forward { line: self.id, address: AddressId(0), rules };
        self.session.request(Request::Operate(operation)).await.map(drop)
    }

    /// The forwarding rules of the line's first address that are in force, as far as they are known.
    pub async fn forwarding(&self) -> Result<ForwardingRules, Error> {
        let what = Request::Forwarding { line: self.id, address: AddressId(0) };
        match self.session.request(what).await? {
            Reply::Forwarding(rules) => Ok(rules),
            _ => Err(Error::Stopped),
        }
    }

    /// How the audio of the line's next call is sent: codecs, packet time, digits (lineGetDevConfig).
    pub async fn device_config(&self) -> Result<DeviceConfig, Error> {
        match self.session.request(Request::DeviceConfig { line: self.id }).await? {
            Reply::DeviceConfig(config) => Ok(*config),
            _ => Err(Error::Stopped),
        }
    }

    /// Has the audio of all later calls of the line sent so, whoever makes or answers them (lineSetDevConfig); calls that exist
    /// keep what they have. One call can begin with its own, in [`CallOptions::audio`], or be changed with
    /// [`Call::set_parameters`]. What can be chosen is in [`Capabilities::device`](hookswitch_spi::Capabilities::device).
    pub async fn set_device_config(&self, config: &DeviceConfig) -> Result<(), Error> {
        let config = Box::new(config.clone());
        self.session.request(Request::SetDeviceConfig { line: self.id, config }).await.map(drop)
    }

    /// Takes the line out of service, or back into it (lineSetLineDevStatus): its account un-registers or registers.
    pub async fn set_service(&self, on: bool) -> Result<(), Error> {
        self.operate(Operation::SetService { line: self.id, on }).await.map(drop)
    }

    /// How the line is now (lineGetLineDevStatus).
    pub async fn status(&self) -> Result<LineStatus, Error> {
        match self.session.request(Request::LineStatus { line: self.id }).await? {
            Reply::LineStatus(status) => Ok(*status),
            _ => Err(Error::Stopped),
        }
    }

    /// How an address of the line is now (lineGetAddressStatus).
    pub async fn address_status(&self, address: AddressId) -> Result<AddressStatus, Error> {
        match self.session.request(Request::AddressStatus { line: self.id, address }).await? {
            Reply::AddressStatus(status) => Ok(*status),
            _ => Err(Error::Stopped),
        }
    }

    /// Which address of the line others dial so (lineGetAddressID).
    pub async fn address_id(&self, dialled: &str) -> Result<AddressId, Error> {
        let what = Request::AddressId { line: self.id, dialled: dialled.to_owned() };
        match self.session.request(what).await? {
            Reply::Address(address) => Ok(address),
            _ => Err(Error::Stopped),
        }
    }

    /// Whether calls of these media types, made with these options, could be had on the line; changes nothing.
    pub async fn could_detect(&self, media: MediaTypes, call: CallOptions) -> Result<(), Error> {
        let what = Request::CouldDetect { line: self.id, media, call: Box::new(call) };
        self.session.request(what).await.map(drop)
    }

    pub(crate) async fn operate(&self, operation: Operation) -> Result<Reply, Error> {
        self.session.request(Request::Operate(operation)).await
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    /// Handles, as a monitor, to calls of this line that the application has none to yet (lineGetNewCalls).
    pub async fn existing_calls(&self) -> Result<Vec<Call>, Error> {
        self.existing(None).await
    }

    /// As [`existing_calls`](Self::existing_calls), of one address of the line.
    pub async fn existing_calls_of(&self, address: AddressId) -> Result<Vec<Call>, Error> {
        self.existing(Some(address)).await
    }

    async fn existing(&self, address: Option<AddressId>) -> Result<Vec<Call>, Error> {
        let what = Request::ExistingCalls { line: self.id, address };
        self.session.request_call(what).await.map(|(_, calls)| calls)
    }

    /// Takes this opening of the line back (lineClose). With the last one of this application the line is closed for it: calls
    /// that only it owns are dropped.
    pub async fn close(self) -> Result<(), Error> {
        let (line, open) = (self.id, self.open);
        self.session.request(Request::CloseOpen { line, open }).await.map(drop)
    }
}

/// The news of a line that come unless others are asked for.
fn usual_news() -> Set<StatusKind> {
    Set::ALL.without(StatusKind::Ringing).without(StatusKind::CallCount)
}
