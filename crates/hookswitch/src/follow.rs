//! A running session and the store that it came from.
//!
//! The session has read the store once. A thread looks at it every two seconds, because anybody may change it: a command, another
//! service, an editor. What may take effect at once does, applications are told of the rest, and a file that is wrong changes
//! nothing. The same thread stores the orders of applications, so that nobody ever waits for a disk.

use crate::config::{Changes, Config, Installation, LineNumber, ProviderId};
use crate::shards::{Shard, Steering};
use crate::{Error, StartError};
use hookswitch_engine::Request;
use hookswitch_spi::{LineId, MediaType};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// How often the store is looked at.
const LOOK: Duration = Duration::from_secs(2);

pub(crate) type Looked = Result<Option<String>, String>;

/// What the thread is asked.
pub(crate) enum Ask {
    /// To look at the store now.
    Look(oneshot::Sender<Looked>),
    /// To store an order of applications.
    Order(MediaType, Vec<Box<str>>),
    /// To end.
    End(oneshot::Sender<()>),
}

/// Where the thread is asked.
pub(crate) type Asks = Sender<Ask>;

/// The thread that follows a store. It ends when this and the service's shards are gone.
pub(crate) struct Following {
    asks: Asks,
}

impl Following {
    pub(crate) fn start(follower: Follower, asks: Asks, asked: Receiver<Ask>) -> Result<Self, StartError> {
        let named = std::thread::Builder::new().name("hookswitch-store".to_owned());
        // It ends when nobody is left to ask.
        named.spawn(move || follower.run(&asked)).map_err(StartError::Thread)?;
        Ok(Self { asks })
    }

    /// Looks now.
    pub(crate) async fn look(&self) -> Result<Option<String>, Error> {
        let (answer, looked) = oneshot::channel();
        self.asks.send(Ask::Look(answer)).map_err(|_| Error::Stopped)?;
        looked.await.map_err(|_| Error::Stopped)?.map_err(Error::Stored)
    }

    /// Stores what was ordered last, and ends.
    pub(crate) async fn end(self) {
        let (answer, ended) = oneshot::channel();
        if self.asks.send(Ask::End(answer)).is_ok() {
            // In vain if the thread has ended.
            let _ = ended.await;
        }
    }
}

/// What follows a store: the session's view of it.
pub(crate) struct Follower {
    installation: Installation,
    /// The configuration that was seen last; the session has its lines and credentials.
    seen: Config,
    /// The text that was looked at last, whether it was right or wrong.
    text: String,
    shards: Arc<[Shard]>,
    steering: Arc<Steering>,
    /// The installation that the session is of.
    provider: Option<ProviderId>,
    /// The session's numbers of the lines.
    lines: BTreeMap<LineNumber, LineId>,
    /// The session's number for the next line.
    next: u32,
}

impl Follower {
    pub(crate) fn new(
        installation: Installation,
        seen: Config,
        text: String,
        shards: Arc<[Shard]>,
        steering: Arc<Steering>,
    ) -> Self {
        let provider = seen.installed.as_ref().map(|known| known.provider);
        let numbers = seen.installed.as_ref().map(|known| known.lines.clone()).unwrap_or_default();
        let next = seen.lines.len() as u32;
        let lines = numbers.into_iter().zip((0..).map(LineId)).collect();
        Self { installation, seen, text, shards, steering, provider, lines, next }
    }

