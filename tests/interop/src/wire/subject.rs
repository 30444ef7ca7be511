//! The SIP provider at a real socket, with real media threads, as a subject of the suite.
//!
//! Time is the provider's: it stands still while somebody outside has a message in hand, passes as it does while something real
//! takes its time (digits, tones), and jumps to whatever is due next when nothing else can happen. So two hours cost as much as the
//! timers in them, a busy machine changes nothing, and retransmissions are sent only to who really is silent.

use super::first_port;
use super::outside::{Outside, Pace, Traffic, Wire};
use bytes::Bytes;
use hookswitch_machine::{Endpoint, EndpointId, Entropy, Flow, Output, QueryId, Target, Time, Transport};
use hookswitch_media::control::{Command, Event, StreamId};
use hookswitch_provider::{Server, SipProvider};
use hookswitch_runtime::Clock;
use hookswitch_runtime::media::{Media, MediaConfig};
use hookswitch_spi::{CallTreatment, LineId, Provider};
use hookswitch_testkit::conformance::sip::{Lineup, Sources, left_over};
use hookswitch_testkit::conformance::subject::{
    Act, Behaviour, Can, Incoming, LineSetup, Party, Saw, Setup, Subject,
};
use hookswitch_testkit::loopback::Playing;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{SocketAddr, UdpSocket};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The longest that time stands still for somebody who is working.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long to wait for what the media threads make of a digit or tone that a party sent.
const MEDIA_PATIENCE: Duration = Duration::from_millis(1_500);
/// Between two looks.
const LOOK: Duration = Duration::from_micros(200);
/// So many datagrams are sent before whoever receives them has shown that they were taken: no buffer overflows.
const BURST: usize = 16;
/// The most that time passes between two looks.
const STRIDE: Duration = Duration::from_millis(50);

static RUNS: AtomicU64 = AtomicU64::new(1);

/// What a provider draws its tags and branches from: a peer that runs on may remember those of the last half minute.
fn unlike_any_before(run: u64) -> Entropy {
    let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Entropy::from_number((begun.as_micros() as u64) << 20 | run)
}

/// The provider's media threads and what is known of their streams.
struct Sound {
    media: Option<Media>,
    events: mpsc::Receiver<Event>,
    running: BTreeSet<StreamId>,
    /// Streams that were told to end and have not.
    ending: BTreeSet<StreamId>,
    /// Streams that were asked for figures and have not given them.
    reporting: BTreeSet<StreamId>,
    /// Digits and tones that are being sent, by their tags.
    generating: BTreeSet<(StreamId, u64)>,
    /// What each stream was last told to send.
    sources: Sources,
    /// Where each stream sends to.
    remotes: BTreeMap<StreamId, SocketAddr>,
    /// A party has just been sending a digit or a tone, and until when something may come of it.
    listening: Option<Instant>,
}

impl Sound {
    fn start(stock: usize) -> Self {
        let (sender, events) = mpsc::channel();
        let mut config = MediaConfig::default();
        config.ports = first_port() + 100..=first_port() + 699;
        config.stock = stock;
        config.rest = Duration::ZERO;
        config.turn = Duration::from_millis(2);
        // How long a party is silent is a matter of the suite's time.
        config.stream.silence_limit = None;
        let entropy = unlike_any_before(RUNS.load(Ordering::Relaxed));
        let media = Media::start(config, Clock::start(), entropy, move |event| drop(sender.send(event)));
        Self {
            media: Some(media.unwrap_or_else(|error| panic!("no media threads: {error}"))),
            events,
            running: BTreeSet::new(),
            ending: BTreeSet::new(),
            reporting: BTreeSet::new(),
            generating: BTreeSet::new(),
            sources: Sources::default(),
            remotes: BTreeMap::new(),
            listening: None,
        }
    }

    fn command(&mut self, command: Command) {
        self.sources.command(&command);
        match &command {
            Command::Start { stream, .. } | Command::StartLocal { stream, .. } => {
                self.running.insert(*stream);
            }
            Command::Configure { stream, parameters } => {
                self.remotes.insert(*stream, parameters.remote_rtp);
            }
            Command::SendDigits { stream, tag, .. } | Command::SendTone { stream, tag, .. } => {
                self.generating.insert((*stream, *tag));
            }
            Command::Report { stream } => drop(self.reporting.insert(*stream)),
            Command::Stop { stream } => drop(self.ending.insert(*stream)),
            Command::Mix { .. }
            | Command::Send { .. }
            | Command::Pause { .. }
            | Command::Gain { .. }
            | Command::Record { .. }
            | Command::StopGenerating { .. }
            | Command::MonitorTones { .. }
            | Command::MonitorFax { .. }
            | Command::MonitorInBandDigits { .. }
            | Command::Return { .. } => {}
        }
        if let Some(media) = &self.media {
            media.command(command);
        }
    }

