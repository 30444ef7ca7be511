//! The embedded softswitch as a running thing: its thread, its sockets, its media threads, and what it tells an operator.

use crate::address;
use crate::config::{MediaSettings, SoftswitchConfig};
use crate::phone_desk::{Desks, overload};
use crate::phone_machine::{SwitchMachine, SwitchRequest, SwitchTold};
use crate::service::{MediaReports, Tuning, media_config};
use crate::{Error, PhoneDevices, StartError};
use hookswitch_machine::Endpoint;
use hookswitch_media::control::Command;
use hookswitch_runtime::media::Media;
use hookswitch_runtime::{Bound, Clock, Driver, DriverHandle, Listen, Running, Sink, entropy};
use hookswitch_softswitch::{Event, Limits, Messages, Phone, Request, Snapshot};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{broadcast, mpsc, watch};

/// Events that nobody has read; more than that many are dropped and counted.
const EVENTS: usize = 4_096;
/// Changes of phones that a reader may be behind; one that is more behind misses some, and is told how many.
const CHANGES: usize = 1_024;
/// How often the end of the last calls is looked for while shutting down.
const LOOK: Duration = Duration::from_millis(20);

/// A running softswitch: registrar, router, and extensions for echo, tone and music. Dropping it ends it without ceremony.
pub struct Softswitch {
    handle: DriverHandle<SwitchMachine>,
    running: Running<SwitchMachine>,
    media: Arc<Media>,
    endpoints: Vec<Endpoint>,
    events: mpsc::Receiver<Event>,
    dropped: Arc<AtomicU64>,
    snapshots: watch::Receiver<(u64, Snapshot)>,
    changes: broadcast::Sender<Event>,
    users: Mutex<Vec<String>>,
    desks: Arc<Desks>,
}

/// What happens to the phones registered with the softswitch: [`SoftswitchEvent`](crate::SoftswitchEvent)s of the kinds
/// `Registered`, `Unregistered`, `PhoneCall` and `PhoneMessages`, in order.
#[derive(Debug)]
pub struct PhoneChanges {
    receiver: broadcast::Receiver<Event>,
}

/// So many changes were lost because they were not read in time: [`Softswitch::phones`] says how things stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} changes of phones were not read in time; ask for the phones anew")]
pub struct Missed(pub u64);