    fn run(mut self, asked: &Receiver<Ask>) {
        let mut due = Instant::now() + LOOK;
        loop {
            match asked.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(Ask::Order(media, order)) => {
                    self.store(media, &order);
                    continue;
                }
                Ok(Ask::Look(answer)) => {
                    // Whoever asked may be gone.
                    let _ = answer.send(self.look());
                }
                Ok(Ask::End(answer)) => {
                    let _ = answer.send(());
                    return;
                }
                Err(RecvTimeoutError::Timeout) => match self.look() {
                    Ok(None) => {}
                    Ok(Some(what)) => tracing::info!(target: "hookswitch::store", "{what}"),
                    Err(why) => tracing::warn!(target: "hookswitch::store", "the change is not used: {why}"),
                },
                Err(RecvTimeoutError::Disconnected) => return,
            }
            due = Instant::now() + LOOK;
        }
    }

    /// Compares the store with what was seen of it last.
    fn look(&mut self) -> Looked {
        let text = match self.installation.text() {
            Ok(Some(text)) => text,
            // Removed: the session goes on to its end.
            Ok(None) if self.text.is_empty() => return Ok(None),
            Ok(None) => {
                self.text.clear();
                let what = "the provider was removed; this session goes on until it ends".to_owned();
                self.announce(&what);
                return Ok(Some(what));
            }
            Err(error) => return Err(error.to_string()),
        };
        if text == self.text {
            return Ok(None);
        }
        let (config, text) = match self.installation.read_with_text(true) {
            Ok(read) => read,
            Err(error) => {
                // Said once for each wrong text.
                self.text = text;
                return Err(error.to_string());
            }
        };
        let removed_meanwhile = self.text.is_empty();
        self.text = text;
        self.keeps_numbers(&config)?;
        let (was_own, is_own) = (self.is_own(&self.seen), self.is_own(&config));
        let changes = Changes::between(&self.seen, &config);
        self.seen = config;
        if changes.is_empty() && !removed_meanwhile {
            return Ok(None);
        }
        if !is_own {
            let what = "another provider is installed now; this session goes on with its own until it ends";
            if was_own {
                self.announce(what);
            }
            return Ok(was_own.then(|| what.to_owned()));
        }
        self.apply(&changes);
        Ok(Some(changes.to_string()))
    }

    /// Whether a configuration is of the installation that this session began with.
    fn is_own(&self, config: &Config) -> bool {
        config.installed.as_ref().map(|known| known.provider) == self.provider
    }

    /// Numbers of lines are for good: an edit that uses one again is not followed.
    fn keeps_numbers(&self, config: &Config) -> Result<(), String> {
        let (Some(old), Some(new)) = (&self.seen.installed, &config.installed) else { return Ok(()) };
        if old.provider != new.provider {
            return Ok(());
        }
        if new.next_line < old.next_line {
            return Err(format!(
                "{}: next-line went from {} down to {}; numbers of lines are never used again, so put it back",
                self.installation.path().display(),
                old.next_line,
                new.next_line
            ));
        }
        let again = new.lines.iter().find(|line| **line < old.next_line && !old.lines.contains(line));
        match again {
            Some(line) => Err(format!(
                "{}: the id {line} belonged to a line that was removed; leave it out, the new line is given one",
                self.installation.path().display()
            )),
            None => Ok(()),
        }
    }

    fn apply(&mut self, changes: &Changes) {
        for number in &changes.removed {
            if let Some(line) = self.lines.remove(number) {
                self.tell_all(|| Request::RemoveLine { line });
                self.steering.remove(line);
            }
        }
        for (number, account) in &changes.added {
            let line = LineId(self.next);
            self.next += 1;
            self.lines.insert(*number, line);
            self.steering.add(line, account);
            self.tell_all(|| Request::AddLine { line, account: Box::new(account.clone()) });
        }
        for (number, account) in &changes.credentials {
            if let Some(line) = self.lines.get(number).copied() {
                self.tell_all(|| Request::SetCredentials { line, account: Box::new(account.clone()) });
            }
        }
        if !changes.pending.is_empty() {
            self.announce(&format!("{} changed; takes effect at the next start", changes.pending.join(", ")));
        }
    }

    fn announce(&self, why: &str) {
        // One shard tells every session.
        if let Some(shard) = self.shards.first() {
            let _ = shard.handle.last_word(Request::Reinitialise { why: why.to_owned() });
        }
    }

    fn tell_all(&self, request: impl Fn() -> Request) {
        for shard in self.shards.iter() {
            // Only a driver that has stopped refuses it.
            let _ = shard.handle.last_word(request());
        }
    }

    /// Stores the order that an application has given.
    fn store(&mut self, media: MediaType, order: &[Box<str>]) {
        if self.seen.priorities.order(media) == order {
            return;
        }
        if !self.is_own(&self.seen) {
            // The installation that is there now is not the session's.
            return;
        }
        self.seen.priorities.set(media, order.to_vec());
        let stored = self.installation.configure(|document| Ok(document.set_priority(media.name(), order)?));
        if let Err(error) = stored {
            tracing::warn!(target: "hookswitch::store", "the order of applications holds for this session only: {error}");
        }
    }
}
