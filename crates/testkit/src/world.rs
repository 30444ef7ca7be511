//! The driver of a simulation: machines, their network, their media devices, names, and virtual time.

use crate::device::VirtualMedia;
use crate::net::{Conditions, Datagram, Fate, Network};
use bytes::Bytes;
use hookswitch_machine::{
    EndpointId, Entropy, Flow, Input, Machine, Output, QueryId, Question, ResolveError, Target, Time,
};
use hookswitch_media::control::{Command, Event as MediaEvent};
use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::time::Duration;

/// Names a machine in a [`World`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(usize);

/// What a machine of any type can be given.
enum Happening {
    Received { flow: Flow, bytes: Bytes },
    Resolved { query: QueryId, answer: Result<Vec<Target>, ResolveError> },
    Media(MediaEvent),
    Timeout,
}

/// What a machine of any type wants done.
enum Doing {
    Transmit { flow: Flow, bytes: Bytes },
    Resolve { query: QueryId, question: Question },
    Media(Command),
}

/// A machine of any type.
trait Actor: Any {
    fn happen(&mut self, now: Time, what: Happening);
    fn doing(&mut self, now: Time) -> Option<Doing>;
    fn timeout(&self) -> Option<Time>;
}

/// A machine with what it has told so far.
struct Cast<M: Machine> {
    machine: M,
    told: VecDeque<(Time, M::Event)>,
}

impl<M> Actor for Cast<M>
where
    M: Machine<MediaCommand = Command, MediaEvent = MediaEvent> + 'static,
{
    fn happen(&mut self, now: Time, what: Happening) {
        let input = match what {
            Happening::Received { flow, bytes } => Input::Received { flow, bytes },
            Happening::Resolved { query, answer } => Input::Resolved { query, answer },
            Happening::Media(event) => Input::Media(event),
            Happening::Timeout => Input::Timeout,
        };
        self.machine.handle(now, input);
    }

    fn doing(&mut self, now: Time) -> Option<Doing> {
        loop {
            return Some(match self.machine.poll()? {
                Output::Transmit { flow, bytes } => Doing::Transmit { flow, bytes },
                Output::Resolve { query, question, .. } => Doing::Resolve { query, question },
                Output::Media(command) => Doing::Media(command),
                Output::Event(event) => {
                    self.told.push_back((now, event));
                    continue;
                }
            });
        }
    }

    fn timeout(&self) -> Option<Time> {
        self.machine.timeout()
    }
}

struct Node {
    name: String,
    address: SocketAddr,
    actor: Box<dyn Actor>,
    media: Option<VirtualMedia>,
    /// Answers to look-ups.
    answers: VecDeque<(Time, QueryId, Result<Vec<Target>, ResolveError>)>,
}

/// A datagram that crossed the wire, or tried to.
#[derive(Clone, Debug)]
pub struct Crossing {
    /// When it was sent, or arrived.
    pub at: Time,
    /// Sent, with its fate, or arrived.
    pub what: Passage,
    /// Who sent it.
    pub from: SocketAddr,
    /// Who was to have it.
    pub to: SocketAddr,
    /// What it holds.
    pub bytes: Bytes,
}

/// Which end of its way a datagram was seen at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Passage {
    /// It left, and this became of it.
    Sent(Fate),
    /// It arrived.
    Arrived,
}

/// Addresses that no machine listens at take datagrams for tests to look at.
pub type Caught = VecDeque<(Time, Datagram)>;

/// Machines of any type in virtual time.
pub struct World {
    now: Time,
    nodes: Vec<Node>,
    network: Network,
    names: BTreeMap<String, Vec<Target>>,
    wire: Vec<Crossing>,
    caught: BTreeMap<SocketAddr, Caught>,
    hash: u64,
    keys: hookswitch_machine::HashKeys,
}

/// How long a look-up takes.
const LOOK_UP: Duration = Duration::from_millis(30);
/// The endpoint that every machine in a world has.
pub const ENDPOINT: EndpointId = EndpointId(1);

