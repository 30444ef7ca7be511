//! Applications, the application side and a loopback exchange, driven in virtual time.
#![allow(dead_code, missing_docs, unreachable_pub)]

use hookswitch_machine::{Entropy, Time};
use hookswitch_spi::{
    AddressId, CallId, CallState, InfoParts, LineId, MediaType, MediaTypes, Operation, StateKind,
};
use hookswitch_telephony::{
    AppRequestId, Config, Event, HandOffTarget, Interest, Privilege, Reply, Request, RequestError, SessionId,
    Telephony,
};
use hookswitch_testkit::loopback::{Loopback, LoopbackLine};
use std::collections::VecDeque;
use std::time::Duration;

pub const FAX: MediaTypes = MediaTypes::NONE.with(MediaType::Fax);
pub const UNKNOWN: MediaTypes = MediaTypes::NONE.with(MediaType::Unknown);
pub const LINE: LineId = LineId(0);
pub const OTHER_LINE: LineId = LineId(1);

/// A shard on a loopback exchange with two lines, `desk` and `shop`.
pub struct Bench {
    pub telephony: Telephony,
    pub exchange: Loopback,
    pub now: Time,
    pub heard: VecDeque<(SessionId, Event)>,
    requests: u64,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(Config::default())
    }

    pub fn with(config: Config) -> Self {
        let mut exchange = Loopback::new();
        exchange.add_line(LoopbackLine::new("desk", "sip:desk@loop"));
        exchange.add_line(LoopbackLine::new("shop", "sip:shop@loop"));
        let telephony = Telephony::new(config, &mut Entropy::from_number(1));
        Self { telephony, exchange, now: Time::ZERO, heard: VecDeque::new(), requests: 0 }
    }

    /// Asks; the answer is among the events.
    pub fn ask(&mut self, session: SessionId, what: Request) -> AppRequestId {
        self.requests += 1;
        let request = AppRequestId(self.requests);
        self.telephony.request(self.now, &mut self.exchange, session, request, what);
        self.drain();
        request
    }

    /// Asks, lets everything happen that takes a second, and returns the answer. Other events stay.
    pub fn answer(&mut self, session: SessionId, what: Request) -> Result<Reply, RequestError> {
        let request = self.ask(session, what);
        self.pass(Duration::from_secs(1));
        self.take_answer(session, request).expect("an answer")
    }

    /// Asks, and returns the answer without letting time pass.
    pub fn telephony_answer(&mut self, session: SessionId, what: Request) -> Result<Reply, RequestError> {
        let request = self.ask(session, what);
        self.take_answer(session, request).expect("an answer at once")
    }

    /// The number that the next request will have.
    pub fn next_request(&self) -> AppRequestId {
        AppRequestId(self.requests + 1)
    }

    pub fn line_of(&self, call: CallId) -> Option<LineId> {
        use hookswitch_spi::Provider;
        self.exchange.call_info(call).map(|info| info.line)
    }

    pub fn take_answer(
        &mut self,
        session: SessionId,
        request: AppRequestId,
    ) -> Option<Result<Reply, RequestError>> {
        let is_it = |(to, event): &(SessionId, Event)| {
            *to == session
                && match event {
                    Event::Completed { request: of, .. } | Event::Refused { request: of, .. } => {
                        *of == request
                    }
                    _ => false,
                }
        };
        let place = self.heard.iter().position(is_it)?;
        match self.heard.remove(place)?.1 {
            Event::Completed { result, .. } => Some(result),
            Event::Refused { error, .. } => Some(Err(error)),
            _ => None,
        }
    }

    pub fn drain(&mut self) {
        self.telephony.pump(self.now, &mut self.exchange);
        while let Some(event) = self.telephony.poll() {
            self.heard.push_back(event);
        }
    }

    /// Time passes.
    pub fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        self.drain();
        loop {
            let next = [self.exchange.next_timeout(), self.telephony.next_timeout()];
            let Some(next) = next.into_iter().flatten().min().filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            self.exchange.timeout(self.now);
            self.telephony.timeout(self.now, &mut self.exchange);
            self.drain();
        }
        self.now = until;
    }

    pub fn attach(&mut self, number: u64, name: &str) -> SessionId {
        let session = SessionId(number);
        let grace = Duration::from_secs(10);
        let attached = self.answer(session, Request::attach(name, grace));
        assert!(matches!(attached, Ok(Reply::Attached { .. })), "{attached:?}");
        session
    }

    pub fn open(&mut self, session: SessionId, interest: Interest) {
        let opened = self.answer(session, Request::OpenLine { line: LINE, interest });
        assert!(matches!(opened, Ok(Reply::Opened(_))), "{opened:?}");
    }

    /// An application with the line open.
    pub fn app(&mut self, number: u64, name: &str, interest: Interest) -> SessionId {
        let session = self.attach(number, name);
        self.open(session, interest);
        session
    }

    /// Somebody outside calls the desk.
    pub fn call_in(&mut self, media: MediaTypes) -> CallId {
        let call = self.exchange.call_in(LINE, AddressId(0), "sip:ann@outside", media).unwrap();
        self.drain();
        call
    }

    /// What everybody has heard since the last time.
    pub fn take(&mut self) -> Vec<(SessionId, Event)> {
        self.heard.drain(..).collect()
    }

    /// What one has heard; what the others have heard is thrown away.
    pub fn take_of(&mut self, session: SessionId) -> Vec<Event> {
        self.take().into_iter().filter(|(to, _)| *to == session).map(|(_, event)| event).collect()
    }

    pub fn privilege(&mut self, session: SessionId, call: CallId) -> Option<Privilege> {
        match self.answer(session, Request::CallInfo { call }) {
            Ok(Reply::Call(snapshot)) => Some(snapshot.privilege),
            Ok(other) => panic!("{other:?}"),
            Err(_) => None,
        }
    }

    pub fn state(&self, call: CallId) -> Option<StateKind> {
        use hookswitch_spi::Provider;
        self.exchange.call_state(call).map(|state| state.kind())
    }

    pub fn connect(&mut self, owner: SessionId, media: MediaTypes) -> CallId {
        let call = self.call_in(media);
        assert_eq!(self.answer(owner, answer(call)), Ok(Reply::Done));
        self.take();
        call
    }
}

