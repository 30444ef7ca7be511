//! One engine in virtual time, without sockets and threads: what calls cost in memory and in instructions of ours.
//!
//! Calls come at 5,000 a second and are answered and confirmed; they are held until their INVITE transactions are gone; then the
//! caller ends them all, the application lets go of them, and the last transactions linger and go. That is done twice: the second
//! time may need no more than the first, and afterwards nothing may be left.

use crate::arguments::MemoryOptions;
use crate::counting::{self, Counts};
use crate::fault::Fault;
use crate::report;
use bytes::{Bytes, BytesMut};
use hookswitch_engine::{Engine, EngineConfig, Notice, Request};
use hookswitch_machine::{
    Endpoint, EndpointId, Entropy, Flow, Input, Machine, Output, Target, Time, Transport,
};
use hookswitch_media::control::{Command, Event as MediaEvent, Port, PortId, Statistics, StreamId};
use hookswitch_provider::{Account, Alive, Profile, ProviderConfig, Server};
use hookswitch_spi::{CallId, CallState, ForwardingRules, LineId, MediaTypes, Operation};
use hookswitch_telephony::{AppRequestId, Event, Interest, Request as Asked, SessionId};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SESSION: SessionId = SessionId(1);
const LINE: LineId = LineId(0);
/// Between two calls: 5,000 a second.
const APART: Duration = Duration::from_micros(200);
/// Longer than any transaction lingers (RFC 3261 17: 64·T1 is 32 s).
const LINGER: Duration = Duration::from_secs(35);
/// What may be left after the calls, of what they needed at most; and by how much the second peak may exceed the first.
const TOLERANCE: f64 = 0.05;

/// The figures.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    pub(crate) calls: u32,
    /// Live octets per confirmed call, nothing lingering.
    pub(crate) per_held_call: i64,
    /// The same with the INVITE transaction that lingers after the answer.
    pub(crate) per_call_and_transaction: i64,
    pub(crate) per_invite_transaction: i64,
    pub(crate) per_bye_transaction: i64,
    /// From INVITE to the last release.
    pub(crate) allocations: f64,
    /// Time per call: INVITE, answer, ACK, BYE, release, timers.
    pub(crate) steps: [Duration; 6],
    /// Most octets live at a time above the beginning, in both runs.
    pub(crate) peaks: [i64; 2],
    /// Octets live above the beginning after both runs.
    pub(crate) left: [i64; 2],
}

pub(crate) fn run(options: &MemoryOptions) -> Result<(), Fault> {
    let calls = options.calls.max(1);
    counting::start();
    let mut bench = Bench::new(calls)?;
    let start = counting::counts().live;
    let mut memory = bench.round(start)?;
    let again = bench.round(start)?;
    memory.peaks[1] = again.peaks[0];
    memory.left[1] = again.left[0];
    // Warm: the second round's.
    memory.steps = again.steps;
    memory.allocations = again.allocations;

    println!("{}", report::memory_lines(&memory));
    if let Some(output) = &options.output {
        report::write_memory(output, &memory)?;
    }
    verdict(&memory)?;
    println!(
        "memory: held {} bytes lingering {} bytes left {} bytes of a peak of {}",
        memory.per_held_call, memory.per_bye_transaction, memory.left[1], memory.peaks[1]
    );
    Ok(())
}

/// The leak gate.
fn verdict(memory: &Memory) -> Result<(), Fault> {
    let allowed = (memory.peaks[0] as f64 * TOLERANCE) as i64;
    if memory.peaks[1] > memory.peaks[0] + allowed {
        let message =
            format!("the second run peaked at {} bytes, the first at {}", memory.peaks[1], memory.peaks[0]);
        return Err(Fault::Measurement(message));
    }
    if memory.left.iter().any(|left| *left > allowed) {
        let message = format!("{:?} bytes are left after the calls, at most {allowed} may be", memory.left);
        return Err(Fault::Measurement(message));
    }
    Ok(())
}

/// What the caller has to remember of a call; of fixed size, so that it is no part of what is counted.
#[derive(Clone, Copy)]
struct Remembered {
    call: CallId,
    /// Tag and Contact of the other side, as they stand in its 200.
    text: [u8; 192],
    tag: usize,
    contact: usize,
}

