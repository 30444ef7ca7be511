//! Subscriptions of ours (RFC 6665 4.1).

use super::agent::{Timer, UserAgent, subscription_at};
use super::hop::{anew, next_hop};
use super::ids::{AccountId, LegError, SubscriptionId};
use super::indication::Indication;
use super::leg::Tag;
use super::pending::{Pending, Purpose};
use super::sending::Draft;
use super::usage::{Ours, Subscription};
use crate::dialog::Dialog;
use crate::event::SubscriptionState;
use crate::message::{Limits, Message, Method, Name, Request};
use crate::subscription::{Answer, Path, Policy, Subscriber, SubscriberInput, SubscriberOutput};
use crate::transaction::{ClientId, Layer, ServerId};
use hookswitch_machine::{Flow, Time};
use std::sync::Arc;

/// A subscription to be made.
#[derive(Clone, Debug)]
pub struct Watch<'a> {
    /// The path to the next hop.
    pub flow: Flow,
    /// Credentials for challenges.
    pub account: Option<AccountId>,
    /// The Request-URI: what is watched.
    pub uri: &'a str,
    /// From without its tag: `"Name" <sip:user@domain>`.
    pub from: &'a str,
    /// To: `<sip:user@domain>`.
    pub to: &'a str,
    /// The URI in Contact.
    pub contact: Arc<str>,
    /// The value of Event: the package, `message-summary` or `dialog`.
    pub event: &'a str,
    /// The value of Accept: the types of bodies.
    pub accept: &'a str,
    /// Further complete header field lines; CR and LF were checked by whoever wrote them.
    pub fields: &'a str,
    /// How it is kept.
    pub policy: Policy,
}

impl UserAgent {
    /// Subscribes, and stays subscribed until [`unsubscribe`](Self::unsubscribe) or [`Report::Ended`](crate::subscription::Report::Ended).
    /// News come as [`Indication::Subscription`].
    pub fn subscribe(
        &mut self,
        now: Time,
        layer: &mut Layer,
        watch: &Watch<'_>,
    ) -> Result<SubscriptionId, LegError> {
        if self.subscriptions.len() >= self.config.max_subscriptions {
            return Err(LegError::Full);
        }
        let id = self.subscriptions.next_id();
        let ours = Ours {
            machine: Subscriber::new(watch.policy),
            account: watch.account,
            flow: watch.flow,
            contact: Arc::clone(&watch.contact),
            uri: watch.uri.into(),
            from: watch.from.into(),
            to: watch.to.into(),
            event: watch.event.into(),
            accept: watch.accept.into(),
            fields: watch.fields.into(),
            call_id: Box::default(),
            cseq: 0,
            dialog: None,
            client: None,
            timer: None,
        };
        self.subscriptions.put(id, Subscription::Ours(Box::new(ours)));
        match self.settle_ours(now, layer, id) {
            Indication::None => Ok(id),
            _ => {
                // It could not be sent.
                self.drop_subscription(id);
                Err(LegError::Full)
            }
        }
    }

    /// Ends a subscription of ours; [`Report::Ended`](crate::subscription::Report::Ended) follows, unless an error says that it is gone
    /// at once.
    pub fn unsubscribe(&mut self, now: Time, layer: &mut Layer, id: SubscriptionId) -> Result<(), LegError> {
        match self.feed(now, layer, id, SubscriberInput::Stop)? {
            Indication::None => Ok(()),
            _ => Err(LegError::Gone),
        }
    }

    /// Asks the notifier for the whole state anew, if the subscription stands.
    pub fn refresh_subscription(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: SubscriptionId,
    ) -> Result<(), LegError> {
        self.feed(now, layer, id, SubscriberInput::Refresh).map(drop)
    }

    /// What kept a subscription from standing may be over (the network is back, the account registered): it is tried now instead of
    /// later.
    pub fn retry_subscription(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: SubscriptionId,
    ) -> Result<(), LegError> {
        self.feed(now, layer, id, SubscriberInput::TryNow).map(drop)
    }

