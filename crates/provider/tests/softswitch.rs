//! Three providers with a line each, registered with the embedded softswitch, in virtual time: parking, picking up, waiting messages,
//! call completion, and what travels with calls, as the profile `hookswitch` has it.

use hookswitch_machine::{Endpoint, EndpointId, Entropy, Flow, Input, Machine, Output, Time, Transport};
use hookswitch_media::control::{Command, Event as MediaEvent, Port, PortId};
use hookswitch_provider::{Account, Profile, ProviderConfig, Server, SipProvider};
use hookswitch_sip::auth::Secret;
use hookswitch_softswitch as switch;
use hookswitch_softswitch::Softswitch;
use hookswitch_spi::*;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

const LINE: LineId = LineId(0);
const FIRST: AddressId = AddressId(0);
const SWITCH: ([u8; 4], u16) = ([10, 0, 0, 2], 5060);

/// The users, in the order of their nodes.
const USERS: [&str; 3] = ["desk", "door", "ann"];
const DESK: usize = 0;
const DOOR: usize = 1;
const ANN: usize = 2;

struct Node {
    p: SipProvider,
    address: SocketAddr,
    events: Vec<ProviderEvent>,
}

struct World {
    nodes: Vec<Node>,
    switch: Softswitch,
    now: Time,
    post: BTreeMap<(Time, u64), (SocketAddr, SocketAddr, bytes::Bytes)>,
    posted: u64,
    requests: u64,
}

fn ports(host: [u8; 4]) -> MediaEvent {
    let port = |n: u64| Port { id: PortId(n), rtp: (host, 20_000 + 2 * n as u16).into() };
    MediaEvent::Stocked { ports: (0..16).map(port).collect() }
}

fn endpoint(address: SocketAddr) -> Endpoint {
    Endpoint { id: EndpointId(1), transport: Transport::Udp, advertised: address }
}

fn account(user: &str) -> Account {
    Account {
        name: user.into(),
        permanent: 0,
        profile: Arc::new(Profile::built_in("hookswitch").unwrap()),
        registrar: Server { host: "10.0.0.2".into(), port: Some(5060) },
        domain: "10.0.0.2".into(),
        user: user.into(),
        auth_user: user.into(),
        password: Secret::new("secret"),
        realm: None,
        display_name: String::new(),
        register: true,
        numbers: vec![],
        accept_from: vec![],
        max_calls: 20,
        media: MediaTypes::VOICE,
        forward: ForwardingRules::default(),
    }
}

impl World {
    fn new() -> Self {
        let own: SocketAddr = SWITCH.into();
        let config = switch::Config {
            listen: vec![(Transport::Udp, own)],
            domain: "10.0.0.2".into(),
            echo: "600".into(),
            tone: "601".into(),
            music: "602".into(),
            features: switch::Features::default(),
            accounts: USERS
                .iter()
                .map(|user| switch::Account {
                    user: (*user).into(),
                    password: Secret::new("secret"),
                    groups: vec![],
                })
                .collect(),
        };
        let limits = switch::Limits::default();
        let softswitch = Softswitch::new(&config, limits, 3, vec![endpoint(own)], Entropy::from_number(9));
        let now = Time::from_millis(1_000);
        let nodes = USERS.iter().enumerate().map(|(n, user)| {
            let address: SocketAddr = ([10, 0, 1, n as u8], 5060).into();
            let config = ProviderConfig::new(vec![endpoint(address)], vec![account(user)]);
            let mut p = SipProvider::new(config, Entropy::from_number(20 + n as u64));
            p.media_event(now, ports([10, 0, 1, n as u8]));
            p.initialise(now, InterfaceVersion::V1).unwrap();
            p.open_line(now, LINE, InterfaceVersion::V1).unwrap();
            p.detect_status(LINE, Set::ALL).unwrap();
            Node { p, address, events: vec![] }
        });
        let nodes = nodes.collect();
        let mut world =
            Self { nodes, switch: softswitch, now, post: BTreeMap::new(), posted: 0, requests: 0 };
        world.switch.handle(now, Input::Media(ports([10, 0, 0, 2])));
        world.run(2_000);
        for node in &world.nodes {
            assert_eq!(node.p.line_status(LINE).unwrap().state, LineState::InService);
        }
        world
    }

