//! The service: lines, threads, sockets, and the applications attached to them.

use crate::address;
use crate::attach::ServiceOptions;
use crate::config::{Config, Installation, MediaSettings};
use crate::follow::{Follower, Following, Ran};
use crate::orders::Orders;
use crate::session::{Session, Wakes};
use crate::shards::{Shard, Steering};
use crate::token::SessionToken;
use crate::{Audio, Error, StartError};
use dashmap::DashMap;
use hookswitch_engine::{Engine, EngineConfig, Notice, Request};
use hookswitch_machine::{Endpoint, Entropy};
use hookswitch_media::control::{Command, Event as MediaEvent};
use hookswitch_provider::{Alive, Counters, ProviderConfig};
use hookswitch_runtime::media::{Media, MediaConfig};
use hookswitch_runtime::{Bound, Clock, Driver, DriverHandle, Listen, Options, Running, Sink, entropy};
use hookswitch_sip::session_timer::Interval;
use hookswitch_telephony::{Limits, Priorities, SessionId};
use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// What all handles of a service share.
pub(crate) struct ServiceShared {
    pub(crate) sessions: Arc<DashMap<SessionId, Arc<Session>>>,
    shards: Arc<[Shard]>,
    next_session: AtomicU64,
    /// For tokens.
    keys: Mutex<Entropy>,
    /// Starts somebody who takes requests for calls.
    pub(crate) launcher: OnceLock<Launcher>,
    /// Who comes first, for whoever stores it.
    pub(crate) priorities: Arc<Orders>,
}

/// Starts a program that takes requests for calls.
pub(crate) type Launcher = Box<dyn Fn() + Send + Sync>;

impl ServiceShared {
    /// A session is over: nobody reads its events any more.
    pub(crate) fn forget(&self, id: SessionId) {
        if let Some((_, session)) = self.sessions.remove(&id) {
            session.close();
        }
    }

    /// A session that shards can tell things.
    pub(crate) fn session(&self) -> Arc<Session> {
        let id = SessionId(self.next_session.fetch_add(1, Ordering::Relaxed));
        let secret = {
            let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            [keys.next_u64(), keys.next_u64()]
        };
        let session = Session::new(SessionToken::new(id, secret), Arc::clone(&self.shards));
        self.sessions.insert(id, Arc::clone(&session));
        session
    }
}

/// Running lines. Dropping it ends everything without ceremony; [`shutdown`](Self::shutdown) hangs up and un-registers.
pub struct Service {
    pub(crate) shared: Arc<ServiceShared>,
    /// Of an installed provider: who looks after changes of the store.
    following: Option<Following>,
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

impl Figures {
    /// Adds what another shard says. Sessions are attached to all shards and count once.
    fn add(&mut self, other: &Self) {
        self.alive = Alive {
            calls: self.alive.calls + other.alive.calls,
            sessions: self.alive.sessions + other.alive.sessions,
            transactions: self.alive.transactions + other.alive.transactions,
            timers: self.alive.timers + other.alive.timers,
            stock: self.alive.stock + other.alive.stock,
            queries: self.alive.queries + other.alive.queries,
            subscriptions: self.alive.subscriptions + other.alive.subscriptions,
        };
        self.counters = Counters {
            refused: self.counters.refused + other.counters.refused,
            dropped: self.counters.dropped + other.counters.dropped,
            forbidden: self.counters.forbidden + other.counters.forbidden,
        };
        self.calls += other.calls;
        self.sessions = self.sessions.max(other.sessions);
    }
}

struct Notices {
    /// How many shards have gone quiet.
    quiet: watch::Sender<usize>,
    /// How many answers have come, and their sum since the last question.
    figures: watch::Sender<(usize, Figures)>,
    /// Held by whoever waits for figures.
    asking: tokio::sync::Mutex<()>,
}

/// Takes what the engine hands out, on the shard's thread.
struct EngineSink {
    sessions: Arc<DashMap<SessionId, Arc<Session>>>,
    media: Arc<Media>,
    notices: Arc<Notices>,
    wakes: RefCell<Wakes>,
}

impl Sink<Engine> for EngineSink {
    fn event(&self, notice: Notice) {
        match notice {
            Notice::Session(id, event) => {
                let session = self.sessions.get(&id).map(|session| Arc::clone(&session));
                if let Some(session) = session {
                    session.deliver(event, &mut self.wakes.borrow_mut());
                    if session.is_over() && self.sessions.remove(&id).is_some() {
                        session.close();
                    }
                }
            }
            Notice::Quiet => {
                self.notices.quiet.send_modify(|shards| *shards += 1);
            }
            Notice::Figures { alive, counters, calls, sessions } => {
                self.notices.figures.send_modify(|(answers, sum)| {
                    *answers += 1;
                    sum.add(&Figures { alive, counters, calls, sessions });
                });
            }
        }
    }

