//! Requests on their way: what is kept to send them again with credentials, elsewhere, or over another transport.

use super::agent::UserAgent;
use super::ids::{AccountId, LegError};
use super::indication::Failure;
use super::leg::{Exchange, Leg, State};
use super::pending::{Pending, Purpose};
use crate::auth::{self, Place};
use crate::dialog::SentBy;
use crate::message::{Forward, Limits, Message, Method, Name};
use crate::transaction::{Branch, ClientId, Layer};
use bytes::Bytes;
use hookswitch_machine::{Flow, Time, Transport};
use std::fmt::Write;
use std::net::SocketAddr;

/// What a request is, beside what is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draft<'a> {
    pub(super) purpose: Purpose,
    pub(super) account: Option<AccountId>,
    pub(super) flow: Flow,
    /// Where it goes if the stream of `flow` cannot be had.
    pub(super) instead: Option<Flow>,
    pub(super) method: Method<'a>,
    /// The Request-URI; `None` for no credentials before they are asked for.
    pub(super) uri: Option<&'a str>,
    pub(super) body: &'a [u8],
}

/// A Via that can be written.
pub(super) type OwnVia = SentBy<'static, SocketAddr, Branch>;

impl UserAgent {
    /// Sends a request that is written but for its Via and the credentials that its servers have asked for before (RFC 3261 22.3).
    pub(super) fn send(
        &mut self,
        now: Time,
        layer: &mut Layer,
        draft: &Draft<'_>,
        write: impl Fn(OwnVia, &str) -> Bytes,
    ) -> Result<ClientId, LegError> {
        let mut attempt = auth::Attempt::default();
        let account = draft.account.filter(|id| self.is_at_home(*id, draft.flow));
        let account = account.and_then(|id| self.accounts.get_mut(&id));
        let mut credentials = String::new();
        if let (Some(account), Some(uri)) = (account, draft.uri) {
            for (place, value) in account.authorize(&mut attempt, draft.method.as_str(), uri, draft.body) {
                credentials.push_str(place.credentials_header());
                credentials.push_str(": ");
                credentials.push_str(&value);
                credentials.push_str("\r\n");
            }
        }
        self.launch(now, layer, draft, attempt, |transport, address, branch| {
            write(SentBy { transport: transport.via_name(), address, branch }, &credentials)
        })
    }

    /// Chooses the transport by the size of what is written (RFC 3261 18.1.1) and starts the transaction.
    pub(super) fn launch(
        &mut self,
        now: Time,
        layer: &mut Layer,
        draft: &Draft<'_>,
        attempt: auth::Attempt,
        write: impl Fn(Transport, SocketAddr, Branch) -> Bytes,
    ) -> Result<ClientId, LegError> {
        let (transport, sent_by) = self.local(draft.flow);
        let branch = layer.next_branch();
        let bytes = write(transport, sent_by, branch);
        let pending = Pending {
            purpose: draft.purpose,
            account: draft.account,
            flow: draft.flow,
            instead: draft.instead.map(Box::new),
            first: None,
            bytes,
            attempt: draft.account.map(|_| Box::new(attempt)),
            settled: Vec::new(),
        };
        if transport == Transport::Udp
            && pending.bytes.len() > self.config.largest_datagram
            && let Some(stream) = self.stream_for(draft.flow)
        {
            let (transport, sent_by) = self.local(stream);
            let branch = layer.next_branch();
            let bytes = write(transport, sent_by, branch);
            let pending = Pending { flow: stream, instead: Some(Box::new(draft.flow)), bytes, ..pending };
            return self.start(now, layer, draft.method, branch, pending);
        }
        self.start(now, layer, draft.method, branch, pending)
    }

    fn start(
        &mut self,
        now: Time,
        layer: &mut Layer,
        method: Method<'_>,
        branch: Branch,
        pending: Pending,
    ) -> Result<ClientId, LegError> {
        let (transport, _) = self.local(pending.flow);
        let client = layer
            .request(now, pending.flow, transport.is_reliable(), branch, method, pending.bytes.clone())
            .map_err(|_| LegError::Full)?;
        self.pending.insert(client, pending);
        Ok(client)
    }

    fn stream_for(&self, flow: Flow) -> Option<Flow> {
        let endpoints = &self.config.endpoints;
        endpoints
            .iter()
            .find(|e| e.transport == Transport::Tcp && e.advertised.is_ipv4() == flow.peer.is_ipv4())
            .map(|e| Flow::to(e.id, flow.peer))
    }

    /// Whether a peer may be given an answer to its challenge.
    pub(super) fn is_at_home(&self, account: AccountId, flow: Flow) -> bool {
        let has_realm =
            self.accounts.get(&account).is_some_and(|client| client.credentials().realm.is_some());
        let home = self.homes.get(&account);
        has_realm || home.is_none_or(|home| home.contains(&flow.peer.ip().to_canonical()))
    }

