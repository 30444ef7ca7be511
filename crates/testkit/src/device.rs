//! A media device without packets: it takes commands and reports as the media threads would, and notices misuse.

use hookswitch_machine::Time;
use hookswitch_media::control::{
    Command, Direction, Event, MAX_MIX_MEMBERS, MixId, MixPart, Port, PortId, Statistics, StreamId,
};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// What a comma among digits is.
const PAUSE: Duration = Duration::from_secs(2);
/// How long a port rests before it is handed out again.
const REST: Duration = Duration::from_secs(2);
/// After how long without a packet a stream is silent: as the media threads of the service are set.
const SILENCE: Duration = Duration::from_secs(60);

/// Media threads that send and receive nothing. Ports come from a fixed stock.
#[derive(Debug)]
pub struct VirtualMedia {
    address: IpAddr,
    /// Ports that signalling has, in its stock or taken out of it.
    handed_out: BTreeMap<PortId, SocketAddr>,
    streams: BTreeMap<StreamId, Stream>,
    reports: VecDeque<(Time, Report)>,
    faults: Vec<String>,
    total: usize,
    numbers: u64,
}

#[derive(Debug)]
struct Stream {
    /// `None` for a stream of mixes only.
    port: Option<SocketAddr>,
    configured: u32,
    direction: Direction,
    /// Where the other side sends from, once it is settled.
    remote: Option<SocketAddr>,
    /// When something arrived last, or was first to be expected; absent once silence was reported.
    heard: Option<Time>,
    /// What it generates, and which generation of all that is.
    generating: Option<(u64, Generated)>,
    mix: Option<(MixId, MixPart)>,
}

/// What a stream generates, with the tag of its command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Generated {
    Digits(u64),
    Tone(u64),
}

impl Generated {
    const fn ended(self, stream: StreamId, cancelled: bool) -> Event {
        match self {
            Self::Digits(tag) => Event::DigitsSent { stream, tag, cancelled },
            Self::Tone(tag) => Event::ToneSent { stream, tag, cancelled },
        }
    }
}

/// Something that becomes known at a time.
#[derive(Debug)]
enum Report {
    Event(Event),
    /// What the stream generates is over, if it is still this.
    Generated(StreamId, u64),
}

impl VirtualMedia {
    /// A device with `ports` ports at `address`; they are handed out at once.
    pub fn new(address: IpAddr, ports: u16) -> Self {
        let mut device = Self {
            address,
            handed_out: BTreeMap::new(),
            streams: BTreeMap::new(),
            reports: VecDeque::new(),
            faults: Vec::new(),
            total: usize::from(ports),
            numbers: 0,
        };
        for n in 0..ports {
            device.stock(Time::ZERO, SocketAddr::new(address, 20_000 + 2 * n));
        }
        device
    }

    fn stock(&mut self, at: Time, rtp: SocketAddr) {
        self.numbers += 1;
        let id = PortId(self.numbers);
        self.handed_out.insert(id, rtp);
        self.report(at, Event::Stocked { ports: vec![Port { id, rtp }] });
    }

    fn report(&mut self, at: Time, event: Event) {
        self.enqueue(at, Report::Event(event));
    }

    fn enqueue(&mut self, at: Time, report: Report) {
        let place = self.reports.partition_point(|(due, _)| *due <= at);
        self.reports.insert(place, (at, report));
    }

    /// Something that the media threads hear, at a time of the test's choice: a digit, a tone, a fax machine, silence.
    pub fn hear(&mut self, at: Time, event: Event) {
        self.report(at, event);
    }

    /// Where the other sides of streams send from.
    pub fn remotes(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.streams.values().filter_map(|stream| stream.remote)
    }

    /// Says what arrives at present; to be said often. From these places nothing does, neither audio nor reports: after a minute that
    /// is silence.
    pub fn silent(&mut self, now: Time, places: &[SocketAddr]) {
        let mut events = Vec::new();
        for (id, found) in &mut self.streams {
            let Some(remote) = found.remote else { continue };
            let stream = *id;
            match found.heard {
                _ if !places.contains(&remote) => {
                    if found.heard.replace(now).is_none() {
                        events.push(Event::Receiving { stream });
                    }
                }
                Some(last) if found.direction.receives() && now.since(last) >= SILENCE => {
                    found.heard = None;
                    events.push(Event::Silent { stream, since: now.since(last) });
                }
                Some(_) | None => {}
            }
        }
        for event in events {
            self.report(now, event);
        }
    }

