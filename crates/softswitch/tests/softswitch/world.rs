//! A switch, phones, and a network between them, in virtual time.

use super::phone::{Manner, Phone};
use bytes::Bytes;
use hookswitch_machine::{
    CloseReason, Endpoint, EndpointId, Entropy, Flow, Input, Machine, Output, Time, Transport,
};
use hookswitch_media::control::{Command, Event as MediaEvent, Port, PortId};
use hookswitch_sip::message::{Message, Method};
use hookswitch_sip::refer::Replaces;
use hookswitch_sip::transaction;
use hookswitch_sip::ua::LegId;
use hookswitch_softswitch::{Account, Config, Event, Features, Limits, Request, Softswitch};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) const SWITCH: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1)), 5060);
pub(crate) const UDP: EndpointId = EndpointId(1);
pub(crate) const TCP: EndpointId = EndpointId(2);
/// How long every message takes.
const DELAY: Duration = Duration::from_millis(5);

#[derive(Clone)]
enum Letter {
    ToSwitch { flow: Flow, bytes: Bytes },
    FromSwitch { flow: Flow, bytes: Bytes },
}

pub(crate) struct World {
    pub(crate) now: Time,
    pub(crate) switch: Softswitch,
    pub(crate) phones: Vec<Phone>,
    pub(crate) events: Vec<Event>,
    pub(crate) media: Vec<Command>,
    /// What went to addresses where no phone is.
    pub(crate) mail: Vec<(Flow, Bytes)>,
    /// While it is there, datagrams are lost, doubled and overtaken.
    pub(crate) chaos: Option<Entropy>,
    letters: BTreeMap<(Time, u64), Letter>,
    posted: u64,
    /// Connections that phones had before.
    connections: u32,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(crate) fn with(limits: Limits) -> Self {
        Self::made(limits, Features::default())
    }

    pub(crate) fn made(limits: Limits, features: Features) -> Self {
        Self::of(limits, features, &[("ann", &[]), ("bob", &[]), ("cat", &[])])
    }

    /// With these users and their groups.
    pub(crate) fn grouped(features: Features, users: &[(&str, &[&str])]) -> Self {
        Self::of(Limits::default(), features, users)
    }

    pub(crate) fn of(limits: Limits, features: Features, users: &[(&str, &[&str])]) -> Self {
        let account = |(user, groups): &(&str, &[&str])| Account {
            user: (*user).into(),
            password: format!("{user}-secret").as_str().into(),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        };
        let config = Config {
            listen: Vec::new(),
            domain: "example.org".into(),
            echo: "600".into(),
            tone: "601".into(),
            music: "602".into(),
            features,
            accounts: users.iter().map(account).collect(),
        };
        let endpoints = vec![
            Endpoint { id: UDP, transport: Transport::Udp, advertised: SWITCH },
            Endpoint { id: TCP, transport: Transport::Tcp, advertised: SWITCH },
        ];
        Self {
            now: Time::from_millis(1_000),
            switch: Softswitch::new(&config, limits, 3, endpoints, Entropy::from_number(1)),
            phones: Vec::new(),
            events: Vec::new(),
            media: Vec::new(),
            mail: Vec::new(),
            chaos: None,
            letters: BTreeMap::new(),
            posted: 0,
            connections: 0,
        }
    }

    /// Adds a phone and registers it.
    pub(crate) fn phone(&mut self, user: &str, transport: Transport, manner: Manner) -> usize {
        let number = self.add(user, &format!("{user}-secret"), transport);
        self.phones[number].manner = manner;
        self.phones[number].register(self.now, 3_600);
        self.run(1);
        number
    }

    pub(crate) fn add(&mut self, user: &str, password: &str, transport: Transport) -> usize {
        let number = self.phones.len();
        self.phones.push(Phone::new(user, password, transport, number as u32));
        number
    }