impl World {
    /// An empty world.
    pub fn new(conditions: Conditions, entropy: Entropy) -> Self {
        Self {
            now: Time::ZERO,
            nodes: Vec::new(),
            network: Network::new(conditions, entropy),
            names: BTreeMap::new(),
            wire: Vec::new(),
            caught: BTreeMap::new(),
            hash: 0,
            keys: hookswitch_machine::HashKeys::default(),
        }
    }

    /// What time it is.
    pub const fn now(&self) -> Time {
        self.now
    }

    /// The network.
    pub const fn network(&mut self) -> &mut Network {
        &mut self.network
    }

    /// Whether two hosts are cut off from each other.
    pub fn is_cut(&self, a: std::net::IpAddr, b: std::net::IpAddr) -> bool {
        self.network.is_cut(a, b)
    }

    /// Adds a machine that sends and receives datagrams at one address, as its endpoint [`ENDPOINT`].
    pub fn add<M>(
        &mut self,
        name: &str,
        address: SocketAddr,
        machine: M,
        media: Option<VirtualMedia>,
    ) -> NodeId
    where
        M: Machine<MediaCommand = Command, MediaEvent = MediaEvent> + 'static,
    {
        let actor = Box::new(Cast { machine, told: VecDeque::new() });
        self.nodes.push(Node { name: name.into(), address, actor, media, answers: VecDeque::new() });
        NodeId(self.nodes.len() - 1)
    }

    /// Watches an address that no machine listens at: what arrives there can be [`taken`](Self::take).
    pub fn watch(&mut self, address: SocketAddr) {
        self.caught.entry(address).or_default();
    }

    /// What arrived first at a watched address.
    pub fn take(&mut self, address: SocketAddr) -> Option<(Time, Datagram)> {
        self.caught.get_mut(&address)?.pop_front()
    }

    /// Makes a host name known.
    pub fn name(&mut self, host: &str, targets: Vec<Target>) {
        self.names.insert(host.to_ascii_lowercase(), targets);
    }