    fn event(&mut self) -> Option<Event> {
        let event = self.events.try_recv().ok()?;
        match &event {
            Event::Stopped { stream, .. } => {
                self.running.remove(stream);
                self.ending.remove(stream);
                self.reporting.remove(stream);
                self.generating.retain(|(of, _)| of != stream);
            }
            Event::DigitsSent { stream, tag, .. } | Event::ToneSent { stream, tag, .. } => {
                self.generating.remove(&(*stream, *tag));
            }
            Event::Statistics { stream, .. } => drop(self.reporting.remove(stream)),
            Event::Digit { .. } | Event::ToneHeard { .. } => self.listening = None,
            _ => {}
        }
        Some(event)
    }

    fn pace(&mut self) -> Pace {
        if self.listening.is_some_and(|until| Instant::now() > until) {
            self.listening = None;
        }
        if !self.ending.is_empty() || !self.reporting.is_empty() || self.listening.is_some() {
            Pace::Working
        } else if self.generating.is_empty() {
            Pace::Idle
        } else {
            Pace::Playing
        }
    }
}

impl Drop for Sound {
    fn drop(&mut self) {
        if let Some(media) = self.media.take() {
            // Whoever comes next wants the ports.
            let _ = media.shutdown(Duration::from_secs(2));
        }
    }
}

/// The subject.
pub struct WireSubject {
    provider: SipProvider,
    outside: Box<dyn Outside>,
    wire: Wire,
    lineup: Lineup,
    sound: Sound,
    stock: usize,
    now: Time,
    answers: VecDeque<QueryId>,
    reachable: bool,
    datagrams: u64,
    last: Instant,
    /// What waits to be sent, and how much was since everything outside was idle.
    outbox: VecDeque<Bytes>,
    burst: usize,
    /// Since when time stands still.
    waiting: Option<Instant>,
    /// When time last passed.
    passed: Option<Instant>,
    trace: bool,
}

impl WireSubject {
    /// A provider at a socket of its own, and whatever `outside` makes around it.
    pub fn new(
        setup: &Setup,
        outside: impl FnOnce(Wire) -> Box<dyn Outside>,
        unable: Rc<RefCell<Vec<String>>>,
        trace: bool,
    ) -> Self {
        let socket = UdpSocket::bind(("127.0.0.1", 0)).expect("a socket for the provider");
        socket.set_nonblocking(true).expect("a socket that does not block");
        let run = RUNS.fetch_add(1, Ordering::Relaxed);
        let wire = Wire::new(socket, run, unable);
        let outside = outside(wire.clone());
        let registrar = outside.address();
        let registrar = Server { host: registrar.ip().to_string(), port: Some(registrar.port()) };
        let lineup = Lineup::new(registrar, &setup.lines).fitted(outside.fitted());
        let most: u32 = setup.lines.iter().map(|line| line.max_calls).sum();
        let stock = usize::try_from(most).unwrap_or(0) + 8;
        let mut subject = Self {
            provider: lineup.provider(Self::endpoint(&wire), unlike_any_before(run)),
            outside,
            wire,
            lineup,
            sound: Sound::start(stock),
            stock,
            now: Time::from_millis(1_000),
            answers: VecDeque::new(),
            reachable: setup.reachable,
            datagrams: 0,
            last: Instant::now(),
            outbox: VecDeque::new(),
            burst: 0,
            waiting: None,
            passed: None,
            trace,
        };
        subject.outside.reachable(setup.reachable);
        subject.take_stock();
        subject
    }

    fn endpoint(wire: &Wire) -> Endpoint {
        Endpoint { id: EndpointId(1), transport: Transport::Udp, advertised: wire.provider }
    }

