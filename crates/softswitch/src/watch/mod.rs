//! The event notifier (RFC 6665): busy lamps (package `dialog`, RFC 4235) and message waiting (`message-summary`, RFC 3842).
//!
//! `subscribe.rs` lets watchers in and carries their subscriptions; `state.rs` writes what they get to see. Every NOTIFY holds the
//! full state, so that a lost one harms nobody; calls that ended since the last one stand in it once, as terminated. NOTIFYs
//! to one watcher go out one at a time, and so many a second: what changes meanwhile is told by the next.

mod state;
mod subscribe;

use crate::calls::{Call, CallNo, News};
use crate::core::{Core, Timer};
use crate::event::Messages;
use crate::location::UserId;
use hookswitch_machine::{Entropy, Flow, Map, Time, TimerKey};
use hookswitch_sip::dialog::Dialog;
use hookswitch_sip::event::{DIALOG, EndReason, Event, MESSAGE_SUMMARY, WatchedDialog};
use hookswitch_sip::subscription::{Notifier, NotifierInput};
use hookswitch_sip::transaction::{ClientId, Output};
use hookswitch_spi::LampState;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// Names a subscription, never another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SubscriptionNo(u64);

/// What can be watched here. Other packages are the phones' own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Package {
    Dialog,
    Messages,
}

impl Package {
    const ALL: [&'static str; 2] = [DIALOG, MESSAGE_SUMMARY];

    /// The package of an Event header field.
    pub(crate) fn of(event: &str) -> Option<Self> {
        match Event::parse(event)?.package {
            DIALOG => Some(Self::Dialog),
            MESSAGE_SUMMARY => Some(Self::Messages),
            _ => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Dialog => DIALOG,
            Self::Messages => MESSAGE_SUMMARY,
        }
    }
}

/// A subscription.
#[derive(Debug)]
struct Subscription {
    watcher: UserId,
    watched: UserId,
    package: Package,
    /// The value of Event in its NOTIFYs.
    event: Box<str>,
    dialog: Dialog,
    /// The path its last SUBSCRIBE came on.
    flow: Flow,
    contact: Box<str>,
    notifier: Notifier,
    timer: Option<TimerKey>,
    pace: Pace,
    version: u32,
    /// Calls that ended since the last NOTIFY, as it shows them.
    ended: Vec<WatchedDialog>,
    /// The lamp that the last NOTIFY stands for.
    told: LampState,
    /// The lamp that the watcher has confirmed.
    shown: LampState,
}

/// How many changes one watcher is told in a second, each in a NOTIFY: more come together. Whoever calls and gives up all the time is
/// not to make us send a multiple of it.
const MOST_A_SECOND: u8 = 10;
const SECOND: Duration = Duration::from_secs(1);

/// How many changes were told lately.
#[derive(Clone, Copy, Debug)]
struct Pace {
    since: Time,
    told: u8,
    /// Something has changed that is told when the second is over.
    held: bool,
}

impl Pace {
    const fn new(now: Time) -> Self {
        Self { since: now, told: 1, held: false }
    }

    /// Whether a change may be told now; if not, it is held.
    fn permit(&mut self, now: Time) -> bool {
        if now.since(self.since) >= SECOND {
            *self = Self::new(now);
        } else if self.told < MOST_A_SECOND {
            self.told += 1;
        } else {
            self.held = true;
            return false;
        }
        true
    }

    /// When what is held is to be told.
    fn timeout(&self) -> Option<Time> {
        self.held.then(|| self.since + SECOND)
    }
}

/// Something happened to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WatchNews {
    pub(crate) id: SubscriptionNo,
    pub(crate) watcher: UserId,
    pub(crate) what: WatchChange,
}

/// What happened to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WatchChange {
    /// It began.
    Begun,
    /// The watcher confirmed a NOTIFY: its lamp shows this now.
    Confirmed(LampState),
    /// The watcher refused a NOTIFY, or did not answer.
    Refused,
    /// It is over.
    Gone,
}

/// Calls that ended which a NOTIFY shows.
const MOST_ENDED: usize = 8;

/// All subscriptions, and the mailboxes.
#[derive(Debug)]
pub(crate) struct Watchers {
    subscriptions: Map<SubscriptionNo, Subscription>,
    by_watched: Map<(UserId, Package), BTreeSet<SubscriptionNo>>,
    by_watcher: Map<UserId, BTreeSet<SubscriptionNo>>,
    by_tag: Map<Box<str>, SubscriptionNo>,
    /// NOTIFYs on their way.
    by_client: Map<ClientId, SubscriptionNo>,
    messages: BTreeMap<UserId, Messages>,
    next: u64,
    news: VecDeque<WatchNews>,
}

impl Watchers {
    pub(crate) fn new(entropy: &mut Entropy) -> Self {
        Self {
            subscriptions: Map::with_hasher(entropy.hash_keys()),
            by_watched: Map::with_hasher(entropy.hash_keys()),
            by_watcher: Map::with_hasher(entropy.hash_keys()),
            by_tag: Map::with_hasher(entropy.hash_keys()),
            by_client: Map::with_hasher(entropy.hash_keys()),
            messages: BTreeMap::new(),
            next: 0,
            news: VecDeque::new(),
        }
    }

    /// Subscriptions, and NOTIFYs on their way.
    pub(crate) fn len(&self) -> usize {
        let tables = [self.by_tag.len(), self.by_client.len(), self.by_watched.len(), self.by_watcher.len()];
        tables.into_iter().fold(self.subscriptions.len(), usize::max)
    }

    /// What is in a mailbox, if anybody said.
    pub(crate) fn messages(&self, user: UserId) -> Option<Messages> {
        self.messages.get(&user).copied()
    }