    /// Sends a refused request again with an answer to the challenge. `None`: there is none, or it was refused before.
    pub(super) fn with_credentials(
        &mut self,
        now: Time,
        layer: &mut Layer,
        pending: &Pending,
        response: &Message,
    ) -> Option<ClientId> {
        let request = Message::parse(pending.bytes.clone(), &Limits::default()).ok()?;
        if !self.is_at_home(pending.account?, pending.flow) {
            return None;
        }
        let account = self.accounts.get_mut(&pending.account?)?;
        let mut attempt = pending.attempt.as_deref().copied().unwrap_or_default();
        let challenges = [Place::Server, Place::Proxy].into_iter().flat_map(|place| {
            response.headers(Name::new(place.challenge_header())).map(move |value| (place, value))
        });
        account.challenged(&mut attempt, challenges, &mut self.entropy).ok()?;
        self.send_anew(now, layer, pending, &request, attempt, &[])
    }

    /// Sends a refused request again with other values of these header fields.
    pub(super) fn send_again(
        &mut self,
        now: Time,
        layer: &mut Layer,
        pending: &Pending,
        request: &Message,
        fields: &[(Name<'static>, String)],
    ) -> Option<ClientId> {
        let attempt = pending.attempt.as_deref().copied().unwrap_or_default();
        self.send_anew(now, layer, pending, request, attempt, fields)
    }

    fn send_anew(
        &mut self,
        now: Time,
        layer: &mut Layer,
        pending: &Pending,
        request: &Message,
        mut attempt: auth::Attempt,
        fields: &[(Name<'static>, String)],
    ) -> Option<ClientId> {
        let account = pending.account.filter(|id| self.is_at_home(*id, pending.flow));
        let uri = request.request_uri().unwrap_or_default();
        let account = account.and_then(|id| self.accounts.get_mut(&id));
        let answers = account
            .map(|account| account.authorize(&mut attempt, request.method().as_str(), uri, request.body()))
            .unwrap_or_default();
        let cseq = request.cseq().number.wrapping_add(1);
        if let Some(leg) = pending.purpose.leg().and_then(|id| self.legs.get_mut(id))
            && let Some(dialog) = &mut leg.dialog
        {
            dialog.raise_cseq(cseq);
        }
        if let Some(id) = pending.purpose.subscription() {
            self.subscriptions.raise_cseq(id, cseq);
        }
        let Pending { purpose, account, flow, .. } = *pending;
        let instead = pending.instead.as_deref().copied();
        let method = request.method();
        let draft = Draft { purpose, account, flow, instead, method, uri: Some(uri), body: &[] };
        let client = self.launch(now, layer, &draft, attempt, |transport, sent_by, branch| {
            let mut again = Forward::new(request)
                .remove(Name::Via)
                .push_via(transport.via_name(), sent_by, branch)
                .replace(Name::CSeq, format_args!("{cseq} {}", request.method()))
                .remove(Name::Authorization)
                .remove(Name::ProxyAuthorization);
            for (place, value) in &answers {
                again = again.header(Name::new(place.credentials_header()), value);
            }
            for (name, value) in fields {
                again = again.replace(*name, value);
            }
            again.finish()
        });
        self.continued(purpose, client.ok()?)
    }

    /// Sends a request again after its stream could not be had: by datagram if the stream was chosen for the size (RFC 3261
    /// 18.1.1), over a new connection if the old one is gone.
    pub(super) fn another_way(
        &mut self,
        now: Time,
        layer: &mut Layer,
        pending: &Pending,
    ) -> Option<ClientId> {
        let flow = *pending.instead.as_deref()?;
        let request = Message::parse(pending.bytes.clone(), &Limits::default()).ok()?;
        let (transport, sent_by) = self.local(flow);
        let branch = layer.next_branch();
        let bytes =
            Forward::new(&request).remove(Name::Via).push_via(transport.via_name(), sent_by, branch).finish();
        let Pending { purpose, account, .. } = *pending;
        let attempt = pending.attempt.clone();
        let next = Pending {
            purpose,
            account,
            flow,
            instead: None,
            first: None,
            bytes,
            attempt,
            settled: Vec::new(),
        };
        let client = self.start(now, layer, request.method(), branch, next).ok()?;
        if let Some(leg) = purpose.leg().and_then(|id| self.legs.get_mut(id))
            && leg.flow == pending.flow
        {
            leg.flow = flow;
        }
        self.continued(purpose, client)
    }

    /// Sends an INVITE again to where a 3xx points (RFC 3261 8.1.3.4), without the credentials meant for others.
    pub(super) fn resend_to(
        &mut self,
        now: Time,
        layer: &mut Layer,
        pending: &Pending,
        uri: &str,
        flow: Flow,
    ) -> Option<ClientId> {
        let request = Message::parse(pending.bytes.clone(), &Limits::default()).ok()?;
        let cseq = request.cseq().number.wrapping_add(1);
        let Pending { purpose, account, .. } = *pending;
        let attempt = pending.attempt.as_deref().copied().unwrap_or_default();
        let method = request.method();
        let draft = Draft { purpose, account, flow, instead: None, method, uri: Some(uri), body: &[] };
        let client = self.launch(now, layer, &draft, attempt, |transport, sent_by, branch| {
            Forward::new(&request)
                .request_uri(uri)
                .remove(Name::Via)
                .push_via(transport.via_name(), sent_by, branch)
                .replace(Name::CSeq, format_args!("{cseq} {}", request.method()))
                .remove(Name::Authorization)
                .remove(Name::ProxyAuthorization)
                .finish()
        });
        client.ok()
    }

    /// A request goes on as another transaction: the user knows it as what it was at first.
    pub(super) fn goes_on(&mut self, old: ClientId, first: Option<ClientId>, new: ClientId) {
        if let Some(pending) = self.pending.get_mut(&new) {
            pending.first = Some(first.unwrap_or(old));
        }
    }

    /// A request goes on as another transaction.
    fn continued(&mut self, purpose: Purpose, client: ClientId) -> Option<ClientId> {
        if let Some(id) = purpose.subscription() {
            self.subscriptions.sent(id, client);
        }
        let leg = purpose.leg().and_then(|id| self.legs.get_mut(id));
        match leg.map(|leg| (&mut leg.state, &mut leg.exchange)) {
            Some((State::Inviting { client: old, early, .. }, _))
                if matches!(purpose, Purpose::Invite(_)) =>
            {
                *old = client;
                // A final response has ended them (RFC 3261 12.3).
                early.clear();
            }
            Some((State::HangingUp { client: old }, _)) if matches!(purpose, Purpose::Bye(_)) => {
                *old = client
            }
            Some((_, Exchange::Ours { client: old, .. })) if matches!(purpose, Purpose::Offer(_)) => {
                *old = client;
            }
            Some((_, Exchange::Refreshing { client: old, .. })) if matches!(purpose, Purpose::Refresh(_)) => {
                *old = client;
            }
            Some(_) | None => {}
        }
        Some(client)
    }

    /// The transaction is over; nothing more will come of it.
    pub(super) fn forget(&mut self, client: ClientId) {
        if let Some(pending) = self.pending.remove(&client)
            && let Some(leg) = pending.purpose.leg().and_then(|id| self.legs.get_mut(id))
        {
            leg.ack = leg.ack.take().filter(|ack| ack.client() != client);
        }
    }

    /// Gives back what a session holds beside itself.
    pub(super) fn release(&mut self, leg: &Leg) {
        if let Some(clock) = &leg.clock {
            self.timers.cancel(clock.timer);
        }
        match &leg.state {
            State::Invited { server, .. } => {
                self.invited.remove(server);
            }
            State::Accepted { ok, .. } => {
                self.timers.cancel(ok.timer);
            }
            State::Inviting { .. }
            | State::Redirected { .. }
            | State::Confirmed
            | State::HangingUp { .. } => {}
        }
        match &leg.exchange {
            Exchange::Ours { deadline: timer, .. }
            | Exchange::Refreshing { deadline: timer, .. }
            | Exchange::OursAgain { timer, .. } => {
                self.timers.cancel(*timer);
            }
            Exchange::TheirsAnswered { ok } => {
                self.timers.cancel(ok.timer);
            }
            Exchange::Idle | Exchange::Theirs { .. } => {}
        }
    }

    /// The failure that a final response to a request with (or without) credentials means.
    pub(super) fn failure(pending: &Pending, status: u16) -> Failure {
        match status {
            401 | 407 if pending.account.is_some() => Failure::Unauthorized(status),
            status => Failure::Status(status),
        }
    }
}

/// Whether a response asks for credentials.
pub(super) fn is_challenge(response: &Message) -> bool {
    matches!(response.status(), Some(401 | 407)) && response.method() != Method::Ack
}

/// The lines of the credentials in an INVITE, which its ACK repeats (RFC 3261 13.2.2.4).
pub(super) fn credentials_of(invite: &Message) -> Box<str> {
    let mut lines = String::new();
    for name in [Name::Authorization, Name::ProxyAuthorization] {
        for field in invite.fields(name) {
            // Writing to a String cannot fail.
            let _ = write!(lines, "{name}: {}\r\n", invite.text(field.value));
        }
    }
    lines.into_boxed_str()
}
