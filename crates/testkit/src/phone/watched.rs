//! What a phone tells those who watch its users (RFC 6665): their dialogs (RFC 4235) and their mailboxes (RFC 3842), as the switch
//! that it stands for would.

use super::call::Progress;
use super::machine::Phone;
use crate::world::ENDPOINT;
use hookswitch_machine::{Flow, Time};
use hookswitch_sip::event::{
    Counts, DIALOG, DIALOG_INFO, DialogInfo, DialogState, Direction, EndReason, Event, MESSAGE_SUMMARY,
    MessageClass, MessageSummary, Participant, SIMPLE_MESSAGE_SUMMARY, WatchedDialog,
};
use hookswitch_sip::message::{Message, Method, Name};
use hookswitch_sip::transaction::ServerId;
use hookswitch_sip::ua::{Errand, Grant, Notified, SubscriptionId};
use std::collections::BTreeMap;

/// What a phone does with SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSubscribe {
    /// Refuses it with this status.
    Refuse(u16),
    /// Grants it, and tells.
    Grant {
        /// So many seconds at most.
        longest: u32,
        /// Changes are told alone, not with everything else.
        partial: bool,
    },
    /// Grants it, and then tells nothing.
    Silence,
}

/// What a phone's users are doing, and who watches that.
#[derive(Debug, Default)]
pub(super) struct Watched {
    watchers: Vec<Watcher>,
    /// What users do in calls that are not the phone's own.
    elsewhere: BTreeMap<String, (u32, DialogState)>,
    /// How many elsewhere calls there were.
    calls: u32,
    mailboxes: BTreeMap<String, (u32, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Package {
    Dialogs,
    Messages,
}

/// What a document shows, as far as changes of it are worth a NOTIFY.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shown {
    Dialogs(Vec<(String, DialogState)>),
    Messages(u32, u32),
}

#[derive(Debug)]
struct Watcher {
    id: SubscriptionId,
    user: String,
    package: Package,
    partial: bool,
    version: u32,
    told: Shown,
    /// A NOTIFY is out, and another follows it.
    late: bool,
}

impl Watched {
    /// A user is in a call elsewhere that has come so far, or in none.
    pub(super) fn elsewhere(&mut self, user: String, state: Option<DialogState>) {
        match state {
            Some(state) => {
                self.calls += 1;
                self.elsewhere.insert(user, (self.calls, state));
            }
            None => drop(self.elsewhere.remove(&user)),
        }
    }

    /// Nobody watches any more, and nobody talks elsewhere.
    pub(super) fn forget(&mut self) {
        self.watchers.clear();
        self.elsewhere.clear();
    }

    pub(super) fn gone(&mut self, id: SubscriptionId) {
        self.watchers.retain(|watcher| watcher.id != id);
    }

    fn position(&self, id: SubscriptionId) -> Option<usize> {
        self.watchers.iter().position(|watcher| watcher.id == id)
    }
}

impl Phone {
    /// A SUBSCRIBE outside any dialog.
    pub(super) fn subscribed(&mut self, now: Time, server: ServerId, flow: Flow, message: &Message) {
        let event = message.header(Name::Event).and_then(Event::parse);
        let package = match event.map(|event| event.package) {
            Some(DIALOG) => Some(Package::Dialogs),
            Some(MESSAGE_SUMMARY) => Some(Package::Messages),
            Some(_) | None => None,
        };
        let user = message.uri().ok().and_then(|uri| uri.user_unescaped().map(|user| user.into_owned()));
        let user = user.unwrap_or_default();
        let contact = self.contact(&user);
        let (status, fields) = match (self.config.on_subscribe, package) {
            (Some(OnSubscribe::Grant { longest, partial }), Some(package)) => {
                let grant = Grant { contact, longest, pending: false, fields: "" };
                let (kind, body, told) = self.document(&user, package, 0, None);
                let state = Some((kind, body.as_bytes()));
                let granted = self.ua.grant(now, &mut self.layer, server, flow, message, &grant, state);
                if let Ok(id) = granted {
                    let watcher = Watcher { id, user, package, partial, version: 1, told, late: false };
                    self.watched.watchers.push(watcher);
                }
                return;
            }
            (Some(OnSubscribe::Silence), Some(_)) => {
                (200, format!("Contact: <{contact}>\r\nExpires: 60\r\n"))
            }
            (Some(OnSubscribe::Refuse(status)), Some(_)) => (status, String::new()),
            (None, _) => (405, String::new()),
            (Some(_), None) => (489, format!("Allow-Events: {DIALOG}, {MESSAGE_SUMMARY}\r\n")),
        };
        self.ua.respond(now, &mut self.layer, server, flow, message, status, format_args!("{fields}"));
    }

