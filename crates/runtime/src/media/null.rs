//! The null device: answers every command as a media thread would, at once, and does nothing else.

use super::config::MediaConfig;
use super::sink::EventSink;
use hookswitch_media::control::{Command, Event, Port, PortId, Statistics};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Ports without sockets.
#[derive(Debug)]
pub(super) struct NullDevice {
    config: MediaConfig,
    numbers: Box<[u16]>,
    next: AtomicU64,
    /// Ports announced and neither started nor returned.
    available: AtomicI64,
}

impl NullDevice {
    pub(super) fn new(config: MediaConfig) -> Self {
        let numbers = config.pairs().collect();
        Self { config, numbers, next: AtomicU64::new(1), available: AtomicI64::new(0) }
    }

    /// The first ports.
    pub(super) fn stock(&self, sink: &EventSink) {
        self.announce(self.config.stock, sink);
    }

    pub(super) fn command(&self, command: Command, sink: &EventSink) {
        match command {
            Command::Start { .. } | Command::Return { .. } => {
                let left = self.available.fetch_sub(1, Ordering::Relaxed) - 1;
                let quarter = self.config.stock.div_ceil(4);
                if left + quarter as i64 <= self.config.stock as i64 {
                    self.announce(quarter, sink);
                }
            }
            Command::SendDigits { stream, tag, .. } => {
                sink(Event::DigitsSent { stream, tag, cancelled: false });
            }
            Command::SendTone { stream, tag, .. } => {
                sink(Event::ToneSent { stream, tag, cancelled: false });
            }
            Command::Report { stream } => {
                sink(Event::Statistics { stream, statistics: Statistics::default() });
            }
            Command::Stop { stream } => sink(Event::Stopped { stream, statistics: Statistics::default() }),
            Command::StartLocal { .. }
            | Command::Configure { .. }
            | Command::Send { .. }
            | Command::Pause { .. }
            | Command::Gain { .. }
            | Command::Mix { .. }
            | Command::Record { .. }
            | Command::StopGenerating { .. }
            | Command::MonitorTones { .. }
            | Command::MonitorFax { .. }
            | Command::MonitorInBandDigits { .. } => {}
        }
    }

    fn announce(&self, count: usize, sink: &EventSink) {
        let ip = self.config.advertised();
        let ports: Vec<Port> = (0..count)
            .map_while(|_| {
                let id = self.next.fetch_add(1, Ordering::Relaxed);
                let at = (id % self.numbers.len().max(1) as u64) as usize;
                let number = *self.numbers.get(at)?;
                Some(Port { id: PortId(id), rtp: SocketAddr::new(ip, number) })
            })
            .collect();
        self.available.fetch_add(ports.len() as i64, Ordering::Relaxed);
        if !ports.is_empty() {
            sink(Event::Stocked { ports });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_media::control::{Source, StreamId};
    use std::sync::{Arc, Mutex};

    #[test]
    fn ports_never_run_out_and_every_question_is_answered() {
        let events = Arc::new(Mutex::new(Vec::new()));
        let seen = events.clone();
        let sink: EventSink = Arc::new(move |event| seen.lock().unwrap().push(event));
        let device = NullDevice::new(MediaConfig { stock: 8, null: true, ..MediaConfig::default() });
        device.stock(&sink);
        let mut stocked = Vec::new();
        for call in 0..1_000 {
            for event in events.lock().unwrap().drain(..) {
                if let Event::Stocked { ports } = event {
                    stocked.extend(ports);
                }
            }
            assert!(stocked.len() >= 4 && stocked.len() <= 8, "{} in stock", stocked.len());
            let port = stocked.remove(0);
            let stream = StreamId(call);
            device.command(Command::Start { stream, port: port.id, source: Source::Silence }, &sink);
            device.command(Command::Stop { stream }, &sink);
            let stopped = Event::Stopped { stream, statistics: Statistics::default() };
            assert!(events.lock().unwrap().contains(&stopped));
        }
    }
}