struct Bench {
    engine: Engine,
    now: Time,
    flow: Flow,
    calls: Vec<Remembered>,
    wanted: u32,
    /// Of which round: Call-IDs differ.
    round: u32,
    slab: BytesMut,
    text: String,
    next_request: u64,
    next_port: u64,
    ports: Vec<Port>,
    stopped: Vec<StreamId>,
    offered: Option<CallId>,
    over: Option<CallId>,
    completed: u32,
    refused: Option<String>,
    last: Option<Bytes>,
    /// With the line open and no call.
    alive: Alive,
}

impl Bench {
    fn new(calls: u32) -> Result<Self, Fault> {
        let server: Server = "127.0.0.1:9".parse().map_err(Fault::Measurement)?;
        let account = Account {
            name: "bench".to_owned(),
            permanent: 0,
            profile: Arc::new(Profile::default()),
            domain: server.hostport(),
            registrar: server,
            user: "bench".to_owned(),
            auth_user: "bench".to_owned(),
            password: "".into(),
            realm: None,
            display_name: String::new(),
            register: false,
            numbers: Vec::new(),
            accept_from: vec!["127.0.0.1".parse().map_err(Fault::Measurement)?],
            max_calls: 100_000,
            media: MediaTypes::VOICE,
            forward: ForwardingRules::default(),
        };
        let local = SocketAddr::from(([127, 0, 0, 1], 5060));
        let endpoint = Endpoint { id: EndpointId(0), transport: Transport::Udp, advertised: local };
        // A short timeline, so that filling it for the first time is no part of what calls need.
        let telephony = hookswitch_telephony::Config { timeline_entries: 1_024, ..Default::default() };
        let config = EngineConfig { provider: ProviderConfig::new(vec![endpoint], vec![account]), telephony };
        let mut bench = Self {
            engine: Engine::new(config, Entropy::from_number(1)),
            now: Time::from_millis(1),
            flow: Flow::to(EndpointId(0), SocketAddr::from(([127, 0, 0, 1], 6000))),
            calls: Vec::with_capacity(calls as usize),
            wanted: calls,
            round: 0,
            slab: BytesMut::with_capacity(1 << 20),
            text: String::with_capacity(4_096),
            next_request: 1,
            next_port: 1,
            ports: Vec::with_capacity(128),
            stopped: Vec::with_capacity(128),
            offered: None,
            over: None,
            completed: 0,
            refused: None,
            last: None,
            alive: Alive::default(),
        };
        bench.stock(64);
        bench.ask(Asked::attach("bench", Duration::ZERO));
        bench.ask(Asked::OpenLine { line: LINE, interest: Interest::owner(MediaTypes::VOICE) });
        if bench.completed != 2 {
            return Err(Fault::Measurement(format!("the line cannot be opened: {:?}", bench.refused)));
        }
        bench.alive = bench.engine.alive();
        Ok(bench)
    }

    /// All calls once, from INVITE to the end of the last transaction.
    fn round(&mut self, start: i64) -> Result<Memory, Fault> {
        self.round += 1;
        self.calls.clear();
        let wanted = self.wanted;
        let mut memory = Memory { calls: wanted, ..Memory::default() };
        let mut spent = [Duration::ZERO; 6];
        counting::forget_peak();
        let before = counting::counts();
        for number in 0..wanted {
            let begin = self.now + APART;
            spent[5] += timed(|| self.advance(begin));
            self.set_up(number, &mut spent)?;
        }
        let talking = counting::counts();
        spent[5] += timed(|| self.advance(self.now + LINGER));
        let held = counting::counts();
        for number in 0..wanted {
            let begin = self.now + APART;
            spent[5] += timed(|| self.advance(begin));
            self.hang_up(number, &mut spent)?;
        }
        let ended = counting::counts();
        spent[5] += timed(|| self.advance(self.now + LINGER));
        let after = counting::counts();

        let each = |more: Counts, less: Counts| (more.live - less.live) / i64::from(wanted);
        memory.per_call_and_transaction = each(talking, before);
        memory.per_held_call = each(held, before);
        memory.per_invite_transaction = each(talking, held);
        memory.per_bye_transaction = each(ended, after);
        memory.allocations = (after.allocations - before.allocations) as f64 / f64::from(wanted);
        memory.steps = spent.map(|spent| spent / wanted);
        memory.peaks[0] = after.peak - start;
        memory.left[0] = after.live - start;
        let (alive, line) = (self.engine.alive(), self.alive);
        if alive.calls + alive.sessions + alive.transactions > 0 || alive.timers != line.timers {
            return Err(Fault::Measurement(format!("still alive after the calls: {alive:?}")));
        }
        Ok(memory)
    }