    /// Takes a command.
    pub fn command(&mut self, now: Time, command: Command) {
        match command {
            Command::Start { stream, port, .. } => {
                let Some(rtp) = self.handed_out.remove(&port) else {
                    return self
                        .faults
                        .push(format!("{stream:?} started on {port:?}, which is not in stock"));
                };
                self.start(stream, Some(rtp));
            }
            Command::StartLocal { stream, .. } => self.start(stream, None),
            Command::Configure { stream, parameters } => {
                let Some(found) = self.stream(stream, "configured") else { return };
                found.configured += 1;
                if found.configured == 1 || parameters.direction.receives() != found.direction.receives() {
                    found.heard = Some(now);
                }
                found.direction = parameters.direction;
                found.remote = Some(parameters.remote_rtp);
                if found.configured == 1 {
                    self.report(now + Duration::from_millis(20), Event::Receiving { stream });
                }
            }
            Command::Send { stream, .. } => {
                self.stream(stream, "given a source");
            }
            Command::Pause { stream, .. } => {
                self.stream(stream, "paused");
            }
            Command::Gain { stream, .. } => {
                self.stream(stream, "made louder or softer");
            }
            Command::Mix { stream, mix, part } => self.mix(now, stream, mix, part),
            Command::Record { stream, .. } => {
                self.stream(stream, "recorded");
            }
            Command::SendDigits { stream, digits, duration, gap, tag } => {
                let each = |digit| if digit == ',' { PAUSE } else { duration + gap };
                let lasts = digits.chars().map(each).sum();
                self.generate(now, stream, Generated::Digits(tag), Some(lasts));
            }
            Command::SendTone { stream, tone, duration, tag } => {
                let lasts = if duration.is_zero() { tone.usual_duration() } else { Some(duration) };
                self.generate(now, stream, Generated::Tone(tag), lasts);
            }
            Command::StopGenerating { stream } => self.stop_generating(now, stream),
            Command::MonitorTones { stream, .. }
            | Command::MonitorFax { stream, .. }
            | Command::MonitorInBandDigits { stream, .. } => {
                self.stream(stream, "listened to");
            }
            Command::Report { stream } => {
                if self.stream(stream, "asked for figures").is_some() {
                    let statistics = Statistics::default();
                    self.report(now, Event::Statistics { stream, statistics });
                }
            }
            Command::Stop { stream } => {
                self.stop_generating(now, stream);
                let Some(Stream { port, .. }) = self.streams.remove(&stream) else {
                    return self.faults.push(format!("{stream:?} stopped, which does not run"));
                };
                let statistics = Statistics::default();
                self.report(now, Event::Stopped { stream, statistics });
                if let Some(port) = port {
                    self.stock(now + REST, port);
                }
            }
            Command::Return { port } => match self.handed_out.remove(&port) {
                Some(rtp) => self.stock(now + REST, rtp),
                None => self.faults.push(format!("{port:?} given back, which is not in stock")),
            },
        }
    }

    fn start(&mut self, stream: StreamId, port: Option<SocketAddr>) {
        let direction = if port.is_some() { Direction::Inactive } else { Direction::SendRecv };
        let started =
            Stream { port, configured: 0, direction, remote: None, heard: None, generating: None, mix: None };
        if self.streams.insert(stream, started).is_some() {
            self.faults.push(format!("{stream:?} started twice"));
        }
    }

    fn mix(&mut self, now: Time, stream: StreamId, mix: Option<MixId>, part: MixPart) {
        let full = mix.filter(|mix| {
            let others = self.members(*mix).filter(|(member, _)| *member != stream);
            others.count() >= MAX_MIX_MEMBERS
        });
        let Some(found) = self.stream(stream, "mixed") else { return };
        match full {
            Some(mix) => {
                found.mix = None;
                self.report(now, Event::MixFull { stream, mix });
            }
            None => found.mix = mix.map(|mix| (mix, part)),
        }
    }

