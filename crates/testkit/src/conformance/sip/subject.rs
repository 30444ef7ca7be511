//! The SIP provider, its scripted peer, a media device, and virtual time.

use super::leg::{DOMAIN, PEER, PROVIDER};
use super::peer::Peer;
use crate::conformance::subject::{Act, Behaviour, Can, Incoming, LineSetup, Party, Saw, Setup, Subject};
use crate::device::VirtualMedia;
use crate::loopback::Playing;
use bytes::Bytes;
use hookswitch_machine::{Endpoint, EndpointId, Entropy, Flow, Output, QueryId, Target, Time, Transport};
use hookswitch_media::control::{Command, Event, GeneratedTone, Source, StreamId, WatchedTone};
use hookswitch_provider::{Account, Alerting, Profile, ProviderConfig, SipProvider};
use hookswitch_sip::auth::Secret;
use hookswitch_spi::{AudioSource, CallTreatment, LineId, Provider, RejectReason};
use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
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
    lines: Vec<LineSetup>,
    /// Lines that were removed in this session.
    gone: Vec<LineId>,
    stored: Option<Vec<LineSetup>>,
    sessions: u64,
    /// What each stream was last told to send, whether that stands still, and how loud it is.
    sources: BTreeMap<StreamId, (Source, bool, i8)>,
    /// Where each stream sends to.
    remotes: BTreeMap<StreamId, SocketAddr>,
    /// The tones that each stream is watched for.
    watched: BTreeMap<StreamId, Vec<WatchedTone>>,
}

impl SipSubject {
    pub(super) fn new(setup: &Setup) -> Self {
        let mut subject = Self {
            provider: Self::provider(&setup.lines, 1),
            media: VirtualMedia::new([10, 0, 0, 1].into(), 200),
            peer: Peer::default(),
            now: Time::from_millis(1_000),
            post: BTreeMap::new(),
            posted: 0,
            answers: VecDeque::new(),
            reachable: setup.reachable,
            lines: setup.lines.clone(),
            gone: Vec::new(),
            stored: None,
            sessions: 1,
            sources: BTreeMap::new(),
            remotes: BTreeMap::new(),
            watched: BTreeMap::new(),
        };
        subject.stock();
        subject
    }

    fn provider(lines: &[LineSetup], session: u64) -> SipProvider {
        let endpoint = Endpoint {
            id: EndpointId(1),
            transport: Transport::Udp,
            advertised: PROVIDER.parse().unwrap_or_else(|_| ([10, 0, 0, 1], 5_060).into()),
        };
        let accounts = lines.iter().map(account).collect();
        SipProvider::new(ProviderConfig::new(vec![endpoint], accounts), Entropy::from_number(session))
    }