    fn settle(&mut self) {
        let at = self.now + Duration::from_millis(2);
        let mut send = |post: &mut BTreeMap<_, _>, from: SocketAddr, to: SocketAddr, bytes: bytes::Bytes| {
            self.posted += 1;
            post.insert((at, self.posted), (from, to, bytes));
        };
        for node in &mut self.nodes {
            while let Some(event) = node.p.poll_event() {
                if let ProviderEvent::NewCall { call, .. } = event {
                    node.p.take_call(self.now, call, true);
                }
                if !matches!(event, ProviderEvent::Recorded(_)) {
                    node.events.push(event);
                }
            }
            while let Some(action) = node.p.poll_action() {
                match action {
                    Output::Transmit { flow, bytes } => send(&mut self.post, node.address, flow.peer, bytes),
                    Output::Resolve { .. } | Output::Media(_) => {}
                    Output::Event(never) => match never {},
                }
            }
        }
        while let Some(output) = self.switch.poll() {
            if let Output::Transmit { flow, bytes } = output {
                send(&mut self.post, SWITCH.into(), flow.peer, bytes);
            } else if let Output::Media(Command::Start { .. }) = output {
                // Nobody listens here.
            }
        }
    }

    fn run(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        self.settle();
        loop {
            let post = self.post.first_key_value().map(|((at, _), _)| *at);
            let due = self.nodes.iter().filter_map(|node| node.p.next_timeout());
            let next = due.chain(post).chain(self.switch.timeout()).min().filter(|at| *at <= end);
            let Some(next) = next else { break };
            self.now = self.now.max(next);
            while let Some(entry) = self.post.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let (from, to, bytes) = entry.remove();
                let flow = Flow::to(EndpointId(1), from);
                if to == SocketAddr::from(SWITCH) {
                    self.switch.handle(self.now, Input::Received { flow, bytes });
                } else if let Some(node) = self.nodes.iter_mut().find(|node| node.address == to) {
                    node.p.received(self.now, flow, bytes);
                }
                self.settle();
            }
            for node in &mut self.nodes {
                if node.p.next_timeout().is_some_and(|at| at <= self.now) {
                    node.p.timeout(self.now);
                }
            }
            if self.switch.timeout().is_some_and(|at| at <= self.now) {
                self.switch.handle(self.now, Input::Timeout);
            }
            self.settle();
        }
        self.now = end;
    }

    /// Asks, and gives the result after a while.
    fn ask(&mut self, node: usize, operation: Operation) -> Result<Outcome, OperationError> {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.nodes[node].p.submit(self.now, id, operation)?;
        self.run(1_000);
        let mut results = self.nodes[node].events.iter().filter_map(|event| match event {
            ProviderEvent::Completed { request, result } if *request == id => Some(result.clone()),
            _ => None,
        });
        let first = results.next().expect("the request completed within a second");
        assert!(results.next().is_none(), "{id} completed twice");
        first
    }

    fn call(&mut self, node: usize, to: &str) -> CallId {
        self.call_with(node, to, CallOptions::default())
    }

    fn call_with(&mut self, node: usize, to: &str, options: CallOptions) -> CallId {
        let made = Operation::MakeCall { line: LINE, address: FIRST, destination: to.into(), options };
        match self.ask(node, made) {
            Ok(Outcome::Call(call)) => call,
            other => panic!("calling {to} brought {other:?}"),
        }
    }

    fn new_calls(&self, node: usize) -> Vec<CallId> {
        let news = self.nodes[node].events.iter().filter_map(|event| match event {
            ProviderEvent::NewCall { call, .. } => Some(*call),
            _ => None,
        });
        news.collect()
    }

    fn last_new(&self, node: usize) -> CallId {
        *self.new_calls(node).last().expect("a call was announced")
    }

    /// A call from one to another that is up: the caller's call and the other's.
    fn up(&mut self, from: usize, to: usize) -> (CallId, CallId) {
        let call = self.call(from, USERS[to]);
        let other = self.last_new(to);
        assert_eq!(self.ask(to, Operation::answer(other)), Ok(Outcome::Done));
        assert_eq!(self.state(from, call), StateKind::Connected);
        (call, other)
    }

    fn state(&self, node: usize, call: CallId) -> StateKind {
        self.nodes[node].p.call_state(call).map_or(StateKind::Idle, |state| state.kind())
    }

    fn info(&self, node: usize, call: CallId) -> CallInfo {
        self.nodes[node].p.call_info(call).expect("the call is known")
    }

    fn count(&self, node: usize, fits: impl Fn(&ProviderEvent) -> bool) -> usize {
        self.nodes[node].events.iter().filter(|event| fits(event)).count()
    }
}

