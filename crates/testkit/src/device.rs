//! A media device without packets: it takes commands and reports as the media threads would, and notices misuse.

use hookswitch_machine::Time;
use hookswitch_media::control::{Command, Event, Port, PortId, Statistics, StreamId};
use std::collections::{BTreeMap, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

/// How long a port rests before it is handed out again.
const REST: Duration = Duration::from_secs(2);

/// Media threads that send and receive nothing. Ports come from a fixed stock.
#[derive(Debug)]
pub struct VirtualMedia {
    address: IpAddr,
    /// Ports that signalling has, in its stock or taken out of it.
    handed_out: BTreeMap<PortId, SocketAddr>,
    streams: BTreeMap<StreamId, Stream>,
    reports: VecDeque<(Time, Event)>,
    faults: Vec<String>,
    total: usize,
    numbers: u64,
}

#[derive(Debug)]
struct Stream {
    port: SocketAddr,
    configured: u32,
    digits: Option<u64>,
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
        let place = self.reports.partition_point(|(due, _)| *due <= at);
        self.reports.insert(place, (at, event));
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
                let started = Stream { port: rtp, configured: 0, digits: None };
                if self.streams.insert(stream, started).is_some() {
                    self.faults.push(format!("{stream:?} started twice"));
                }
            }
            Command::Configure { stream, .. } => {
                let Some(found) = self.stream(stream, "configured") else { return };
                found.configured += 1;
                if found.configured == 1 {
                    self.report(now + Duration::from_millis(20), Event::Receiving { stream });
                }
            }
            Command::Send { stream, .. } => {
                self.stream(stream, "given a source");
            }
            Command::Record { stream, .. } => {
                self.stream(stream, "recorded");
            }
            Command::SendDigits { stream, digits, duration, gap, tag } => {
                let Some(found) = self.stream(stream, "given digits") else { return };
                let before = found.digits.replace(tag);
                if let Some(tag) = before {
                    self.report(now, Event::DigitsSent { stream, tag, cancelled: true });
                }
                let number = u32::try_from(digits.len()).unwrap_or(u32::MAX);
                self.report(
                    now + (duration + gap).saturating_mul(number),
                    Event::DigitsSent { stream, tag, cancelled: false },
                );
            }
            Command::Report { stream } => {
                if self.stream(stream, "asked for figures").is_some() {
                    let statistics = Statistics::default();
                    self.report(now, Event::Statistics { stream, statistics });
                }
            }
            Command::Stop { stream } => {
                let Some(Stream { port, digits, .. }) = self.streams.remove(&stream) else {
                    return self.faults.push(format!("{stream:?} stopped, which does not run"));
                };
                if let Some(tag) = digits {
                    self.report(now, Event::DigitsSent { stream, tag, cancelled: true });
                }
                let statistics = Statistics::default();
                self.report(now, Event::Stopped { stream, statistics });
                self.stock(now + REST, port);
            }
            Command::Return { port } => match self.handed_out.remove(&port) {
                Some(rtp) => self.stock(now + REST, rtp),
                None => self.faults.push(format!("{port:?} given back, which is not in stock")),
            },
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
            let (_, event) = self.reports.pop_front()?;
            match event {
                Event::DigitsSent { stream, tag, cancelled: false } => {
                    // Replaced or stopped meanwhile: that was reported then.
                    let found = self.streams.get_mut(&stream).filter(|found| found.digits == Some(tag));
                    let Some(found) = found else { continue };
                    found.digits = None;
                    return Some(event);
                }
                other => return Some(other),
            }
        }
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