    /// Waits for the first ports.
    fn take_stock(&mut self) {
        let begun = Instant::now();
        let mut stocked = 0;
        while stocked < self.stock && begun.elapsed() < PATIENCE {
            match self.sound.event() {
                Some(event) => {
                    if let Event::Stocked { ports } = &event {
                        stocked += ports.len();
                    }
                    self.provider.media_event(self.now, event);
                }
                None => std::thread::sleep(LOOK),
            }
        }
    }

    fn say(&self, what: &str, bytes: &[u8]) {
        if self.trace {
            let seconds = self.now.since(Time::ZERO).as_secs_f64();
            eprintln!("--- {seconds:.3} {what}\n{}", String::from_utf8_lossy(bytes));
        }
    }

    /// Sends what waits, as far as it may be sent now.
    fn post(&mut self) {
        while self.burst < BURST {
            let Some(bytes) = self.outbox.pop_front() else { return };
            if self.reachable {
                self.say("provider sends", &bytes);
                self.burst += 1;
                self.datagrams += 1;
                self.last = Instant::now();
                if self.outside.passes(true, &bytes) {
                    let _ = self.wire.socket.send_to(&bytes, self.outside.address());
                }
            }
        }
    }

    /// Takes in everything that is there and does everything that is due. Whether there was anything.
    fn turn(&mut self) -> bool {
        let mut busy = false;
        let mut buffer = [0; 65_536];
        while let Ok((length, from)) = self.wire.socket.recv_from(&mut buffer) {
            let bytes = Bytes::copy_from_slice(buffer.get(..length).unwrap_or_default());
            self.datagrams += 1;
            self.last = Instant::now();
            busy = true;
            if self.reachable && self.outside.passes(false, &bytes) {
                self.say("provider receives", &bytes);
                self.provider.received(self.now, Flow::to(EndpointId(1), from), bytes);
                self.settle();
            }
        }
        while let Some(event) = self.sound.event() {
            // Figures and ports are nothing that happens.
            busy |= !matches!(event, Event::Stocked { .. });
            self.provider.media_event(self.now, event);
            self.settle();
        }
        busy |= self.outside.poll(self.now);
        if self.provider.next_timeout().is_some_and(|due| due <= self.now) {
            self.provider.timeout(self.now);
            busy = true;
        }
        self.settle();
        busy
    }

    fn pace(&mut self) -> Pace {
        let traffic = Traffic { datagrams: self.datagrams, quiet: self.last.elapsed() };
        match (self.outside.pace(traffic), self.sound.pace()) {
            // Digits and tones of ours go on whatever comes meanwhile.
            (_, Pace::Playing) => {
                self.waiting = None;
                Pace::Playing
            }
            (Pace::Working, _) | (_, Pace::Working) => {
                let since = *self.waiting.get_or_insert_with(Instant::now);
                if since.elapsed() < PATIENCE { Pace::Working } else { Pace::Playing }
            }
            (Pace::Playing, Pace::Idle) => {
                self.waiting = None;
                Pace::Playing
            }
            (Pace::Idle, Pace::Idle) => {
                self.waiting = None;
                Pace::Idle
            }
        }
    }

    fn stream_of(&self, party: Party) -> Option<StreamId> {
        let port = self.outside.port(party)?;
        let mut streams = self.sound.remotes.iter().rev();
        streams.find(|(_, remote)| remote.port() == port).map(|(stream, _)| *stream)
    }
}

impl Subject for WireSubject {
    fn can(&self, what: Can) -> bool {
        match what {
            Can::OldVersion => false,
            Can::WantClosed => true,
        }
    }

    fn now(&self) -> Time {
        self.now
    }

    fn provider(&mut self) -> &mut dyn Provider {
        &mut self.provider
    }

    fn settle(&mut self) {
        loop {
            let mut quiet = true;
            while let Some(action) = self.provider.poll_action() {
                quiet = false;
                match action {
                    Output::Transmit { bytes, .. } => self.outbox.push_back(bytes),
                    Output::Resolve { query, .. } => self.answers.push_back(query),
                    Output::Media(command) => self.sound.command(command),
                    Output::Event(never) => match never {},
                }
            }
            while let Some(query) = self.answers.pop_front() {
                quiet = false;
                let target = Target { transport: Transport::Udp, address: self.outside.address() };
                self.provider.resolved(self.now, query, Ok(vec![target]));
            }
            self.post();
            if quiet {
                return;
            }
        }
    }