    /// A newer signal takes the place of the one being sent; without a duration it is sent until stopped.
    fn generate(&mut self, now: Time, stream: StreamId, what: Generated, lasts: Option<Duration>) {
        self.stop_generating(now, stream);
        self.numbers += 1;
        let number = self.numbers;
        let Some(found) = self.stream(stream, "given something to send") else { return };
        found.generating = Some((number, what));
        if let Some(lasts) = lasts {
            self.enqueue(now + lasts, Report::Generated(stream, number));
        }
    }

    fn stop_generating(&mut self, now: Time, stream: StreamId) {
        let before = self.streams.get_mut(&stream).and_then(|found| found.generating.take());
        if let Some((_, what)) = before {
            self.report(now, what.ended(stream, true));
        }
    }

    fn stream(&mut self, stream: StreamId, what: &str) -> Option<&mut Stream> {
        if !self.streams.contains_key(&stream) {
            self.faults.push(format!("{stream:?} {what}, which does not run"));
        }
        self.streams.get_mut(&stream)
    }

    /// When the next report is due.
    pub fn next(&self) -> Option<Time> {
        self.reports.front().map(|(at, _)| *at)
    }

    /// The next report that is due by `now`.
    pub fn pop(&mut self, now: Time) -> Option<Event> {
        loop {
            if self.next()? > now {
                return None;
            }
            let (_, report) = self.reports.pop_front()?;
            match report {
                Report::Event(event) => return Some(event),
                Report::Generated(stream, number) => {
                    // Replaced or stopped meanwhile: that was reported then.
                    let found = self.streams.get_mut(&stream);
                    let ended = found.and_then(|found| found.generating.take_if(|(n, _)| *n == number));
                    if let Some((_, what)) = ended {
                        return Some(what.ended(stream, false));
                    }
                }
            }
        }
    }

