//! Putting a driver together.

use super::handle::{DriverHandle, Running};
use super::network::{NetworkParts, NetworkThread};
use super::options::Options;
use super::shard::{MAILBOX, Shard, Surroundings};
use super::sink::Sink;
use crate::clock::Clock;
use crate::counters::Counters;
use crate::dns::{Reachable, Resolver};
use crate::entropy;
use crate::mailbox::{Bounds, Inbox, Inboxes, Mailbox};
use crate::transport::Bound;
use crate::transport::Steer;
use crate::transport::command::{COMMANDS, Commands};
use crate::transport::tcp::HubParts;
use crate::transport::udp::UdpEndpoint;
use hookswitch_machine::{Endpoint, Flow, Machine};
use mio::net::UdpSocket;
use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

/// A driver could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// As many machines as shards are needed.
    #[error(
        "{machines} machines for sockets that were opened for {shards} shards: give one machine per shard"
    )]
    Shards {
        /// How many machines were given.
        machines: usize,
        /// For how many shards the sockets were opened.
        shards: usize,
    },
    /// Several shards, and nothing says which of them a message belongs to.
    #[error("several shards share the sockets: say with `steer` which of them a message belongs to")]
    NoSteering,
    /// The system gave no thread, no readiness queue, or no runtime.
    #[error("the system refused what a driver needs: {0}")]
    System(#[from] io::Error),
    /// No random bytes.
    #[error(transparent)]
    Entropy(#[from] entropy::NoEntropy),
    /// The resolver could not be made.
    #[error("the DNS resolver could not be set up: {0}")]
    Dns(String),
}

/// Runs one machine per shard over open sockets.
pub struct Driver {
    bound: Bound,
    clock: Clock,
    options: Options,
    steer: Option<Steer>,
}

impl Driver {
    /// A driver for these sockets.
    pub fn new(bound: Bound, clock: Clock) -> Self {
        Self { bound, clock, options: Options::default(), steer: None }
    }

    /// Uses these limits instead of the default ones.
    #[must_use]
    pub fn options(mut self, options: Options) -> Self {
        self.options = options;
        self
    }

    /// With several shards: which of them a message belongs to, seen its first bytes and its path. What names no shard stays
    /// where it arrived. Called for every message, so it should look only for the shard number in our own identifiers.
    #[must_use]
    pub fn steer(mut self, steer: impl Fn(&[u8], Flow) -> usize + Send + Sync + 'static) -> Self {
        self.steer = Some(Arc::new(steer));
        self
    }

    /// Starts the threads. Each machine comes with the sink for what it hands out; their order is the order of the shards.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub fn start<M, S>(self, machines: Vec<(M, S)>) -> Result<Running<M>, StartError>
    where
        M: Machine + Send + 'static,
        M::Request: Send + 'static,
        M::MediaEvent: Send + 'static,
        S: Sink<M>,
    {
        let Self { bound, clock, options, steer } = self;
        let Bound { shards, endpoints, datagrams, listeners } = bound;
        if machines.len() != shards {
            return Err(StartError::Shards { machines: machines.len(), shards });
        }
        if shards > 1 && steer.is_none() {
            return Err(StartError::NoSteering);
        }
        let steer = steer.filter(|_| shards > 1);
        let counters = Arc::new(Counters::default());

        let bounds = Bounds {
            requests: options.requests,
            media: options.media_events,
            datagrams: options.steered_datagrams,
        };
        let mut polls = Vec::with_capacity(shards);
        let mut mailboxes = Vec::with_capacity(shards);
        for _ in 0..shards {
            let poll = mio::Poll::new()?;
            let waker = mio::Waker::new(poll.registry(), MAILBOX)?;
            mailboxes.push(Arc::new(Mailbox::<M::Request, M::MediaEvent>::new(bounds, waker)));
            polls.push(poll);
        }
        let inboxes: Inboxes =
            mailboxes.iter().map(|mailbox| Arc::clone(mailbox) as Arc<dyn Inbox>).collect();

        let (commands, taken) = tokio::sync::mpsc::channel(COMMANDS);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let resolver = {
            let _inside = runtime.enter();
            Resolver::new(&options.dns, Reachable::from(&endpoints), entropy::fresh()?)
                .map_err(|error| StartError::Dns(error.to_string()))?
        };
        let network = NetworkParts {
            hub: HubParts {
                options: options.streams.clone(),
                inboxes: Arc::clone(&inboxes),
                steer: steer.clone(),
                counters: Arc::clone(&counters),
                sources: sources(&endpoints, &listeners),
            },
            listeners,
            resolver,
            inboxes: Arc::clone(&inboxes),
            commands: taken,
            runtime,
        };

        let endpoints_shared: Arc<[Endpoint]> = endpoints.iter().copied().collect();
        let (alive, ended) = mpsc::channel();
        let handles: Vec<_> =
            mailboxes.iter().map(|mailbox| DriverHandle::new(Arc::clone(mailbox))).collect();
        let network = NetworkThread::start(network)?;
        // From here on, an error drops `running`, which ends what has started.
        let mut running = Running {
            handles,
            endpoints,
            counters: Arc::clone(&counters),
            threads: Vec::new(),
            ended,
            network,
        };
        for (number, ((((machine, sink), mailbox), poll), mut sockets)) in
            machines.into_iter().zip(mailboxes).zip(polls).zip(datagrams).enumerate()
        {
            for (endpoint, socket) in sockets.iter_mut().enumerate() {
                if let Some(socket) = socket {
                    poll.registry().register(socket, mio::Token(endpoint), mio::Interest::READABLE)?;
                }
            }
            let around = Surroundings {
                number,
                clock,
                endpoints: Arc::clone(&endpoints_shared),
                inboxes: Arc::clone(&inboxes),
                steer: steer.clone(),
                commands: Commands::clone(&commands),
                counters: Arc::clone(&counters),
                datagrams_per_turn: options.datagrams_per_turn,
                gather: options.gather,
            };
            let limit = options.datagram_limit;
            let start = Start { machine, sink, mailbox, poll, sockets, around, limit, alive: alive.clone() };
            running.threads.push(start.spawn()?);
        }
        Ok(running)
    }
}

/// What goes to a shard's thread; the rest is made there, because it may not move between threads.
struct Start<M: Machine, S> {
    machine: M,
    sink: S,
    mailbox: Arc<Mailbox<M::Request, M::MediaEvent>>,
    poll: mio::Poll,
    sockets: Vec<Option<UdpSocket>>,
    around: Surroundings,
    limit: usize,
    alive: mpsc::Sender<Infallible>,
}

impl<M, S> Start<M, S>
where
    M: Machine + Send + 'static,
    M::Request: Send + 'static,
    M::MediaEvent: Send + 'static,
    S: Sink<M>,
{
    fn spawn(self) -> io::Result<JoinHandle<()>> {
        let name = format!("hookswitch-{}", self.around.number);
        std::thread::Builder::new().name(name).spawn(move || {
            let Self { machine, sink, mailbox, poll, sockets, around, limit, alive } = self;
            let _alive = alive;
            let _guard = CloseWhenDropped(Arc::clone(&mailbox), around.number);
            let sockets = sockets.into_iter().zip(around.endpoints.iter());
            let sockets = sockets.map(|(socket, endpoint)| {
                socket
                    .map(|socket| UdpEndpoint::new(endpoint.id, socket, limit, Arc::clone(&around.counters)))
            });
            let sockets = sockets.collect();
            Shard { machine, sink, mailbox, poll, sockets, around, own: Vec::new() }.run();
        })
    }
}

/// Refuses requests once the thread has ended, however it did.
struct CloseWhenDropped<R, E>(Arc<Mailbox<R, E>>, usize);

impl<R, E> Drop for CloseWhenDropped<R, E> {
    fn drop(&mut self) {
        let lost = self.0.close().len();
        if std::thread::panicking() {
            tracing::error!(target: "hookswitch::driver", shard = self.1, lost, "a shard's machine failed; its calls are lost");
        }
    }
}

/// The specific address that each listener is bound to: connections are opened from it too.
fn sources(
    endpoints: &[Endpoint],
    listeners: &[(hookswitch_machine::EndpointId, std::net::TcpListener)],
) -> Vec<Option<IpAddr>> {
    let source = |endpoint: &Endpoint| {
        let (_, listener) = listeners.iter().find(|(id, _)| *id == endpoint.id)?;
        let ip = listener.local_addr().ok()?.ip();
        (!ip.is_unspecified()).then_some(ip)
    };
    endpoints.iter().map(source).collect()
}
