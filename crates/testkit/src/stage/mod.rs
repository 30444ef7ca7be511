//! A whole engine with scripted applications in a world, held to its contract.
//!
//! Here is how it runs; `ending` is what it checks beside the contract, `explain` what it shows.

mod ending;
mod explain;

pub use explain::first_line;

use crate::apps::{Act, App, Around, Plan};
use crate::contract::Observer;
use crate::device::VirtualMedia;
use crate::net::Conditions;
use crate::phone::{Phone, PhoneConfig};
use crate::world::{ENDPOINT, NodeId, World};
use hookswitch_engine::{Engine, EngineConfig, Notice, Request as EngineRequest};
use hookswitch_machine::{Endpoint, Entropy, Time, TimerQueue, Transport};
use hookswitch_provider::{Account, Profile, ProviderConfig, Server};
use hookswitch_sip::auth::Secret;
use hookswitch_spi::{
    AddressId, CallId, CallOptions, CallState, CompletionId, Feature, ForwardingRules, InterfaceVersion,
    LineId, MediaTypes, Operation, Provider as _, Set, VersionRange,
};
use hookswitch_telephony::{
    AppRequestId, Config, Event, Interest, Journal, Reply, Request, RequestError, SessionId,
};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Where the engine of a stage is.
pub const HOOKSWITCH: ([u8; 4], u16) = ([10, 0, 0, 1], 5060);

/// What a stage's agenda holds.
#[derive(Clone, Debug)]
enum Item {
    Act(SessionId, CallId, Act),
    Ask(SessionId, Request),
    Make {
        session: SessionId,
        line: LineId,
        destination: String,
        options: CallOptions,
        plan: Plan,
    },
    Phone(NodeId, usize),
    /// What is audible is looked at.
    Listen,
}

/// How often what is audible is looked at.
const LISTENS: Duration = Duration::from_secs(1);

/// A deliberate fault between the engine and its applications, to see that it is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// None.
    None,
    /// Requests to hold complete twice.
    HoldsTwice,
    /// Nobody hears that a call rings.
    SilentRinging,
}

/// An engine, phones, applications, and an observer.
pub struct Stage {
    /// The machines and their network.
    pub world: World,
    engine: NodeId,
    apps: BTreeMap<SessionId, App>,
    observer: Observer,
    agenda: TimerQueue<Item>,
    phones: Vec<(NodeId, SocketAddr)>,
    phone_requests: Vec<Option<crate::phone::PhoneRequest>>,
    answers: BTreeMap<(SessionId, AppRequestId), Result<Reply, RequestError>>,
    heard: Vec<(Time, SessionId, Event)>,
    journals: BTreeMap<SessionId, Journal<Event>>,
    next_request: u64,
    next_session: u64,
    /// Sessions that came back under another number.
    renamed: BTreeMap<SessionId, SessionId>,
    fault: Fault,
    holds: BTreeSet<AppRequestId>,
    quiet: bool,
    /// The engine was shut down: its sessions keep handles to what is gone.
    over: bool,
    ports: usize,
    sip_call_ids: BTreeMap<CallId, Vec<Box<str>>>,
    dropped: BTreeMap<CallId, Time>,
    objections: Vec<String>,
}

/// A line that is not registered, whose calls go to `switch`.
pub fn trunk(name: &str, switch: SocketAddr) -> Account {
    Account {
        name: name.into(),
        permanent: 0,
        profile: Arc::new(Profile::default()),
        registrar: Server { host: switch.ip().to_string(), port: Some(switch.port()) },
        domain: switch.ip().to_string(),
        user: name.into(),
        auth_user: name.into(),
        password: Secret::new("secret"),
        realm: None,
        display_name: String::new(),
        register: false,
        numbers: Vec::new(),
        accept_from: Vec::new(),
        max_calls: 20,
        media: MediaTypes::VOICE,
        forward: ForwardingRules::default(),
    }
}

/// A line that registers with `switch`, with the password `secret`.
pub fn registered(name: &str, switch: SocketAddr) -> Account {
    Account { register: true, ..trunk(name, switch) }
}

impl Stage {
    /// A stage with an engine that has these lines, closed.
    pub fn new(seed: u64, conditions: Conditions, accounts: Vec<Account>) -> Self {
        Self::with(seed, conditions, accounts, Config::default(), 64)
    }