    fn step(&mut self, limit: Time) -> bool {
        self.settle();
        loop {
            if self.turn() {
                (self.passed, self.waiting) = (None, None);
                return true;
            }
            match self.pace() {
                Pace::Working => std::thread::sleep(LOOK),
                Pace::Playing => {
                    let begun = *self.passed.get_or_insert_with(Instant::now);
                    std::thread::sleep(LOOK);
                    let span = begun.elapsed().min(STRIDE);
                    self.passed = Some(Instant::now());
                    let due = [self.provider.next_timeout(), self.outside.next()];
                    let due = due.into_iter().flatten().min().unwrap_or(limit);
                    self.now = self.now.max((self.now + span).min(limit).min(due.max(self.now)));
                    if self.now >= limit {
                        return false;
                    }
                }
                Pace::Idle => {
                    self.burst = 0;
                    if !self.outbox.is_empty() {
                        self.post();
                        continue;
                    }
                    let due = [self.provider.next_timeout(), self.outside.next()];
                    match due.into_iter().flatten().min().filter(|at| *at <= limit) {
                        Some(at) => self.now = self.now.max(at),
                        None => {
                            self.now = self.now.max(limit);
                            return false;
                        }
                    }
                }
            }
        }
    }

    fn arrange(&mut self, address: &str, behaviour: Behaviour) {
        self.outside.arrange(self.now, address, behaviour);
        self.settle();
    }

    fn call_in(&mut self, call: Incoming) -> Party {
        let (name, called) = self.lineup.called(call.to);
        let party = self.outside.call_in(self.now, &name, &called, &call);
        self.settle();
        party
    }

    fn party_at(&self, address: &str) -> Option<Party> {
        self.outside.party_at(address)
    }

    fn act(&mut self, party: Party, act: Act) {
        let sounds = matches!(act, Act::Press(..) | Act::Tone(..));
        self.outside.act(self.now, party, act);
        if sounds {
            self.sound.listening = Some(Instant::now() + MEDIA_PATIENCE);
        }
        self.settle();
    }

    fn saw(&self, party: Party) -> Vec<Saw> {
        self.outside.saw(party)
    }

    fn hears(&self, a: Party, b: Party) -> bool {
        self.outside.hears(a, b)
    }

    fn treatment(&self, party: Party) -> Option<CallTreatment> {
        let told = self.stream_of(party).and_then(|stream| self.sound.sources.treatment(stream));
        self.outside.treatment(party).or(told)
    }

    fn playing(&self, party: Party) -> Option<Playing> {
        self.sound.sources.playing(self.stream_of(party)?)
    }

    fn reachable(&mut self, reachable: bool) {
        self.reachable = reachable;
        self.outside.reachable(reachable);
    }

    fn messages(&mut self, line: LineId, new: u32, old: u32) {
        let (user, _) = self.lineup.called((line, 0));
        self.outside.messages(self.now, &user, new, old);
        self.settle();
    }

    fn alerting_elsewhere(&mut self, at: &str, from: &str) -> Party {
        let party = self.outside.alerting_elsewhere(self.now, at, from);
        self.settle();
        party
    }

    fn add_line(&mut self, line: LineSetup) -> LineId {
        let number = self.lineup.add(self.now, &mut self.provider, line);
        self.settle();
        number
    }

    fn remove_line(&mut self, line: LineId) {
        self.lineup.remove(self.now, &mut self.provider, line);
        self.settle();
    }

    fn configure(&mut self, lines: Vec<LineSetup>) {
        self.lineup.configure(self.now, &mut self.provider, lines);
        self.settle();
    }

    fn uninstalled(&mut self) {
        self.provider.reinitialise("the provider was removed".to_owned());
        self.settle();
    }

    fn want_closed(&mut self, line: LineId) {
        self.provider.request_close(self.now, line, "maintenance");
    }

    fn restart(&mut self) {
        self.lineup.restart();
        let entropy = unlike_any_before(RUNS.fetch_add(1, Ordering::Relaxed));
        self.provider = self.lineup.provider(Self::endpoint(&self.wire), entropy);
        // The old threads end before the new ones begin: they want the same ports.
        if let Some(media) = self.sound.media.take() {
            let _ = media.shutdown(Duration::from_secs(2));
        }
        self.sound = Sound::start(self.stock);
        self.take_stock();
    }

    fn leaks(&mut self) -> String {
        left_over(&self.provider, self.sound.running.len()).trim_end_matches(", ").to_owned()
    }
}
