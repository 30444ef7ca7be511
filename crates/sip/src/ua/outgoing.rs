//! What the user of the agent wants.

use super::agent::{Timer, UserAgent};
use super::hop::{anew, next_hop};
use super::ids::{AccountId, LegError, LegId};
use super::leg::{Acknowledgement, AfterAck, Exchange, Leg, State, Unacknowledged, Wish};
use super::pending::Purpose;
use super::reply::SDP;
use super::sending::Draft;
use crate::dialog::{Dialog, SentBy};
use crate::headers::ExtraHeaders;
use crate::message::{Method, Name, Request};
use crate::transaction::{ClientId, Layer, Retransmit2xx};
use bytes::Bytes;
use hookswitch_machine::{Flow, Time};
use std::fmt;
use std::sync::Arc;

/// An INVITE to be sent.
#[derive(Clone, Debug)]
pub struct Invitation<'a> {
    /// The path to the next hop.
    pub flow: Flow,
    /// Credentials for challenges.
    pub account: Option<AccountId>,
    /// The Request-URI, complete.
    pub uri: &'a str,
    /// From without its tag: `"Name" <sip:user@domain>`.
    pub from: &'a str,
    /// To: `<sip:user@domain>`.
    pub to: &'a str,
    /// The URI in Contact.
    pub contact: Arc<str>,
    /// Further complete header field lines ([`ExtraHeaders`]).
    pub fields: &'a str,
    /// The offer; `None` asks the other side for one.
    pub offer: Option<&'a [u8]>,
}

impl UserAgent {
    /// Sends an INVITE.
    pub fn invite(
        &mut self,
        now: Time,
        layer: &mut Layer,
        invitation: &Invitation<'_>,
    ) -> Result<LegId, LegError> {
        if self.legs.len() >= self.config.max_legs {
            return Err(LegError::Full);
        }
        let tag = self.leg_tag();
        let call_id = format!("{:016x}{:016x}", self.entropy.next_u64(), self.entropy.next_u64());
        // RFC 3261 8.1.1.5: any start below 2³¹.
        let cseq = self.entropy.next_u32() >> 8;
        let (allow, product) = (Arc::clone(&self.allow), Arc::clone(&self.product));
        let (supported, timer) = (Arc::clone(&self.supported), self.timer_lines(None));
        let draft = Draft {
            purpose: Purpose::Invite(tag.leg),
            account: invitation.account,
            flow: invitation.flow,
            instead: None,
            method: Method::Invite,
            uri: Some(invitation.uri),
            body: invitation.offer.unwrap_or_default(),
        };
        let client = self.send(now, layer, &draft, |via, credentials| {
            let request = Request::new(Method::Invite, invitation.uri)
                .via(via.transport, via.address, via.branch)
                .max_forwards(70)
                .header(Name::From, format_args!("{};tag={tag}", invitation.from))
                .header(Name::To, invitation.to)
                .call_id(&call_id)
                .cseq(cseq, Method::Invite)
                .header(Name::Contact, format_args!("<{}>", invitation.contact))
                .header(Name::Allow, &allow)
                .header(Name::Supported, &supported)
                .header(Name::UserAgent, &product)
                .lines(&timer)
                .lines(credentials)
                .lines(invitation.fields);
            match invitation.offer {
                Some(sdp) => request.body(SDP, sdp).finish(),
                None => request.finish(),
            }
        })?;
        Ok(self.legs.insert(Leg {
            state: State::Inviting { client, wish: Wish::Answer, early: Vec::new() },
            exchange: Exchange::Idle,
            dialog: None,
            flow: invitation.flow,
            contact: Arc::clone(&invitation.contact),
            account: invitation.account,
            standing: None,
            clock: None,
            ack: None,
        }))
    }

    /// Sends a redirected INVITE to another target (RFC 3261 8.1.3.4).
    pub fn follow(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        uri: &str,
        flow: Flow,
    ) -> Result<(), LegError> {
        let leg = self.legs.get_mut(id).ok_or(LegError::Gone)?;
        if !matches!(leg.state, State::Redirected { .. }) {
            return Err(LegError::State);
        }
        leg.flow = flow;
        // Replaced below; the INVITE is needed here, and nothing can see the state between.
        let State::Redirected { invite } = std::mem::replace(&mut leg.state, State::Confirmed) else {
            return Err(LegError::State);
        };
        match self.resend_to(now, layer, &invite, uri, flow) {
            Some(client) => {
                if let Some(leg) = self.legs.get_mut(id) {
                    leg.state = State::Inviting { client, wish: Wish::Answer, early: Vec::new() };
                }
                Ok(())
            }
            None => {
                self.remove(id);
                Err(LegError::Full)
            }
        }
    }