    /// A stage with an engine of this configuration and that many audio ports.
    pub fn with(
        seed: u64,
        conditions: Conditions,
        accounts: Vec<Account>,
        telephony: Config,
        ports: u16,
    ) -> Self {
        let mut entropy = Entropy::from_number(seed);
        let mut world = World::new(conditions, entropy.fork());
        let address = SocketAddr::from(HOOKSWITCH);
        let unowned = telephony.unowned.clone();
        let endpoint = Endpoint { id: ENDPOINT, transport: Transport::Udp, advertised: address };
        let provider = ProviderConfig::new(vec![endpoint], accounts);
        let engine = Engine::new(EngineConfig { provider, telephony }, entropy.fork());
        let media = VirtualMedia::new(address.ip(), ports);
        let engine = world.add("hookswitch", address, engine, Some(media));
        let mut stage = Self {
            world,
            engine,
            apps: BTreeMap::new(),
            observer: Observer::new(),
            agenda: TimerQueue::new(),
            phones: Vec::new(),
            phone_requests: Vec::new(),
            answers: BTreeMap::new(),
            heard: Vec::new(),
            journals: BTreeMap::new(),
            next_request: 0,
            next_session: 0,
            renamed: BTreeMap::new(),
            fault: Fault::None,
            holds: BTreeSet::new(),
            quiet: false,
            over: false,
            ports: usize::from(ports),
            sip_call_ids: BTreeMap::new(),
            dropped: BTreeMap::new(),
            objections: Vec::new(),
        };
        // The stock arrives before anything else.
        stage.run_for(Duration::ZERO);
        stage.agenda.set(stage.world.now() + LISTENS, Item::Listen);
        stage.observer.policy(unowned);
        for line in stage.engine().provider().lines() {
            let able = stage.engine().provider().capabilities(line.line).cloned();
            stage.observer.line(line.line, able);
        }
        stage
    }

    /// Adds a phone.
    pub fn phone(&mut self, name: &str, config: PhoneConfig, seed: u64) -> NodeId {
        let address = config.address;
        let node = self.world.add(name, address, Phone::new(config, Entropy::from_number(seed)), None);
        self.phones.push((node, address));
        node
    }

    /// Tells the media device from which phones nothing arrives: those that know nothing of the call, or are cut off.
    fn listen_to_audio(&mut self) {
        let here = SocketAddr::from(HOOKSWITCH).ip();
        let remotes: Vec<SocketAddr> =
            self.world.media(self.engine).map(|media| media.remotes().collect()).unwrap_or_default();
        let is_silent = |remote: &SocketAddr| {
            let phone = self.phones.iter().find(|(_, address)| address.ip() == remote.ip());
            phone.is_some_and(|(node, _)| {
                self.world.is_cut(here, remote.ip()) || !self.phone_of(*node).sounds(remote.port())
            })
        };
        let silent: Vec<SocketAddr> = remotes.into_iter().filter(is_silent).collect();
        let now = self.world.now();
        if let Some(media) = self.world.media_mut(self.engine) {
            media.silent(now, &silent);
        }
        self.agenda.set(now + LISTENS, Item::Listen);
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        self.world.machine(self.engine)
    }

    /// A phone.
    pub fn phone_of(&self, node: NodeId) -> &Phone {
        self.world.machine(node)
    }

    /// Has the engine misbehave.
    pub fn break_it(&mut self, fault: Fault) {
        self.fault = fault;
    }

    fn new_session(&mut self, name: &str) -> SessionId {
        self.next_session += 1;
        let session = SessionId(self.next_session);
        self.apps.insert(session, App::new(session, name));
        session
    }

    /// Attaches an application.
    pub fn attach(&mut self, name: &str) -> SessionId {
        self.attach_as(name, Duration::ZERO, false)
    }

    /// Attaches an application with this grace, that speaks perhaps only the version before the first.
    pub fn attach_as(&mut self, name: &str, grace: Duration, old: bool) -> SessionId {
        let session = self.new_session(name);
        self.ask(session, attaching(name, grace, old, None));
        session
    }

    /// An application is gone without a word.
    pub fn lose(&mut self, session: SessionId) {
        self.app(session).lost = true;
        self.ask(session, Request::Lost);
    }