    /// The next hop of a subscription of ours, or our own address, is another one now: taken from its next SUBSCRIBE on.
    pub fn move_subscription(
        &mut self,
        id: SubscriptionId,
        flow: Flow,
        contact: Arc<str>,
    ) -> Result<(), LegError> {
        let ours = self.subscriptions.ours(id).ok_or(LegError::Gone)?;
        (ours.flow, ours.contact) = (flow, contact);
        Ok(())
    }

    /// The dialog of a subscription, once there is one.
    pub fn subscription_dialog(&self, id: SubscriptionId) -> Option<&Dialog> {
        self.subscriptions.get(id)?.dialog()
    }

    /// The subscription that a request within a dialog belongs to.
    pub(super) fn subscription_of(&self, message: &Message) -> Option<SubscriptionId> {
        let tag = Tag::parse(message.to_tag()?).filter(|tag| self.is_own(tag))?;
        let id = subscription_at(tag.leg)?;
        self.subscriptions.get(id)?.is_meant_by(message).then_some(id)
    }

    /// A request within the dialog of a subscription, or one that makes it.
    pub(super) fn within_subscription(
        &mut self,
        now: Time,
        layer: &mut Layer,
        server: ServerId,
        id: SubscriptionId,
        flow: Flow,
        message: &Message,
    ) -> Indication {
        match (self.subscriptions.get(id), message.method()) {
            (Some(Subscription::Ours(_)), Method::Notify) => {
                self.notified(now, layer, server, id, flow, message)
            }
            (Some(Subscription::Theirs(_)), Method::Subscribe) => {
                self.resubscribed(now, layer, server, id, flow, message)
            }
            (Some(_), _) | (None, _) => {
                self.respond(now, layer, server, flow, message, 481, format_args!(""));
                Indication::None
            }
        }
    }

    /// A NOTIFY (RFC 6665 4.1.3): answered at once.
    fn notified(
        &mut self,
        now: Time,
        layer: &mut Layer,
        server: ServerId,
        id: SubscriptionId,
        flow: Flow,
        message: &Message,
    ) -> Indication {
        let status = self.take_notify(id, flow, message);
        self.respond(now, layer, server, flow, message, status, format_args!(""));
        if status != 200 {
            return Indication::None;
        }
        let state = message.header(Name::SubscriptionState).unwrap_or_default();
        let input = SubscriberInput::Notify(SubscriptionState::parse(state));
        self.feed(now, layer, id, input).unwrap_or(Indication::None)
    }

    /// Whether a NOTIFY belongs to the dialog, or makes it: the status to answer it with.
    fn take_notify(&mut self, id: SubscriptionId, flow: Flow, message: &Message) -> u16 {
        let tag = self.subscription_tag(id).to_string();
        let Some(ours) = self.subscriptions.ours(id) else { return 481 };
        if ours.machine.notify_status() != 200 {
            return ours.machine.notify_status();
        }
        match &mut ours.dialog {
            Some(dialog) if !ours.machine.awaits_dialog() => {
                // RFC 6665 4.4.1: another branch of a fork; one is enough.
                if dialog.remote_tag() != message.from_tag().unwrap_or_default() {
                    return 481;
                }
                if dialog.receive(message).is_err() {
                    return 500;
                }
                dialog.refresh_target(message);
            }
            before => {
                let Ok(mut dialog) = Dialog::server(message, &tag) else { return 400 };
                dialog.confirm();
                dialog.raise_cseq(before.as_ref().map_or(ours.cseq, Dialog::local_cseq));
                *before = Some(dialog);
            }
        }
        if ours.flow.endpoint == flow.endpoint && ours.flow.peer == flow.peer {
            // The connection that the peer uses now.
            ours.flow = flow;
        }
        200
    }