    fn media(&self, command: Command) {
        self.media.command(command);
    }

    fn turn_ended(&self) {
        self.wakes.borrow_mut().wake();
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
        Arc::new(Self {
            shard: OnceLock::new(),
            waiting: Mutex::new(VecDeque::new()),
            reported: Condvar::new(),
        })
    }

    pub(crate) fn report(&self, event: MediaEvent) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.push_back(event);
        if self.shard.get().is_none() {
            // Only `connect` waits, and a notification is a system call whether anybody does or not.
            self.reported.notify_all();
        }
        self.pass_on(&mut waiting);
    }

    /// Reports go to `shard` from now on. Waits for the first one, which brings audio ports, so that a call made at once finds
    /// some. Bounded; without a word the first calls are refused with 503.
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
    /// As in [`Service::start_with`].
    pub options: ServiceOptions,
}

/// A service, and what follows its store.
struct Parts {
    service: Service,
    steering: Arc<Steering>,
}

impl Service {
    /// Opens the sockets and starts the threads. Lines register when an application opens them.
    pub fn start(config: Config) -> Result<Self, StartError> {
        Self::start_tuned(config, &Tuning::default())
    }

    /// As [`start`](Self::start), with what the program decides about its applications.
    pub fn start_with(config: Config, options: ServiceOptions) -> Result<Self, StartError> {
        Self::start_tuned(config, &Tuning { options, ..Tuning::default() })
    }

    /// Starts what is installed, and follows its store from then on: lines that are added or removed there appear and disappear
    /// ([`Event::LineCreated`](crate::Event::LineCreated), [`Event::LineRemoved`](crate::Event::LineRemoved)), new passwords are
    /// used; everything else applications are told once ([`Event::Reinitialise`](crate::Event::Reinitialise)), and it takes
    /// effect at the next start. Orders of applications are kept in the store. `adjust` may change the configuration for this
    /// session only: sockets, for instance.
    ///
    /// ```no_run
    /// # fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use hookswitch::{Service, config::Installation};
    /// let installation = Installation::at(Installation::default_folder());
    /// let service = Service::start_installed(&installation, |_| {})?;
    /// installation.configure(|document| {
    ///     document.add_line("desk", vec![("registrar", "pbx.example.org".into()), ("user", "1001".into())])?;
    ///     Ok(())
    /// })?;
    /// // Applications hear `Event::LineCreated` within seconds.
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// Nothing is installed, its file is wrong, or [`StartError`] for the reasons of [`start`](Self::start).
    pub fn start_installed(
        installation: &Installation,
        adjust: impl FnOnce(&mut Config),
    ) -> Result<Self, StartError> {
        Self::start_installed_with(installation, ServiceOptions::default(), adjust)
    }

    /// As [`start_installed`](Self::start_installed), with what the program decides about its applications. The orders of
    /// applications are those of the store, unless the options have some.
    ///
    /// # Errors
    /// As [`start_installed`](Self::start_installed).
    pub fn start_installed_with(
        installation: &Installation,
        options: ServiceOptions,
        adjust: impl FnOnce(&mut Config),
    ) -> Result<Self, StartError> {
        let (stored, text) = installation.read_with_text(true).map_err(StartError::Installation)?;
        let mut config = stored.clone();
        adjust(&mut config);
        let mut parts = Self::parts(config, &Tuning { options, ..Tuning::default() })?;
        let shared = &parts.service.shared;
        let session = Ran {
            shards: Arc::clone(&shared.shards),
            steering: parts.steering,
            orders: Arc::clone(&shared.priorities),
        };
        let follower = Follower::new(installation.clone(), stored, text, session);
        parts.service.following = Some(Following::start(follower)?);
        Ok(parts.service)
    }

