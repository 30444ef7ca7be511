//! The SIP provider, its scripted peer, a media device, and virtual time.

use super::leg::Place;
use super::lineup::Lineup;
use super::peer::Peer;
use super::sources::Sources;
use crate::conformance::subject::{Act, Behaviour, Can, Incoming, LineSetup, Party, Saw, Setup, Subject};
use crate::device::VirtualMedia;
use crate::loopback::Playing;
use bytes::Bytes;
use hookswitch_machine::{Endpoint, EndpointId, Entropy, Flow, Output, QueryId, Target, Time, Transport};
use hookswitch_media::control::{Command, Event, StreamId, WatchedTone};
use hookswitch_provider::{Server, SipProvider};
use hookswitch_spi::{CallTreatment, LineId, Provider};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

/// One way from here to there.
const LATENCY: Duration = Duration::from_millis(5);

enum Post {
    ToPeer(Bytes),
    ToProvider(Bytes),
}

/// The subject.
pub(super) struct SipSubject {
    provider: SipProvider,
    media: VirtualMedia,
    peer: Peer,
    now: Time,
    post: BTreeMap<(Time, u64), Post>,
    posted: u64,
    answers: VecDeque<QueryId>,
    reachable: bool,
    lineup: Lineup,
    sessions: u64,
    sources: Sources,
    /// Where each stream sends to.
    remotes: BTreeMap<StreamId, SocketAddr>,
    /// The tones that each stream is watched for.
    watched: BTreeMap<StreamId, Vec<WatchedTone>>,
}

impl SipSubject {
    pub(super) fn new(setup: &Setup) -> Self {
        let registrar = Place::default().peer;
        let registrar = Server { host: registrar.ip().to_string(), port: Some(registrar.port()) };
        let lineup = Lineup::new(registrar, &setup.lines);
        let mut subject = Self {
            provider: Self::provider(&lineup, 1),
            media: VirtualMedia::new([10, 0, 0, 1].into(), 200),
            peer: Peer::default(),
            now: Time::from_millis(1_000),
            post: BTreeMap::new(),
            posted: 0,
            answers: VecDeque::new(),
            reachable: setup.reachable,
            lineup,
            sessions: 1,
            sources: Sources::default(),
            remotes: BTreeMap::new(),
            watched: BTreeMap::new(),
        };
        subject.stock();
        subject
    }

    fn provider(lineup: &Lineup, session: u64) -> SipProvider {
        let advertised = Place::default().provider;
        let endpoint = Endpoint { id: EndpointId(1), transport: Transport::Udp, advertised };
        lineup.provider(endpoint, Entropy::from_number(session))
    }

    /// The media device's ports go to the provider.
    fn stock(&mut self) {
        while let Some(event) = self.media.pop(self.now) {
            self.provider.media_event(self.now, event);
        }
    }

    fn send(&mut self, post: Post) {
        if self.reachable {
            self.posted += 1;
            self.post.insert((self.now + LATENCY, self.posted), post);
        }
    }

    fn stream_of(&self, party: Party) -> Option<StreamId> {
        let port = self.peer.leg(party)?.port;
        self.remotes.iter().rev().find(|(_, remote)| remote.port() == port).map(|(stream, _)| *stream)
    }

    /// The party that a stream sends to.
    fn party_of(&self, stream: StreamId) -> Option<Party> {
        let port = self.remotes.get(&stream)?.port();
        self.peer.legs().find(|(_, leg)| leg.port == port).map(|(party, _)| party)
    }

    fn command(&mut self, command: Command) {
        self.sources.command(&command);
        match &command {
            Command::MonitorTones { stream, tones } => {
                self.watched.insert(*stream, tones.clone());
            }
            Command::Configure { stream, parameters } => {
                self.remotes.insert(*stream, parameters.remote_rtp);
            }
            Command::SendDigits { stream, digits, .. } => {
                if let Some(leg) = self.party_of(*stream).and_then(|party| self.peer.leg_mut(party)) {
                    for digit in digits.chars().filter(|digit| *digit != ',') {
                        leg.note(Saw::Digit(digit));
                    }
                }
            }
            _ => {}
        }
        self.media.command(self.now, command);
    }
}

