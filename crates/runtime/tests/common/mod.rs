//! What the tests share: a machine that echoes, a sink that passes on, deadlines.
// Every test file uses a part of it.
#![allow(dead_code, unreachable_pub)]

use bytes::Bytes;
use hookswitch_machine::{
    CloseReason, Flow, Input, Machine, Output, QueryId, Question, ResolveError, Target, Time, Transport,
};
use hookswitch_runtime::{Bound, Clock, Driver, Listen, Options, Running, Sink};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Long enough for a loaded machine; reached only by a failing test.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// What the users of [`Echo`] can ask.
#[derive(Debug)]
pub enum Ask {
    Send(Flow, Bytes),
    /// Report when this much time has passed.
    Timer(Duration),
    Resolve(Question, Duration),
    /// Echo nothing from now on.
    Mute,
    /// Keep the thread busy until the channel closes.
    Block(Receiver<()>),
    /// Panic.
    Fail,
    /// Report this.
    Ping(u32),
}

/// What [`Echo`] tells.
#[derive(Debug, PartialEq)]
pub enum Told {
    Received(usize, Flow, Bytes),
    Closed(usize, Flow, CloseReason),
    Fired { wanted: Time, now: Time },
    Resolved(Result<Vec<Target>, ResolveError>),
    Pong(u32),
    Media(u32),
}

/// Sends back what it gets and tells everything.
pub struct Echo {
    pub shard: usize,
    pub quiet: bool,
    mute: bool,
    timer: Option<Time>,
    queries: u64,
    outputs: VecDeque<Output<Told, ()>>,
}

impl Echo {
    pub fn new(shard: usize) -> Self {
        Self { shard, quiet: false, mute: false, timer: None, queries: 0, outputs: VecDeque::new() }
    }

    fn tell(&mut self, told: Told) {
        self.outputs.push_back(Output::Event(told));
    }
}

impl Machine for Echo {
    type Request = Ask;
    type Event = Told;
    type MediaCommand = ();
    type MediaEvent = u32;

    fn handle(&mut self, now: Time, input: Input<Ask, u32>) {
        match input {
            Input::Received { flow, bytes } => {
                if !self.quiet {
                    self.tell(Told::Received(self.shard, flow, Bytes::copy_from_slice(&bytes)));
                }
                if !self.mute {
                    self.outputs.push_back(Output::Transmit { flow, bytes });
                }
            }
            Input::FlowClosed { flow, reason } => self.tell(Told::Closed(self.shard, flow, reason)),
            Input::Resolved { answer, .. } => self.tell(Told::Resolved(answer)),
            Input::Media(number) => self.tell(Told::Media(number)),
            Input::Request(Ask::Send(flow, bytes)) => {
                self.outputs.push_back(Output::Transmit { flow, bytes });
            }
            Input::Request(Ask::Timer(after)) => self.timer = Some(now + after),
            Input::Request(Ask::Resolve(question, within)) => {
                self.queries += 1;
                let query = QueryId(self.queries);
                self.outputs.push_back(Output::Resolve { query, question, deadline: now + within });
            }
            Input::Request(Ask::Mute) => self.mute = true,
            Input::Request(Ask::Block(until)) => {
                let _ = until.recv();
            }
            Input::Request(Ask::Fail) => panic!("as the test asked for"),
            Input::Request(Ask::Ping(number)) => self.tell(Told::Pong(number)),
            Input::Timeout => {
                if let Some(wanted) = self.timer.take_if(|at| *at <= now) {
                    self.tell(Told::Fired { wanted, now });
                }
            }
        }
    }

    fn poll(&mut self) -> Option<Output<Told, ()>> {
        self.outputs.pop_front()
    }

    fn timeout(&self) -> Option<Time> {
        self.timer
    }
}

/// Passes events to the test.
pub struct Tell(Sender<Told>);

impl Sink<Echo> for Tell {
    fn event(&self, event: Told) {
        let _ = self.0.send(event);
    }

    fn media(&self, (): ()) {}
}

/// A message as streams carry it.
pub fn message(text: &str) -> Bytes {
    Bytes::from(format!("{text} sip:peer SIP/2.0\r\nContent-Length: 0\r\n\r\n"))
}

/// A driver of echoing machines, and what they tell.
pub struct Echoing {
    pub running: Running<Echo>,
    pub told: Receiver<Told>,
}

impl Echoing {
    pub fn start(listen: &[(Transport, &str)]) -> Self {
        Self::with(listen, Options::default(), 1, |_| {})
    }

    pub fn with(
        listen: &[(Transport, &str)],
        options: Options,
        shards: usize,
        prepare: impl Fn(&mut Echo),
    ) -> Self {
        let listen: Vec<_> = listen
            .iter()
            .map(|&(transport, address)| Listen::on(transport, address.parse().unwrap()))
            .collect();
        let bound = Bound::open(&listen, shards).unwrap();
        let (tell, told) = channel();
        let machines = (0..shards)
            .map(|shard| {
                let mut echo = Echo::new(shard);
                prepare(&mut echo);
                (echo, Tell(tell.clone()))
            })
            .collect();
        let running = Driver::new(bound, Clock::start())
            .options(options)
            // The first byte of a message names its shard.
            .steer(|bytes, _| bytes.first().map_or(usize::MAX, |byte| usize::from(byte.wrapping_sub(b'0'))))
            .start(machines)
            .unwrap();
        Self { running, told }
    }

    pub fn address(&self, endpoint: usize) -> SocketAddr {
        self.running.endpoints()[endpoint].advertised
    }

    pub fn ask(&self, ask: Ask) {
        self.running.shards()[0].request(ask).unwrap();
    }

    pub fn next(&self) -> Told {
        self.told.recv_timeout(DEADLINE).expect("nothing told before the deadline")
    }

    pub fn stop(self) {
        self.running.shutdown(DEADLINE).unwrap();
    }
}
