//! Subscriptions and their dialogs, ours and those of others.

use super::ids::{AccountId, SubscriptionId};
use crate::dialog::Dialog;
use crate::event::Event;
use crate::message::Message;
use crate::subscription::{Notifier, Subscriber};
use crate::transaction::ClientId;
use hookswitch_machine::{Flow, HashKeys, Map, TimerKey};
use std::sync::Arc;

/// A subscription of ours.
#[derive(Debug)]
pub(super) struct Ours {
    pub(super) machine: Subscriber,
    pub(super) account: Option<AccountId>,
    pub(super) flow: Flow,
    pub(super) contact: Arc<str>,
    pub(super) uri: Box<str>,
    pub(super) from: Box<str>,
    pub(super) to: Box<str>,
    pub(super) event: Box<str>,
    pub(super) accept: Box<str>,
    pub(super) fields: Box<str>,
    /// Of the SUBSCRIBE that made, or will make, the dialog.
    pub(super) call_id: Box<str>,
    pub(super) cseq: u32,
    /// Made by the first NOTIFY; by the 2xx until that comes.
    pub(super) dialog: Option<Dialog>,
    /// The SUBSCRIBE that is out.
    pub(super) client: Option<ClientId>,
    pub(super) timer: Option<TimerKey>,
}

/// A subscription that somebody has with us.
#[derive(Debug)]
pub(super) struct Theirs {
    pub(super) machine: Notifier,
    pub(super) flow: Flow,
    pub(super) contact: Arc<str>,
    pub(super) event: Box<str>,
    pub(super) dialog: Dialog,
    /// The longest lifetime to grant, in seconds.
    pub(super) longest: u32,
    /// The NOTIFY that was sent last.
    pub(super) client: Option<ClientId>,
    pub(super) timer: Option<TimerKey>,
}

/// One or the other.
#[derive(Debug)]
pub(super) enum Subscription {
    Ours(Box<Ours>),
    Theirs(Box<Theirs>),
}

impl Subscription {
    pub(super) const fn dialog(&self) -> Option<&Dialog> {
        match self {
            Self::Ours(ours) => ours.dialog.as_ref(),
            Self::Theirs(theirs) => Some(&theirs.dialog),
        }
    }

    pub(super) fn timer(&mut self) -> &mut Option<TimerKey> {
        match self {
            Self::Ours(ours) => &mut ours.timer,
            Self::Theirs(theirs) => &mut theirs.timer,
        }
    }

    /// Whether a message with our tag belongs to it: the Call-ID and the event agree.
    pub(super) fn is_meant_by(&self, message: &Message) -> bool {
        let (call_id, event) = match self {
            Self::Ours(ours) => (&*ours.call_id, &ours.event),
            Self::Theirs(theirs) => (theirs.dialog.call_id(), &theirs.event),
        };
        let found = message.header(crate::message::Name::Event).and_then(Event::parse);
        let own = Event::parse(event);
        call_id == message.call_id() && own.zip(found).is_some_and(|(own, found)| own.matches(&found))
    }
}

/// Storage for subscriptions. Ids are not used again.
#[derive(Debug)]
pub(super) struct Subscriptions {
    all: Map<SubscriptionId, Subscription>,
    next: u64,
}

impl Subscriptions {
    pub(super) fn new(keys: HashKeys) -> Self {
        Self { all: Map::with_hasher(keys), next: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// A name for the next one.
    pub(super) fn next_id(&mut self) -> SubscriptionId {
        let id = SubscriptionId(self.next);
        self.next += 1;
        id
    }

    pub(super) fn put(&mut self, id: SubscriptionId, subscription: Subscription) {
        self.all.insert(id, subscription);
    }

    pub(super) fn take(&mut self, id: SubscriptionId) -> Option<Subscription> {
        self.all.remove(&id)
    }

    pub(super) fn get(&self, id: SubscriptionId) -> Option<&Subscription> {
        self.all.get(&id)
    }

    pub(super) fn ours(&mut self, id: SubscriptionId) -> Option<&mut Ours> {
        match self.all.get_mut(&id)? {
            Subscription::Ours(ours) => Some(ours),
            Subscription::Theirs(_) => None,
        }
    }

    pub(super) fn theirs(&mut self, id: SubscriptionId) -> Option<&mut Theirs> {
        match self.all.get_mut(&id)? {
            Subscription::Ours(_) => None,
            Subscription::Theirs(theirs) => Some(theirs),
        }
    }

    /// A request of it goes on as another transaction.
    pub(super) fn sent(&mut self, id: SubscriptionId, client: ClientId) {
        match self.all.get_mut(&id) {
            Some(Subscription::Ours(ours)) => ours.client = Some(client),
            Some(Subscription::Theirs(theirs)) => theirs.client = Some(client),
            None => {}
        }
    }

    /// A request of it is sent again with this number.
    pub(super) fn raise_cseq(&mut self, id: SubscriptionId, cseq: u32) {
        match self.all.get_mut(&id) {
            Some(Subscription::Ours(ours)) => match &mut ours.dialog {
                Some(dialog) => dialog.raise_cseq(cseq),
                None => ours.cseq = ours.cseq.max(cseq),
            },
            Some(Subscription::Theirs(theirs)) => theirs.dialog.raise_cseq(cseq),
            None => {}
        }
    }
}