impl PhoneChanges {
    /// The next change; `None` when the softswitch has stopped.
    ///
    /// # Errors
    /// [`Missed`] if some were lost; the next call goes on behind them.
    pub async fn next(&mut self) -> Option<Result<Event, Missed>> {
        match self.receiver.recv().await {
            Ok(event) => Some(Ok(event)),
            Err(broadcast::error::RecvError::Lagged(lost)) => Some(Err(Missed(lost))),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl std::fmt::Debug for Softswitch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Softswitch").field("endpoints", &self.endpoints).finish_non_exhaustive()
    }
}

/// Takes what the machine hands out, on its thread.
struct SwitchSink {
    media: Arc<Media>,
    events: mpsc::Sender<Event>,
    dropped: Arc<AtomicU64>,
    snapshots: watch::Sender<(u64, Snapshot)>,
    changes: broadcast::WeakSender<Event>,
    desks: Arc<Desks>,
}

impl Drop for SwitchSink {
    fn drop(&mut self) {
        self.desks.stop();
    }
}

impl SwitchSink {
    /// Tells those who follow the phones, if there are any.
    fn change(&self, event: Event) {
        if let Some(changes) = self.changes.upgrade() {
            // Nobody listens: nobody misses it.
            let _ = changes.send(event);
        }
    }
}

impl Sink<SwitchMachine> for SwitchSink {
    fn event(&self, told: SwitchTold) {
        let event = match told {
            SwitchTold::Phone(session, news) => return self.desks.tell(session, news),
            SwitchTold::Switch(event) => event,
        };
        match event {
            Event::Snapshot(snapshot) => self.snapshots.send_modify(|(turn, last)| {
                *turn += 1;
                *last = snapshot;
            }),
            event @ (Event::PhoneCall { .. } | Event::PhoneMessages { .. }) => self.change(event),
            event => {
                if matches!(event, Event::Registered { .. } | Event::Unregistered { .. }) {
                    self.change(event.clone());
                }
                if self.events.try_send(event).is_err() {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }

    fn media(&self, command: Command) {
        self.media.command(command);
    }
}

impl Softswitch {
    /// Opens the sockets and starts the threads. The audio of the extensions uses the default media settings.
    ///
    /// # Errors
    /// [`StartError`] if a socket cannot be opened or a thread not started.
    pub fn start(config: SoftswitchConfig) -> Result<Self, StartError> {
        Self::start_with(config, &MediaSettings::default())
    }

    /// As [`start`](Self::start), with these settings for the audio of the extensions.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(config: SoftswitchConfig, media: &MediaSettings) -> Result<Self, StartError> {
        let listens: Vec<Listen> =
            config.listen.iter().map(|(transport, address)| Listen::on(*transport, *address)).collect();
        let bound = Bound::open(&listens, 1)?;
        let endpoints = address::advertised(bound.endpoints(), &listens, None, None);
        let clock = Clock::start();
        let mut identifiers = entropy::from_system()?.identifiers;

        let mut settings = media.clone();
        if let Some(ip) = listens_on(&config).filter(|_| settings.address.is_unspecified()) {
            // Who can reach the softswitch at one address only will hear its extensions there.
            settings.address = ip;
        }
        let reports = MediaReports::<SwitchMachine>::new();
        let sink = Arc::clone(&reports);
        let media = Media::start(
            media_config(&settings, &Tuning::default(), None, 0, 1),
            clock,
            identifiers.fork(),
            move |event| sink.report(event),
        )?;
        let media = Arc::new(media);

        let limits = Limits::default();
        let machine =
            hookswitch_softswitch::Softswitch::new(&config, limits, 0, endpoints.clone(), identifiers);
        let machine = SwitchMachine::new(machine);
        let desks = Arc::new(Desks::default());
        let (tell, events) = mpsc::channel(EVENTS);
        let (snapshot, snapshots) = watch::channel((0, Snapshot::default()));
        let dropped = Arc::new(AtomicU64::new(0));
        let (changes, _) = broadcast::channel(CHANGES);
        let users = config.accounts.iter().map(|account| account.user.clone()).collect();
        let sink = SwitchSink {
            media: Arc::clone(&media),
            events: tell,
            dropped: Arc::clone(&dropped),
            snapshots: snapshot,
            changes: changes.downgrade(),
            desks: Arc::clone(&desks),
        };
        let running = Driver::new(bound, clock).start(vec![(machine, sink)])?;
        let Some(handle) = running.shard(0).cloned() else {
            unreachable!("a driver of one shard has shard 0");
        };
        reports.connect(handle.clone());
        let users = Mutex::new(users);
        Ok(Self { handle, running, media, endpoints, events, dropped, snapshots, changes, users, desks })
    }

    /// Where it can be reached.
    pub fn endpoints(&self) -> &[Endpoint] {
        &self.endpoints
    }

    /// The next event; `None` when it has stopped.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// How many events were dropped because nobody read them.
    pub fn dropped_events(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Who is registered, and what is alive.
    ///
    /// # Errors
    /// [`Error::Stopped`] if it has stopped, [`Error::Overloaded`] if it cannot take the question.
    pub async fn snapshot(&self) -> Result<Snapshot, Error> {
        let mut watch = self.snapshots.clone();
        let turn = watch.borrow_and_update().0;
        self.ask(Request::Snapshot)?;
        let news = watch.wait_for(|(now, _)| *now > turn).await.map_err(|_| Error::Stopped)?;
        Ok(news.1.clone())
    }

    /// The users that are registered: their phones, calls, and what waits for them.
    ///
    /// # Errors
    /// As [`snapshot`](Self::snapshot).
    pub async fn phones(&self) -> Result<Vec<Phone>, Error> {
        Ok(self.snapshot().await?.phones)
    }

    /// What happens to the phones from now on. Take it before [`phones`](Self::phones), and nothing is missed between.
    ///
    /// # Errors
    /// [`Error::Stopped`] if it has stopped, [`Error::Overloaded`] if it cannot take the question.
    pub fn phone_changes(&self) -> Result<PhoneChanges, Error> {
        let receiver = self.changes.subscribe();
        self.ask(Request::WatchPhones(true))?;
        Ok(PhoneChanges { receiver })
    }

    /// So many messages wait for a user, new ones and old: its message waiting lamp (RFC 3842). Kept in memory until the next call,
    /// or the end.
    ///
    /// # Errors
    /// [`Error::NoSuchUser`], [`Error::Stopped`], [`Error::Overloaded`].
    pub fn set_messages(&self, user: &str, new: u32, old: u32) -> Result<(), Error> {
        let user = user.to_owned();
        if !self.users().contains(&user) {
            return Err(Error::NoSuchUser { user });
        }
        self.ask(Request::SetMessages { user, messages: Messages { new, old } })
    }

    /// The registered phones as devices that can be watched, owned and changed.
    ///
    /// # Errors
    /// [`Error::Stopped`] if it has stopped, [`Error::Overloaded`] if it cannot take the question.
    pub fn phone_devices(&self) -> Result<PhoneDevices, Error> {
        let (desk, news) = self.desks.attach(self.handle.clone())?;
        Ok(PhoneDevices::new(desk, news))
    }

    /// Takes an account away until the next start: its registrations and its phone are gone at once, its calls go on.
    ///
    /// # Errors
    /// [`Error::NoSuchUser`], [`Error::Stopped`], [`Error::Overloaded`].
    pub fn remove_account(&self, user: &str) -> Result<(), Error> {
        let mut users = self.users();
        let Some(at) = users.iter().position(|known| known == user) else {
            return Err(Error::NoSuchUser { user: user.to_owned() });
        };
        self.ask(Request::RemoveAccount { user: user.to_owned() })?;
        users.remove(at);
        Ok(())
    }

    fn users(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, request: Request) -> Result<(), Error> {
        self.handle.request(SwitchRequest::Switch(request)).map_err(|error| overload(&error))
    }

    /// Takes no new calls, hangs up the calls of the extensions and ends the threads, in `within` at most.
    pub async fn shutdown(self, within: Duration) {
        let drained = async {
            self.ask(Request::Drain)?;
            loop {
                let counts = self.snapshot().await?.counts;
                if counts.service_calls == 0 && counts.service_requests == 0 {
                    return Ok::<(), Error>(());
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        // In vain if a peer does not answer: then the threads end all the same.
        let _ = tokio::time::timeout(within / 2, drained).await;
        let Self { running, media, .. } = self;
        let ended = tokio::task::spawn_blocking(move || {
            let driver = running.shutdown(within / 4).is_ok();
            let media = Arc::into_inner(media).is_none_or(|media| media.shutdown(within / 4).is_ok());
            driver && media
        })
        .await;
        if !matches!(ended, Ok(true)) {
            tracing::warn!(target: "hookswitch::softswitch", "some threads did not end in time");
        }
    }
}

/// The one address that all its sockets are bound to, if there is one.
fn listens_on(config: &SoftswitchConfig) -> Option<IpAddr> {
    let mut addresses = config.listen.iter().map(|(_, address)| address.ip());
    let first = addresses.next().filter(|ip| !ip.is_unspecified())?;
    addresses.all(|ip| ip == first).then_some(first)
}