    /// Sends a provisional response to the INVITE of a session: 180 to 199, with early media or without.
    pub fn ring(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        status: u16,
        contact: &str,
        sdp: Option<&[u8]>,
    ) -> Result<(), LegError> {
        self.ring_with(now, layer, id, status, contact, sdp, "")
    }

    /// As [`ring`](Self::ring), with further complete header field lines
    /// ([`ExtraHeaders`](crate::headers::ExtraHeaders)).
    #[allow(clippy::too_many_arguments)]
    pub fn ring_with(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        status: u16,
        contact: &str,
        sdp: Option<&[u8]>,
        fields: &str,
    ) -> Result<(), LegError> {
        let leg = self.legs.get_mut(id).ok_or(LegError::Gone)?;
        let State::Invited { server, reply, .. } = &leg.state else { return Err(LegError::State) };
        let body = sdp.map(|sdp| (SDP, sdp));
        let fields = format_args!("Contact: <{contact}>\r\n{}{fields}", leg.standing());
        let bytes = reply.write(status, fields, body);
        layer.respond(now, *server, status, bytes).map_err(|_| LegError::Gone)
    }

    /// Answers the INVITE of a session with 200, and ends the session it replaces, if there is one; `sdp` is the answer, or the offer if the INVITE had none.
    pub fn accept(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        contact: Arc<str>,
        account: Option<AccountId>,
        sdp: &[u8],
    ) -> Result<(), LegError> {
        self.accept_with(now, layer, id, contact, account, sdp, "")
    }

    /// As [`accept`](Self::accept), with further complete header field lines
    /// ([`ExtraHeaders`](crate::headers::ExtraHeaders)).
    #[allow(clippy::too_many_arguments)]
    pub fn accept_with(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        contact: Arc<str>,
        account: Option<AccountId>,
        sdp: &[u8],
        fields: &str,
    ) -> Result<(), LegError> {
        let leg = self.legs.get_mut(id).ok_or(LegError::Gone)?;
        let State::Invited { server, reply, replaces } = &leg.state else { return Err(LegError::State) };
        let (server, cseq, replaces, answering) = (*server, reply.cseq(), *replaces, reply.answering());
        let fields = format_args!(
            "Contact: <{contact}>\r\nAllow: {}\r\nSupported: {}\r\nServer: {}\r\n{}{}{fields}",
            self.allow,
            self.supported,
            self.product,
            reply.timer(),
            leg.standing()
        );
        let bytes = reply.write(200, fields, Some((SDP, sdp)));
        if layer.respond(now, server, 200, bytes.clone()).is_err() {
            self.remove(id);
            return Err(LegError::Gone);
        }
        let schedule = Retransmit2xx::new(now, &layer.timers());
        let timer = self.timers.set(schedule.next_timeout(), Timer::Accepted(id));
        leg.state = State::Accepted {
            ok: Box::new(Unacknowledged { bytes, server, cseq, schedule, timer }),
            then: AfterAck::Talk,
        };
        leg.contact = contact;
        leg.account = account;
        if let Some(dialog) = &mut leg.dialog {
            dialog.confirm();
        }
        self.invited.remove(&server);
        self.answered_timer(now, id, answering, Some(sdp));
        if let Some(replaced) = replaces {
            self.give_way(now, layer, replaced);
        }
        Ok(())
    }

    /// Refuses the INVITE of a session with a final response of 300 to 699. `fields` are complete header field lines. The
    /// session is gone.
    pub fn reject(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        status: u16,
        fields: fmt::Arguments<'_>,
    ) -> Result<(), LegError> {
        let leg = self.legs.get(id).ok_or(LegError::Gone)?;
        if !matches!(leg.state, State::Invited { .. }) {
            return Err(LegError::State);
        }
        self.finish_invite(now, layer, id, status, fields);
        self.remove(id);
        Ok(())
    }

    /// Sends the ACK for the 2xx just indicated by [`super::Indication::Answered`]; `sdp` is the answer if the 2xx held the offer.
    pub fn acknowledge(
        &mut self,
        _now: Time,
        layer: &mut Layer,
        id: LegId,
        sdp: Option<&[u8]>,
    ) -> Result<(), LegError> {
        let leg = self.legs.get(id).ok_or(LegError::Gone)?;
        let Some(Acknowledgement::Due { client, cseq, credentials }) = leg.ack.as_deref() else {
            return Err(LegError::State);
        };
        let dialog = leg.dialog.as_deref().ok_or(LegError::State)?;
        let client = *client;
        let (flow, bytes) = self.write_ack(layer, dialog, leg.flow, *cseq, credentials, sdp);
        // It stays for 64·T1: in a buffer of its size.
        let kept = Bytes::copy_from_slice(&bytes);
        layer.transmit(flow, bytes);
        if let Some(sdp) = sdp {
            self.said_in_ack(id, sdp);
        }
        if let Some(leg) = self.legs.get_mut(id) {
            leg.ack = Some(Box::new(Acknowledgement::Sent { client, flow, bytes: kept }));
        }
        Ok(())
    }

