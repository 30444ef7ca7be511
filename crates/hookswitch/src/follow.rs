//! A running session and the store that it came from.
//!
//! The session has read the store once. A thread looks at it every two seconds, because anybody may change it: a command, another
//! service, an editor. What may take effect at once does, applications are told of the rest, and a file that is wrong changes
//! nothing. The same thread stores the orders of applications, so that nobody ever waits for a disk.

use crate::config::{Changes, Config, Document, Installation, LineNumber, ProviderId, REQUESTS};
use crate::orders::Orders;
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

type Looked = Result<Option<String>, String>;

/// What the thread is asked.
enum Ask {
    /// To look at the store now.
    Look(oneshot::Sender<Looked>),
    /// To store the orders of applications: one has changed.
    Orders,
    /// To end.
    End(oneshot::Sender<()>),
}

/// The thread that follows a store. It ends when this and the service's shards are gone.
pub(crate) struct Following {
    asks: Sender<Ask>,
}

impl Following {
    pub(crate) fn start(follower: Follower) -> Result<Self, StartError> {
        let (asks, asked) = std::sync::mpsc::channel();
        let orders = asks.clone();
        // In vain if nobody follows the store any more.
        follower.session.orders.kept_by(move || drop(orders.send(Ask::Orders)));
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

/// What of a running session a change of the store can reach.
pub(crate) struct Ran {
    pub(crate) shards: Arc<[Shard]>,
    pub(crate) steering: Arc<Steering>,
    pub(crate) orders: Arc<Orders>,
}

/// What follows a store: the session's view of it.
pub(crate) struct Follower {
    installation: Installation,
    /// The configuration that was seen last; the session has its lines and credentials.
    seen: Config,
    /// The text that was looked at last, whether it was right or wrong; `None` if there was none.
    text: Option<String>,
    /// A text that is new and may not be complete yet.
    candidate: Option<Option<String>>,
    /// What was said last to be wrong.
    complaint: Option<String>,
    session: Ran,
    /// The installation that the session is of.
    provider: Option<ProviderId>,
    /// The session's numbers of the lines.
    lines: BTreeMap<LineNumber, LineId>,
    /// The session's number for the next line.
    next: u32,
}

impl Follower {
    pub(crate) fn new(installation: Installation, seen: Config, text: String, session: Ran) -> Self {
        let provider = seen.installed.as_ref().map(|known| known.provider);
        let numbers = seen.installed.as_ref().map(|known| known.lines.clone()).unwrap_or_default();
        let next = seen.lines.len() as u32;
        let lines = numbers.into_iter().zip((0..).map(LineId)).collect();
        Self {
            installation,
            seen,
            text: Some(text),
            candidate: None,
            complaint: None,
            session,
            provider,
            lines,
            next,
        }
    }

    fn run(mut self, asked: &Receiver<Ask>) {
        let mut due = Instant::now() + LOOK;
        loop {
            match asked.recv_timeout(due.saturating_duration_since(Instant::now())) {
                Ok(Ask::Orders) => {
                    self.store_orders();
                    continue;
                }
                Ok(Ask::Look(answer)) => {
                    // Whoever asked may be gone.
                    let _ = answer.send(self.look(true));
                }
                Ok(Ask::End(answer)) => {
                    // What it holds of the session goes first: others wait for it.
                    drop(self);
                    let _ = answer.send(());
                    return;
                }
                Err(RecvTimeoutError::Timeout) => match self.look(false) {
                    Ok(None) => {}
                    Ok(Some(what)) => tracing::info!(target: "hookswitch::store", "{what}"),
                    Err(why) => tracing::warn!(target: "hookswitch::store", "the change is not used: {why}"),
                },
                Err(RecvTimeoutError::Disconnected) => return,
            }
            due = Instant::now() + LOOK;
        }
    }

    /// Compares the store with what was seen of it last. An edit by hand may be half written at this moment: unless somebody
    /// asks, it is used when it has stood for one turn. A command writes a whole file or none, with a new serial number.
    fn look(&mut self, at_once: bool) -> Looked {
        let text = match self.installation.text() {
            Ok(text) => text,
            Err(error) => return self.complain(error.to_string()),
        };
        if text == self.text && !self.passwords_elsewhere() {
            self.candidate = None;
            return Ok(None);
        }
        let stood =
            text == self.text || self.candidate.as_ref() == Some(&text) || self.is_later(text.as_deref());
        if !at_once && !stood {
            self.candidate = Some(text);
            return Ok(None);
        }
        self.candidate = None;
        if text.is_none() {
            self.text = None;
            let what = "the provider was removed; this session goes on until it ends".to_owned();
            self.announce(&what);
            return Ok(Some(what));
        }
        match self.installation.read_with_text(true) {
            Ok((config, text)) => {
                self.text = Some(text);
                self.follow(config)
            }
            Err(error) => {
                self.text = text;
                self.complain(error.to_string())
            }
        }
    }

    /// What is wrong is said once.
    fn complain(&mut self, why: String) -> Looked {
        if self.complaint.as_ref() == Some(&why) {
            return Ok(None);
        }
        self.complaint = Some(why.clone());
        Err(why)
    }

    /// Whether a text was written by a command, after what was seen.
    fn is_later(&self, text: Option<&str>) -> bool {
        let Some(written) = text.and_then(|text| Document::parse(text).ok()) else { return false };
        match &self.seen.installed {
            Some(seen) => written.provider() != seen.provider || written.serial() > seen.serial,
            None => true,
        }
    }

    /// Whether passwords can change while the text does not.
    fn passwords_elsewhere(&self) -> bool {
        self.text.as_ref().is_some_and(|text| text.contains("password-file"))
    }

    /// Uses a configuration as far as a running session can.
    fn follow(&mut self, config: Config) -> Looked {
        if let Err(why) = self.keeps_numbers(&config) {
            return self.complain(why);
        }
        self.complaint = None;
        let (was_own, is_own) = (self.is_own(&self.seen), self.is_own(&config));
        let changes = Changes::between(&self.seen, &config);
        self.seen = config;
        if !is_own {
            let what = "another provider is installed now; this session goes on with its own until it ends";
            if was_own {
                self.announce(what);
            }
            return Ok(was_own.then(|| what.to_owned()));
        }
        if changes.is_empty() {
            return Ok(None);
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
                self.session.steering.remove(line);
            }
        }
        for (number, account) in &changes.added {
            let line = LineId(self.next);
            self.next += 1;
            self.lines.insert(*number, line);
            self.session.steering.add(line, account);
            self.tell_all(|| Request::AddLine { line, account: Box::new(account.clone()) });
        }
        for (number, account) in &changes.access {
            if let Some(line) = self.lines.get(number).copied() {
                self.session.steering.set_access(line, account);
                self.tell_all(|| Request::SetAccess { line, account: Box::new(account.clone()) });
            }
        }
        if let Some(priorities) = &changes.priorities {
            self.session.orders.replace(priorities.clone());
            self.tell_all(|| Request::SetPriorities { priorities: Box::new(priorities.clone()) });
        }
        if !changes.pending.is_empty() {
            self.announce(&format!("{} changed; takes effect at the next start", changes.pending.join(", ")));
        }
    }

    fn announce(&self, why: &str) {
        // One shard tells every session.
        if let Some(shard) = self.session.shards.first() {
            let _ = shard.handle.last_word(Request::Reinitialise { why: why.to_owned() });
        }
    }

    fn tell_all(&self, request: impl Fn() -> Request) {
        for shard in self.session.shards.iter() {
            // Only a driver that has stopped refuses it.
            let _ = shard.handle.last_word(request());
        }
    }

    /// Stores the orders that applications have given.
    fn store_orders(&mut self) {
        let orders = self.session.orders.get();
        if orders == self.seen.priorities || !self.is_own(&self.seen) {
            // The installation that is there now may be another than the session's.
            return;
        }
        let stored = self.installation.configure(|document| {
            for media in MediaType::ALL {
                document.set_priority(media.name(), orders.order(media))?;
            }
            Ok(document.set_priority(REQUESTS, orders.recipients())?)
        });
        self.seen.priorities = orders;
        if let Err(error) = stored {
            tracing::warn!(target: "hookswitch::store", "the order of applications holds for this session only: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookswitch_machine::HashKeys;

    struct Place {
        installation: Installation,
        follower: Follower,
    }

    /// A store with a line whose password stands in a file, and who follows it; nobody runs.
    fn place(name: &str) -> Place {
        let folder = std::env::temp_dir().join(format!("hookswitch-follow-{name}-{}", std::process::id()));
        // From a run that was interrupted.
        let _ = std::fs::remove_dir_all(&folder);
        let installation = Installation::at(&folder);
        installation.install(None).unwrap_or_else(|error| panic!("{error}"));
        std::fs::write(folder.join("secret"), "one").unwrap_or_else(|error| panic!("{error}"));
        let keys =
            vec![("registrar", "pbx".into()), ("user", "1".into()), ("password-file", "secret".into())];
        let added = installation.configure(|document| Ok(document.add_line("desk", keys)?));
        added.unwrap_or_else(|error| panic!("{error}"));
        let (seen, text) = installation.read_with_text(true).unwrap_or_else(|error| panic!("{error}"));
        let steering = Arc::new(Steering::new(&seen.lines, 1, HashKeys::default()));
        let orders = Arc::new(Orders::new(seen.priorities.clone()));
        let session = Ran { shards: Arc::from([]), steering, orders };
        let follower = Follower::new(installation.clone(), seen, text, session);
        Place { installation, follower }
    }

    fn said(looked: Looked) -> String {
        looked.unwrap_or_else(|error| panic!("{error}")).unwrap_or_default()
    }

    #[test]
    fn a_command_is_followed_at_once() {
        let mut here = place("command");
        assert_eq!(said(here.follower.look(false)), "");
        let removed = here.installation.configure(|document| Ok(document.remove_line("desk")?));
        removed.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(said(here.follower.look(false)), "line number 1 disappears");
        assert_eq!(said(here.follower.look(false)), "");
    }

    #[test]
    fn an_edit_by_hand_is_followed_when_it_has_stood_for_a_turn() {
        let mut here = place("hand");
        let path = here.installation.path().to_owned();
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{error}"));
        let write = |text: &str| std::fs::write(&path, text).unwrap_or_else(|error| panic!("{error}"));
        let head = text.split("[[line]]").next().unwrap_or_default();
        // An editor empties the file, then writes it in two parts, the first of which is right by chance.
        for half in ["", head, &text] {
            write(half);
            assert_eq!(said(here.follower.look(false)), "");
        }
        write(head);
        assert_eq!(said(here.follower.look(false)), "");
        assert_eq!(said(here.follower.look(false)), "line number 1 disappears");
        std::fs::remove_file(&path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(said(here.follower.look(false)), "");
        assert!(said(here.follower.look(false)).contains("was removed"));
        assert_eq!(said(here.follower.look(false)), "");
    }

    #[test]
    fn a_password_in_another_file_is_followed() {
        let mut here = place("secret");
        let secret = here.installation.path().with_file_name("secret");
        assert_eq!(said(here.follower.look(false)), "");
        std::fs::write(&secret, "two").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(said(here.follower.look(false)), "line \"desk\" has other credentials or peers");
        assert_eq!(said(here.follower.look(false)), "");
        std::fs::remove_file(&secret).unwrap_or_else(|error| panic!("{error}"));
        assert!(here.follower.look(false).is_err_and(|error| error.contains("secret cannot be read")));
        assert_eq!(said(here.follower.look(false)), "", "said once");
    }

    #[test]
    fn an_order_is_stored_and_others_orders_are_used() {
        let mut here = place("order");
        here.follower.session.orders.send_modify(|orders| orders.set(MediaType::Voice, vec!["a".into()]));
        here.follower.store_orders();
        assert_eq!(here.follower.seen.priorities, here.follower.session.orders.get());
        assert_eq!(said(here.follower.look(false)), "", "its own change is none");
        let set = here.installation.configure(|document| Ok(document.set_priority("voice", &["b".into()])?));
        set.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(said(here.follower.look(false)), "applications have another order");
        assert_eq!(here.follower.session.orders.get().order(MediaType::Voice), ["b".into()]);
    }
}
