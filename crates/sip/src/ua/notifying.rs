//! Subscriptions that others have with us (RFC 6665 4.2).

use super::agent::UserAgent;
use super::hop::{anew, next_hop};
use super::ids::{LegError, SubscriptionId};
use super::indication::Indication;
use super::pending::Purpose;
use super::reply::Reply;
use super::sending::Draft;
use super::usage::{Subscription, Theirs};
use crate::dialog::Dialog;
use crate::event::{EndReason, Event, SubscriptionState};
use crate::message::{Message, Method, Name};
use crate::subscription::{Notifier, NotifierInput, NotifierOutput};
use crate::transaction::{ClientId, Layer, ServerId};
use hookswitch_machine::{Flow, Time};
use std::sync::Arc;

/// The lifetime of a subscription that does not say, in seconds (RFC 3842 4.4, RFC 4235 3.4).
const USUAL: u32 = 3_600;

/// A subscription that is granted.
#[derive(Clone, Debug)]
pub struct Grant<'a> {
    /// The URI in our Contact.
    pub contact: Arc<str>,
    /// The longest lifetime to grant, in seconds; refreshes get no more either.
    pub longest: u32,
    /// Whether somebody's consent is still waited for: NOTIFYs say `pending` until [`UserAgent::consent`].
    pub pending: bool,
    /// Further complete header field lines of the 200.
    pub fields: &'a str,
}

/// What became of a state that was given to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notified {
    /// It is on its way.
    Sent,
    /// A NOTIFY is still out: [`Indication::NotifyDue`] asks for the state when it is answered, if there is a point in it.
    Later,
}

/// A request of the subscriber, to be answered.
#[derive(Clone, Copy)]
struct Asked<'m> {
    server: ServerId,
    flow: Flow,
    message: &'m Message,
}

impl UserAgent {
    /// Grants a subscription: answers the SUBSCRIBE of an [`Indication::OutOfDialog`] with 200, and tells the state, as type and octets,
    /// in a NOTIFY at once (RFC 6665 4.2.1.2). Its id counts until [`Indication::SubscriberGone`]. A SUBSCRIBE for another
    /// package is to be refused with [`respond`](Self::respond): 489 and Allow-Events.
    ///
    /// # Errors
    /// If there is no room (503 is sent), or the SUBSCRIBE makes no dialog (400 is sent).
    #[allow(clippy::too_many_arguments)]
    pub fn grant(
        &mut self,
        now: Time,
        layer: &mut Layer,
        server: ServerId,
        flow: Flow,
        message: &Message,
        grant: &Grant<'_>,
        state: Option<(&str, &[u8])>,
    ) -> Result<SubscriptionId, LegError> {
        if self.subscriptions.len() >= self.config.max_subscriptions {
            self.respond(now, layer, server, flow, message, 503, format_args!("Retry-After: 60\r\n"));
            return Err(LegError::Full);
        }
        let id = self.subscriptions.next_id();
        let tag = self.subscription_tag(id).to_string();
        let event = message.header(Name::Event).and_then(Event::parse);
        let (Some(event), Ok(mut dialog)) = (event, Dialog::server(message, &tag)) else {
            self.respond(now, layer, server, flow, message, 400, format_args!(""));
            return Err(LegError::State);
        };
        dialog.confirm();
        let expires = message.expires().unwrap_or(USUAL).min(grant.longest);
        let fields = format_args!(
            "Contact: <{}>\r\nExpires: {expires}\r\nServer: {}\r\n{}",
            grant.contact, self.product, grant.fields
        );
        let bytes = Reply::to(message, &tag, flow.peer).write(200, fields, None);
        layer.respond(now, server, 200, bytes).map_err(|_| LegError::Gone)?;
        let theirs = Theirs {
            machine: Notifier::new(now, expires, grant.pending),
            flow,
            contact: Arc::clone(&grant.contact),
            event: event.to_string().into(),
            dialog,
            longest: grant.longest,
            client: None,
            timer: None,
        };
        self.subscriptions.put(id, Subscription::Theirs(Box::new(theirs)));
        self.notify(now, layer, id, state).map(|_| id)
    }

    /// Tells a subscriber the state, as type and octets: because it has changed, or because [`Indication::NotifyDue`] asks for it.
    ///
    /// # Errors
    /// If the subscription is gone, or goes because no NOTIFY can be sent.
    pub fn notify(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: SubscriptionId,
        state: Option<(&str, &[u8])>,
    ) -> Result<Notified, LegError> {
        let theirs = self.subscriptions.theirs(id).ok_or(LegError::Gone)?;
        let ready = theirs.machine.is_ready();
        theirs.machine.handle(now, NotifierInput::State);
        match self.settle_theirs(now, layer, id, None, state) {
            Indication::SubscriberGone(_) => Err(LegError::Full),
            _ if ready => Ok(Notified::Sent),
            _ => Ok(Notified::Later),
        }
    }

    /// Somebody's consent, which a subscription waited for, is there. True if its state is due: give it to [`notify`](Self::notify).
    ///
    /// # Errors
    /// If the subscription is gone.
    pub fn consent(&mut self, now: Time, layer: &mut Layer, id: SubscriptionId) -> Result<bool, LegError> {
        let theirs = self.subscriptions.theirs(id).ok_or(LegError::Gone)?;
        theirs.machine.handle(now, NotifierInput::Consent);
        Ok(self.settle_theirs(now, layer, id, None, None) == Indication::NotifyDue(id))
    }