    /// Looks at the store of an installed provider now, instead of within a few seconds: what was changed there has taken
    /// effect, or was announced, when this returns. What became of it, for people; `None` if nothing changed.
    ///
    /// # Errors
    /// The changed file is wrong; the session goes on with what it has.
    pub async fn look_at_store(&self) -> Result<Option<String>, Error> {
        match &self.following {
            Some(following) => following.look().await,
            None => Ok(None),
        }
    }

    /// As [`start`](Self::start), with settings for tests.
    #[doc(hidden)]
    pub fn start_tuned(config: Config, tuning: &Tuning) -> Result<Self, StartError> {
        Self::parts(config, tuning).map(|parts| parts.service)
    }

    fn parts(config: Config, tuning: &Tuning) -> Result<Parts, StartError> {
        let peer = config.lines.first().and_then(|line| line.registrar.host.parse::<IpAddr>().ok());
        let listens: Vec<Listen> =
            config.sip.listen.iter().map(|listen| Listen::on(listen.transport, listen.address)).collect();
        let count = config.sip.shards.max(1);
        let bound = Bound::open(&listens, count)?;
        let endpoints = address::advertised(bound.endpoints(), &listens, config.sip.advertise, peer);
        let clock = Clock::start();
        let entropy::Seeds { mut identifiers, keys } = entropy::from_system()?;
        let steering = Arc::new(Steering::new(&config.lines, count, identifiers.hash_keys()));

        let sessions = Arc::new(DashMap::new());
        let notices = Arc::new(Notices {
            quiet: watch::Sender::new(0),
            figures: watch::Sender::new((0, Figures::default())),
            asking: tokio::sync::Mutex::new(()),
        });
        let priorities = match &tuning.options.priorities {
            none if *none == Priorities::default() => config.priorities.clone(),
            some => some.clone(),
        };
        let mut machines = Vec::with_capacity(count);
        let mut outlets = Vec::with_capacity(count);
        for shard in 0..count {
            let reports = MediaReports::<Engine>::new();
            let sink = Arc::clone(&reports);
            let settings = media_config(&config.media, tuning, peer, shard, count);
            let media = Media::start(settings, clock, identifiers.fork(), move |event| sink.report(event))?;
            let media = Arc::new(media);
            let mut provider = ProviderConfig::new(endpoints.clone(), config.lines.clone());
            provider.product.clone_from(&config.sip.user_agent);
            provider.session_timer =
                config.sip.session_expires.map(|expires| Interval { expires, ..Interval::default() });
            (provider.shard, provider.shards) = (shard as u16, count as u16);
            let options = &tuning.options;
            let limits = Limits { grace: options.longest_grace, ..Limits::default() };
            let telephony = hookswitch_telephony::Config {
                unowned: config.unowned.clone(),
                priorities: priorities.clone(),
                lost_treatment: options.lost_treatment.clone().map(Audio::into_source),
                limits,
                ..hookswitch_telephony::Config::default()
            };
            let engine = Engine::new(EngineConfig { provider, telephony }, identifiers.fork());
            let sink = EngineSink {
                sessions: Arc::clone(&sessions),
                media: Arc::clone(&media),
                notices: Arc::clone(&notices),
                wakes: RefCell::default(),
            };
            machines.push((engine, sink));
            outlets.push((media, reports));
        }
        let steers = Arc::clone(&steering);
        let running = Driver::new(bound, clock)
            .options(Options::default())
            // What names no shard stays where it arrived: with several lines there, its source decides.
            .steer(move |bytes, flow| steers.shard(bytes, flow.peer.ip()).unwrap_or(usize::MAX))
            .start(machines)?;
        let shards: Arc<[Shard]> = running
            .shards()
            .iter()
            .zip(outlets)
            .map(|(handle, (media, reports))| {
                reports.connect(handle.clone());
                Shard { handle: handle.clone(), media }
            })
            .collect();
        let shared = Arc::new(ServiceShared {
            sessions,
            shards,
            next_session: AtomicU64::new(1),
            keys: Mutex::new(keys),
            launcher: OnceLock::new(),
            priorities: Arc::new(Orders::new(priorities)),
        });
        let service = Self { shared, following: None, running: Some(running), endpoints, notices };
        Ok(Parts { service, steering })
    }