    /// A machine.
    ///
    /// # Panics
    /// If the node is of another type: a mistake in the test.
    pub fn machine<M: Machine + 'static>(&self, node: NodeId) -> &M {
        let actor: &dyn Any = &*self.nodes[node.0].actor;
        &actor.downcast_ref::<Cast<M>>().expect("the node holds another type of machine").machine
    }

    fn cast<M: Machine + 'static>(&mut self, node: NodeId) -> &mut Cast<M> {
        let actor: &mut dyn Any = &mut *self.nodes[node.0].actor;
        actor.downcast_mut::<Cast<M>>().expect("the node holds another type of machine")
    }

    /// The next thing that a machine told its users.
    pub fn told<M: Machine + 'static>(&mut self, node: NodeId) -> Option<(Time, M::Event)> {
        self.cast::<M>(node).told.pop_front()
    }

    /// Asks something of a machine.
    pub fn request<M: Machine + 'static>(&mut self, node: NodeId, request: M::Request) {
        let now = self.now;
        self.cast::<M>(node).machine.handle(now, Input::Request(request));
        self.drain(node);
    }

    /// The media device of a machine.
    pub fn media(&self, node: NodeId) -> Option<&VirtualMedia> {
        self.nodes[node.0].media.as_ref()
    }

    /// The media device of a machine.
    pub fn media_mut(&mut self, node: NodeId) -> Option<&mut VirtualMedia> {
        self.nodes[node.0].media.as_mut()
    }

    /// Has the media device of a machine report something.
    pub fn report(&mut self, node: NodeId, event: MediaEvent) {
        self.happen(node, Happening::Media(event));
    }

    /// Sends a datagram from an address that need not belong to a machine.
    pub fn inject(&mut self, from: SocketAddr, to: SocketAddr, bytes: impl Into<Bytes>) {
        self.send(Datagram { from, to, bytes: bytes.into() });
    }

    /// Everything that crossed the wire so far.
    pub fn wire(&self) -> &[Crossing] {
        &self.wire
    }

    /// A number that stands for everything that crossed the wire so far.
    pub const fn trace_hash(&self) -> u64 {
        self.hash
    }

    /// The name of the machine at an address, or the address.
    pub fn name_of(&self, address: SocketAddr) -> String {
        let node = self.nodes.iter().find(|node| node.address == address);
        node.map_or_else(|| address.to_string(), |node| node.name.clone())
    }

    /// When something happens next.
    pub fn next(&self) -> Option<Time> {
        let nodes = self.nodes.iter().flat_map(|node| {
            let media = node.media.as_ref().and_then(VirtualMedia::next);
            let answer = node.answers.front().map(|(at, ..)| *at);
            [node.actor.timeout(), media, answer].into_iter().flatten()
        });
        nodes.chain(self.network.next()).min().map(|at| at.max(self.now))
    }

    /// Lets the next thing happen, if anything is to happen by `limit`; else it is `limit` now. False: nothing happened.
    pub fn step(&mut self, limit: Time) -> bool {
        let Some(at) = self.next().filter(|at| *at <= limit) else {
            if limit != Time::FAR {
                self.now = self.now.max(limit);
            }
            return false;
        };
        self.now = at;
        if let Some(datagram) = self.network.pop(at) {
            self.arrive(datagram);
            return true;
        }
        for n in 0..self.nodes.len() {
            let node = &mut self.nodes[n];
            let report = node.media.as_mut().and_then(|media| media.pop(at));
            let answer = match node.answers.front() {
                Some((due, ..)) if *due <= at => node.answers.pop_front(),
                Some(_) | None => None,
            };
            if let Some(event) = report {
                self.happen(NodeId(n), Happening::Media(event));
            }
            if let Some((_, query, answer)) = answer {
                self.happen(NodeId(n), Happening::Resolved { query, answer });
            }
            if self.nodes[n].actor.timeout().is_some_and(|due| due <= at) {
                self.happen(NodeId(n), Happening::Timeout);
            }
        }
        true
    }

    /// Lets everything happen that is to happen by `limit`.
    pub fn run_until(&mut self, limit: Time) {
        while self.step(limit) {}
    }

    /// Lets everything happen that is to happen within `span` from now.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    fn arrive(&mut self, datagram: Datagram) {
        let Datagram { from, to, bytes } = datagram;
        self.record(Passage::Arrived, from, to, &bytes);
        if let Some(node) = self.nodes.iter().position(|node| node.address == to) {
            let flow = Flow::to(ENDPOINT, from);
            self.happen(NodeId(node), Happening::Received { flow, bytes });
        } else if let Some(caught) = self.caught.get_mut(&to) {
            caught.push_back((self.now, Datagram { from, to, bytes }));
        }
    }

    fn happen(&mut self, node: NodeId, what: Happening) {
        let now = self.now;
        self.nodes[node.0].actor.happen(now, what);
        self.drain(node);
    }

    /// Does what a machine wants done.
    fn drain(&mut self, id: NodeId) {
        loop {
            let now = self.now;
            let node = &mut self.nodes[id.0];
            let Some(doing) = node.actor.doing(now) else { return };
            match doing {
                Doing::Transmit { flow, bytes } => {
                    let from = node.address;
                    self.send(Datagram { from, to: flow.peer, bytes });
                }
                Doing::Resolve { query, question } => {
                    let found = self.names.get(&question.host.to_ascii_lowercase()).cloned();
                    let answer = found.filter(|found| !found.is_empty()).ok_or(ResolveError::NotFound);
                    node.answers.push_back((now + LOOK_UP, query, answer));
                }
                Doing::Media(command) => {
                    if let Some(media) = &mut node.media {
                        media.command(now, command);
                    }
                }
            }
        }
    }

    fn send(&mut self, datagram: Datagram) {
        let Datagram { from, to, bytes } = datagram.clone();
        let fate = self.network.send(self.now, datagram);
        self.record(Passage::Sent(fate), from, to, &bytes);
    }

    fn record(&mut self, what: Passage, from: SocketAddr, to: SocketAddr, bytes: &Bytes) {
        let mut hasher = self.keys.build_hasher();
        hasher.write_u64(self.hash);
        hasher.write_u64(self.now.as_nanos());
        hasher.write_u16(from.port() ^ to.port().rotate_left(3));
        hasher.write(bytes);
        self.hash = hasher.finish();
        self.wire.push(Crossing { at: self.now, what, from, to, bytes: bytes.clone() });
    }
}
