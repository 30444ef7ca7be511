//! One shard: provider and telephony wired together behind the [`Machine`] trait.
//!
//! The engine decides nothing. What comes from the network, the media threads and the clock goes to the provider; what
//! sessions ask goes to telephony, which asks the provider; what either has to say comes out in order. A driver runs it over
//! sockets, a simulator in virtual time.
#![forbid(unsafe_code)]

use hookswitch_machine::{Entropy, Input, Machine, Output, Time};
use hookswitch_media::control::{Command, Event as MediaEvent};
use hookswitch_provider::{Account, Action, Alive, Counters, ProviderConfig, SipProvider};
use hookswitch_spi::{CallId, LineId, Provider, TimelineEntry};
use hookswitch_telephony::{AppRequestId, Event, Priorities, SessionId, Telephony};
use std::collections::VecDeque;

/// What one shard is made of.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Lines and SIP.
    pub provider: ProviderConfig,
    /// Applications.
    pub telephony: hookswitch_telephony::Config,
}

/// What users ask of a shard.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// A session asks telephony.
    Session {
        /// Which session.
        session: SessionId,
        /// Its number for the request.
        request: AppRequestId,
        /// What.
        what: hookswitch_telephony::Request,
    },
    /// A session can take new offers again, or cannot because it does not read.
    Offers {
        /// Which session.
        session: SessionId,
        /// Whether it can.
        wanted: bool,
    },
    /// Adds a line. All shards are told of all lines.
    AddLine {
        /// Its number: the next one of all shards.
        line: LineId,
        /// Its account.
        account: Box<Account>,
    },
    /// Removes a line for good; its calls end. All shards are told.
    RemoveLine {
        /// Which.
        line: LineId,
    },
    /// Gives a line the credentials of this account, and lets its peers call in. All shards are told.
    SetAccess {
        /// Which.
        line: LineId,
        /// The account that has them.
        account: Box<Account>,
    },
    /// Sets the orders of applications, from the next call, hand-off or request for a call on. All shards are told.
    SetPriorities {
        /// The orders.
        priorities: Box<Priorities>,
    },
    /// Tells all sessions that the stored configuration changed in a way that takes effect at the next start. One shard is told.
    Reinitialise {
        /// For people: what changed.
        why: String,
    },
    /// Ends everything: closes all lines, hangs up, un-registers. [`Notice::Quiet`] follows when it is done.
    Shutdown,
    /// Asks for [`Notice::Figures`].
    Figures,
}

/// What a shard tells its users.
#[derive(Clone, Debug, PartialEq)]
pub enum Notice {
    /// Something for a session.
    Session(SessionId, Event),
    /// Nothing is alive any more after [`Request::Shutdown`].
    Quiet,
    /// What is alive.
    Figures {
        /// On the provider's side.
        alive: Alive,
        /// Messages refused or dropped.
        counters: Counters,
        /// Calls that telephony keeps.
        calls: usize,
        /// Attached sessions.
        sessions: usize,
    },
}

/// One shard.
#[derive(Debug)]
pub struct Engine {
    provider: SipProvider,
    telephony: Telephony,
    notices: VecDeque<Notice>,
    stopping: bool,
}

impl Engine {
    /// A shard with its lines closed.
    pub fn new(config: EngineConfig, mut entropy: Entropy) -> Self {
        let telephony = Telephony::new(config.telephony, &mut entropy);
        let mut provider = SipProvider::new(config.provider, entropy);
        // The application side and the provider are of one build: they have a version in common.
        let begun = provider.initialise(Time::ZERO, hookswitch_spi::InterfaceVersion::V1);
        debug_assert!(begun.is_ok(), "the provider does not start: {begun:?}");
        Self { provider, telephony, notices: VecDeque::new(), stopping: false }
    }

    /// The lines and what they can do.
    pub fn provider(&self) -> &SipProvider {
        &self.provider
    }

    /// Sessions, calls and timelines.
    pub fn telephony(&self) -> &Telephony {
        &self.telephony
    }

    /// What happened to a call, oldest first, as far as it is still remembered.
    pub fn timeline(&self, call: CallId) -> impl Iterator<Item = &TimelineEntry> {
        self.telephony.timeline().of(call)
    }

    /// What is alive on the provider's side.
    pub fn alive(&self) -> Alive {
        self.provider.alive()
    }

    fn request(&mut self, now: Time, request: Request) {
        match request {
            Request::Session { session, request, what } => {
                self.telephony.request(now, &mut self.provider, session, request, what);
            }
            Request::Offers { session, wanted } => self.telephony.offers(session, wanted),
            Request::AddLine { line, account } => self.provider.add_line(now, line, *account),
            Request::RemoveLine { line } => self.provider.remove_line(now, line),
            Request::SetAccess { line, account } => self.provider.set_access(now, line, &account),
            Request::SetPriorities { priorities } => self.telephony.set_priorities(*priorities),
            Request::Reinitialise { why } => self.provider.reinitialise(why),
            Request::Shutdown => {
                self.stopping = true;
                self.provider.shutdown(now);
            }
            Request::Figures => self.notices.push_back(Notice::Figures {
                alive: self.provider.alive(),
                counters: self.provider.counters(),
                calls: self.telephony.calls(),
                sessions: self.telephony.sessions(),
            }),
        }
    }

    /// Whether nothing is left that somebody else should hear of: lingering transactions only absorb retransmissions.
    fn is_quiet(&self) -> bool {
        let alive = self.provider.alive();
        alive.calls == 0 && alive.sessions == 0 && self.provider.open_lines() == 0
    }
}

impl Machine for Engine {
    type Request = Request;
    type Event = Notice;
    type MediaCommand = Command;
    type MediaEvent = MediaEvent;

    fn handle(&mut self, now: Time, input: Input<Request, MediaEvent>) {
        match input {
            Input::Received { flow, bytes } => self.provider.received(now, flow, bytes),
            Input::FlowClosed { flow, reason } => self.provider.flow_closed(now, flow, reason),
            Input::Resolved { query, answer } => self.provider.resolved(now, query, answer),
            Input::Media(event) => self.provider.media_event(now, event),
            Input::Request(request) => self.request(now, request),
            Input::Timeout => {
                self.provider.timeout(now);
                self.telephony.timeout(now, &mut self.provider);
            }
        }
        self.telephony.pump(now, &mut self.provider);
        if self.stopping && self.is_quiet() {
            self.stopping = false;
            self.notices.push_back(Notice::Quiet);
        }
    }

    fn poll(&mut self) -> Option<Output<Notice, Command>> {
        if let Some(action) = self.provider.poll_action() {
            return Some(match action {
                Action::Transmit { flow, bytes } => Output::Transmit { flow, bytes },
                Action::Resolve { query, question, deadline } => {
                    Output::Resolve { query, question, deadline }
                }
                Action::Media(command) => Output::Media(command),
                Action::Event(never) => match never {},
            });
        }
        if let Some((session, event)) = self.telephony.poll() {
            return Some(Output::Event(Notice::Session(session, event)));
        }
        self.notices.pop_front().map(Output::Event)
    }

    fn timeout(&self) -> Option<Time> {
        [self.provider.next_timeout(), self.telephony.next_timeout()].into_iter().flatten().min()
    }
}