    /// Something happened to a call.
    pub(crate) fn news(&mut self, core: &mut Core, now: Time, news: &News) {
        if self.subscriptions.is_empty() {
            return;
        }
        match news {
            News::Changed(no) => {
                let users: Vec<UserId> =
                    core.calls.get(*no).into_iter().flat_map(Call::users).map(|(user, _)| user).collect();
                for user in users {
                    self.changed(core, now, user, Package::Dialog);
                }
            }
            News::Ended(no, call) => self.ended(core, now, *no, call),
        }
    }

    fn ended(&mut self, core: &mut Core, now: Time, no: CallNo, call: &Call) {
        for (user, role) in call.users() {
            for id in self.watching(user, Package::Dialog) {
                if let Some(subscription) = self.subscriptions.get_mut(&id)
                    && subscription.ended.len() < MOST_ENDED
                {
                    let watcher = subscription.watcher;
                    subscription.ended.push(state::terminated(core, watcher, no, role, call));
                }
            }
            self.changed(core, now, user, Package::Dialog);
        }
    }

    /// What is in a mailbox has changed.
    pub(crate) fn set_messages(&mut self, core: &mut Core, now: Time, user: UserId, messages: Messages) {
        self.messages.insert(user, messages);
        self.changed(core, now, user, Package::Messages);
    }

    fn changed(&mut self, core: &mut Core, now: Time, user: UserId, package: Package) {
        for id in self.watching(user, package) {
            match self.subscriptions.get_mut(&id).map(|subscription| subscription.pace.permit(now)) {
                Some(true) => self.give(core, now, id, NotifierInput::State),
                Some(false) => self.set_timer(core, id),
                None => {}
            }
        }
    }

    fn watching(&self, user: UserId, package: Package) -> Vec<SubscriptionNo> {
        self.by_watched.get(&(user, package)).into_iter().flatten().copied().collect()
    }

    /// A user is no more: nobody watches it, and it watches nobody.
    pub(crate) fn remove_user(&mut self, core: &mut Core, now: Time, user: UserId) {
        self.messages.remove(&user);
        let mut all: BTreeSet<SubscriptionNo> = self.by_watcher.get(&user).cloned().unwrap_or_default();
        all.extend(self.watching(user, Package::Dialog));
        for id in all {
            self.give(core, now, id, NotifierInput::End(EndReason::NoResource));
        }
    }

    /// The subscriptions of a watcher to a package: to whom, and what the watcher's lamp shows. Oldest first.
    pub(crate) fn lamps(
        &self,
        watcher: UserId,
        package: Package,
    ) -> impl Iterator<Item = (SubscriptionNo, UserId, LampState)> {
        let all = self.by_watcher.get(&watcher).into_iter().flatten();
        all.filter_map(move |id| {
            let subscription = self.subscriptions.get(id).filter(|found| found.package == package)?;
            Some((*id, subscription.watched, subscription.shown))
        })
    }

    /// What happened to a subscription since; call until `None`.
    pub(crate) fn told(&mut self) -> Option<WatchNews> {
        self.news.pop_front()
    }

    /// It is time for something.
    pub(crate) fn due(&mut self, core: &mut Core, now: Time, id: SubscriptionNo) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        subscription.timer = None;
        if subscription.pace.timeout().is_some_and(|at| now >= at) {
            subscription.pace = Pace::new(now);
            self.give(core, now, id, NotifierInput::State);
        }
        self.give(core, now, id, NotifierInput::Timer);
    }

    /// No further subscriptions; those that are end.
    pub(crate) fn drain(&mut self, core: &mut Core, now: Time) {
        let mut all: Vec<SubscriptionNo> = self.subscriptions.keys().copied().collect();
        // Nothing may depend on the order of the map.
        all.sort_unstable();
        for id in all {
            self.give(core, now, id, NotifierInput::End(EndReason::Deactivated));
        }
    }

    /// Whether a request that was sent is a NOTIFY of ours.
    pub(crate) fn owns(&self, client: ClientId) -> bool {
        self.by_client.contains_key(&client)
    }

    /// The final response to a NOTIFY.
    pub(crate) fn answered(&mut self, core: &mut Core, now: Time, client: ClientId, status: u16) {
        if status < 200 {
            return;
        }
        let Some(id) = self.by_client.remove(&client) else { return };
        if let Some(subscription) = self.subscriptions.get_mut(&id) {
            let what = if status < 300 {
                subscription.shown = subscription.told;
                WatchChange::Confirmed(subscription.shown)
            } else {
                WatchChange::Refused
            };
            self.news.push_back(WatchNews { id, watcher: subscription.watcher, what });
        }
        self.give(core, now, id, NotifierInput::Answered(status));
    }

    /// No response to a NOTIFY comes.
    pub(crate) fn unanswered(&mut self, core: &mut Core, now: Time, output: &Output) {
        match output {
            Output::TimedOut(client) | Output::TransportFailed(client) | Output::ClientGone(client) => {
                self.answered(core, now, *client, 408);
            }
            Output::Transmit { .. }
            | Output::ServerGone(_)
            | Output::ResponseFailed(_)
            | Output::Acked(_)
            | Output::NoAck(_) => {}
        }
    }

    /// Sets the timer that the subscription wants.
    fn set_timer(&mut self, core: &mut Core, id: SubscriptionNo) {
        let Some(subscription) = self.subscriptions.get_mut(&id) else { return };
        if let Some(timer) = subscription.timer.take() {
            core.timers.cancel(timer);
        }
        let at = [subscription.notifier.timeout(), subscription.pace.timeout()].into_iter().flatten().min();
        subscription.timer = at.map(|at| core.timers.set(at, Timer::Watch(id)));
    }
}
