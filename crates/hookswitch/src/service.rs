//! The service: lines, threads, sockets, and the applications attached to them.

use crate::address;
use crate::application::Application;
use crate::config::{Config, MediaSettings};
use crate::session::Session;
use crate::{Error, StartError};
use dashmap::DashMap;
use hookswitch_engine::{Engine, EngineConfig, Notice, Request};
use hookswitch_machine::Endpoint;
use hookswitch_media::control::{Command, Event as MediaEvent};
use hookswitch_provider::{Alive, Counters, ProviderConfig};
use hookswitch_runtime::media::{Media, MediaConfig};
use hookswitch_runtime::{Bound, Clock, Driver, DriverHandle, Listen, Options, Running, Sink, entropy};
use hookswitch_telephony::{Request as TelephonyRequest, SessionId};
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// What all handles of a service share.
pub(crate) struct ServiceShared {
    sessions: Arc<DashMap<SessionId, Arc<Session>>>,
    handle: DriverHandle<Engine>,
    media: Arc<Media>,
    next_session: AtomicU64,
}

impl ServiceShared {
    /// A session is over: nobody reads its events any more.
    pub(crate) fn forget(&self, id: SessionId) {
        if let Some((_, session)) = self.sessions.remove(&id) {
            session.close();
        }
    }
}

/// Running lines. Dropping it ends everything without ceremony; [`shutdown`](Self::shutdown) hangs up and un-registers.
pub struct Service {
    shared: Arc<ServiceShared>,
    running: Option<Running<Engine>>,
    endpoints: Vec<Endpoint>,
    notices: Arc<Notices>,
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

/// What is alive in a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// On the provider's side.
    pub alive: Alive,
    /// Messages refused or dropped.
    pub counters: Counters,
    /// Calls that applications can still ask about.
    pub calls: usize,
    /// Attached applications.
    pub sessions: usize,
}

struct Notices {
    quiet: watch::Sender<bool>,
    figures: watch::Sender<(u64, Figures)>,
}

/// Takes what the engine hands out, on the shard's thread.
struct EngineSink {
    sessions: Arc<DashMap<SessionId, Arc<Session>>>,
    media: Arc<Media>,
    notices: Arc<Notices>,
}

impl Sink<Engine> for EngineSink {
    fn event(&self, notice: Notice) {
        match notice {
            Notice::Session(id, event) => {
                let session = self.sessions.get(&id).map(|session| Arc::clone(&session));
                if let Some(session) = session {
                    session.deliver(event);
                }
            }
            Notice::Quiet => {
                self.notices.quiet.send_replace(true);
            }
            Notice::Figures { alive, counters, calls, sessions } => {
                let figures = Figures { alive, counters, calls, sessions };
                self.notices.figures.send_modify(|(turn, last)| {
                    *turn += 1;
                    *last = figures;
                });
            }
        }
    }

    fn media(&self, command: Command) {
        self.media.command(command);
    }
}

/// Carries reports of the media threads to a shard, from before it runs, and over moments when its mailbox is full.
pub(crate) struct MediaReports<M: hookswitch_machine::Machine<MediaEvent = MediaEvent>> {
    shard: OnceLock<DriverHandle<M>>,
    waiting: Mutex<VecDeque<MediaEvent>>,
    reported: Condvar,
}

/// How long the first audio ports may take: binding them needs a few milliseconds.
const FIRST_PORTS: Duration = Duration::from_secs(2);

impl<M: hookswitch_machine::Machine<MediaEvent = MediaEvent>> MediaReports<M> {
    pub(crate) fn new() -> Arc<Self> {
        let waiting = Mutex::new(VecDeque::new());
        Arc::new(Self { shard: OnceLock::new(), waiting, reported: Condvar::new() })
    }

    pub(crate) fn report(&self, event: MediaEvent) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_back(event);
        self.reported.notify_all();
        self.pass_on(&mut waiting);
    }

    /// Reports go to `shard` from now on. Waits for the first one, which brings audio ports, so that a call made at once
    /// finds some.
    pub(crate) fn connect(&self, shard: DriverHandle<M>) {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let first = self.reported.wait_timeout_while(waiting, FIRST_PORTS, |waiting| waiting.is_empty());
        let (mut waiting, _) = first.unwrap_or_else(PoisonError::into_inner);
        let _ = self.shard.set(shard);
        self.pass_on(&mut waiting);
    }

    fn pass_on(&self, waiting: &mut VecDeque<MediaEvent>) {
        let Some(shard) = self.shard.get() else { return };
        while let Some(event) = waiting.pop_front() {
            match shard.media_event(event) {
                Ok(()) => {}
                Err(hookswitch_runtime::RequestError::Full(event)) => {
                    // The next report tries again; what the media threads say is bounded by what they were told to do.
                    waiting.push_front(event);
                    return;
                }
                Err(_) => return,
            }
        }
    }
}

/// Settings that a configuration file does not have: for load tests.
#[derive(Clone, Debug, Default)]
pub struct Tuning {
    /// Audio ports are numbers without sockets.
    pub null_media: bool,
    /// How many ports are kept in stock; the media threads' default if absent.
    pub stock: Option<usize>,
}

impl Service {
    /// Opens the sockets and starts the threads. Lines register when an application opens them.
    pub fn start(config: Config) -> Result<Self, StartError> {
        Self::start_tuned(config, &Tuning::default())
    }