    /// The final response to a SUBSCRIBE.
    pub(super) fn subscribe_answered(
        &mut self,
        now: Time,
        layer: &mut Layer,
        client: ClientId,
        id: SubscriptionId,
        pending: &Pending,
        message: &Message,
    ) -> Indication {
        let Some(ours) = self.subscriptions.ours(id).filter(|ours| ours.client == Some(client)) else {
            return Indication::None;
        };
        ours.client = None;
        let status = message.status().unwrap_or_default();
        if (200..300).contains(&status) {
            match &mut ours.dialog {
                Some(dialog) => drop(dialog.refresh_target(message)),
                // Some notifiers do not wait for the NOTIFY to be answered before they take a SUBSCRIBE within the dialog.
                before => {
                    let request = Message::parse(pending.bytes.clone(), &Limits::default()).map_err(drop);
                    *before = request.and_then(|r| Dialog::client(&r, message).map_err(drop)).ok();
                }
            }
        }
        let number = |name| message.header(name).and_then(seconds);
        let answer = Answer {
            status,
            expires: message.expires(),
            min_expires: number(Name::MinExpires),
            retry_after: number(Name::RetryAfter),
        };
        self.feed(now, layer, id, SubscriberInput::Response(answer)).unwrap_or(Indication::None)
    }

    /// A SUBSCRIBE was not answered.
    pub(super) fn subscribe_unanswered(
        &mut self,
        now: Time,
        layer: &mut Layer,
        client: ClientId,
        id: SubscriptionId,
    ) -> Indication {
        match self.subscriptions.ours(id).filter(|ours| ours.client == Some(client)) {
            Some(ours) => ours.client = None,
            None => return Indication::None,
        }
        self.feed(now, layer, id, SubscriberInput::NoResponse).unwrap_or(Indication::None)
    }

    /// A subscription has something to do.
    pub(super) fn subscription_timer(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: SubscriptionId,
    ) -> Indication {
        match self.subscriptions.get(id) {
            Some(Subscription::Ours(_)) => {
                self.feed(now, layer, id, SubscriberInput::Timer).unwrap_or(Indication::None)
            }
            Some(Subscription::Theirs(_)) => self.notifier_timer(now, layer, id),
            None => Indication::None,
        }
    }

    fn feed(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: SubscriptionId,
        input: SubscriberInput<'_>,
    ) -> Result<Indication, LegError> {
        let ours = self.subscriptions.ours(id).ok_or(LegError::Gone)?;
        ours.machine.handle(now, input, &mut self.entropy);
        Ok(self.settle_ours(now, layer, id))
    }

    /// Does what the machine wants.
    fn settle_ours(&mut self, now: Time, layer: &mut Layer, id: SubscriptionId) -> Indication {
        let mut told = Indication::None;
        loop {
            match self.subscriptions.ours(id).and_then(|ours| ours.machine.poll()) {
                None => break,
                Some(SubscriberOutput::Report(report)) => told = Indication::Subscription(id, report),
                Some(SubscriberOutput::Subscribe { expires, path }) => {
                    if self.send_subscribe(now, layer, id, expires, path).is_err()
                        && let Some(ours) = self.subscriptions.ours(id)
                    {
                        ours.machine.handle(now, SubscriberInput::NoResponse, &mut self.entropy);
                    }
                }
            }
        }
        let next = self.subscriptions.ours(id).map(|ours| (ours.machine.is_over(), ours.machine.timeout()));
        match next {
            Some((true, _)) => self.drop_subscription(id),
            Some((false, timeout)) => self.set_subscription_timer(id, timeout),
            None => {}
        }
        told
    }

    pub(super) fn set_subscription_timer(&mut self, id: SubscriptionId, at: Option<Time>) {
        let timer = at.map(|at| self.timers.set(at, Timer::Subscription(id)));
        let Some(mut subscription) = self.subscriptions.take(id) else { return };
        if let Some(old) = std::mem::replace(subscription.timer(), timer) {
            self.timers.cancel(old);
        }
        self.subscriptions.put(id, subscription);
    }