    fn set_up(&mut self, number: u32, spent: &mut [Duration; 6]) -> Result<(), Fault> {
        let invite = self.message("INVITE", number, None);
        spent[0] += timed(|| self.receive(invite));
        let Some(call) = self.offered.take() else {
            return Err(Fault::Measurement(format!(
                "call {number} was not offered; last sent: {:?}",
                self.last
            )));
        };
        let before = self.completed;
        spent[1] += timed(|| self.ask(Asked::Operate(Operation::answer(call))));
        let remembered = self.last.take().and_then(|response| remember(call, &response));
        let Some(remembered) = remembered else {
            return Err(Fault::Measurement(format!("call {number} was not answered: {:?}", self.refused)));
        };
        let ack = self.message("ACK", number, Some(&remembered));
        spent[2] += timed(|| self.receive(ack));
        if self.completed != before + 1 {
            return Err(Fault::Measurement(format!(
                "the answer of call {number} has not completed: {:?}",
                self.refused
            )));
        }
        self.calls.push(remembered);
        Ok(())
    }

    fn hang_up(&mut self, number: u32, spent: &mut [Duration; 6]) -> Result<(), Fault> {
        let Some(remembered) = self.calls.get(number as usize).copied() else {
            return Err(Fault::Measurement(format!("call {number} was never set up")));
        };
        let bye = self.message("BYE", number, Some(&remembered));
        spent[3] += timed(|| self.receive(bye));
        if self.over.take() != Some(remembered.call) {
            return Err(Fault::Measurement(format!(
                "call {number} has not ended; last sent: {:?}",
                self.last
            )));
        }
        spent[4] += timed(|| self.ask(Asked::Release { call: remembered.call }));
        Ok(())
    }

    fn receive(&mut self, bytes: Bytes) {
        self.input(Input::Received { flow: self.flow, bytes });
    }

    fn ask(&mut self, what: Asked) {
        let request = AppRequestId(self.next_request);
        self.next_request += 1;
        self.input(Input::Request(Request::Session { session: SESSION, request, what }));
    }

    fn stock(&mut self, count: u64) {
        let ports = (0..count).map(|_| {
            self.next_port += 1;
            Port { id: PortId(self.next_port), rtp: SocketAddr::from(([127, 0, 0, 1], 20_000)) }
        });
        let ports: Vec<Port> = ports.collect();
        self.input(Input::Media(MediaEvent::Stocked { ports }));
    }