    /// The dialogs of a user, here and elsewhere.
    fn dialogs_of(&self, user: &str) -> Vec<WatchedDialog> {
        let mut dialogs = Vec::new();
        for (n, call) in self.calls.iter().enumerate().filter(|(_, call)| call.user == user) {
            let Some(leg) = call.leg else { continue };
            let state = match &call.progress {
                Progress::Alerting if call.provisional.is_empty() => DialogState::Trying,
                Progress::Alerting => DialogState::Early,
                Progress::Answered | Progress::Established => DialogState::Confirmed,
                Progress::Ended { .. } => continue,
            };
            let mut shown = WatchedDialog::new(format!("here-{n}"), state);
            shown.direction = Some(if call.outgoing { Direction::Initiator } else { Direction::Recipient });
            if let Some(dialog) = self.ua.dialogs(leg).next() {
                shown.call_id = Some(dialog.call_id().to_owned());
                shown.local_tag = Some(dialog.local_tag().to_owned());
                shown.remote_tag = Some(dialog.remote_tag().to_owned());
                shown.remote = Participant {
                    identity: Some(format!("sip:caller@{}", self.config.peer)),
                    target: Some(dialog.target().to_owned()),
                    ..Participant::default()
                };
            }
            dialogs.push(shown);
        }
        if let Some((number, state)) = self.watched.elsewhere.get(user) {
            let mut shown = WatchedDialog::new(format!("elsewhere-{number}"), *state);
            shown.call_id = Some(format!("elsewhere-{number}"));
            (shown.local_tag, shown.remote_tag) = (Some("one".into()), Some("other".into()));
            let identity = Some(format!("sip:somebody@{}", self.config.address));
            shown.remote = Participant { identity, ..Participant::default() };
            dialogs.push(shown);
        }
        dialogs
    }

    /// Type and text of a document, and what it shows. Only what has changed since `before`, if that is given.
    fn document(
        &self,
        user: &str,
        package: Package,
        version: u32,
        before: Option<&Shown>,
    ) -> (&'static str, String, Shown) {
        match package {
            Package::Messages => {
                let (new, old) = self.watched.mailboxes.get(user).copied().unwrap_or_default();
                (SIMPLE_MESSAGE_SUMMARY, summary(new, old), Shown::Messages(new, old))
            }
            Package::Dialogs => {
                let mut dialogs = self.dialogs_of(user);
                let now: Vec<_> = dialogs.iter().map(|dialog| (dialog.id.clone(), dialog.state)).collect();
                if let Some(Shown::Dialogs(before)) = before {
                    dialogs.retain(|dialog| !before.contains(&(dialog.id.clone(), dialog.state)));
                    let over = before.iter().filter(|(id, _)| !now.iter().any(|(still, _)| still == id));
                    let over = over.map(|(id, _)| WatchedDialog::new(id.clone(), DialogState::Terminated));
                    dialogs.extend(over);
                }
                let entity = format!("sip:{user}@{}", self.config.address.ip());
                let info = DialogInfo { version, full: before.is_none(), entity, dialogs };
                (DIALOG_INFO, info.to_string(), Shown::Dialogs(now))
            }
        }
    }