    pub(crate) fn stock(&mut self, ports: u64) {
        let ports =
            (0..ports).map(|n| Port { id: PortId(n), rtp: ([192, 0, 2, 1], 4_000 + 2 * n as u16).into() });
        let event = MediaEvent::Stocked { ports: ports.collect() };
        self.input(Input::Media(event));
    }

    pub(crate) fn input(&mut self, input: Input<Request, MediaEvent>) {
        self.switch.handle(self.now, input);
        while let Some(output) = self.switch.poll() {
            match output {
                Output::Transmit { flow, bytes } => {
                    self.post(Letter::FromSwitch { flow, bytes });
                }
                Output::Event(event) => self.events.push(event),
                Output::Media(command) => self.media.push(command),
                Output::Resolve { .. } => panic!("nothing is to be looked up"),
            }
        }
    }

    fn post(&mut self, letter: Letter) {
        let (Letter::ToSwitch { flow, .. } | Letter::FromSwitch { flow, .. }) = &letter;
        let mut times = vec![DELAY];
        if let (Some(chance), 0) = (&mut self.chaos, flow.connection) {
            match chance.below(100) {
                0..15 => times.clear(),
                15..22 => times.push(DELAY + Duration::from_millis(chance.below(400))),
                22..40 => times = vec![DELAY + Duration::from_millis(chance.below(400))],
                _ => {}
            }
        }
        for time in times {
            self.posted += 1;
            self.letters.insert((self.now + time, self.posted), letter.clone());
        }
    }

    /// A hand-written message reaches the switch by UDP from this address.
    pub(crate) fn send(&mut self, from: SocketAddr, text: &str) {
        let flow = Flow::to(UDP, from);
        self.input(Input::Received { flow, bytes: Bytes::copy_from_slice(text.as_bytes()) });
    }

    pub(crate) fn close(&mut self, phone: usize) {
        let flow = self.flow_to(phone);
        self.input(Input::FlowClosed { flow, reason: CloseReason::Ended });
    }

    /// A phone on a stream opens a new connection in place of the old one.
    pub(crate) fn reconnect(&mut self, phone: usize) {
        self.close(phone);
        self.connections += 1;
        self.phones[phone].connections = self.connections;
        self.phones[phone].register(self.now, 3_600);
        self.run(1);
    }

    /// How the switch sees a phone.
    pub(crate) fn flow_to(&self, phone: usize) -> Flow {
        let phone_ = &self.phones[phone];
        if phone_.flow.connection == 0 {
            Flow::to(UDP, phone_.address)
        } else {
            let peer = SocketAddr::new(phone_.address.ip(), 40_000 + phone_.connections as u16);
            Flow { endpoint: TCP, connection: phone as u32 + 1 + phone_.connections * 1_000, peer }
        }
    }

    /// Collects what the phones want to send and what their transactions say.
    fn collect(&mut self) {
        for number in 0..self.phones.len() {
            let flow = self.flow_to(number);
            while let Some(output) = self.phones[number].layer.poll() {
                match output {
                    transaction::Output::Transmit { bytes, .. } => {
                        self.post(Letter::ToSwitch { flow, bytes });
                    }
                    other => {
                        let phone = &mut self.phones[number];
                        let indication = phone.agent.transaction_event(self.now, &mut phone.layer, &other);
                        phone.react(self.now, indication, None);
                    }
                }
            }
        }
    }