    /// As [`start`](Self::start), with settings for tests.
    #[doc(hidden)]
    pub fn start_tuned(config: Config, tuning: &Tuning) -> Result<Self, StartError> {
        let peer = config.lines.first().and_then(|line| line.registrar.host.parse::<IpAddr>().ok());
        let listens: Vec<Listen> =
            config.sip.listen.iter().map(|listen| Listen::on(listen.transport, listen.address)).collect();
        let bound = Bound::open(&listens, 1)?;
        let endpoints = address::advertised(bound.endpoints(), config.sip.advertise, peer);
        let clock = Clock::start();
        let seeds = entropy::from_system()?;
        let mut identifiers = seeds.identifiers;

        let reports = MediaReports::<Engine>::new();
        let sink = Arc::clone(&reports);
        let media = Media::start(
            media_config(&config.media, tuning, peer),
            clock,
            identifiers.fork(),
            move |event| sink.report(event),
        )?;
        let media = Arc::new(media);

        let mut provider = ProviderConfig::new(endpoints.clone(), config.lines);
        provider.product.clone_from(&config.sip.user_agent);
        let telephony = hookswitch_telephony::Config {
            unowned: config.unowned,
            ..hookswitch_telephony::Config::default()
        };
        let engine = Engine::new(EngineConfig { provider, telephony }, identifiers);

        let sessions = Arc::new(DashMap::new());
        let notices = Arc::new(Notices {
            quiet: watch::Sender::new(false),
            figures: watch::Sender::new((0, Figures::default())),
        });
        let sink = EngineSink {
            sessions: Arc::clone(&sessions),
            media: Arc::clone(&media),
            notices: Arc::clone(&notices),
        };
        let running = Driver::new(bound, clock).options(Options::default()).start(vec![(engine, sink)])?;
        let Some(handle) = running.shard(0).cloned() else {
            unreachable!("a driver of one shard has shard 0");
        };
        reports.connect(handle.clone());
        let shared = Arc::new(ServiceShared { sessions, handle, media, next_session: AtomicU64::new(1) });
        Ok(Self { shared, running: Some(running), endpoints, notices })
    }

    /// Where the lines can be reached.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// Attaches an application (lineInitialize). Its name is what others hand calls to.
    pub async fn attach(&self, name: &str) -> Result<Application, Error> {
        self.attach_with(name, Duration::from_secs(10)).await
    }

    /// Attaches an application whose live calls wait `grace` for it should it be lost.
    pub async fn attach_with(&self, name: &str, grace: Duration) -> Result<Application, Error> {
        let id = SessionId(self.shared.next_session.fetch_add(1, Ordering::Relaxed));
        let session = Session::new(id, self.shared.handle.clone(), Arc::clone(&self.shared.media));
        self.shared.sessions.insert(id, Arc::clone(&session));
        let attach = TelephonyRequest::Attach { name: name.into(), grace, resume: None };
        if let Err(error) = session.request(attach).await {
            self.shared.forget(id);
            return Err(error);
        }
        Ok(Application::new(session, Arc::clone(&self.shared), name.to_owned()))
    }

    /// What is alive now.
    pub async fn figures(&self) -> Result<Figures, Error> {
        let mut watch = self.notices.figures.subscribe();
        let turn = watch.borrow_and_update().0;
        self.shared.handle.request(Request::Figures).map_err(|_| Error::Stopped)?;
        let news = watch.wait_for(|(now, _)| *now > turn).await.map_err(|_| Error::Stopped)?;
        Ok(news.1)
    }

    /// Hangs up, un-registers and ends the threads, in `within` at most whatever the network does.
    pub async fn shutdown(mut self, within: Duration) {
        let mut quiet = self.notices.quiet.subscribe();
        if self.shared.handle.request(Request::Shutdown).is_ok() {
            // In vain if the network does not answer: then the threads end all the same.
            let _ = tokio::time::timeout(within / 2, quiet.wait_for(|quiet| *quiet)).await;
        }
        let sessions: Vec<SessionId> = self.shared.sessions.iter().map(|entry| *entry.key()).collect();
        for session in sessions {
            self.shared.forget(session);
        }
        let running = self.running.take();
        let shared = Arc::clone(&self.shared);
        drop(self);
        let ended = tokio::task::spawn_blocking(move || {
            let driver = running.is_none_or(|running| running.shutdown(within / 4).is_ok());
            // Handles of calls that the program still holds keep the media threads; they end with the last of those.
            let media = Arc::into_inner(shared).and_then(|shared| Arc::into_inner(shared.media));
            let media = media.is_none_or(|media| media.shutdown(within / 4).is_ok());
            driver && media
        })
        .await;
        if !matches!(ended, Ok(true)) {
            tracing::warn!(target: "hookswitch::service", "some threads did not end in time");
        }
    }
}

/// The media threads' settings from the configuration's.
pub(crate) fn media_config(settings: &MediaSettings, tuning: &Tuning, peer: Option<IpAddr>) -> MediaConfig {
    let mut media = MediaConfig::default();
    media.threads = settings.threads;
    media.address = settings.address;
    media.advertised = settings.advertise.or_else(|| {
        settings.address.is_unspecified().then(|| address::reachable(settings.address.is_ipv4(), peer))
    });
    media.ports = settings.ports.clone();
    media.null = tuning.null_media;
    if let Some(stock) = tuning.stock {
        media.stock = stock;
    }
    media
}