fn unpark(orbit: &str) -> Operation {
    Operation::Unpark { line: LINE, address: FIRST, orbit: orbit.into() }
}

fn pickup(from: PickupFrom) -> Operation {
    Operation::Pickup { line: LINE, address: FIRST, from }
}

#[test]
fn a_call_is_parked_where_the_switch_says_and_fetched_from_there() {
    let mut world = World::new();
    let (_, at_desk) = world.up(ANN, DESK);
    let parked = world.ask(DESK, Operation::Park { call: at_desk, at: ParkAt::Anywhere });
    let Ok(Outcome::Parked(orbit)) = parked else { panic!("parking brought {parked:?}") };
    assert!(orbit.parse().is_ok_and(|n: u32| (701..=720).contains(&n)), "{orbit}");
    assert_eq!(world.state(DESK, at_desk), StateKind::Idle);
    let fetched = world.ask(DOOR, unpark(&orbit));
    let Ok(Outcome::Call(fetched)) = fetched else { panic!("fetching brought {fetched:?}") };
    assert_eq!(world.state(DOOR, fetched), StateKind::Connected);
    assert_eq!(world.info(DOOR, fetched).reason, Reason::Unparked);
    assert_eq!(world.ask(DOOR, unpark("719")), Err(OperationError::NothingThere("719".into())));
}

#[test]
fn a_call_is_parked_at_an_orbit_and_one_that_is_taken_refuses_it() {
    let mut world = World::new();
    let (_, first) = world.up(ANN, DESK);
    let at = ParkAt::Orbit("705".into());
    let parked = world.ask(DESK, Operation::Park { call: first, at: at.clone() });
    assert_eq!(parked, Ok(Outcome::Parked("705".into())));
    let (_, second) = world.up(DOOR, DESK);
    let refused = world.ask(DESK, Operation::Park { call: second, at });
    assert!(matches!(refused, Err(OperationError::Refused { .. })), "{refused:?}");
    assert_eq!(world.state(DESK, second), StateKind::Connected, "a refused park leaves the call as it was");
    let parked = world.ask(DESK, Operation::Park { call: second, at: ParkAt::Orbit("706".into()) });
    assert_eq!(parked, Ok(Outcome::Parked("706".into())));
}

#[test]
fn a_parked_call_that_nobody_fetches_comes_back_as_a_reminder() {
    let mut world = World::new();
    let (_, at_desk) = world.up(ANN, DESK);
    let parked = world.ask(DESK, Operation::Park { call: at_desk, at: ParkAt::Orbit("705".into()) });
    assert_eq!(parked, Ok(Outcome::Parked("705".into())));
    world.run(125_000);
    let back = world.last_new(DESK);
    assert_ne!(back, at_desk);
    assert_eq!(world.info(DESK, back).reason, Reason::Reminder);
}

#[test]
fn what_alerts_elsewhere_is_picked_up() {
    let mut world = World::new();
    let calling = world.call(ANN, "door");
    let alerting = world.last_new(DOOR);
    let picked = world.ask(DESK, pickup(PickupFrom::Address("door".into())));
    let Ok(Outcome::Call(picked)) = picked else { panic!("picking up brought {picked:?}") };
    assert_eq!(world.state(DESK, picked), StateKind::Connected);
    assert_eq!(world.info(DESK, picked).reason, Reason::PickedUp);
    world.run(1_000);
    assert_eq!(world.state(ANN, calling), StateKind::Connected);
    let end = world.nodes[DOOR].p.call_state(alerting);
    assert!(
        matches!(&end, Some(CallState::Disconnected(end)) if end.mode == DisconnectMode::Pickup),
        "the call that was picked up ended as {end:?}"
    );
    let nothing = world.ask(DESK, pickup(PickupFrom::Address("door".into())));
    assert!(matches!(nothing, Err(OperationError::NothingThere(_))), "{nothing:?}");
}