    /// A lost application comes back as a new session. `None`: it came too late, and nothing of it is left.
    pub fn resume(&mut self, lost: SessionId, grace: Duration, old: bool) -> Option<SessionId> {
        let name = self.app(lost).name.clone();
        let mut app = self.apps.remove(&lost)?;
        let session = self.new_session(&name);
        app.session = session;
        self.apps.insert(session, app);
        let asked = self.ask(session, attaching(&name, grace, old, Some(lost)));
        if !self.answer_to(session, asked).is_some_and(Result::is_ok) {
            self.apps.remove(&session);
            return None;
        }
        self.renamed.insert(lost, session);
        for (after, call, act) in self.app(session).is_back(session) {
            self.agenda.set(self.world.now() + after, Item::Act(session, call, act));
        }
        Some(session)
    }

    /// Whether an application reads its events: who does not is offered nothing.
    pub fn reads(&mut self, session: SessionId, wanted: bool) {
        self.world.request::<Engine>(self.engine, EngineRequest::Offers { session, wanted });
        self.listen();
    }

    fn current(&self, mut session: SessionId) -> SessionId {
        while let Some(now) = self.renamed.get(&session) {
            session = *now;
        }
        session
    }

    /// An application.
    ///
    /// # Panics
    /// If there is none of that session.
    pub fn app(&mut self, session: SessionId) -> &mut App {
        self.apps.get_mut(&session).expect("the session was attached here")
    }

    /// Opens a line for an application, which hears all news of it.
    pub fn open(&mut self, session: SessionId, line: LineId, interest: Interest) {
        let interest = interest.hearing(Set::ALL);
        self.ask(session, Request::OpenLine { line, interest });
    }

    /// Has an application ask for something now.
    pub fn ask(&mut self, session: SessionId, request: Request) -> AppRequestId {
        self.next_request += 1;
        let id = AppRequestId(self.next_request);
        if let Request::Operate(Operation::Drop { call, .. }) = &request {
            // Once disconnected, it has ended already.
            let ended = self.apps.values().any(|app| app.has_ended(*call));
            if !ended {
                self.dropped.entry(*call).or_insert(self.world.now());
            }
        }
        let possible = match &request {
            Request::Operate(operation) => operation.call().and_then(|call| {
                let status = self.engine().provider().call_status(call)?;
                Some(status.possible.contains(Feature::of(operation)))
            }),
            _ => None,
        };
        if matches!(request, Request::Operate(Operation::Hold { .. })) {
            self.holds.insert(id);
        }
        if let Request::Operate(Operation::CompleteCall { call, .. }) = &request
            && let Some(line) = self.engine().provider().call_info(*call).map(|info| info.line)
            && let Some(app) = self.apps.get_mut(&session)
        {
            app.completes(id.0, line);
        }
        self.observer.asked(self.world.now(), session, id, &request, possible);
        let before = match &request {
            Request::Operate(Operation::SetService { line, .. }) => Some((*line, self.left(*line))),
            _ => None,
        };
        let what = EngineRequest::Session { session, request: id, what: request };
        self.world.request::<Engine>(self.engine, what);
        if let Some((line, before)) = before
            && self.left(line) != before
        {
            self.object(format!("calls of {line} changed with its service: there were {before:?}"));
        }
        self.listen();
        id
    }

    /// Calls that came to a line that was out of service by request, and since when it was.
    pub fn came_while_off(&self) -> &[(CallId, Time)] {
        self.observer.came_while_off()
    }

    /// Has an application ask for something later.
    pub fn ask_after(&mut self, after: Duration, session: SessionId, request: Request) {
        self.agenda.set(self.world.now() + after, Item::Ask(session, request));
    }

    /// Has an application act on a call now.
    pub fn act(&mut self, session: SessionId, call: CallId, act: &Act) -> AppRequestId {
        let number = self.next_request + 1;
        if matches!(act, Act::Consult(_) | Act::Confer(_) | Act::Merge) {
            self.app(session).consults(number, call);
        }
        let line = self.engine().provider().call_info(call).map_or(LineId(0), |info| info.line);
        let app = self.app(session);
        let around = Around { line, partner: app.partner(call), conference: app.conference(call) };
        self.ask(session, act.request(call, around))
    }