    /// The lines that are there.
    fn present(&self) -> Vec<LineSetup> {
        let lines = self.lines.iter().zip((0..).map(LineId));
        lines.filter(|(_, number)| !self.gone.contains(number)).map(|(line, _)| line.clone()).collect()
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
        match &command {
            Command::Start { stream, source, .. } | Command::Send { stream, source } => {
                let gain = self.sources.get(stream).map_or(0, |(_, _, gain)| *gain);
                self.sources.insert(*stream, (source.clone(), false, gain));
            }
            Command::Pause { stream, on } => {
                if let Some((_, paused, _)) = self.sources.get_mut(stream) {
                    *paused = *on;
                }
            }
            Command::Gain { stream, decibels } => {
                if let Some((_, _, gain)) = self.sources.get_mut(stream) {
                    *gain = *decibels;
                }
            }
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

fn account(line: &LineSetup) -> Account {
    let profile = Profile {
        name: "conformance".into(),
        alerting: if line.accept_alerts { Alerting::OnAccept } else { Alerting::AtOnce },
        reject_status: match line.reject {
            RejectReason::NoAnswer => 480,
            RejectReason::Decline => 603,
            RejectReason::Default | RejectReason::Busy => 486,
        },
        redirect: line.redirect,
        refer: line.refer,
        answer_mode: line.answer_mode,
        reconnect: line.reconnects,
        park: line.switch_features,
        park_finder: if line.switch_features { "park".into() } else { String::new() },
        dialog_events: line.switch_features,
        keep_alive: 0,
        ..Profile::default()
    };
    Account {
        name: line.name.clone(),
        permanent: 0,
        profile: Arc::new(profile),
        registrar: hookswitch_provider::Server { host: "10.0.0.2".into(), port: Some(5_060) },
        domain: DOMAIN.into(),
        user: line.name.clone(),
        auth_user: line.name.clone(),
        password: Secret::new("secret".to_owned()),
        realm: None,
        display_name: String::new(),
        register: line.registers,
        numbers: line.numbers.clone(),
        accept_from: Vec::new(),
        max_calls: line.max_calls,
        media: line.media,
        forward: hookswitch_spi::ForwardingRules::default(),
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
            while let Some(text) = self.peer.out.pop_front() {
                quiet = false;
                self.send(Post::ToProvider(text.into()));
            }
            while let Some(query) = self.answers.pop_front() {
                quiet = false;
                let address = PEER.parse().unwrap_or_else(|_| ([10, 0, 0, 2], 5_060).into());
                let target = Target { transport: Transport::Udp, address };
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
        let (now, flow) = (self.now, Flow::to(EndpointId(1), ([10, 0, 0, 2], 5_060).into()));
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
        let (line, address) = call.to;
        let setup = self.lines.get(line.0 as usize);
        let name = setup.map(|line| line.name.clone()).unwrap_or_default();
        let called = match address {
            0 => name.clone(),
            n => setup.and_then(|line| line.numbers.get(usize::from(n) - 1).cloned()).unwrap_or_default(),
        };
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
        let (source, _, _) = self.sources.get(&self.stream_of(party)?)?;
        match source {
            Source::Silence => Some(CallTreatment::Silence),
            Source::Music => Some(CallTreatment::Music),
            Source::Generated(GeneratedTone::Ringback) => Some(CallTreatment::Ringback),
            Source::Generated(GeneratedTone::Busy) => Some(CallTreatment::Busy),
            Source::Echo
            | Source::Tone { .. }
            | Source::Generated(_)
            | Source::File { .. }
            | Source::Live(_) => None,
        }
    }

    fn playing(&self, party: Party) -> Option<Playing> {
        let (source, paused, gain) = self.sources.get(&self.stream_of(party)?)?.clone();
        let source = match source {
            // What a waiting party hears is no source of a call's own.
            Source::Silence | Source::Generated(_) => AudioSource::Silence,
            Source::Echo => AudioSource::Echo,
            Source::Tone { frequencies, level } => AudioSource::Tone { frequencies, level },
            Source::File { path, repeat } => AudioSource::File { path, repeat },
            Source::Music => AudioSource::Music,
            Source::Live(id) => AudioSource::Live(id.0),
        };
        Some(Playing { source, paused, gain })
    }

    fn reachable(&mut self, reachable: bool) {
        self.reachable = reachable;
        if !reachable {
            self.post.clear();
        }
    }

    fn messages(&mut self, line: LineId, new: u32, old: u32) {
        if let Some(setup) = self.lines.get(line.0 as usize) {
            let user = setup.name.clone();
            self.peer.messages(&user, new, old);
        }
        self.settle();
    }

    fn alerting_elsewhere(&mut self, at: &str, from: &str) -> Party {
        let party = self.peer.alerting_elsewhere(at, from);
        self.settle();
        party
    }

    fn add_line(&mut self, line: LineSetup) -> LineId {
        let number = LineId(self.lines.len() as u32);
        self.provider.add_line(self.now, number, account(&line));
        self.lines.push(line);
        self.settle();
        number
    }

    fn remove_line(&mut self, line: LineId) {
        self.provider.remove_line(self.now, line);
        self.gone.push(line);
        self.settle();
    }

    fn configure(&mut self, lines: Vec<LineSetup>) {
        let old: Vec<LineSetup> = self.stored.clone().unwrap_or_else(|| self.present());
        for (n, known) in self.lines.clone().iter().enumerate() {
            let number = LineId(n as u32);
            if !self.gone.contains(&number) && !lines.iter().any(|line| line.name == known.name) {
                self.remove_line(number);
            }
        }
        for line in &lines {
            match old.iter().find(|known| known.name == line.name) {
                None => drop(self.add_line(line.clone())),
                Some(known) if known == line => {}
                Some(_) => self.provider.reinitialise(format!("line {} changed", line.name)),
            }
        }
        self.stored = Some(lines);
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
        self.lines = self.stored.take().unwrap_or_else(|| self.present());
        self.gone.clear();
        self.sessions += 1;
        self.provider = Self::provider(&self.lines, self.sessions);
        self.media = VirtualMedia::new([10, 0, 0, 1].into(), 200);
        self.stock();
    }

    fn leaks(&mut self) -> String {
        let alive = self.provider.alive();
        let mut text = String::new();
        for (what, number) in [
            ("calls", alive.calls),
            ("sessions", alive.sessions),
            ("transactions", alive.transactions),
            ("timers", alive.timers),
            ("look-ups", alive.queries),
            ("streams", self.media.running()),
        ] {
            if number > 0 {
                text.push_str(&format!("{number} {what}, "));
            }
        }
        for fault in self.media.faults() {
            text.push_str(&format!("media: {fault}, "));
        }
        text.trim_end_matches(", ").to_owned()
    }
}