#[test]
fn what_alerts_in_the_group_is_picked_up() {
    let mut world = World::new();
    world.call(ANN, "door");
    let picked = world.ask(DESK, pickup(PickupFrom::Group(String::new())));
    assert!(matches!(picked, Ok(Outcome::Call(_))), "{picked:?}");
    let refused = world.ask(DESK, pickup(PickupFrom::Group("sales".into())));
    assert!(matches!(refused, Err(OperationError::InvalidParameter(_))), "{refused:?}");
}

#[test]
fn the_lamp_of_waiting_messages_is_told_once_a_change() {
    let mut world = World::new();
    for (new, old) in [(2, 0), (3, 0), (0, 3), (0, 2), (1, 2)] {
        let messages = switch::Messages { new, old };
        let request = switch::Request::SetMessages { user: "desk".into(), messages };
        world.switch.handle(world.now, Input::Request(request));
        world.run(2_000);
    }
    let told: Vec<_> = world.nodes[DESK]
        .events
        .iter()
        .filter_map(|event| match event {
            ProviderEvent::MessageWaiting { waiting, new, old, .. } => Some((*waiting, *new, *old)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(true, 2, 0), (false, 0, 3), (true, 1, 2)]);
    assert!(world.nodes[DESK].p.line_status(LINE).unwrap().message_waiting);
    // It stays over the life of registrations and subscriptions, and nobody is told again.
    world.run(3 * 3_600_000);
    assert!(world.nodes[DESK].p.line_status(LINE).unwrap().message_waiting);
    assert_eq!(world.count(DESK, |event| matches!(event, ProviderEvent::MessageWaiting { .. })), 3);
}

#[test]
fn a_busy_party_is_called_when_it_is_free() {
    let mut world = World::new();
    let (anns, _) = world.up(ANN, DOOR);
    let attempt = world.call(DESK, "door");
    let at_door = world.last_new(DOOR);
    let busy = Operation::Drop { call: at_door, reason: RejectReason::Busy, user_info: None };
    assert_eq!(world.ask(DOOR, busy), Ok(Outcome::Done));
    let physical = world.info(DESK, attempt).physical;
    let asked = world.ask(DESK, Operation::CompleteCall { call: attempt, mode: CompletionMode::CallBack });
    let Ok(Outcome::Completion(completion)) = asked else { panic!("it brought {asked:?}") };
    assert_eq!(world.state(DESK, attempt), StateKind::Idle, "the attempt is over");
    assert_eq!(world.nodes[DESK].p.line_status(LINE).unwrap().completions, 1);
    world.run(60_000);
    assert_eq!(world.new_calls(DESK).len(), 0, "the party is still busy");
    assert_eq!(world.ask(ANN, Operation::drop(anns)), Ok(Outcome::Done));
    world.run(2_000);
    let back = world.last_new(DESK);
    let info = world.info(DESK, back);
    assert_eq!((info.reason, info.completion), (Reason::CallCompletion, Some(completion)));
    assert_eq!(info.related, Some(physical));
    assert!(info.caller.address.contains("door"), "{:?}", info.caller);
    assert_eq!(world.state(DESK, back), StateKind::Offering);
    assert_eq!(world.nodes[DESK].p.line_status(LINE).unwrap().completions, 0);
    assert_eq!(world.ask(DESK, Operation::answer(back)), Ok(Outcome::Done));
    let again = world.last_new(DOOR);
    assert_ne!(again, at_door, "the party is called");
    assert_eq!(world.state(DESK, back), StateKind::Ringback);
    assert_eq!(world.ask(DOOR, Operation::answer(again)), Ok(Outcome::Done));
    assert_eq!(world.state(DESK, back), StateKind::Connected);
}

#[test]
fn a_party_that_did_not_answer_is_called_after_its_next_call() {
    let mut world = World::new();
    let attempt = world.call(DESK, "door");
    assert_eq!(world.state(DESK, attempt), StateKind::Ringback);
    let asked = world.ask(DESK, Operation::CompleteCall { call: attempt, mode: CompletionMode::CallBack });
    assert!(matches!(asked, Ok(Outcome::Completion(_))), "{asked:?}");
    assert_eq!(world.state(DESK, attempt), StateKind::Idle);
    world.run(30_000);
    assert_eq!(world.new_calls(DESK).len(), 0, "it is free, and was all along");
    let (anns, _) = world.up(ANN, DOOR);
    world.run(5_000);
    assert_eq!(world.new_calls(DESK).len(), 0);
    assert_eq!(world.ask(ANN, Operation::drop(anns)), Ok(Outcome::Done));
    world.run(2_000);
    assert_eq!(world.new_calls(DESK).len(), 1);
    // Nobody answers the offer: it ends by itself.
    world.run(31_000);
    let end = world.nodes[DESK].p.call_state(world.last_new(DESK));
    assert!(
        matches!(&end, Some(CallState::Disconnected(end)) if end.mode == DisconnectMode::NoAnswer),
        "{end:?}"
    );
}

#[test]
fn calls_that_camp_on_connect_one_after_another_when_their_party_is_free() {
    let mut world = World::new();
    let (anns, _) = world.up(ANN, DOOR);
    let mut waiting = Vec::new();
    for _ in 0..2 {
        let call = world.call(DESK, "door");
        let at_door = world.last_new(DOOR);
        let busy = Operation::Drop { call: at_door, reason: RejectReason::Busy, user_info: None };
        assert_eq!(world.ask(DOOR, busy), Ok(Outcome::Done));
        assert_eq!(world.state(DESK, call), StateKind::Busy);
        let asked = world.ask(DESK, Operation::CompleteCall { call, mode: CompletionMode::CampOn });
        assert!(matches!(asked, Ok(Outcome::Completion(_))), "{asked:?}");
        assert_eq!(world.state(DESK, call), StateKind::Proceeding);
        waiting.push((call, world.info(DESK, call).physical));
    }
    let calls = world.new_calls(DOOR).len();
    world.run(60_000);
    assert_eq!(world.new_calls(DOOR).len(), calls, "a busy party is left alone");
    assert_eq!(world.ask(ANN, Operation::drop(anns)), Ok(Outcome::Done));
    let [(first, physical), (second, _)] = waiting[..] else { panic!("two calls wait") };
    assert_eq!(world.new_calls(DOOR).len(), calls + 1);
    assert_eq!(
        (world.state(DESK, first), world.state(DESK, second)),
        (StateKind::Ringback, StateKind::Proceeding)
    );
    let at_door = world.last_new(DOOR);
    assert_eq!(world.info(DOOR, at_door).physical, physical);
    assert_eq!(world.ask(DOOR, Operation::answer(at_door)), Ok(Outcome::Done));
    assert_eq!(world.state(DESK, first), StateKind::Connected);
    world.run(60_000);
    assert_eq!(world.new_calls(DOOR).len(), calls + 1, "the second one waits for the first");
    assert_eq!(world.ask(DOOR, Operation::drop(at_door)), Ok(Outcome::Done));
    world.run(10_000);
    assert_eq!(world.state(DESK, second), StateKind::Ringback);
    assert_eq!(world.ask(DOOR, Operation::answer(world.last_new(DOOR))), Ok(Outcome::Done));
    assert_eq!(world.state(DESK, second), StateKind::Connected);
    assert_eq!(world.nodes[DESK].p.line_status(LINE).unwrap().completions, 0);
    assert!(world.new_calls(DESK).is_empty(), "nobody at the desk is asked");
}

#[test]
fn a_call_completion_ends_when_it_is_cancelled_or_has_lasted_too_long() {
    let mut world = World::new();
    let mut completions = Vec::new();
    for _ in 0..2 {
        let attempt = world.call(DESK, "door");
        let asked =
            world.ask(DESK, Operation::CompleteCall { call: attempt, mode: CompletionMode::CallBack });
        let Ok(Outcome::Completion(completion)) = asked else { panic!("{asked:?}") };
        completions.push(completion);
    }
    let cancel = |completion| Operation::UncompleteCall { line: LINE, completion };
    assert_eq!(world.ask(DESK, cancel(completions[0])), Ok(Outcome::Done));
    let again = world.ask(DESK, cancel(completions[0]));
    assert_eq!(again, Err(OperationError::NoSuchCompletion(completions[0])));
    world.run(3_700_000);
    let ended = |event: &ProviderEvent| matches!(event, ProviderEvent::CompletionEnded { completion, .. } if *completion == completions[1]);
    assert_eq!(world.count(DESK, ended), 1);
    assert_eq!(world.nodes[DESK].p.line_status(LINE).unwrap().completions, 0);
}

#[test]
fn user_information_and_the_physical_call_pass_the_switch() {
    let mut world = World::new();
    let info = |text: &str| UserInfo(text.as_bytes().to_vec());
    let options = CallOptions { user_info: Some(info("with the call")), ..CallOptions::default() };
    let call = world.call_with(ANN, "desk", options);
    let at_desk = world.last_new(DESK);
    assert_eq!(world.info(DESK, at_desk).user_info, Some(info("with the call")));
    assert_eq!(world.info(DESK, at_desk).physical, world.info(ANN, call).physical);
    let accept = Operation::Accept { call: at_desk, user_info: Some(info("accepted")) };
    assert_eq!(world.ask(DESK, accept), Ok(Outcome::Done));
    assert_eq!(world.info(ANN, call).user_info, Some(info("accepted")));
    let answer =
        Operation::Answer { call: at_desk, source: AudioSource::Silence, user_info: Some(info("answered")) };
    assert_eq!(world.ask(DESK, answer), Ok(Outcome::Done));
    let send = Operation::SendUserInfo { call: at_desk, data: info("by itself") };
    assert_eq!(world.ask(DESK, send), Ok(Outcome::Done));
    let drop = Operation::Drop { call: at_desk, reason: RejectReason::Default, user_info: Some(info("bye")) };
    assert_eq!(world.ask(DESK, drop), Ok(Outcome::Done));
    let mut read = Vec::new();
    while let Some(shown) = world.info(ANN, call).user_info {
        read.push(String::from_utf8(shown.0).unwrap());
        assert_eq!(world.ask(ANN, Operation::ReleaseUserInfo { call }), Ok(Outcome::Done));
    }
    assert_eq!(read, ["accepted", "answered", "by itself", "bye"]);
}

#[test]
fn a_line_is_taken_out_of_service_and_back() {
    let mut world = World::new();
    let off = Operation::SetService { line: LINE, on: false };
    assert_eq!(world.ask(DESK, off), Ok(Outcome::Done));
    let state = world.nodes[DESK].p.line_status(LINE).unwrap().state;
    assert!(matches!(state, LineState::OutOfService(_)), "{state:?}");
    let made = Operation::MakeCall {
        line: LINE,
        address: FIRST,
        destination: "door".into(),
        options: CallOptions::default(),
    };
    assert!(matches!(world.ask(DESK, made), Err(OperationError::OutOfService(_))));
    // Nobody reaches it, not even after the time in which a registration would have been refreshed.
    world.run(3_600_000);
    let made = Operation::MakeCall {
        line: LINE,
        address: FIRST,
        destination: "desk".into(),
        options: CallOptions::default(),
    };
    let refused = world.ask(ANN, made);
    assert!(!matches!(refused, Ok(Outcome::Call(_))) || world.new_calls(DESK).is_empty(), "{refused:?}");
    assert_eq!(world.new_calls(DESK).len(), 0);
    assert_eq!(world.ask(DESK, Operation::SetService { line: LINE, on: true }), Ok(Outcome::Done));
    assert_eq!(world.nodes[DESK].p.line_status(LINE).unwrap().state, LineState::InService);
    world.up(ANN, DESK);
    // Closed while it is out of service, it is closed.
    assert_eq!(world.ask(DESK, Operation::SetService { line: LINE, on: false }), Ok(Outcome::Done));
    let now = world.now;
    world.nodes[DESK].p.close_line(now, LINE);
    world.run(1_000);
    assert_eq!(world.nodes[DESK].p.open_lines(), 0);
}

#[test]
fn nothing_is_left_when_all_lines_are_closed() {
    let mut world = World::new();
    let (anns, at_desk) = world.up(ANN, DESK);
    let attempt = world.call(DESK, "door");
    let asked = world.ask(DESK, Operation::CompleteCall { call: attempt, mode: CompletionMode::CallBack });
    assert!(matches!(asked, Ok(Outcome::Completion(_))), "{asked:?}");
    assert!(matches!(
        world.ask(DESK, Operation::Park { call: at_desk, at: ParkAt::Anywhere }),
        Ok(Outcome::Parked(_))
    ));
    assert_eq!(world.state(ANN, anns), StateKind::Connected);
    for node in 0..3 {
        let now = world.now;
        world.nodes[node].p.close_line(now, LINE);
    }
    world.run(120_000);
    for node in &world.nodes {
        let alive = node.p.alive();
        let left = (alive.calls, alive.sessions, alive.transactions, alive.timers, alive.subscriptions);
        assert_eq!(left, (0, 0, 0, 0, 0), "{alive:?}");
    }
}