    /// Runs every timer that is due until `until`.
    fn advance(&mut self, until: Time) {
        while let Some(at) = self.engine.timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.input(Input::Timeout);
        }
        self.now = until;
    }

    fn input(&mut self, input: Input<Request, MediaEvent>) {
        self.engine.handle(self.now, input);
        self.outputs();
        // The media threads answer.
        while let Some(stream) = self.stopped.pop() {
            let stopped = MediaEvent::Stopped { stream, statistics: Statistics::default() };
            self.engine.handle(self.now, Input::Media(stopped));
            self.outputs();
        }
        if self.ports.len() >= 16 {
            let ports = self.ports.clone();
            self.ports.clear();
            self.engine.handle(self.now, Input::Media(MediaEvent::Stocked { ports }));
            self.outputs();
        }
    }

    fn outputs(&mut self) {
        while let Some(output) = self.engine.poll() {
            match output {
                Output::Transmit { bytes, .. } => self.last = Some(bytes),
                Output::Resolve { query, .. } => {
                    let target = Target { transport: Transport::Udp, address: ([127, 0, 0, 1], 9).into() };
                    self.engine.handle(self.now, Input::Resolved { query, answer: Ok(vec![target]) });
                }
                Output::Media(command) => self.media(&command),
                Output::Event(notice) => self.notice(notice),
            }
        }
    }

    fn media(&mut self, command: &Command) {
        match command {
            Command::Start { .. } | Command::Return { .. } => {
                self.next_port += 1;
                let rtp = SocketAddr::from(([127, 0, 0, 1], 20_000));
                self.ports.push(Port { id: PortId(self.next_port), rtp });
            }
            Command::Stop { stream } => self.stopped.push(*stream),
            Command::Configure { .. }
            | Command::Send { .. }
            | Command::Pause { .. }
            | Command::Gain { .. }
            | Command::StartLocal { .. }
            | Command::Mix { .. }
            | Command::Record { .. }
            | Command::SendDigits { .. }
            | Command::SendTone { .. }
            | Command::StopGenerating { .. }
            | Command::MonitorTones { .. }
            | Command::MonitorFax { .. }
            | Command::MonitorInBandDigits { .. }
            | Command::Report { .. } => {}
        }
    }

    fn notice(&mut self, notice: Notice) {
        let Notice::Session(_, event) = notice else { return };
        match event {
            Event::Completed { result: Ok(_), .. } => self.completed += 1,
            Event::Completed { result: Err(error), .. } => self.refused = Some(error.to_string()),
            Event::Refused { error, .. } => self.refused = Some(error.to_string()),
            Event::CallState { call, state: CallState::Offering(_), .. } => self.offered = Some(call),
            Event::CallState { call, state: CallState::Disconnected(_) | CallState::Idle, .. } => {
                self.over = Some(call)
            }
            _ => {}
        }
    }

    /// A request of the caller, as SIPp writes them.
    fn message(&mut self, method: &str, number: u32, to: Option<&Remembered>) -> Bytes {
        let round = self.round;
        let text = &mut self.text;
        text.clear();
        let target = to.map_or("sip:bench@127.0.0.1:5060", Remembered::contact);
        let cseq = if method == "BYE" { 2 } else { 1 };
        let _ = write!(
            text,
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/UDP 127.0.0.1:6000;branch=z9hG4bK-{round}-{number}-{method};rport\r\n\
             From: SIPp <sip:sipp@127.0.0.1:6000>;tag=caller{round}x{number}\r\n\
             To: <sip:bench@127.0.0.1:5060>"
        );
        if let Some(to) = to {
            let _ = write!(text, ";tag={}", to.tag());
        }
        let _ = write!(
            text,
            "\r\nCall-ID: {number}-{round}@127.0.0.1\r\nCSeq: {cseq} {cseq_method}\r\nMax-Forwards: 70\r\n",
            cseq_method = method
        );
        if method == "INVITE" {
            let body = "v=0\r\no=sipp 1001 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                        m=audio 6002 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n\
                        a=fmtp:101 0-15\r\na=sendrecv\r\n";
            let _ = write!(
                text,
                "Contact: <sip:sipp@127.0.0.1:6000;transport=UDP>\r\n\
                 Allow: INVITE, ACK, CANCEL, BYE, REFER, NOTIFY, OPTIONS, UPDATE\r\n\
                 Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        } else {
            text.push_str("Content-Length: 0\r\n\r\n");
        }
        // As the driver does: messages are cut from one block, which is used again once nobody holds any of them.
        self.slab.reserve(text.len());
        self.slab.extend_from_slice(text.as_bytes());
        self.slab.split().freeze()
    }
}

impl Remembered {
    fn tag(&self) -> &str {
        self.text.get(..self.tag).and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }

    fn contact(&self) -> &str {
        let text = self.text.get(self.tag..self.tag + self.contact);
        text.and_then(|text| std::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

/// Reads tag and Contact of a 200 to an INVITE.
fn remember(call: CallId, response: &[u8]) -> Option<Remembered> {
    let text = std::str::from_utf8(response).ok().filter(|text| text.starts_with("SIP/2.0 200"))?;
    let to = text.split("\r\n").find(|line| line.starts_with("To:"))?;
    let tag = to.split_once(";tag=")?.1;
    let contact = text.split("\r\n").find(|line| line.starts_with("Contact:"))?;
    let contact = contact.split_once('<')?.1.split_once('>')?.0;
    let mut remembered = Remembered { call, text: [0; 192], tag: tag.len(), contact: contact.len() };
    remembered.text.get_mut(..tag.len())?.copy_from_slice(tag.as_bytes());
    remembered.text.get_mut(tag.len()..tag.len() + contact.len())?.copy_from_slice(contact.as_bytes());
    Some(remembered)
}

fn timed(work: impl FnOnce()) -> Duration {
    let begin = Instant::now();
    work();
    begin.elapsed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_leave_nothing_alive() {
        let mut bench = Bench::new(20).unwrap();
        let memory = bench.round(0).unwrap();
        assert_eq!(memory.calls, 20);
    }

    #[test]
    fn a_second_run_that_needs_more_fails_the_gate() {
        let grown = Memory { peaks: [1_000, 1_100], ..Memory::default() };
        let kept = Memory { peaks: [1_000, 1_000], left: [0, 51], ..Memory::default() };
        let fine = Memory { peaks: [1_000, 1_049], left: [50, 50], ..Memory::default() };
        assert!(verdict(&grown).is_err() && verdict(&kept).is_err() && verdict(&fine).is_ok());
    }
}
