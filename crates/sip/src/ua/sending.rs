//! Requests on their way: what is kept to send them again with credentials, elsewhere, or over another transport.

use super::agent::UserAgent;
use super::ids::{AccountId, LegError};
use super::indication::Failure;
use super::leg::{Exchange, Leg, State};
use super::pending::{Pending, Purpose};
use crate::auth::{self, Place};
use crate::message::{Forward, Limits, Message, Method, Name};
use crate::transaction::{Branch, ClientId, Layer};
use bytes::Bytes;
use hookswitch_machine::{Flow, Time, Transport};

impl UserAgent {
    /// Sends a request that is written but for its Via.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn send(
        &mut self,
        now: Time,
        layer: &mut Layer,
        purpose: Purpose,
        account: Option<AccountId>,
        flow: Flow,
        method: Method<'_>,
        write: impl Fn(Transport, std::net::SocketAddr, Branch) -> Bytes,
    ) -> Result<ClientId, LegError> {
        let (transport, sent_by) = self.local(flow);
        let mut branch = layer.next_branch();
        let mut bytes = write(transport, sent_by, branch);
        let (mut used, mut instead) = (flow, None);
        if transport == Transport::Udp
            && bytes.len() > self.config.largest_datagram
            && let Some(stream) = self.stream_for(flow)
        {
            let (transport, sent_by) = self.local(stream);
            branch = layer.next_branch();
            bytes = write(transport, sent_by, branch);
            (used, instead) = (stream, Some(flow));
        }
        let pending =
            Pending { purpose, account, flow: used, instead, bytes, attempt: auth::Attempt::default() };
        self.start(now, layer, method, branch, pending)
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

    /// Sends a refused request again with an answer to the challenge. `None`: there is none, or it was refused before.
    pub(super) fn with_credentials(
        &mut self,
        now: Time,
        layer: &mut Layer,
        pending: &Pending,
        response: &Message,
    ) -> Option<ClientId> {
        let request = Message::parse(pending.bytes.clone(), &Limits::default()).ok()?;
        let account = self.accounts.get_mut(&pending.account?)?;
        let mut attempt = pending.attempt;
        let challenges = [Place::Server, Place::Proxy].into_iter().flat_map(|place| {
            response.headers(Name::new(place.challenge_header())).map(move |value| (place, value))
        });
        account.challenged(&mut attempt, challenges, &mut self.entropy).ok()?;
        let uri = request.request_uri().unwrap_or_default();
        let answers = account.authorize(&mut attempt, request.method().as_str(), uri, request.body());
        let branch = layer.next_branch();
        let (transport, sent_by) = self.local(pending.flow);
        let cseq = request.cseq().number.wrapping_add(1);
        let mut again = Forward::new(&request)
            .remove(Name::Via)
            .push_via(transport.via_name(), sent_by, branch)
            .replace(Name::CSeq, format_args!("{cseq} {}", request.method()))
            .remove(Name::Authorization)
            .remove(Name::ProxyAuthorization);
        for (place, value) in &answers {
            again = again.header(Name::new(place.credentials_header()), value);
        }
        let bytes = again.finish();
        if let Some(leg) = pending.purpose.leg().and_then(|id| self.legs.get_mut(id))
            && let Some(dialog) = &mut leg.dialog
        {
            dialog.raise_cseq(cseq);
        }
        self.again(now, layer, pending, pending.flow, branch, attempt, bytes)
    }

    /// Sends a request again by datagram after its stream could not be had (RFC 3261 18.1.1).
    pub(super) fn by_datagram(
        &mut self,
        now: Time,
        layer: &mut Layer,
        pending: &Pending,
    ) -> Option<ClientId> {
        let flow = pending.instead?;
        let request = Message::parse(pending.bytes.clone(), &Limits::default()).ok()?;
        let (transport, sent_by) = self.local(flow);
        let branch = layer.next_branch();
        let bytes =
            Forward::new(&request).remove(Name::Via).push_via(transport.via_name(), sent_by, branch).finish();
        self.again(now, layer, pending, flow, branch, pending.attempt, bytes)
    }

    /// Sends an INVITE again to where a 3xx points (RFC 3261 8.1.3.4).
    pub(super) fn resend_to(
        &mut self,
        now: Time,
        layer: &mut Layer,
        pending: &Pending,
        uri: &str,
        flow: Flow,
    ) -> Option<ClientId> {
        let request = Message::parse(pending.bytes.clone(), &Limits::default()).ok()?;
        let (transport, sent_by) = self.local(flow);
        let branch = layer.next_branch();
        let cseq = request.cseq().number.wrapping_add(1);
        let bytes = Forward::new(&request)
            .request_uri(uri)
            .remove(Name::Via)
            .push_via(transport.via_name(), sent_by, branch)
            .replace(Name::CSeq, format_args!("{cseq} {}", request.method()))
            .finish();
        self.again(now, layer, pending, flow, branch, pending.attempt, bytes)
    }

    #[allow(clippy::too_many_arguments)]
    fn again(
        &mut self,
        now: Time,
        layer: &mut Layer,
        pending: &Pending,
        flow: Flow,
        branch: Branch,
        attempt: auth::Attempt,
        bytes: Bytes,
    ) -> Option<ClientId> {
        let Pending { purpose, account, .. } = *pending;
        let next = Pending { purpose, account, flow, instead: None, bytes, attempt };
        let method = Message::parse(next.bytes.clone(), &Limits::default()).ok()?;
        let client = self.start(now, layer, method.method(), branch, next).ok()?;
        let leg = pending.purpose.leg().and_then(|id| self.legs.get_mut(id));
        match leg.map(|leg| (&mut leg.state, &mut leg.exchange)) {
            Some((State::Inviting { client: old, .. } | State::HangingUp { client: old }, _))
                if matches!(pending.purpose, Purpose::Invite(_) | Purpose::Bye(_)) =>
            {
                *old = client;
            }
            Some((_, Exchange::Ours { client: old })) if matches!(pending.purpose, Purpose::Offer(_)) => {
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
            leg.ack = leg.ack.take().filter(|ack| ack.client != client);
        }
    }

    /// Gives back what a session holds beside itself.
    pub(super) fn release(&mut self, leg: &Leg) {
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
            Exchange::OursAgain { timer, .. } => {
                self.timers.cancel(*timer);
            }
            Exchange::TheirsAnswered { ok } => {
                self.timers.cancel(ok.timer);
            }
            Exchange::Idle | Exchange::Ours { .. } | Exchange::Theirs { .. } => {}
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