    /// Has an application make a call now.
    pub fn make_call(
        &mut self,
        session: SessionId,
        line: LineId,
        destination: &str,
        options: CallOptions,
        plan: Plan,
    ) -> AppRequestId {
        let address = AddressId(0);
        let destination = destination.to_owned();
        let operation = Operation::MakeCall { line, address, destination, options };
        let number = self.next_request + 1;
        self.app(session).makes(number, plan);
        self.ask(session, Request::Operate(operation))
    }

    /// Has an application make a call later.
    pub fn make_call_after(
        &mut self,
        after: Duration,
        session: SessionId,
        line: LineId,
        destination: &str,
        options: CallOptions,
        plan: Plan,
    ) {
        let destination = destination.to_owned();
        self.agenda.set(self.world.now() + after, Item::Make { session, line, destination, options, plan });
    }

    /// Has a phone do something later.
    pub fn phone_after(&mut self, after: Duration, phone: NodeId, request: crate::phone::PhoneRequest) {
        self.phone_requests.push(Some(request));
        self.agenda.set(self.world.now() + after, Item::Phone(phone, self.phone_requests.len() - 1));
    }

    /// How a request was answered, if it was: refused or completed.
    pub fn answer_to(
        &self,
        session: SessionId,
        request: AppRequestId,
    ) -> Option<&Result<Reply, RequestError>> {
        self.answers.get(&(session, request))
    }

    /// The call completions that were arranged and have not come about, as far as any session has heard.
    pub fn completions(&self) -> Vec<(LineId, CompletionId)> {
        self.observer.completions().collect()
    }

    /// The calls of a line that have not ended, as far as any session has heard of them.
    pub fn left(&self, line: LineId) -> Vec<(CallId, CallState)> {
        let provider = self.engine().provider();
        let of_line = |call: &CallId| provider.call_info(*call).is_some_and(|info| info.line == line);
        let calls = self.observer.call_ids().filter(of_line);
        let states = calls.filter_map(|call| Some((call, provider.call_state(call)?)));
        states.filter(|(_, state)| *state != CallState::Idle).collect()
    }

    /// Everything that sessions heard.
    pub fn heard(&self) -> &[(Time, SessionId, Event)] {
        &self.heard
    }

    /// What a session was told, as whoever keeps its events would keep them: numbered, and readable again.
    pub fn journal(&mut self, session: SessionId) -> &mut Journal<Event> {
        self.journals.entry(session).or_default()
    }

    /// The states of a call as a session heard them.
    pub fn states(&self, session: SessionId, call: CallId) -> Vec<CallState> {
        let states = self.heard.iter().filter_map(|(_, to, event)| match event {
            Event::CallState { call: of, state, .. } if *to == session && *of == call => Some(state.clone()),
            _ => None,
        });
        states.collect()
    }

    /// The call that a session heard of last.
    pub fn last_call(&self, session: SessionId) -> Option<CallId> {
        self.heard.iter().rev().find_map(|(_, to, event)| match event {
            Event::NewCall { call, .. } if *to == session => Some(*call),
            Event::Completed { result: Ok(Reply::Created(call)), .. } if *to == session => Some(*call),
            _ => None,
        })
    }

    /// What was breached so far.
    pub fn violations(&self) -> Vec<String> {
        let faults = self.world.media(self.engine).map(VirtualMedia::faults).unwrap_or_default();
        self.observer.violations().iter().chain(faults).chain(&self.objections).cloned().collect()
    }

    /// How many calls applications heard of.
    pub fn calls(&self) -> usize {
        self.observer.calls()
    }

    /// How often each operation was accepted.
    pub fn accepted(&self) -> impl Iterator<Item = (&'static str, usize)> {
        self.observer.accepted()
    }

    /// Lets everything happen that is to happen by `limit`.
    pub fn run_until(&mut self, limit: Time) {
        loop {
            let planned = self.agenda.next().filter(|at| *at <= limit);
            let happens = self.world.next().filter(|at| *at <= limit);
            match (planned, happens) {
                (Some(planned), happens) if happens.is_none_or(|at| planned <= at) => {
                    // Nothing else happens before.
                    self.world.step(planned.min(happens.unwrap_or(planned)).max(self.world.now()));
                    self.listen();
                    while let Some(item) = self.agenda.pop(self.world.now()) {
                        self.perform(item);
                    }
                }
                (_, Some(at)) => {
                    self.world.step(at);
                    self.listen();
                }
                (_, None) => {
                    self.world.step(limit);
                    return;
                }
            }
        }
    }