    /// Ends a subscription that somebody has with us; [`Indication::SubscriberGone`] follows, unless an error says that it is gone.
    pub fn end_subscription(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: SubscriptionId,
        reason: EndReason,
    ) -> Result<(), LegError> {
        let theirs = self.subscriptions.theirs(id).ok_or(LegError::Gone)?;
        theirs.machine.handle(now, NotifierInput::End(reason));
        match self.settle_theirs(now, layer, id, None, None) {
            Indication::SubscriberGone(_) => Err(LegError::Gone),
            _ => Ok(()),
        }
    }

    /// A SUBSCRIBE within the dialog: it refreshes the subscription, or ends it.
    pub(super) fn resubscribed(
        &mut self,
        now: Time,
        layer: &mut Layer,
        server: ServerId,
        id: SubscriptionId,
        flow: Flow,
        message: &Message,
    ) -> Indication {
        let Some(theirs) = self.subscriptions.theirs(id) else { return Indication::None };
        let refusal = if theirs.dialog.remote_tag() != message.from_tag().unwrap_or_default() {
            Some(481)
        } else {
            theirs.dialog.receive(message).err().map(|_| 500)
        };
        if let Some(status) = refusal {
            self.respond(now, layer, server, flow, message, status, format_args!(""));
            return Indication::None;
        }
        theirs.dialog.refresh_target(message);
        if theirs.flow.endpoint == flow.endpoint && theirs.flow.peer == flow.peer {
            // The connection that the peer uses now.
            theirs.flow = flow;
        }
        let expires = message.expires().unwrap_or(USUAL).min(theirs.longest);
        theirs.machine.handle(now, NotifierInput::Subscribe { expires });
        self.settle_theirs(now, layer, id, Some(Asked { server, flow, message }), None)
    }

    /// A NOTIFY is answered, or will not be.
    pub(super) fn notify_answered(
        &mut self,
        now: Time,
        layer: &mut Layer,
        client: ClientId,
        id: SubscriptionId,
        status: u16,
    ) -> Indication {
        let Some(theirs) = self.subscriptions.theirs(id).filter(|theirs| theirs.client == Some(client))
        else {
            return Indication::None;
        };
        theirs.machine.handle(now, NotifierInput::Answered(status));
        self.settle_theirs(now, layer, id, None, None)
    }

    pub(super) fn notifier_timer(&mut self, now: Time, layer: &mut Layer, id: SubscriptionId) -> Indication {
        let Some(theirs) = self.subscriptions.theirs(id) else { return Indication::None };
        theirs.machine.handle(now, NotifierInput::Timer);
        self.settle_theirs(now, layer, id, None, None)
    }

    /// Does what the machine wants.
    fn settle_theirs(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: SubscriptionId,
        asked: Option<Asked<'_>>,
        state: Option<(&str, &[u8])>,
    ) -> Indication {
        let mut told = Indication::None;
        loop {
            match self.subscriptions.theirs(id).and_then(|theirs| theirs.machine.poll()) {
                None => break,
                Some(NotifierOutput::Respond { status, expires }) => {
                    if let Some(asked) = asked {
                        self.answer_subscribe(now, layer, id, asked, status, expires);
                    }
                }
                Some(NotifierOutput::Notify(header)) => {
                    if self.send_notify(now, layer, id, header, state).is_err()
                        && let Some(theirs) = self.subscriptions.theirs(id)
                    {
                        theirs.machine.handle(now, NotifierInput::Abandoned);
                    }
                }
                Some(NotifierOutput::Due) => told = Indication::NotifyDue(id),
                Some(NotifierOutput::Gone) => {
                    self.drop_subscription(id);
                    return Indication::SubscriberGone(id);
                }
            }
        }
        if let Some(timeout) = self.subscriptions.theirs(id).map(|theirs| theirs.machine.timeout()) {
            self.set_subscription_timer(id, timeout);
        }
        told
    }

    fn answer_subscribe(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: SubscriptionId,
        Asked { server, flow, message }: Asked<'_>,
        status: u16,
        expires: u32,
    ) {
        let Some(contact) = self.subscriptions.theirs(id).map(|theirs| Arc::clone(&theirs.contact)) else {
            return;
        };
        if status == 200 {
            let fields = format_args!("Contact: <{contact}>\r\nExpires: {expires}\r\n");
            self.respond(now, layer, server, flow, message, status, fields);
        } else {
            self.respond(now, layer, server, flow, message, status, format_args!(""));
        }
    }

    fn send_notify(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: SubscriptionId,
        header: SubscriptionState<'_>,
        state: Option<(&str, &[u8])>,
    ) -> Result<(), LegError> {
        let Some(Subscription::Theirs(mut theirs)) = self.subscriptions.take(id) else {
            return Err(LegError::Gone);
        };
        // Put back below: nothing between looks for it.
        let cseq = theirs.dialog.next_cseq();
        let dialog = &theirs.dialog;
        let flow = next_hop(dialog.next_hop(), theirs.flow, &self.config.endpoints);
        let product = Arc::clone(&self.product);
        let draft = Draft {
            purpose: Purpose::Notify(id),
            account: None,
            flow,
            instead: (flow.connection != 0).then(|| anew(dialog.next_hop(), flow)),
            method: Method::Notify,
            uri: None,
            body: state.map_or(&[] as &[u8], |(_, body)| body),
        };
        let sent = self.send(now, layer, &draft, |via, credentials| {
            let request = dialog
                .numbered(Method::Notify, cseq, via)
                .header(Name::Contact, format_args!("<{}>", theirs.contact))
                .header(Name::Event, &theirs.event)
                .header(Name::SubscriptionState, header)
                .header(Name::UserAgent, &product)
                .lines(credentials);
            match state {
                Some((kind, body)) => request.body(kind, body).finish(),
                None => request.finish(),
            }
        });
        theirs.client = sent.ok();
        self.subscriptions.put(id, Subscription::Theirs(theirs));
        sent.map(drop)
    }
}