    /// An ACK to a 2xx (RFC 3261 13.2.2.4): a transaction of its own, with the credentials of the INVITE.
    pub(super) fn write_ack(
        &self,
        layer: &mut Layer,
        dialog: &Dialog,
        known: Flow,
        cseq: u32,
        credentials: &str,
        sdp: Option<&[u8]>,
    ) -> (Flow, Bytes) {
        let flow = next_hop(dialog.next_hop(), known, &self.config.endpoints);
        let (transport, sent_by) = self.local(flow);
        let via = SentBy { transport: transport.via_name(), address: sent_by, branch: layer.next_branch() };
        let request = dialog.ack(cseq, via).lines(credentials);
        let bytes = match sdp {
            Some(sdp) => request.body(SDP, sdp).finish(),
            None => request.finish(),
        };
        (flow, bytes)
    }

    /// Sends a request within the session: REFER, NOTIFY, INFO. `fields` are complete header field lines. Ends with
    /// [`super::Indication::Response`].
    #[allow(clippy::too_many_arguments)]
    pub fn send_within(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        method: Method<'_>,
        fields: &str,
        body: Option<(&str, &[u8])>,
    ) -> Result<ClientId, LegError> {
        let leg = self.legs.get(id).ok_or(LegError::Gone)?;
        if !matches!(leg.state, State::Confirmed | State::Accepted { .. }) {
            return Err(LegError::State);
        }
        self.request_within(now, layer, id, Purpose::Within(id), method, fields.to_owned(), body)
    }

    /// The CSeq number that the next request within the session will have: names a REFER's subscription (RFC 3515 2.4.6).
    pub fn next_cseq(&self, id: LegId) -> Option<u32> {
        self.legs.get(id)?.dialog.as_ref().map(|dialog| dialog.local_cseq().wrapping_add(1))
    }

    /// The dialog of a session, once there is one: for Replaces and for logs.
    pub fn dialog(&self, id: LegId) -> Option<&Dialog> {
        self.legs.get(id)?.dialog.as_deref()
    }

    /// Gives header fields that the messages of a session carry from now on: every request but ACK and CANCEL, and every response
    /// to INVITE, re-INVITE and UPDATE. Session-ID (RFC 7989) is one. They take the place of those given before.
    ///
    /// # Errors
    /// If the session is gone.
    pub fn set_standing_headers(&mut self, id: LegId, headers: &ExtraHeaders) -> Result<(), LegError> {
        let leg = self.legs.get_mut(id).ok_or(LegError::Gone)?;
        leg.standing = (!headers.is_empty()).then(|| Box::new(headers.as_lines().into()));
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    pub(super) fn request_within(
        &mut self,
        now: Time,
        layer: &mut Layer,
        id: LegId,
        purpose: Purpose,
        method: Method<'_>,
        fields: String,
        body: Option<(&str, &[u8])>,
    ) -> Result<ClientId, LegError> {
        let leg = self.legs.get_mut(id).ok_or(LegError::Gone)?;
        // Put back below: nothing between looks for it.
        let mut dialog = leg.dialog.take().ok_or(LegError::State)?;
        let cseq = dialog.next_cseq();
        let flow = next_hop(dialog.next_hop(), leg.flow, &self.config.endpoints);
        let (account, contact) = (leg.account, Arc::clone(&leg.contact));
        let standing = leg.standing.clone();
        let product = Arc::clone(&self.product);
        let octets = body.map_or(&[] as &[u8], |(_, body)| body);
        let instead = (flow.connection != 0).then(|| anew(dialog.next_hop(), flow));
        let uri = Some(dialog.request_uri());
        let draft = Draft { purpose, account, flow, instead, method, uri, body: octets };
        let sent = self.send(now, layer, &draft, |via, credentials| {
            let mut request = dialog.numbered(method, cseq, via);
            if matches!(method, Method::Invite | Method::Update | Method::Refer | Method::Notify) {
                request = request.header(Name::Contact, format_args!("<{contact}>"));
            }
            let request = request.header(Name::UserAgent, &product).lines(credentials);
            let request = request.lines(standing.as_deref().map_or("", |lines| lines)).lines(&fields);
            match body {
                Some((kind, body)) => request.body(kind, body).finish(),
                None => request.finish(),
            }
        });
        if let Some(leg) = self.legs.get_mut(id) {
            leg.dialog = Some(dialog);
        }
        sent
    }
}
