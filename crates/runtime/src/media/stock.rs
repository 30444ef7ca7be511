//! Ports bound ahead of need, and the rest of those that were used.

use super::config::MediaConfig;
use super::sink::EventSink;
use hookswitch_media::control::{Event, Port, PortId};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::{HashMap, HashSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// After a walk through the range that found no free port.
const PATIENCE: Duration = Duration::from_secs(1);
/// Ports announced in one event at most.
const BATCH: usize = 64;
/// Expedited forwarding (RFC 3246): routers that care let voice go first.
const TOS: u32 = 0xb8;

/// The sockets of one port.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) id: PortId,
    pub(super) rtp: UdpSocket,
    pub(super) rtcp: UdpSocket,
    number: u16,
}

#[derive(Debug, Default)]
struct Shelf {
    /// Announced and neither started nor returned.
    ready: HashMap<PortId, Pair>,
    /// Bound by us, or at rest.
    taken: HashSet<u16>,
    resting: VecDeque<(Instant, u16)>,
    /// To be closed outside of the lock.
    used: Vec<Pair>,
    stopping: bool,
}

/// The stock.
#[derive(Debug)]
pub(super) struct Stock {
    config: MediaConfig,
    shelf: Mutex<Shelf>,
    changed: Condvar,
}

impl Stock {
    pub(super) fn new(config: MediaConfig) -> Self {
        Self { config, shelf: Mutex::default(), changed: Condvar::new() }
    }

    /// Takes a port off the shelf.
    pub(super) fn take(&self, id: PortId) -> Option<Pair> {
        let mut shelf = self.lock();
        let pair = shelf.ready.remove(&id);
        if shelf.ready.len() <= self.low() {
            self.changed.notify_one();
        }
        pair
    }

    /// Closes a port and lets it rest.
    pub(super) fn put_to_rest(&self, pair: Pair) {
        self.lock().used.push(pair);
        self.changed.notify_one();
    }

    /// Ends [`Self::keep`].
    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.changed.notify_all();
    }

    /// Binds one port right away, so that a wrong address is known at the start. Others of this host may have many of the range.
    pub(super) fn probe(&self) -> io::Result<()> {
        let mut last = io::Error::new(
            io::ErrorKind::AddrInUse,
            "the port range holds no even port with its odd neighbour",
        );
        for number in self.config.pairs() {
            match self.bind(number) {
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::AddrInUse => last = error,
                Err(error) => return Err(error),
            }
        }
        Err(last)
    }

    /// Keeps the stock until [`Self::stop`]: binds, announces, closes.
    pub(super) fn keep(&self, sink: &EventSink) {
        let mut range = self.config.pairs().cycle();
        let pairs = self.config.pairs().count();
        let mut next_id = 1;
        let mut warned = false;
        let mut filling = true;
        let mut exhausted_until: Option<Instant> = None;
        loop {
            let now = Instant::now();
            let mut shelf = self.lock();
            let used = std::mem::take(&mut shelf.used);
            if shelf.stopping {
                shelf.ready.clear();
                return;
            }
            while let Some((_, number)) = shelf.resting.front().copied().filter(|(until, _)| *until <= now) {
                shelf.resting.pop_front();
                shelf.taken.remove(&number);
            }
            let wanted = self.config.stock.saturating_sub(shelf.ready.len()).min(BATCH);
            filling = wanted > 0 && (filling || shelf.ready.len() <= self.low());
            let may_bind = exhausted_until.is_none_or(|until| until <= now);
            if used.is_empty() && (!filling || !may_bind) {
                let rest = shelf.resting.front().map(|(until, _)| until.saturating_duration_since(now));
                let patience = exhausted_until.map(|until| until.saturating_duration_since(now));
                // Rounded up: no turning while an instant is a fraction of a millisecond away.
                let wait = rest.into_iter().chain(patience).min().map(|d| d + Duration::from_millis(1));
                self.wait(shelf, wait);
                continue;
            }
            drop(shelf);
            self.close(used, now);
            if !may_bind || !filling || wanted == 0 {
                continue;
            }
            let mut bound = Vec::with_capacity(wanted);
            for number in range.by_ref().take(pairs) {
                if self.lock().taken.contains(&number) {
                    continue;
                }
                match self.bind(number) {
                    Ok((rtp, rtcp)) => {
                        bound.push(Pair { id: PortId(next_id), rtp, rtcp, number });
                        next_id += 1;
                        if bound.len() >= wanted {
                            break;
                        }
                    }
                    // Another process has it.
                    Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
                    Err(error) => {
                        if !warned {
                            tracing::warn!(target: "hookswitch::media", %error, "no more media ports can be bound");
                            warned = true;
                        }
                        break;
                    }
                }
            }
            exhausted_until = (bound.len() < wanted).then(|| now + PATIENCE);
            warned &= exhausted_until.is_some();
            self.announce(bound, sink);
        }
    }

    fn announce(&self, bound: Vec<Pair>, sink: &EventSink) {
        if bound.is_empty() {
            return;
        }
        let ip = self.config.advertised();
        let ports =
            bound.iter().map(|pair| Port { id: pair.id, rtp: SocketAddr::new(ip, pair.number) }).collect();
        let mut shelf = self.lock();
        for pair in bound {
            shelf.taken.insert(pair.number);
            shelf.ready.insert(pair.id, pair);
        }
        drop(shelf);
        sink(Event::Stocked { ports });
    }

    fn close(&self, used: Vec<Pair>, now: Instant) {
        let numbers: Vec<u16> = used.iter().map(|pair| pair.number).collect();
        drop(used);
        let mut shelf = self.lock();
        shelf.resting.extend(numbers.into_iter().map(|number| (now + self.config.rest, number)));
    }

    fn bind(&self, number: u16) -> io::Result<(UdpSocket, UdpSocket)> {
        Ok((open(self.config.address, number)?, open(self.config.address, number + 1)?))
    }

    /// Refilling begins at three quarters, so that it goes in batches.
    fn low(&self) -> usize {
        self.config.stock - self.config.stock.div_ceil(4)
    }

    fn lock(&self) -> MutexGuard<'_, Shelf> {
        self.shelf.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait(&self, shelf: MutexGuard<'_, Shelf>, most: Option<Duration>) {
        match most {
            Some(most) => drop(self.changed.wait_timeout(shelf, most)),
            None => drop(self.changed.wait(shelf)),
        }
    }
}

fn open(ip: IpAddr, number: u16) -> io::Result<UdpSocket> {
    let socket =
        Socket::new(Domain::for_address(SocketAddr::new(ip, number)), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    let marked = if ip.is_ipv4() { socket.set_tos_v4(TOS) } else { Ok(()) };
    if let Err(error) = marked {
        tracing::debug!(target: "hookswitch::media", %error, "packets are not marked as voice");
    }
    socket.bind(&SocketAddr::new(ip, number).into())?;
    Ok(socket.into())
}