    /// The members of a mix, in the order of their numbers.
    pub fn members(&self, mix: MixId) -> impl Iterator<Item = (StreamId, MixPart)> + '_ {
        let of = move |(stream, found): (&StreamId, &Stream)| {
            found.mix.filter(|(its, _)| *its == mix).map(|(_, part)| (*stream, part))
        };
        self.streams.iter().filter_map(of)
    }

    /// Whether the other side of one stream hears that of another: both are in one mix, by their parts there and by which way
    /// their audio flows.
    pub fn hears(&self, listener: StreamId, speaker: StreamId) -> bool {
        let (Some(to), Some(from)) = (self.streams.get(&listener), self.streams.get(&speaker)) else {
            return false;
        };
        let (Some((heard_in, to_part)), Some((spoken_in, from_part))) = (to.mix, from.mix) else {
            return false;
        };
        let hears = to_part != MixPart::Away && to.direction == Direction::SendRecv;
        let speaks = from_part == MixPart::Talks && from.direction.receives();
        listener != speaker && heard_in == spoken_in && hears && speaks
    }

    /// The address of its ports.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// Streams that run.
    pub fn running(&self) -> usize {
        self.streams.len()
    }

    /// How many ports there are.
    pub const fn total(&self) -> usize {
        self.total
    }

    /// Commands that made no sense.
    pub fn faults(&self) -> &[String] {
        &self.faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_media::codec::Codec;
    use hookswitch_media::control::{GeneratedTone, Source, StreamParameters};

    const STREAM: StreamId = StreamId(1);

    fn device() -> VirtualMedia {
        let mut device = VirtualMedia::new([192, 0, 2, 1].into(), 0);
        for stream in 1..=70 {
            device.command(
                Time::ZERO,
                Command::StartLocal { stream: StreamId(stream), source: Source::Silence },
            );
        }
        device
    }

    fn all(device: &mut VirtualMedia, until: Time) -> Vec<Event> {
        std::iter::from_fn(|| device.pop(until)).collect()
    }

    #[test]
    fn a_tone_ends_after_its_duration_and_shares_its_slot_with_digits() {
        let mut device = device();
        let tone = |tag, millis| Command::SendTone {
            stream: STREAM,
            tone: GeneratedTone::Ringback,
            duration: Duration::from_millis(millis),
            tag,
        };
        let digits = Command::SendDigits {
            stream: STREAM,
            digits: "12".into(),
            duration: Duration::from_millis(100),
            gap: Duration::from_millis(50),
            tag: 2,
        };
        device.command(Time::ZERO, tone(1, 0));
        assert_eq!(device.pop(Time::from_millis(100_000)), None, "until stopped");
        device.command(Time::from_millis(10), digits);
        device.command(Time::from_millis(400), tone(3, 500));
        let events = all(&mut device, Time::from_millis(899));
        assert_eq!(
            events,
            [
                Event::ToneSent { stream: STREAM, tag: 1, cancelled: true },
                Event::DigitsSent { stream: STREAM, tag: 2, cancelled: true },
            ]
        );
        let done = Event::ToneSent { stream: STREAM, tag: 3, cancelled: false };
        assert_eq!(all(&mut device, Time::from_millis(900)), [done]);
        assert_eq!(device.faults(), [""; 0]);
    }

    #[test]
    fn a_peer_that_is_not_heard_for_a_minute_is_silent_unless_nothing_is_expected() {
        let remote = SocketAddr::from(([192, 0, 2, 9], 4_000));
        let configure = |direction| Command::Configure {
            stream: STREAM,
            parameters: StreamParameters {
                remote_rtp: remote,
                remote_rtcp: remote,
                rtcp_mux: true,
                codec: Codec::Pcmu,
                send_payload_type: 0,
                receive_payload_type: 0,
                send_digits: None,
                receive_digits: None,
                packet_time: Duration::from_millis(20),
                direction,
            },
        };
        let at = |seconds: u64| Time::from_millis(1_000 * seconds);
        let mut device = device();
        device.command(at(0), configure(Direction::SendRecv));
        all(&mut device, at(1));
        device.silent(at(10), &[]);
        device.silent(at(69), &[remote]);
        assert_eq!(all(&mut device, at(69)), []);
        device.silent(at(70), &[remote]);
        device.silent(at(71), &[remote]);
        assert_eq!(all(&mut device, at(71)), [Event::Silent { stream: STREAM, since: SILENCE }]);
        device.silent(at(72), &[]);
        assert_eq!(all(&mut device, at(72)), [Event::Receiving { stream: STREAM }]);
        device.command(at(80), configure(Direction::SendOnly));
        device.silent(at(200), &[remote]);
        assert_eq!(all(&mut device, at(200)), [], "on hold");
        device.command(at(200), configure(Direction::SendRecv));
        device.silent(at(259), &[remote]);
        assert_eq!(all(&mut device, at(259)), []);
    }

    #[test]
    fn the_members_of_a_mix_are_counted_and_bounded() {
        let mut device = device();
        let (mix, part) = (MixId(5), MixPart::Talks);
        for stream in 1..=70 {
            let stream = StreamId(stream);
            device.command(Time::ZERO, Command::Mix { stream, mix: Some(mix), part });
        }
        assert_eq!(device.members(mix).count(), MAX_MIX_MEMBERS);
        assert_eq!(all(&mut device, Time::ZERO).len(), 6);
        device.command(Time::ZERO, Command::Mix { stream: STREAM, mix: Some(mix), part: MixPart::Away });
        assert_eq!(device.members(mix).next(), Some((STREAM, MixPart::Away)));
        let hears = |a, b| device.hears(StreamId(a), StreamId(b));
        assert_eq!(
            [hears(2, 3), hears(1, 2), hears(2, 1), hears(2, 2), hears(2, 70)],
            [true, false, false, false, false]
        );
        device.command(Time::ZERO, Command::Mix { stream: STREAM, mix: None, part });
        device.command(Time::ZERO, Command::Stop { stream: StreamId(2) });
        assert_eq!(device.members(mix).count(), MAX_MIX_MEMBERS - 2);
    }
}
