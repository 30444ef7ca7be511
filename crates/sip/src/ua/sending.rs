//! Requests on their way: what is kept to send them again with credentials, elsewhere, or over another transport.

use super::agent::{AccountId, UserAgent};
use super::indication::Failure;
use super::leg::{Exchange, Leg, LegError, LegId, State};
use crate::auth;
use crate::message::{Forward, Limits, Message, Method, Name};
use crate::transaction::{ClientId, Layer};
use bytes::Bytes;
use hookswitch_machine::{Flow, Time, Transport};

/// A request that waits for its final response.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) purpose: Purpose,
    pub(super) account: Option<AccountId>,
    pub(super) flow: Flow,
    /// Went over a stream because of its size; if that cannot be had, goes here.
    pub(super) instead: Option<Flow>,
    /// As it was sent, to be sent again with changes. Shared with the transaction.
    pub(super) bytes: Bytes,
    /// Credentials that were sent already.
    pub(super) attempts: u8,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Sets up a session.
    Invite(LegId),
    /// Offers within a session.
    Offer(LegId),
    /// Ends a session that the user still knows.
    Bye(LegId),
    /// Ends a session that the user does not know any more.
    Farewell,
    /// A request of the user within a session.
    Within(LegId),
    /// A request of the user outside any session.
    Outside,
}

/// How often one request is sent with new credentials: a stale nonce, a proxy and a server make three.
const MOST_ATTEMPTS: u8 = 4;

impl UserAgent {
    /// Sends a request that is written but for its Via.
    pub(super) fn send(
        &mut self,
        now: Time,
        layer: &mut Layer,
        purpose: Purpose,
        account: Option<AccountId>,
        flow: Flow,
        write: impl Fn(Transport, std::net::SocketAddr, crate::transaction::Branch) -> Bytes,
    ) -> Result<ClientId, LegError> {
        let (transport, sent_by) = self.local(flow);
        let mut bytes = write(transport, sent_by, layer.next_branch());
        let (mut used, mut instead) = (flow, None);
        if transport == Transport::Udp && bytes.len() > self.config.largest_datagram {
            if let Some(stream) = self.stream_for(flow) {
                let (transport, sent_by) = self.local(stream);
                bytes = write(transport, sent_by, layer.next_branch());
                (used, instead) = (stream, Some(flow));
            }
        }
        self.start(now, layer, Pending { purpose, account, flow: used, instead, bytes, attempts: 0 })
    }

    fn start(&mut self, now: Time, layer: &mut Layer, pending: Pending) -> Result<ClientId, LegError> {
        let (transport, _) = self.local(pending.flow);
        let client = layer
            .request(now, pending.flow, transport.is_reliable(), pending.bytes.clone())
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
        if pending.attempts >= MOST_ATTEMPTS {
            return None;
        }
        let request = Message::parse(pending.bytes.clone(), &Limits::default()).ok()?;
        let account = self.accounts.get_mut(&pending.account?)?;
        let answer = account.answer(response, &request, &mut self.entropy).ok()?;
        let branch = layer.next_branch();
        let (transport, sent_by) = self.local(pending.flow);
        let cseq = request.cseq().number.wrapping_add(1);
        let mut again = Forward::new(&request)
            .remove(Name::Via)
            .push_via(transport.via_name(), sent_by, branch)
            .replace(Name::CSeq, format_args!("{cseq} {}", request.method()))
            .remove(Name::Authorization)
            .remove(Name::ProxyAuthorization);
        for line in answer.lines() {
            again = again.header(line.name(), line.value());
        }
        let bytes = again.finish();
        if let Some(leg) = pending.purpose.leg().and_then(|id| self.legs.get_mut(id)) {
            if let Some(dialog) = &mut leg.dialog {
                dialog.raise_local_cseq(cseq);
            }
        }
        self.again(now, layer, pending, pending.flow, bytes, pending.attempts + 1)
    }

    /// Sends a request again by datagram after its stream could not be had (RFC 3261 18.1.1).
    pub(super) fn by_datagram(&mut self, now: Time, layer: &mut Layer, pending: &Pending) -> Option<ClientId> {
        let flow = pending.instead?;
        let request = Message::parse(pending.bytes.clone(), &Limits::default()).ok()?;
        let (transport, sent_by) = self.local(flow);
        let bytes = Forward::new(&request)
            .remove(Name::Via)
            .push_via(transport.via_name(), sent_by, layer.next_branch())
            .finish();
        self.again(now, layer, pending, flow, bytes, pending.attempts)
    }

    /// Sends an INVITE again to where a 3xx points (RFC 3261 8.1.3.4).
    pub(super) fn to_contact(
        &mut self,
        now: Time,
        layer: &mut Layer,
        pending: &Pending,
        uri: &str,
        flow: Flow,
    ) -> Option<ClientId> {
        let request = Message::parse(pending.bytes.clone(), &Limits::default()).ok()?;
        let (transport, sent_by) = self.local(flow);
        let cseq = request.cseq().number.wrapping_add(1);
        let bytes = Forward::new(&request)
            .request_uri(uri)
            .remove(Name::Via)
            .push_via(transport.via_name(), sent_by, layer.next_branch())
            .replace(Name::CSeq, format_args!("{cseq} {}", request.method()))
            .finish();
        self.again(now, layer, pending, flow, bytes, pending.attempts)
    }

    fn again(
        &mut self,
        now: Time,
        layer: &mut Layer,
        pending: &Pending,
        flow: Flow,
        bytes: Bytes,
        attempts: u8,
    ) -> Option<ClientId> {
        let next = Pending {
            purpose: pending.purpose,
            account: pending.account,
            flow,
            instead: None,
            bytes,
            attempts,
        };
        let client = self.start(now, layer, next).ok()?;
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
        if let Some(pending) = self.pending.remove(&client) {
            if let Some(leg) = pending.purpose.leg().and_then(|id| self.legs.get_mut(id)) {
                leg.ack = leg.ack.take().filter(|ack| ack.client != client);
            }
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
            State::Inviting { .. } | State::Confirmed | State::HangingUp { .. } => {}
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

impl Purpose {
    pub(super) const fn leg(self) -> Option<LegId> {
        match self {
            Self::Invite(leg) | Self::Offer(leg) | Self::Bye(leg) | Self::Within(leg) => Some(leg),
            Self::Farewell | Self::Outside => None,
        }
    }
}

/// Whether a response asks for credentials.
pub(super) fn is_challenge(response: &Message) -> bool {
    matches!(response.status(), Some(401 | 407)) && response.method() != Method::Ack
}

#[allow(unused_imports)]
use auth as _;