impl Subject for SipSubject {
    fn can(&self, what: Can) -> bool {
        match what {
            // One version of the interface exists; the downgrade of constants is the loopback's to prove.
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
                    Output::Transmit { bytes, .. } => self.send(Post::ToPeer(bytes)),
                    Output::Resolve { query, .. } => self.answers.push_back(query),
                    Output::Media(command) => self.command(command),
                    Output::Event(never) => match never {},
                }
            }
            while let Some(text) = self.peer.pop() {
                quiet = false;
                self.send(Post::ToProvider(text.into()));
            }
            while let Some(query) = self.answers.pop_front() {
                quiet = false;
                let target = Target { transport: Transport::Udp, address: Place::default().peer };
                self.provider.resolved(self.now, query, Ok(vec![target]));
            }
            if quiet {
                return;
            }
        }
    }

    fn step(&mut self, limit: Time) -> bool {
        let post = self.post.first_key_value().map(|((at, _), _)| *at);
        let due = [post, self.provider.next_timeout(), self.peer.next(), self.media.next()];
        let Some(at) = due.into_iter().flatten().min().filter(|at| *at <= limit) else {
            self.now = self.now.max(limit);
            return false;
        };
        self.now = self.now.max(at);
        let (now, flow) = (self.now, Flow::to(EndpointId(1), Place::default().peer));
        while let Some(entry) = self.post.first_entry().filter(|entry| entry.key().0 <= now) {
            match entry.remove() {
                Post::ToProvider(bytes) => self.provider.received(now, flow, bytes),
                Post::ToPeer(bytes) => self.peer.receive(now, bytes),
            }
        }
        self.peer.due(now);
        self.stock();
        if self.provider.next_timeout().is_some_and(|due| due <= now) {
            self.provider.timeout(now);
        }
        self.settle();
        true
    }

    fn arrange(&mut self, address: &str, behaviour: Behaviour) {
        self.peer.arrange(address, behaviour);
        self.settle();
    }

    fn call_in(&mut self, call: Incoming) -> Party {
        let (name, called) = self.lineup.called(call.to);
        let party = self.peer.call_in(&name, &called, &call);
        self.settle();
        party
    }

    fn party_at(&self, address: &str) -> Option<Party> {
        self.peer.party_at(address)
    }

    fn act(&mut self, party: Party, act: Act) {
        let now = self.now;
        if let (Act::Press(digit, duration), Some(stream)) = (&act, self.stream_of(party)) {
            let (digit, duration) = (*digit, *duration);
            self.provider.media_event(now, Event::DigitBegun { stream, digit });
            self.provider.media_event(now, Event::Digit { stream, digit, duration });
        }
        if let (Act::Tone([first, second], lasts), Some(stream)) = (&act, self.stream_of(party)) {
            let sounds =
                |tone: &&WatchedTone| tone.frequencies == [*first, *second, 0] && tone.duration <= *lasts;
            let heard = self.watched.get(&stream).into_iter().flatten().filter(sounds).map(|tone| tone.tag);
            for tag in heard.collect::<Vec<_>>() {
                self.provider.media_event(now, Event::ToneHeard { stream, tag });
            }
        }
        self.peer.act(party, act);
        self.settle();
    }

    fn saw(&self, party: Party) -> Vec<Saw> {
        self.peer.leg(party).map(|leg| leg.saw.clone()).unwrap_or_default()
    }

    fn hears(&self, a: Party, b: Party) -> bool {
        let streams = self.stream_of(a).zip(self.stream_of(b));
        let mixed = streams.is_some_and(|(a, b)| self.media.hears(a, b));
        mixed || self.peer.leg(a).is_some_and(|leg| leg.joined == Some(b.0))
    }

    fn treatment(&self, party: Party) -> Option<CallTreatment> {
        self.sources.treatment(self.stream_of(party)?)
    }

    fn playing(&self, party: Party) -> Option<Playing> {
        self.sources.playing(self.stream_of(party)?)
    }

    fn reachable(&mut self, reachable: bool) {
        self.reachable = reachable;
        if !reachable {
            self.post.clear();
        }
    }

    fn messages(&mut self, line: LineId, new: u32, old: u32) {
        let (user, _) = self.lineup.called((line, 0));
        self.peer.messages(&user, new, old);
        self.settle();
    }

    fn alerting_elsewhere(&mut self, at: &str, from: &str) -> Party {
        let party = self.peer.alerting_elsewhere(at, from);
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
        self.sessions += 1;
        self.provider = Self::provider(&self.lineup, self.sessions);
        self.media = VirtualMedia::new([10, 0, 0, 1].into(), 200);
        self.stock();
    }

    fn leaks(&mut self) -> String {
        let mut text = left_over(&self.provider, self.media.running());
        for fault in self.media.faults() {
            text.push_str(&format!("media: {fault}, "));
        }
        text.trim_end_matches(", ").to_owned()
    }
}

/// What is alive of a provider, and so many streams, in words; empty if nothing.
pub fn left_over(provider: &SipProvider, streams: usize) -> String {
    let alive = provider.alive();
    let mut text = String::new();
    for (what, number) in [
        ("calls", alive.calls),
        ("sessions", alive.sessions),
        ("transactions", alive.transactions),
        ("timers", alive.timers),
        ("look-ups", alive.queries),
        ("streams", streams),
    ] {
        if number > 0 {
            text.push_str(&format!("{number} {what}, "));
        }
    }
    text
}