    /// Tells all watchers what they do not know yet.
    pub(super) fn tell_watchers(&mut self, now: Time) {
        let mut n = 0;
        while let Some(watcher) = self.watched.watchers.get(n) {
            let id = watcher.id;
            let due = !watcher.late && self.shown(watcher) != watcher.told;
            if due {
                self.tell_watcher(now, id, false);
            }
            // One that is gone has made room for the next.
            n += usize::from(self.watched.position(id) == Some(n));
        }
    }

    fn shown(&self, watcher: &Watcher) -> Shown {
        match watcher.package {
            Package::Messages => {
                let (new, old) = self.watched.mailboxes.get(&watcher.user).copied().unwrap_or_default();
                Shown::Messages(new, old)
            }
            Package::Dialogs => {
                let dialogs = self.dialogs_of(&watcher.user).into_iter();
                Shown::Dialogs(dialogs.map(|dialog| (dialog.id, dialog.state)).collect())
            }
        }
    }

    /// Tells one watcher: everything, or what has changed, as it was granted.
    pub(super) fn tell_watcher(&mut self, now: Time, id: SubscriptionId, everything: bool) {
        let Some(n) = self.watched.position(id) else { return };
        let Some(watcher) = self.watched.watchers.get(n) else { return };
        let before = (watcher.partial && !everything).then_some(&watcher.told);
        let (kind, body, told) = self.document(&watcher.user, watcher.package, watcher.version, before);
        let sent = self.ua.notify(now, &mut self.layer, id, Some((kind, body.as_bytes())));
        match (sent, self.watched.watchers.get_mut(n)) {
            (Ok(Notified::Sent), Some(watcher)) => {
                (watcher.told, watcher.late) = (told, false);
                watcher.version += 1;
            }
            (Ok(Notified::Later), Some(watcher)) => watcher.late = true,
            (Err(_), _) | (_, None) => self.watched.gone(id),
        }
    }

    /// Ends what all watchers have.
    pub(super) fn end_watches(&mut self, now: Time, reason: EndReason) {
        let all: Vec<_> = self.watched.watchers.iter().map(|watcher| watcher.id).collect();
        for id in all {
            if self.ua.end_subscription(now, &mut self.layer, id, reason).is_err() {
                self.watched.gone(id);
            }
        }
    }

    /// A user's mailbox holds so many new and old messages; the user's line is told even if it did not ask, where the phone does that.
    pub(super) fn messages(&mut self, now: Time, user: String, new: u32, old: u32) {
        let body = summary(new, old);
        let peer = self.config.peer;
        let bound = self.config.registrar.as_ref().and_then(|registrar| registrar.contact(now, &user));
        let uri = bound.map_or_else(|| format!("sip:{user}@{peer}"), str::to_owned);
        self.watched.mailboxes.insert(user, (new, old));
        if !self.config.unsolicited {
            return;
        }
        let errand = Errand {
            flow: Flow::to(ENDPOINT, peer),
            account: None,
            method: Method::Notify,
            uri: &uri,
            from: &format!("<sip:mailbox@{}>", self.config.address),
            to: &format!("<{uri}>"),
            contact: Some(&self.contact("mailbox")),
            fields: &format!("Event: {MESSAGE_SUMMARY}\r\nSubscription-State: active\r\n"),
            body: Some((SIMPLE_MESSAGE_SUMMARY, body.as_bytes())),
        };
        // Without room for it nobody is told: as if it were lost.
        let _ = self.ua.request_outside(now, &mut self.layer, &errand);
    }
}

fn summary(new: u32, old: u32) -> String {
    let mut summary = MessageSummary::new(new > 0);
    summary.set(MessageClass::Voice, Counts { new, old, urgent: None });
    summary.to_string()
}