pub fn answer(call: CallId) -> Request {
    Request::Operate(Operation::Answer {
        call,
        source: hookswitch_spi::AudioSource::Silence,
        user_info: None,
    })
}

pub fn drop_it(call: CallId) -> Request {
    Request::Operate(Operation::drop(call))
}

pub fn make_call(line: LineId, destination: &str) -> Request {
    Request::Operate(Operation::MakeCall {
        line,
        address: AddressId(0),
        destination: destination.into(),
        options: hookswitch_spi::CallOptions::default(),
    })
}

pub fn to_application(call: CallId, name: &str) -> Request {
    Request::HandOff { call, to: HandOffTarget::Application(name.into()) }
}

pub fn to_media(call: CallId, media: MediaType) -> Request {
    Request::HandOff { call, to: HandOffTarget::Media(media) }
}

/// An event in a few characters, for tables.
pub fn short(event: &Event) -> String {
    match event {
        Event::Completed { result: Ok(_), .. } => "completed".into(),
        Event::Completed { result: Err(error), .. } => format!("failed: {error:?}"),
        Event::Refused { error, .. } => format!("refused: {error:?}"),
        Event::NewCall { privilege, .. } => format!("new call, {}", privilege.name()),
        Event::CallState { state, privilege: Some(privilege), .. } => {
            format!("{}, {}", state.kind(), privilege.name())
        }
        Event::CallState { state, privilege: None, .. } => state.kind().to_string(),
        Event::CallInfo { changed, .. } => format!("info {}", InfoParts::clone(changed).0),
        Event::Owners { owners, monitors, .. } => format!("{owners} owners, {monitors} monitors"),
        other => format!("{other:?}"),
    }
}

pub fn shorts(events: &[Event]) -> Vec<String> {
    events.iter().map(short).collect()
}

pub fn is_connected(state: &CallState) -> bool {
    matches!(state, CallState::Connected(_))
}