    /// Lets everything happen that is to happen within `span`.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(self.world.now() + span);
    }

    fn perform(&mut self, item: Item) {
        match item {
            Item::Act(session, call, act) => {
                let session = self.current(session);
                let known = self
                    .apps
                    .get(&session)
                    .is_some_and(|app| !app.lost && app.calls().any(|(of, _)| of == call));
                if known {
                    let asked = self.act(session, call, &act);
                    if act == Act::Release && self.answer_to(session, asked).is_some_and(Result::is_ok) {
                        self.app(session).released(call);
                    }
                }
            }
            Item::Ask(session, request) => {
                self.ask(session, request);
            }
            Item::Make { session, line, destination, options, plan } => {
                self.make_call(session, line, &destination, options, plan);
            }
            Item::Listen => self.listen_to_audio(),
            Item::Phone(node, number) => {
                if let Some(request) = self.phone_requests.get_mut(number).and_then(Option::take) {
                    self.world.request::<Phone>(node, request);
                }
            }
        }
    }

    /// Takes what the engine told, and lets applications react.
    fn listen(&mut self) {
        let mut news = false;
        while let Some((at, notice)) = self.world.told::<Engine>(self.engine) {
            news = true;
            match notice {
                Notice::Session(session, event) => {
                    match (self.fault, &event) {
                        (Fault::SilentRinging, Event::CallState { state: CallState::Ringback, .. }) => {
                            continue;
                        }
                        (Fault::HoldsTwice, Event::Completed { request, .. })
                            if self.holds.contains(request) =>
                        {
                            self.observer.heard(at, session, &event);
                        }
                        (Fault::None | Fault::SilentRinging | Fault::HoldsTwice, _) => {}
                    }
                    self.observer.heard(at, session, &event);
                    self.journals.entry(session).or_default().push(event.clone(), event.weight());
                    if let Event::CallState { call, .. } = &event {
                        self.learn_call_id(*call);
                    }
                    match &event {
                        Event::Completed { request, result } => {
                            self.answers.insert((session, *request), result.clone());
                        }
                        Event::Refused { request, error } => {
                            self.answers.insert((session, *request), Err(error.clone()));
                        }
                        _ => {}
                    }
                    let acts = self.apps.get_mut(&session).map(|app| app.hears(&event)).unwrap_or_default();
                    for (after, call, act) in acts {
                        self.agenda.set(at + after, Item::Act(session, call, act));
                    }
                    self.heard.push((at, session, event));
                }
                Notice::Quiet => self.quiet = true,
                Notice::Figures { .. } => {}
            }
        }
        if news {
            self.check();
        }
    }

    fn learn_call_id(&mut self, call: CallId) {
        // One that waits for its party goes out again under another.
        if self.sip_call_ids.contains_key(&call) && !self.observer.waits(call) {
            return;
        }
        let info = self.engine().provider().call_info(call);
        if let Some(info) = info.filter(|info| !info.sip_call_id.is_empty()) {
            let known = self.sip_call_ids.entry(call).or_default();
            if !known.contains(&info.sip_call_id) {
                known.push(info.sip_call_id);
            }
        }
    }

    /// The Call-IDs of a call, in their order, once something was heard of it.
    pub fn sip_call_ids(&self, call: CallId) -> impl DoubleEndedIterator<Item = &str> {
        self.sip_call_ids.get(&call).into_iter().flatten().map(|id| &**id)
    }

    /// The engine's place in the world.
    pub const fn engine_node(&self) -> NodeId {
        self.engine
    }

    /// When an application first asked for the end of a call that had not ended.
    pub fn dropped_at(&self, call: CallId) -> Option<Time> {
        self.dropped.get(&call).copied()
    }

    /// Notes a violation that somebody else has found.
    pub fn object(&mut self, text: String) {
        self.objections.push(text);
    }

    /// How many calls a line says that it takes.
    pub fn most_calls(&self, line: LineId) -> u32 {
        self.engine().provider().capabilities(line).map_or(0, |able| able.max_calls)
    }
}

fn attaching(name: &str, grace: Duration, old: bool, resume: Option<SessionId>) -> Request {
    let version = if old { InterfaceVersion(0) } else { InterfaceVersion::V1 };
    let versions = VersionRange { low: version, high: version };
    Request::Attach { name: name.into(), grace, versions, resume }
}