    /// Where the lines can be reached.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// What is alive now.
    pub async fn figures(&self) -> Result<Figures, Error> {
        let _one_at_a_time = self.notices.asking.lock().await;
        let asked = self.shared.shards.len();
        self.notices.figures.send_replace((0, Figures::default()));
        let mut watch = self.notices.figures.subscribe();
        for shard in self.shared.shards.iter() {
            shard.handle.last_word(Request::Figures).map_err(|_| Error::Stopped)?;
        }
        let news = watch.wait_for(|(answers, _)| *answers >= asked).await.map_err(|_| Error::Stopped)?;
        Ok(news.1)
    }

    /// Hangs up, un-registers and ends the threads, in `within` at most whatever the network does.
    pub async fn shutdown(mut self, within: Duration) {
        let end = Instant::now() + within;
        // What was ordered last is stored before anything ends.
        if let Some(following) = self.following.take() {
            // Somebody else may be changing the store; then the last order is lost, nothing else.
            let _ = tokio::time::timeout(within / 4, following.end()).await;
        }
        let mut quiet = self.notices.quiet.subscribe();
        let asked = self
            .shared
            .shards
            .iter()
            .filter(|shard| shard.handle.last_word(Request::Shutdown).is_ok())
            .count();
        // In vain if the network does not answer: then the threads end all the same.
        let _ = tokio::time::timeout(within / 2, quiet.wait_for(|quiet| *quiet >= asked)).await;
        let sessions: Vec<SessionId> = self.shared.sessions.iter().map(|entry| *entry.key()).collect();
        for session in sessions {
            self.shared.forget(session);
        }
        let running = self.running.take();
        let shared = Arc::clone(&self.shared);
        drop(self);
        let ended = tokio::task::spawn_blocking(move || {
            let left = || end.saturating_duration_since(Instant::now());
            let driver = running.is_none_or(|running| running.shutdown(left() / 2).is_ok());
            // Handles of calls that the program still holds keep the media threads; they end with the last of those.
            let media: Vec<Arc<Media>> = shared.shards.iter().map(|shard| Arc::clone(&shard.media)).collect();
            drop(shared);
            let media = media.into_iter().filter_map(Arc::into_inner);
            media.fold(driver, |fine, media| media.shutdown(left()).is_ok() && fine)
        })
        .await;
        if !matches!(ended, Ok(true)) {
            tracing::warn!(target: "hookswitch::service", "some threads did not end in time");
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // Whoever still waits for an event or an answer learns that there will be none.
        let sessions: Vec<SessionId> = self.shared.sessions.iter().map(|entry| *entry.key()).collect();
        for session in sessions {
            self.shared.forget(session);
        }
    }
}

/// The media threads' settings from the configuration's.
///
/// Each shard has a share of the ports of its own.
pub(crate) fn media_config(
    settings: &MediaSettings,
    tuning: &Tuning,
    peer: Option<IpAddr>,
    shard: usize,
    shards: usize,
) -> MediaConfig {
    let mut media = MediaConfig::default();
    media.threads = settings.threads;
    media.address = settings.address;
    media.advertised = settings.advertise.or_else(|| {
        settings.address.is_unspecified().then(|| address::reachable(settings.address.is_ipv4(), peer))
    });
    let (first, last) = (usize::from(*settings.ports.start()), usize::from(*settings.ports.end()));
    let share = (last + 1 - first) / shards / 2 * 2;
    let first = first + shard * share;
    let last = if shard + 1 == shards { last } else { first + share - 1 };
    media.ports = first as u16..=last as u16;
    media.stream.silence_limit = Some(Duration::from_secs(60));
    media.null = tuning.null_media;
    if let Some(stock) = tuning.stock {
        media.stock = stock;
    }
    media
}