    /// Lets so many seconds pass.
    pub(crate) fn run(&mut self, seconds: u64) {
        self.run_for(Duration::from_secs(seconds));
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.collect();
            let mut next = self.letters.first_key_value().map(|((at, _), _)| *at);
            let timeouts = self.phones.iter().map(Phone::next_timeout).chain([self.switch.timeout()]);
            for at in timeouts.flatten() {
                next = Some(next.map_or(at, |n| n.min(at)));
            }
            let Some(next) = next.filter(|at| *at <= end) else { break };
            self.now = self.now.max(next);
            while let Some(first) = self.letters.first_entry()
                && first.key().0 <= self.now
            {
                let letter = first.remove();
                self.deliver(letter);
            }
            if self.switch.timeout().is_some_and(|at| at <= self.now) {
                self.input(Input::Timeout);
            }
            for phone in &mut self.phones {
                if phone.next_timeout().is_some_and(|at| at <= self.now) {
                    phone.timeout(self.now);
                }
            }
        }
        self.now = end;
    }

    fn deliver(&mut self, letter: Letter) {
        match letter {
            Letter::ToSwitch { flow, bytes } => self.input(Input::Received { flow, bytes }),
            Letter::FromSwitch { flow, bytes } => {
                let found = (0..self.phones.len()).find(|number| self.flow_to(*number) == flow);
                match found {
                    Some(number) => {
                        let phone = &mut self.phones[number];
                        phone.receive(self.now, phone.flow, bytes);
                    }
                    None => self.mail.push((flow, bytes)),
                }
            }
        }
    }

    /// The responses that went to an address without phone.
    pub(crate) fn statuses_at(&self, address: SocketAddr) -> Vec<u16> {
        let here = self.mail.iter().filter(|(flow, _)| flow.peer == address);
        here.filter_map(|(_, bytes)| Message::parse(bytes.clone(), &Default::default()).ok()?.status())
            .collect()
    }

    /// Ends all calls and lets everything come to rest, registrations that were lost included.
    pub(crate) fn calm_down(&mut self) {
        self.chaos = None;
        self.run(40);
        for phone in &mut self.phones {
            for leg in phone.legs.drain(..) {
                // Most are gone.
                let _ = phone.agent.hang_up(self.now, &mut phone.layer, leg, None);
            }
        }
        self.run(3_700);
    }

    /// One phone calls another, which answers.
    pub(crate) fn talk(&mut self, one: usize, other: usize) -> LegId {
        let manner = std::mem::replace(&mut self.phones[other].manner, Manner::Answers);
        let user = self.phones[other].user.clone();
        let leg = self.phones[one].call(self.now, &user);
        self.run(1);
        self.phones[other].manner = manner;
        leg
    }

    /// A phone sends its other side elsewhere.
    pub(crate) fn refer(&mut self, phone: usize, leg: LegId, to: &str) {
        let now = self.now;
        let phone = &mut self.phones[phone];
        let fields = format!("Refer-To: {to}\r\n");
        phone.agent.send_within(now, &mut phone.layer, leg, Method::Refer, &fields, None).unwrap();
        self.run(1);
    }

    /// What names a dialog of a phone to its other side.
    pub(crate) fn replaces(&self, phone: usize, leg: LegId) -> Replaces {
        Replaces::of(self.phones[phone].agent.dialog(leg).unwrap())
    }

    /// Takes all registrations back, waits, and looks for what was left behind.
    pub(crate) fn drain(&mut self) {
        for phone in &mut self.phones {
            phone.register(self.now, 0);
        }
        self.run(1);
        self.input(Input::Request(Request::Drain));
        self.run(300);
        let counts = self.switch.counts();
        assert!(counts.is_idle(), "{counts:#?}");
        let starts = self.media.iter().filter(|c| matches!(c, Command::Start { .. })).count();
        let stops = self.media.iter().filter(|c| matches!(c, Command::Stop { .. })).count();
        assert_eq!(starts, stops);
        for phone in &self.phones {
            let (user, address) = (&phone.user, phone.address);
            assert!(phone.layer.is_idle(), "{user} {address}: {:?}", phone.layer.counts());
            let agent = &phone.agent;
            assert_eq!((agent.live_legs(), agent.live_requests(), agent.live_timers()), (0, 0, 0), "{user}");
        }
    }

    pub(crate) fn has_event(&self, wanted: impl Fn(&Event) -> bool) -> bool {
        self.events.iter().any(wanted)
    }
}