    pub(super) fn drop_subscription(&mut self, id: SubscriptionId) {
        if let Some(timer) = self.subscriptions.take(id).and_then(|mut gone| gone.timer().take()) {
            self.timers.cancel(timer);
        }
    }

    /// SUBSCRIBE (RFC 6665 4.1.2): to a new dialog, or within the one there is.
    fn send_subscribe(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: SubscriptionId,
        expires: u32,
        path: Path,
    ) -> Result<(), LegError> {
        let Some(Subscription::Ours(mut ours)) = self.subscriptions.take(id) else {
            return Err(LegError::Gone);
        };
        // Put back below: nothing between looks for it.
        let sent = match path {
            Path::New => self.send_first_subscribe(now, layer, id, &mut ours, expires),
            Path::Within => self.send_next_subscribe(now, layer, id, &mut ours, expires),
        };
        ours.client = sent.ok();
        self.subscriptions.put(id, Subscription::Ours(ours));
        sent.map(drop)
    }

    fn send_first_subscribe(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: SubscriptionId,
        ours: &mut Ours,
        expires: u32,
    ) -> Result<ClientId, LegError> {
        let tag = self.subscription_tag(id);
        ours.dialog = None;
        ours.call_id = format!("{:016x}{:016x}", self.entropy.next_u64(), self.entropy.next_u64()).into();
        ours.cseq = self.entropy.next_u32() >> 8;
        let product = Arc::clone(&self.product);
        let draft = Draft {
            purpose: Purpose::Subscribe(id),
            account: ours.account,
            flow: ours.flow,
            instead: None,
            method: Method::Subscribe,
            uri: Some(&ours.uri),
            body: &[],
        };
        let ours = &*ours;
        self.send(now, layer, &draft, |via, credentials| {
            let request = Request::new(Method::Subscribe, &ours.uri)
                .via(via.transport, via.address, via.branch)
                .max_forwards(70)
                .header(Name::From, format_args!("{};tag={tag}", ours.from))
                .header(Name::To, &ours.to)
                .call_id(&ours.call_id)
                .cseq(ours.cseq, Method::Subscribe);
            finish(request, ours, expires, &product, credentials)
        })
    }

    fn send_next_subscribe(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: SubscriptionId,
        ours: &mut Ours,
        expires: u32,
    ) -> Result<ClientId, LegError> {
        let mut dialog = ours.dialog.take().ok_or(LegError::State)?;
        let cseq = dialog.next_cseq();
        let flow = next_hop(dialog.next_hop(), ours.flow, &self.config.endpoints);
        let product = Arc::clone(&self.product);
        let draft = Draft {
            purpose: Purpose::Subscribe(id),
            account: ours.account,
            flow,
            instead: (flow.connection != 0).then(|| anew(dialog.next_hop(), flow)),
            method: Method::Subscribe,
            uri: Some(dialog.request_uri()),
            body: &[],
        };
        let sent = self.send(now, layer, &draft, |via, credentials| {
            let request = dialog.numbered(Method::Subscribe, cseq, via);
            finish(request, ours, expires, &product, credentials)
        });
        ours.dialog = Some(dialog);
        sent
    }
}

/// What both kinds of SUBSCRIBE say.
fn finish(request: Request<'_>, ours: &Ours, expires: u32, product: &str, credentials: &str) -> bytes::Bytes {
    request
        .header(Name::Contact, format_args!("<{}>", ours.contact))
        .header(Name::Event, &ours.event)
        .header(Name::Accept, &ours.accept)
        .header(Name::Expires, expires)
        .header(Name::UserAgent, product)
        .lines(credentials)
        .lines(&ours.fields)
        .finish()
}

/// The number at the start of `Retry-After: 120 (in a meeting);duration=60`.
fn seconds(value: &str) -> Option<u32> {
    let digits = value.split(|c: char| !c.is_ascii_digit()).next()?;
    if digits.is_empty() { None } else { Some(digits.parse().unwrap_or(u32::MAX)) }
}
